//! What callers of the API are told: the catalog's errors as rows of the contract's table, and who may call.

use jiff::Timestamp;
use language_api::{ApiError, ErrorKind};

use crate::call_rates::SECONDS_PER_MINUTE;
use crate::{AccessKey, CallClass, Catalog, Driver, Error, JobStatus, Resource, Role};

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

impl From<JobStatus> for language_api::JobStatus {
    fn from(status: JobStatus) -> Self {
        match status {
            JobStatus::NotStarted => Self::NotStarted,
            JobStatus::Running => Self::Running,
            JobStatus::Cancelling => Self::Cancelling,
            JobStatus::Succeeded => Self::Succeeded,
            JobStatus::Failed => Self::Failed,
            JobStatus::Cancelled => Self::Cancelled,
            JobStatus::PartiallyCompleted => Self::PartiallyCompleted,
        }
    }
}

impl<D: Driver> Catalog<D> {
    /// Whose key this is, who must have the role `needed` or a higher one.
    ///
    /// # Errors
    /// 401 without a key or with an unknown one, in the words clients of the service know; 403 for a lower role.
    pub async fn authorize(&self, key: Option<&str>, needed: Role) -> Result<AccessKey, ApiError> {
        let known = match key {
            Some(key) => self.verify_access_key(key).await?,
            None => None,
        };
        let known = known.ok_or_else(|| {
            let message = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a \
                           valid key in the header Ocp-Apim-Subscription-Key, or as a bearer token.";
            ApiError::new(ErrorKind::Unauthorized, message)
        })?;
        if known.role >= needed {
            return Ok(known);
        }
        let message = format!(
            "the key {:?} has the role {}; this call needs the role {needed}: use another key, or have its role raised",
            known.name, known.role
        );
        Err(ApiError::new(ErrorKind::Forbidden, message))
    }

    /// Counts a call, when its class has a rate.
    ///
    /// # Errors
    /// 429 with the seconds until the next minute begins, when this minute's calls are used up.
    pub async fn admit(
        &self,
        class: CallClass,
        per_minute: Option<u32>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(most) = per_minute else { return Ok(()) };
        if self.count_call(class, now).await? <= u64::from(most) {
            return Ok(());
        }
        let rest = SECONDS_PER_MINUTE - now.as_second().rem_euclid(SECONDS_PER_MINUTE);
        let message = format!("this server takes {most} {class} calls a minute; try again in {rest} seconds");
        Err(ApiError::new(ErrorKind::TooManyRequests, message).retry_after(u32::try_from(rest).unwrap_or(1)))
    }
}
