//! What callers of the API are told: the catalog's errors as rows of the contract's table, and who may call.

use crate::{AccessKey, Catalog, Driver, Error, Resource};
use language_api::{ApiError, ErrorKind};

/// Seconds after which a caller may try again when the database was busy or away.
const RETRY_SECONDS: u32 = 1;

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { resource: Resource::Project, name } => Self::project_not_found(&name),
            Error::NotFound { resource: Resource::Job, .. } => Self::operation_not_found(),
            Error::NotFound { .. } => Self::new(ErrorKind::NotFound, message),
            Error::JobRunning { .. }
            | Error::JobEnded { .. }
            | Error::ModelDeployed { .. }
            | Error::Exists { .. }
            | Error::Changed { .. }
            | Error::ContainerFixed { .. } => Self::new(ErrorKind::Conflict, message),
            Error::Busy | Error::Unavailable(_) | Error::Full => {
                Self::new(ErrorKind::Unavailable, message).retry_after(RETRY_SECONDS)
            }
            Error::LeaseLost { .. }
            | Error::AccessDenied(_)
            | Error::SchemaTooNew { .. }
            | Error::Corrupt(_)
            | Error::Refused(_) => Self::new(ErrorKind::Internal, message),
        }
    }
}

impl<D: Driver> Catalog<D> {
    /// Whose key this is.
    ///
    /// # Errors
    /// 401 without a key or with an unknown one, in the words clients of the service know.
    pub async fn authorize(&self, key: Option<&str>) -> Result<AccessKey, ApiError> {
        let known = match key {
            Some(key) => self.verify_access_key(key).await?,
            None => None,
        };
        known.ok_or_else(|| {
            let message = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a \
                           valid key in the header Ocp-Apim-Subscription-Key.";
            ApiError::new(ErrorKind::Unauthorized, message)
        })
    }
}
