//! The routes of contract runtime 1, and the one the house calls itself.

use super::path::{Captures, Method, Row, route};
use crate::error::ApiError;
use crate::ids::RuntimeJobId;

/// One operation of the prediction API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are the names in the path")]
pub enum RuntimeRoute {
    /// `POST /language/analyze-text/jobs`
    SubmitJob,
    /// `GET /language/analyze-text/jobs/{job}`
    GetJob { job: RuntimeJobId },
    /// `POST /language/analyze-text/jobs/{job}:cancel`
    CancelJob { job: RuntimeJobId },
    /// `POST /language/:analyze-text`, our extension.
    Analyze,
    /// `POST /language/analyze-text/stream`, our extension: a document per line, a result per line.
    Stream,
    /// `GET /language/analyze-text/health`, our extension: whether a deployment can answer.
    Health,
    /// `POST /internal/analyze-text/jobs/{job}:run`, called by the dispatcher with the installation's
    /// internal secret, never by clients.
    RunJob { job: RuntimeJobId },
}

impl RuntimeRoute {
    /// The operation of a call. `path` is the raw path without query.
    ///
    /// # Errors
    /// 404 for an unknown path or a malformed job id, 405 with the allowed methods for a known path.
    pub fn parse(method: &str, path: &str) -> Result<Self, ApiError> {
        route(TABLE, method, path)
    }

    /// Method and pattern of every route, for documentation and coverage tests.
    pub fn all() -> impl Iterator<Item = (Method, &'static str)> {
        TABLE.iter().map(|row| (row.method, row.pattern))
    }

    /// Path of the internal call that runs `job`.
    pub fn run_path(job: RuntimeJobId) -> String {
        format!("/internal/analyze-text/jobs/{job}:run")
    }
}

fn job(names: &Captures) -> Result<RuntimeJobId, ApiError> {
    names[0].parse().map_err(|_| ApiError::operation_not_found())
}

const TABLE: &[Row<RuntimeRoute>] = &[
    Row {
        method: Method::Post,
        pattern: "language/analyze-text/jobs",
        make: |_| Ok(RuntimeRoute::SubmitJob),
    },
    Row {
        method: Method::Get,
        pattern: "language/analyze-text/jobs/{}",
        make: |names| Ok(RuntimeRoute::GetJob { job: job(names)? }),
    },
    Row {
        method: Method::Post,
        pattern: "language/analyze-text/jobs/{}/:cancel",
        make: |names| Ok(RuntimeRoute::CancelJob { job: job(names)? }),
    },
    Row { method: Method::Post, pattern: "language/:analyze-text", make: |_| Ok(RuntimeRoute::Analyze) },
    Row { method: Method::Post, pattern: "language/analyze-text/stream", make: |_| Ok(RuntimeRoute::Stream) },
    Row { method: Method::Get, pattern: "language/analyze-text/health", make: |_| Ok(RuntimeRoute::Health) },
    Row {
        method: Method::Post,
        pattern: "internal/analyze-text/jobs/{}/:run",
        make: |names| Ok(RuntimeRoute::RunJob { job: job(names)? }),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn each_spelling_reaches_its_operation() {
        let job: RuntimeJobId = "7669f653-2ff2-4db7-bf52-aa3e813bcb8b".parse().unwrap();
        for (method, path, expected) in [
            ("POST", "/language/analyze-text/jobs".to_owned(), RuntimeRoute::SubmitJob),
            ("POST", "//language/analyze-text/jobs/".to_owned(), RuntimeRoute::SubmitJob),
            ("GET", format!("/language/Analyze-Text/jobs/{job}"), RuntimeRoute::GetJob { job }),
            ("POST", format!("/language/analyze-text/jobs/{job}:cancel"), RuntimeRoute::CancelJob { job }),
            ("POST", format!("/language/analyze-text/jobs/{job}/:cancel"), RuntimeRoute::CancelJob { job }),
            ("POST", "/language/:analyze-text".to_owned(), RuntimeRoute::Analyze),
            ("POST", "/language/analyze-text/stream".to_owned(), RuntimeRoute::Stream),
            ("GET", "/language/analyze-text/health".to_owned(), RuntimeRoute::Health),
            ("POST", RuntimeRoute::run_path(job), RuntimeRoute::RunJob { job }),
        ] {
            assert_eq!(RuntimeRoute::parse(method, &path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn the_job_id_of_the_authoring_api_is_unknown_here() {
        let path = "/language/analyze-text/jobs/7669f653-2ff2-4db7-bf52-aa3e813bcb8b_638505504000000000";
        assert_eq!(RuntimeRoute::parse("GET", path).unwrap_err().kind, ErrorKind::OperationNotFound);
        assert_eq!(RuntimeRoute::parse("GET", "/language/:analyze-text").unwrap_err().allow, ["POST"]);
    }
}
