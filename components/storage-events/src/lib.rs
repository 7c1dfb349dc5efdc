//! Bucket notifications: takes note of documents that were written to or deleted from projects' containers.
//!
//! It reads no document; a body that comes twice changes nothing the second time.

use catalog::{Catalog, Driver};
use language_api::{ApiError, Call, ErrorKind, Reply};
use serde::Serialize;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::{http_service, variables};
use storage_events::{Change, DocumentEvent};

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
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let authorization = authorization.map(str::to_owned);
    guest::answer(request, |call| decide(call, authorization)).await
}

async fn decide(call: Call, authorization: Option<String>) -> Result<Reply, ApiError> {
    match call.method.as_str() {
        // Notifiers ask whether anybody is here before they send.
        "HEAD" => Ok(Reply { status: 200, headers: vec![], body: None }),
        "GET" => Ok(Reply::ok(&Health { status: "ok" })),
        "POST" => {
            if !storage_events::is_admitted(authorization.as_deref(), &events_secret().await?) {
                let message = "the header Authorization must be \"Bearer\" and the events secret";
                return Err(ApiError::new(ErrorKind::Unauthorized, message));
            }
            let events = storage_events::parse(&call.body).map_err(|error| {
                let message = format!("the body is no bucket notification: {}", error.reason);
                ApiError::new(ErrorKind::Field, message).at(error.target)
            })?;
            Ok(Reply::ok(&note(&guest::catalog().await?, &events).await?))
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
