//! Bucket notifications: takes note of documents that were written to or deleted from projects' containers.
//!
//! It reads no document; a body that comes twice changes nothing the second time.

mod notification;

use catalog::driver::SpinSqlite;
use catalog::{Catalog, Driver};
use language_api::{ApiError, Call, ErrorKind, Reply};
use notification::{Change, DocumentEvent};
use serde::Serialize;
use spin_sdk::http::{HeaderMap, IntoResponse, Request};
use spin_sdk::{http_service, variables};
use subtle::ConstantTimeEq;

const EVENTS_SECRET: &str = "events_secret";

/// What a notification came to.
#[derive(Debug, Default, Serialize)]
struct Noted {
    /// Events that concern documents.
    documents: usize,
    /// Documents that are new in a project or have another text now.
    registered: usize,
    /// Documents that are gone from a project's container.
    unregistered: usize,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let token = bearer_token(request.headers());
    guest::answer(request, |call| decide(call, token)).await
}

fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

async fn decide(call: Call, token: Option<String>) -> Result<Reply, ApiError> {
    match call.method.as_str() {
        // Notifiers ask whether anybody is here before they send.
        "HEAD" => Ok(Reply { status: 200, headers: vec![], body: None }),
        "GET" => Ok(Reply::ok(&Health { status: "ok" })),
        "POST" => {
            prove(token.as_deref(), &events_secret().await?)?;
            let events = notification::parse(&call.body).map_err(|error| {
                let message = format!("the body is no bucket notification: {}", error.reason);
                ApiError::new(ErrorKind::Field, message).at(error.target)
            })?;
            Ok(Reply::ok(&note(&Catalog::new(SpinSqlite::default()), &events).await?))
        }
        _ => {
            let error = ApiError::new(ErrorKind::MethodNotAllowed, "this address knows GET, HEAD, POST");
            Err(ApiError { allow: vec!["GET", "HEAD", "POST"], ..error })
        }
    }
}

async fn events_secret() -> Result<String, ApiError> {
    variables::get(EVENTS_SECRET).await.map_err(|_| {
        ApiError::new(ErrorKind::Unavailable, format!("the variable {EVENTS_SECRET} is not set"))
    })
}

fn prove(token: Option<&str>, secret: &str) -> Result<(), ApiError> {
    let token = token.unwrap_or_default();
    if !secret.is_empty() && bool::from(token.as_bytes().ct_eq(secret.as_bytes())) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Unauthorized,
        "the header Authorization must be \"Bearer\" and the events secret",
    ))
}

/// Tells every project of each event's container. Containers without a project are other people's.
async fn note<D: Driver>(catalog: &Catalog<D>, events: &[DocumentEvent]) -> Result<Noted, ApiError> {
    let mut noted = Noted { documents: events.len(), ..Noted::default() };
    for event in events {
        for project in catalog.projects_of_container(&event.container).await? {
            let (project, now) = (project.name.as_str(), guest::now());
            match &event.change {
                Change::Written { etag } => {
                    let changed = catalog.register_object(project, &event.location, etag, now).await;
                    noted.registered += usize::from(still_there(changed)?);
                }
                Change::Removed => {
                    let changed = catalog.unregister_object(project, &event.location, now).await;
                    noted.unregistered += usize::from(still_there(changed)?);
                }
            }
        }
    }
    Ok(noted)
}

/// A project that was deleted in the meantime has nothing to note.
fn still_there(changed: Result<bool, catalog::Error>) -> Result<bool, catalog::Error> {
    match changed {
        Err(catalog::Error::NotFound { .. }) => Ok(false),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value.parse().expect("a header"));
        bearer_token(&headers)
    }

    #[test]
    fn only_the_secret_is_admitted() {
        assert_eq!(token("Bearer s3cret").as_deref(), Some("s3cret"));
        assert_eq!(token("bearer s3cret").as_deref(), Some("s3cret"));
        assert_eq!(token("Basic s3cret"), None);
        assert!(prove(Some("s3cret"), "s3cret").is_ok());
        for (shown, secret) in [(None, "s"), (Some("t"), "s"), (Some(""), ""), (None, "")] {
            assert!(prove(shown, secret).is_err(), "{shown:?} {secret:?}");
        }
    }
}
