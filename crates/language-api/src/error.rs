//! The error body, and the one table from kind of error to status and codes (contract: authoring 3, runtime 6).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// The error.
    pub error: ErrorBody,
}

/// One error as clients read it; also the entry of a job's `errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Outer code, an open enumeration.
    pub code: String,
    /// What went wrong, for people.
    pub message: String,
    /// The field or object at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Further errors found together with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<ErrorBody>,
    /// The narrower reason. Clients show the innermost code and message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub innererror: Option<Box<InnerError>>,
}

/// The narrower reason inside an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerError {
    /// Inner code, an open enumeration.
    pub code: String,
    /// What went wrong, for people.
    pub message: String,
    /// Named values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// The field or object at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A still narrower reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub innererror: Option<Box<InnerError>>,
}

/// Everything that can go wrong, as far as a caller can tell the difference. [`ErrorKind::row`] is the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No key, a wrong key or a bad token. The caller can fix it.
    Unauthorized,
    /// A known caller without the role for this action. The administrator can fix it.
    Forbidden,
    /// `api-version` is missing or malformed. The caller can fix it.
    ApiVersion,
    /// The body is not JSON. The caller can fix it.
    BodyNotJson,
    /// No body where one is needed. The caller can fix it.
    BodyEmpty,
    /// The body is over the size limit. The caller can split it, or the administrator raise the limit.
    BodyTooLarge,
    /// A field is missing, of the wrong type or out of range. The caller can fix it.
    Field,
    /// A language that is not in the list. The caller can fix it.
    Language,
    /// No such project.
    ProjectNotFound,
    /// No such model, deployment, document or route.
    NotFound,
    /// No such job, or one that has expired.
    OperationNotFound,
    /// The path exists, not with this method. The caller can fix it.
    MethodNotAllowed,
    /// The present state forbids it: another job is running, a model is in use. The caller can wait or undo.
    Conflict,
    /// A count limit of the project or the installation is reached. The caller can delete something.
    QuotaExceeded,
    /// Too many calls. The caller can wait for the time given.
    TooManyRequests,
    /// Documents are missing from a prediction request. The caller can fix it.
    DocumentsMissing,
    /// Too many documents, or too many characters in all. The caller can split the request.
    DocumentBatch,
    /// A document breaks a rule for the whole request: no id, an id twice, too long. The caller can fix it.
    Document,
    /// A task is missing, of another kind, or lacks a parameter. The caller can fix it.
    Task,
    /// One document has no text; the other documents go on. The caller can fix it.
    DocumentText,
    /// One document's language is not in the list; the other documents go on. The caller can fix it.
    DocumentLanguage,
    /// A defect of ours.
    Internal,
    /// Something this server needs is not there. The administrator can fix it.
    Unavailable,
    /// It took too long. The caller can try again.
    Timeout,
}

/// What one kind of error is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// HTTP status.
    pub status: u16,
    /// Outer code.
    pub code: &'static str,
    /// Inner code.
    pub inner: Option<&'static str>,
    /// Outer message where the service has a fixed one; the particular message is then the inner one's.
    pub summary: Option<&'static str>,
}

const INVALID_DOCUMENT: Option<&str> = Some("Invalid Document in request.");

impl ErrorKind {
    /// Every kind once.
    pub const ALL: &[Self] = &[
        Self::Unauthorized,
        Self::Forbidden,
        Self::ApiVersion,
        Self::BodyNotJson,
        Self::BodyEmpty,
        Self::BodyTooLarge,
        Self::Field,
        Self::Language,
        Self::ProjectNotFound,
        Self::NotFound,
        Self::OperationNotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::QuotaExceeded,
        Self::TooManyRequests,
        Self::DocumentsMissing,
        Self::DocumentBatch,
        Self::Document,
        Self::Task,
        Self::DocumentText,
        Self::DocumentLanguage,
        Self::Internal,
        Self::Unavailable,
        Self::Timeout,
    ];

    /// The table of contract authoring 3 and runtime 6.
    pub const fn row(self) -> ErrorRow {
        let (status, code, inner, summary) = match self {
            Self::Unauthorized => (401, "Unauthorized", None, None),
            Self::Forbidden => (403, "Forbidden", None, None),
            Self::ApiVersion => (400, "InvalidRequest", Some("InvalidParameterValue"), None),
            Self::BodyNotJson => (400, "InvalidRequest", Some("InvalidRequestBodyFormat"), None),
            Self::BodyEmpty => (400, "InvalidRequest", Some("EmptyRequest"), None),
            Self::BodyTooLarge => (413, "InvalidRequest", Some("InvalidRequest"), None),
            Self::Field => (400, "InvalidArgument", Some("InvalidParameterValue"), None),
            Self::Language => (400, "InvalidArgument", Some("UnsupportedLanguageCode"), None),
            Self::ProjectNotFound => (404, "ProjectNotFound", None, None),
            Self::NotFound => (404, "NotFound", None, None),
            Self::OperationNotFound => (404, "OperationNotFound", None, None),
            Self::MethodNotAllowed => (405, "InvalidRequest", None, None),
            Self::Conflict => (409, "Conflict", None, None),
            Self::QuotaExceeded => (400, "QuotaExceeded", None, None),
            Self::TooManyRequests => (429, "TooManyRequests", None, None),
            Self::DocumentsMissing => (400, "InvalidRequest", Some("MissingInputDocuments"), None),
            Self::DocumentBatch => (400, "InvalidRequest", Some("InvalidDocumentBatch"), None),
            Self::Document => (400, "InvalidRequest", Some("InvalidDocument"), INVALID_DOCUMENT),
            Self::Task => (400, "InvalidRequest", Some("InvalidParameterValue"), None),
            Self::DocumentText => (400, "InvalidArgument", Some("InvalidDocument"), INVALID_DOCUMENT),
            Self::DocumentLanguage => {
                (400, "InvalidArgument", Some("UnsupportedLanguageCode"), INVALID_DOCUMENT)
            }
            Self::Internal => (500, "InternalServerError", None, None),
            Self::Unavailable => (503, "ServiceUnavailable", None, None),
            Self::Timeout => (504, "Timeout", None, None),
        };
        ErrorRow { status, code, inner, summary }
    }
}

