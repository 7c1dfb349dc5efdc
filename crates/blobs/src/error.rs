//! What can go wrong, by who can fix it.

use std::fmt;
use std::path::PathBuf;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// A failure of the object store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object is not there.
    #[error("container {container:?} has no object {key:?}")]
    NotFound {
        /// The container, which is there.
        container: String,
        /// The key.
        key: String,
    },
    /// The container is not there. Whoever named it can fix it.
    #[error("container {0:?} does not exist")]
    ContainerNotFound(String),
    /// The container's name belongs to somebody else. Whoever chose it takes another.
    #[error("the name of container {0:?} is taken by another account")]
    ContainerTaken(String),
    /// The credentials lack a permission. Whoever administers the storage can grant it.
    #[error(
        "access to container {container:?} was refused: the credentials need the permission {permission}"
    )]
    AccessDenied {
        /// The container.
        container: String,
        /// What is missing.
        permission: Permission,
    },
    /// The service does not know the credentials, or the clock of this machine is wrong. The operator can fix it.
    #[error("{service} refused the credentials: {code}")]
    Credentials {
        /// The service.
        service: String,
        /// Its error code.
        code: String,
    },
    /// The object is larger than the caller takes.
    #[error("object {key:?} in container {container:?} has more than {limit_bytes} bytes")]
    TooLarge {
        /// The container.
        container: String,
        /// The key.
        key: String,
        /// What the caller takes.
        limit_bytes: u64,
    },
    /// The object's content is not what its name promises: it was damaged or exchanged.
    #[error("object {key:?} in container {container:?} has SHA-256 {found}, expected {expected}")]
    Digest {
        /// The container.
        container: String,
        /// The key.
        key: String,
        /// What was promised, lower-case hex.
        expected: String,
        /// What came.
        found: String,
    },
    /// The service can't be reached or stopped answering. Worth another try.
    #[error("{service} can't be reached: {reason}")]
    Unreachable {
        /// The service.
        service: String,
        /// Why, from the connection.
        reason: String,
    },
    /// The service answered with an error that no variant above stands for.
    #[error("{service} answered {status} {code}: {message}")]
    Service {
        /// The service.
        service: String,
        /// HTTP status.
        status: u16,
        /// Its error code.
        code: String,
        /// Its words.
        message: String,
    },
    /// A file of this machine can't be read or written. The operator can fix it.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration makes no sense. The operator can fix it.
    #[error("object storage configuration: {0}")]
    Config(String),
    /// The call makes no sense: a name no service takes, a prefix that would delete more than meant.
    #[error("{0}")]
    Invalid(String),
}

/// What the service's access rules call the right to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read an object.
    GetObject,
    /// Write an object.
    PutObject,
    /// Delete an object.
    DeleteObject,
    /// List a container's objects, and see whether it is there.
    ListBucket,
    /// Make a container.
    CreateBucket,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // Without the right to list, a missing object is answered with a refusal, too.
            Self::GetObject => "s3:GetObject (or, if the object is missing, s3:ListBucket to say so)",
            Self::PutObject => "s3:PutObject",
            Self::DeleteObject => "s3:DeleteObject",
            Self::ListBucket => "s3:ListBucket",
            Self::CreateBucket => "s3:CreateBucket",
        })
    }
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // Full storage stays full until somebody makes room.
            Self::Service { status: 507, .. } => false,
            Self::Service { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            _ => false,
        }
    }
}

/// What a request was about, for the error it may end with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) service: &'a str,
    pub(crate) container: &'a str,
    pub(crate) key: &'a str,
    pub(crate) permission: Permission,
}

impl Request<'_> {
    /// Maps what the SDK reports.
    pub(crate) fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match &error {
            SdkError::ServiceError(answer) => {
                let (code, message) = (answer.err().code(), answer.err().message());
                self.answered(
                    answer.raw().status().as_u16(),
                    code.unwrap_or_default(),
                    message.unwrap_or_default(),
                )
            }
            SdkError::ConstructionFailure(_) => Error::Invalid(format!(
                "container {:?}, key {:?}: {}",
                self.container,
                self.key,
                shown(&error)
            )),
            // An answer that is not of this protocol: a proxy's page, or a wrong port.
            SdkError::ResponseError(answer) if answer.raw().status().is_client_error() => {
                self.answered(answer.raw().status().as_u16(), "", "the answer is not of the S3 protocol")
            }
            _ => self.unreachable(&error),
        }
    }

    /// A connection that broke.
    pub(crate) fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Unreachable { service: self.service.to_owned(), reason: shown(error) }
    }

    fn answered(&self, status: u16, code: &str, message: &str) -> Error {
        let container = self.container.to_owned();
        match (status, code) {
            (_, "NoSuchBucket") => Error::ContainerNotFound(container),
            (_, "BucketAlreadyExists") => Error::ContainerTaken(container),
            (_, "NoSuchKey") => Error::NotFound { container, key: self.key.to_owned() },
            // Answers to HEAD have no body, so no code either.
            (404, "" | "NotFound") if self.key.is_empty() => Error::ContainerNotFound(container),
            (404, "" | "NotFound") => Error::NotFound { container, key: self.key.to_owned() },
            (
                _,
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "RequestTimeTooSkewed"
                | "ExpiredToken"
                | "InvalidToken"
                | "NotSignedUp"
                | "AuthorizationHeaderMalformed",
            )
            | (401, _) => {
                let code = if code.is_empty() { status.to_string() } else { code.to_owned() };
                Error::Credentials { service: self.service.to_owned(), code }
            }
            (403, _) => Error::AccessDenied { container, permission: self.permission },
            _ => Error::Service {
                service: self.service.to_owned(),
                status,
                code: code.to_owned(),
                message: message.to_owned(),
            },
        }
    }
}

fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    // The SDK's own text says "dispatch failure"; the reasons are in its sources.
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        source = inner.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &str) -> Request<'_> {
        Request { service: "http://s3", container: "letters", key, permission: Permission::PutObject }
    }

    #[test]
    fn answers_find_their_kind() {
        let key = request("a.txt");
        assert!(matches!(key.answered(404, "NoSuchKey", ""), Error::NotFound { .. }));
        assert!(matches!(key.answered(404, "", ""), Error::NotFound { .. }));
        assert!(matches!(request("").answered(404, "", ""), Error::ContainerNotFound(_)));
        assert!(matches!(key.answered(404, "NoSuchBucket", ""), Error::ContainerNotFound(_)));
        assert!(matches!(key.answered(403, "SignatureDoesNotMatch", ""), Error::Credentials { .. }));
        assert!(matches!(key.answered(409, "BucketAlreadyExists", ""), Error::ContainerTaken(_)));
        let denied = key.answered(403, "AccessDenied", "").to_string();
        assert!(denied.contains("s3:PutObject") && denied.contains("letters"), "{denied}");
    }

    #[test]
    fn only_faults_that_pass_are_transient() {
        let key = request("a.txt");
        for (status, code, transient) in [
            (500, "InternalError", true),
            (503, "SlowDown", true),
            (429, "TooManyRequests", true),
            (404, "NoSuchKey", false),
            (403, "AccessDenied", false),
            (400, "InvalidArgument", false),
        ] {
            assert_eq!(key.answered(status, code, "").is_transient(), transient, "{status} {code}");
        }
        assert!(key.unreachable(&std::io::Error::other("reset")).is_transient());
    }
}
