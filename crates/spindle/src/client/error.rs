//! What can go wrong between the command line and a server, and who can fix it.

use language_api::jobs::JobStatus;
use language_api::{ErrorBody, ErrorResponse};
use std::error::Error;

/// A failure of a command that talks to a server. [`ClientError::exit_code`] tells scripts the kind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody answers. The operator can start a server; the caller can name another.
    #[error("{endpoint} can't be reached: {reason}")]
    Unreachable {
        /// Scheme, host and port.
        endpoint: String,
        /// Why, from the connection.
        reason: String,
    },
    /// There is nothing that says where a server is. The caller can name one.
    #[error("{0}")]
    NoServer(String),
    /// The server understood and said no. Its own words tell who can fix it.
    #[error("{}", .0.error.message)]
    Refused(Box<Refusal>),
    /// What answers does not speak this API: a proxy, another service, another version. The caller can fix the address.
    #[error("{what} is not answered by this API: {reason}")]
    NotTheApi {
        /// What was asked.
        what: String,
        /// What came instead.
        reason: String,
    },
    /// A job ended, and not well.
    #[error("the job ended as {}", .status.as_str())]
    JobEnded {
        /// How.
        status: JobStatus,
        /// Why.
        errors: Vec<ErrorBody>,
    },
    /// Ctrl+C while waiting: the job goes on.
    #[error("no longer waiting; the job goes on at the server")]
    Interrupted {
        /// Short form of the job's address.
        job: String,
    },
    /// The command makes no sense. The caller can fix it.
    #[error("{0}")]
    Usage(String),
    /// The work was not done, or not all of it; what was not has been named.
    #[error("{0}")]
    Failed(String),
}

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// What the server says.
    pub(crate) error: ErrorBody,
    /// When the same call may succeed.
    pub(crate) retry_after_seconds: Option<u32>,
}

impl ClientError {
    /// The error of an answer with `status` and `body` from `place`.
    pub(super) fn answered(status: u16, retry_after_seconds: Option<u32>, body: &[u8], place: &str) -> Self {
        match serde_json::from_slice::<ErrorResponse>(body) {
            Ok(ErrorResponse { error }) => {
                Self::Refused(Box::new(Refusal { status, error, retry_after_seconds }))
            }
            Err(_) => Self::NotTheApi {
                what: place.to_owned(),
                reason: format!("status {status} without an error body"),
            },
        }
    }

    /// 1: refused or failed; 2: wrong usage; 3: no server; 130: Ctrl+C while waiting.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::JobEnded { .. } | Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::NoServer(_) | Self::NotTheApi { .. } => 3,
            Self::Interrupted { .. } => 130,
        }
    }

    /// The outer code of a refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.error.code),
            _ => None,
        }
    }
}

/// The innermost reason: the outer ones repeat the address.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_refusal_only_with_the_contracts_body() {
        let body = br#"{"error":{"code":"Conflict","message":"another job runs"}}"#;
        let refused = ClientError::answered(409, Some(2), body, "http://h/p");
        assert_eq!((refused.code(), refused.exit_code()), (Some("Conflict"), 1));
        let page = ClientError::answered(502, None, b"<html>", "http://h/p");
        assert_eq!((page.code(), page.exit_code()), (None, 3));
        assert_eq!(
            page.to_string(),
            "http://h/p is not answered by this API: status 502 without an error body"
        );
    }
}