/// An error on its way to a caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Row of the table.
    pub kind: ErrorKind,
    /// What went wrong, for people. Never holds document text.
    pub message: String,
    /// The field or object at fault.
    pub target: Option<String>,
    /// Further errors found together with this one.
    pub details: Vec<ErrorBody>,
    /// Methods the path knows, for [`ErrorKind::MethodNotAllowed`].
    pub allow: Vec<&'static str>,
    /// Seconds after which to try again, for [`ErrorKind::TooManyRequests`] and [`ErrorKind::Unavailable`].
    pub retry_after_seconds: Option<u32>,
}

impl ApiError {
    /// An error of `kind`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            target: None,
            details: Vec::new(),
            allow: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// Names the field or object at fault.
    #[must_use]
    pub fn at(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Adds errors that were found together with this one.
    #[must_use]
    pub fn with_details(mut self, details: Vec<ErrorBody>) -> Self {
        self.details = details;
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The answer for a project that is not there.
    pub fn project_not_found(name: &str) -> Self {
        Self::new(ErrorKind::ProjectNotFound, format!("there is no project {name:?}"))
    }

    /// The answer for a job that is not there any more or never was.
    pub fn operation_not_found() -> Self {
        Self::new(ErrorKind::OperationNotFound, "there is no such job, or its details have expired")
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.row().status
    }

    /// Headers that go with the answer, names in lower case.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-ms-error-code", self.kind.row().code.to_owned())];
        if let Some(seconds) = self.retry_after_seconds {
            headers.push(("retry-after", seconds.to_string()));
        }
        if !self.allow.is_empty() {
            headers.push(("allow", self.allow.join(", ")));
        }
        headers
    }

    /// The error as it stands in a body or in a job's list.
    pub fn body(&self) -> ErrorBody {
        let row = self.kind.row();
        let innererror = row.inner.map(|code| {
            Box::new(InnerError {
                code: code.to_owned(),
                message: self.message.clone(),
                details: BTreeMap::new(),
                target: self.target.clone(),
                innererror: None,
            })
        });
        ErrorBody {
            code: row.code.to_owned(),
            message: row.summary.unwrap_or(&self.message).to_owned(),
            target: self.target.clone(),
            details: self.details.clone(),
            innererror,
        }
    }

    /// The whole body of the answer.
    pub fn response(&self) -> ErrorResponse {
        ErrorResponse { error: self.body() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// Outer codes of the API description; `MethodNotAllowed` has none there and shares `InvalidRequest`.
    const OUTER: &[&str] = &[
        "InvalidRequest",
        "InvalidArgument",
        "Unauthorized",
        "Forbidden",
        "NotFound",
        "ProjectNotFound",
        "OperationNotFound",
        "TooManyRequests",
        "InternalServerError",
        "ServiceUnavailable",
        "Timeout",
        "QuotaExceeded",
        "Conflict",
    ];

    #[test]
    fn every_kind_has_a_published_code() {
        for kind in ErrorKind::ALL {
            let row = kind.row();
            assert!(OUTER.contains(&row.code), "{kind:?}");
            assert!((400..600).contains(&row.status), "{kind:?}");
        }
    }

    #[test]
    fn a_document_without_id_looks_as_recorded() {
        let error = ApiError::new(ErrorKind::Document, "At least one input is missing an Id attribute.");
        expect![[r#"{"error":{"code":"InvalidRequest","message":"Invalid Document in request.","innererror":{"code":"InvalidDocument","message":"At least one input is missing an Id attribute."}}}"#]]
            .assert_eq(&serde_json::to_string(&error.response()).unwrap());
        assert_eq!(error.status(), 400);
    }

    #[test]
    fn headers_follow_the_error() {
        let error =
            ApiError::new(ErrorKind::TooManyRequests, "1000 calls a minute are allowed").retry_after(7);
        assert_eq!(
            error.headers(),
            [("x-ms-error-code", "TooManyRequests".to_owned()), ("retry-after", "7".to_owned())]
        );
    }
}
