//! A call and its answer, independent of who carries them.

use crate::error::{ApiError, ErrorKind};
use crate::query::Query;
use crate::routes::Links;
use crate::version::ApiVersion;
use serde::Serialize;

/// One call as a component received it.
#[derive(Clone, Debug)]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// Raw path without query.
    pub path: String,
    /// Query parameters.
    pub query: Query,
    /// Scheme, host and port as the caller sees them.
    pub endpoint: String,
    /// `Ocp-Apim-Subscription-Key`, if sent.
    pub key: Option<String>,
    /// `spindle-internal-secret`, if sent: calls of the installation to itself.
    pub internal_secret: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// Links in the caller's version.
    ///
    /// # Errors
    /// 400 when `api-version` is missing or malformed.
    pub fn links(&self) -> Result<Links, ApiError> {
        let version = ApiVersion::parse(self.query.get("api-version"))?;
        Ok(Links::new(&self.endpoint, version))
    }
}

/// Header of calls of the installation to itself.
pub const INTERNAL_SECRET_HEADER: &str = "spindle-internal-secret";

/// An answer on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// JSON unless a `content-type` among the headers says otherwise, or nothing.
    pub body: Option<Vec<u8>>,
}

impl Reply {
    /// 200 with `body`.
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(200, body)
    }

    /// `status` with `body`.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self { status, headers: vec![], body: Some(body) },
            Err(error) => ApiError::new(ErrorKind::Internal, error.to_string()).into(),
        }
    }

    /// 202 with the job's address and no body (contract: authoring 1).
    pub fn accepted(job: String) -> Self {
        Self { status: 202, headers: vec![("operation-location", job)], body: None }
    }

    /// 204.
    pub fn no_content() -> Self {
        Self { status: 204, headers: vec![], body: None }
    }

    /// 200 with bytes that are no JSON.
    pub fn bytes(body: Vec<u8>) -> Self {
        let headers = vec![("content-type", "application/octet-stream".to_owned())];
        Self { status: 200, headers, body: Some(body) }
    }

    /// JSON that was stored as it is.
    pub fn stored(json: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: vec![], body: Some(json.into()) }
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        let mut reply = Self::json(error.status(), &error.response());
        reply.headers = error.headers();
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_their_code_as_header() {
        let reply = Reply::from(ApiError::project_not_found("Desk"));
        assert_eq!(reply.status, 404);
        assert_eq!(reply.headers, [("x-ms-error-code", "ProjectNotFound".to_owned())]);
    }

    #[test]
    fn links_need_a_version() {
        let call = |query| Call {
            method: "GET".into(),
            path: "/".into(),
            query: Query::parse(query),
            endpoint: "http://h".into(),
            key: None,
            internal_secret: None,
            body: vec![],
        };
        assert_eq!(call("").links().map_err(|error| error.kind).err(), Some(ErrorKind::ApiVersion));
        assert!(call("api-version=2023-04-01").links().is_ok());
    }
}
