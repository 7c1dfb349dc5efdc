//! Why a task gives no results, and what callers are told.

use language_api::{ApiError, ErrorKind};
use model::{GraphError, ServingError};

/// Seconds after which a machine that could not compute is worth another try.
const RETRY_SECONDS: u32 = 1;
/// Attempts of a job before a machine that can't compute counts as final; fewer than a dispatcher makes in all.
const COMPUTE_ATTEMPTS_MAX: u64 = 3;

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
    /// Whether the task has failed for good at this attempt of its job. Otherwise nothing is said about it: the
    /// database was away, or the machine could not compute and may be able to next time.
    pub(crate) fn is_final(&self, attempt: u64) -> bool {
        match self {
            Self::Catalog(error) => matches!(error, catalog::Error::NotFound { .. }),
            Self::Graph(GraphError::Failed(_)) => attempt >= COMPUTE_ATTEMPTS_MAX,
            Self::Serving { .. } | Self::Graph(_) => true,
        }
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
    fn the_database_may_be_asked_again_and_the_machine_a_few_times() {
        let gone = catalog::Error::NotFound { resource: catalog::Resource::Deployment, name: "d".into() };
        assert!(Error::from(gone).is_final(1));
        assert!(!Error::from(catalog::Error::Busy).is_final(u64::MAX));
        assert!(Error::from(GraphError::NotFound("m".into())).is_final(1));
        let failed = Error::from(GraphError::Failed("x".into()));
        assert_eq!([1, 2, 3].map(|attempt| failed.is_final(attempt)), [false, false, true]);
    }
}
