//! Why a task gives no results, and what callers are told.

use language_api::{ApiError, ErrorKind};
use model::{GraphError, ServingError};

/// Seconds after which a machine that could not compute is worth another try.
const RETRY_SECONDS: u32 = 1;

/// A task that could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Project or deployment is not there, or the database fails.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The model's description or its encoder's tokenizer can't be used. The operator can restore or retrain it.
    #[error("model {model} can't serve: {reason}")]
    Serving {
        /// The model.
        model: String,
        /// What is wrong with it.
        reason: ServingError,
    },
    /// The model's computation failed.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Error {
    /// Whether the task has failed for good. Otherwise nothing is said about it: the database was away.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Catalog(error) if !matches!(error, catalog::Error::NotFound { .. }))
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Catalog(error) => error.into(),
            Error::Graph(GraphError::InvalidInput { .. }) => Self::new(ErrorKind::Internal, message),
            Error::Graph(GraphError::Failed(_)) => {
                Self::new(ErrorKind::Unavailable, message).retry_after(RETRY_SECONDS)
            }
            Error::Serving { .. } | Error::Graph(GraphError::NotFound(_) | GraphError::Damaged { .. }) => {
                Self::new(ErrorKind::Unavailable, message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_learn_who_can_help() {
        let kind = |error: Error| ApiError::from(error).kind;
        assert_eq!(kind(GraphError::NotFound("m".into()).into()), ErrorKind::Unavailable);
        assert_eq!(kind(catalog::Error::Busy.into()), ErrorKind::Unavailable);
        let invalid = GraphError::InvalidInput { name: "features".into(), reason: "shape".into() };
        assert_eq!(kind(invalid.into()), ErrorKind::Internal);
        let failed = ApiError::from(Error::from(GraphError::Failed("out of memory".into())));
        assert_eq!(failed.retry_after_seconds, Some(RETRY_SECONDS));
    }

    #[test]
    fn only_the_database_may_be_asked_again() {
        let gone = catalog::Error::NotFound { resource: catalog::Resource::Deployment, name: "d".into() };
        assert!(Error::from(gone).is_final());
        assert!(!Error::from(catalog::Error::Busy).is_final());
        assert!(Error::from(GraphError::Failed("x".into())).is_final());
    }
}
