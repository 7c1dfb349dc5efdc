//! Why a job did not end well, by what happens next.

use language_api::error::ErrorBody;
use language_api::{ApiError, ErrorKind};
use thiserror::Error;

/// What a job's code hands back when it does not succeed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The network, the storage or the database had a moment: the job is tried again.
    #[error("{0}")]
    Transient(String),
    /// The job can't succeed as it stands; each error says who can do what about it.
    #[error("{}", .0.first().map_or("no reason given", |error| error.message.as_str()))]
    Refused(Vec<ErrorBody>),
    /// Somebody asked it to stop.
    #[error("cancelled")]
    Cancelled,
    /// Another worker may have the job by now: stop, write nothing.
    #[error("the lease was lost")]
    LeaseLost,
}

impl Failure {
    /// A refusal with one error.
    pub fn refused(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Refused(vec![ApiError::new(kind, message).body()])
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let first = error.body();
        if first.details.is_empty() {
            return Self::Refused(vec![first]);
        }
        // The list of problems is what people work through; the summary above it is repeated in the first.
        Self::Refused(first.details)
    }
}

impl From<catalog::Error> for Failure {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::LeaseLost { .. } => Self::LeaseLost,
            error if error.is_transient() => Self::Transient(error.to_string()),
            error => Self::from(ApiError::from(error)),
        }
    }
}

impl From<blobs::Error> for Failure {
    fn from(error: blobs::Error) -> Self {
        if error.is_transient() {
            return Self::Transient(error.to_string());
        }
        Self::refused(ErrorKind::Unavailable, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::refused(ErrorKind::Internal, format!("the catalog holds an unreadable value: {error}"))
    }
}
