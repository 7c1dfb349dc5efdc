//! Errors for people: what the server says, where, and what to do next.

use super::Paint;
use crate::client::{ClientError, Refusal};
use language_api::{ErrorBody, InnerError};

/// The message of a failed command, with a next step where there is one.
pub(crate) fn failure(error: &anyhow::Error, paint: Paint) -> String {
    let mut lines = vec![format!("spindle: {error:#}")];
    let known = error.downcast_ref::<ClientError>();
    match known {
        Some(ClientError::Refused(refusal)) => lines = refused(refusal),
        Some(ClientError::JobEnded { errors, .. }) => lines.extend(errors.iter().flat_map(error_lines)),
        _ => {}
    }
    if let Some(first) = lines.first_mut() {
        *first = paint.bad(first);
    }
    if let Some(step) = known.and_then(next_step) {
        lines.push(format!("  next: {step}"));
    }
    lines.join("\n")
}

fn refused(refusal: &Refusal) -> Vec<String> {
    let error = &refusal.error;
    let mut lines =
        vec![format!("spindle: {} ({}, status {})", message(error), codes(error), refusal.status)];
    lines.extend(target(error).map(|target| format!("  at: {target}")));
    lines.extend(error.details.iter().filter(|detail| detail.message != error.message).flat_map(error_lines));
    lines
}

/// One of several errors, indented.
pub(crate) fn error_lines(error: &ErrorBody) -> Vec<String> {
    let place = target(error).map(|target| format!(" (at {target})")).unwrap_or_default();
    let mut lines = vec![format!("  {}: {}{place}", codes(error), message(error))];
    lines.extend(error.details.iter().filter(|detail| detail.message != error.message).flat_map(error_lines));
    lines
}

/// The innermost message, as the contract's clients show it; the outer one is often a heading alone.
fn message(error: &ErrorBody) -> &str {
    innermost(error).map_or(&error.message, |inner| &inner.message)
}

fn target(error: &ErrorBody) -> Option<&str> {
    innermost(error).and_then(|inner| inner.target.as_deref()).or(error.target.as_deref())
}

fn codes(error: &ErrorBody) -> String {
    match innermost(error) {
        Some(inner) if inner.code != error.code => format!("{}/{}", error.code, inner.code),
        _ => error.code.clone(),
    }
}

fn innermost(error: &ErrorBody) -> Option<&InnerError> {
    let mut inner = error.innererror.as_deref()?;
    while let Some(deeper) = inner.innererror.as_deref() {
        inner = deeper;
    }
    Some(inner)
}

fn next_step(error: &ClientError) -> Option<String> {
    match error {
        ClientError::Refused(refusal) => next_step_of(refusal),
        ClientError::Unreachable { .. } => Some(
            "start a server with `spindle up`, or name another with --data, or with --endpoint and --key"
                .to_owned(),
        ),
        ClientError::NotTheApi { .. } => {
            Some("check --endpoint: it is the address that `spindle up` prints behind \"API\"".to_owned())
        }
        ClientError::Interrupted { job } => {
            Some(format!("`spindle job watch {job}` waits for its end again"))
        }
        _ => None,
    }
}

fn next_step_of(refusal: &Refusal) -> Option<String> {
    let step = match (refusal.status, refusal.error.code.as_str()) {
        (401, _) => {
            "give the server's key in SPINDLE_KEY or with --key; `spindle up` keeps it in access.json"
        }
        (403, _) => "ask whoever runs the server for a key with this right",
        (404, "ProjectNotFound") => "`spindle project list` shows the projects of this server",
        (404, "OperationNotFound") => "`spindle job list <PROJECT>` shows a project's trainings",
        (404, _) => {
            "`spindle model list <PROJECT>` and `spindle deployment list <PROJECT>` show what there is"
        }
        (409, _) => {
            "`spindle job list <PROJECT>` shows running trainings, `spindle deployment list <PROJECT>` models in use"
        }
        (429, _) => {
            return Some(match refusal.retry_after_seconds {
                Some(seconds) => format!("try again in {seconds} seconds"),
                None => "try again later".to_owned(),
            });
        }
        (500.., _) => "the server's log says more",
        _ => return None,
    };
    Some(step.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use language_api::jobs::JobStatus;
    use language_api::{ApiError, ErrorKind};

    fn shown(error: ClientError) -> String {
        failure(&error.into(), Paint::PLAIN)
    }

    fn refusal(error: &ApiError) -> ClientError {
        ClientError::Refused(Box::new(Refusal {
            status: error.status(),
            error: error.body(),
            retry_after_seconds: error.retry_after_seconds,
        }))
    }

    #[test]
    fn a_refusal_says_what_where_and_what_next() {
        expect![[r#"
            spindle: there is no project "Absent" (ProjectNotFound, status 404)
              next: `spindle project list` shows the projects of this server"#]]
        .assert_eq(&shown(refusal(&ApiError::project_not_found("Absent"))));
        let field = ApiError::new(ErrorKind::Language, "language \"tlh\" is not supported").at("language");
        expect![[r#"
            spindle: language "tlh" is not supported (InvalidArgument/UnsupportedLanguageCode, status 400)
              at: language"#]]
        .assert_eq(&shown(refusal(&field)));
        let busy = ApiError::new(ErrorKind::TooManyRequests, "60 calls a minute are allowed").retry_after(7);
        expect![[r#"
            spindle: 60 calls a minute are allowed (TooManyRequests, status 429)
              next: try again in 7 seconds"#]]
        .assert_eq(&shown(refusal(&busy)));
    }

    #[test]
    fn every_problem_of_a_failed_job_is_listed() {
        let at = |target: &str| {
            ApiError::new(ErrorKind::Field, "the label ends behind the text").at(target).body()
        };
        let error = ClientError::JobEnded {
            status: JobStatus::Failed,
            errors: vec![at("#/assets/documents/0"), at("#/assets/documents/7")],
        };
        expect![[r##"
            spindle: the job ended as failed
              InvalidArgument/InvalidParameterValue: the label ends behind the text (at #/assets/documents/0)
              InvalidArgument/InvalidParameterValue: the label ends behind the text (at #/assets/documents/7)"##]]
        .assert_eq(&shown(error));
    }

    #[test]
    fn other_errors_keep_their_chain() {
        let error = anyhow::anyhow!("no such file").context("cannot read labels.json");
        assert_eq!(failure(&error, Paint::PLAIN), "spindle: cannot read labels.json: no such file");
    }
}
