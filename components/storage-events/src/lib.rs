//! Notifications of storage services: puts what they tell into the inbox, which a worker looks through.
//!
//! It reads no object and knows no project; a message that comes twice changes nothing the second time.

use catalog::NewStorageEvent;
use language_api::storage_events::AcceptedEvents;
use language_api::{ApiError, Call, ErrorKind, Reply};
use serde::Serialize;
use spin_sdk::http::{HeaderMap, IntoResponse, Request};
use spin_sdk::{http_service, variables};
use storage_events::{Change, Delivery, Malformed, Received, StorageEvent};

const EVENTS_SECRET: &str = "events_secret";
/// The source that the installation's own secret stands for: its embedded storage, and whoever was given the secret.
const OWN: &str = "installation";
const METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "POST"];

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Validated {
    validation_response: String,
}

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let headers = request.headers().clone();
    guest::answer(request, |call| decide(call, headers)).await
}

async fn decide(call: Call, headers: HeaderMap) -> Result<Reply, ApiError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let delivery = Delivery { header: &header, body: &call.body };
    match call.method.as_str() {
        // Notifiers ask whether anybody is here before they send.
        "HEAD" => Ok(Reply { status: 200, headers: vec![], body: None }),
        "GET" => Ok(Reply::ok(&Health { status: "ok" })),
        "OPTIONS" => {
            source(&call, header("authorization")).await?;
            let headers = storage_events::handshake(&delivery).map_err(refused)?;
            Ok(Reply { status: 200, headers, body: None })
        }
        "POST" => {
            let source = source(&call, header("authorization")).await?;
            match delivery.read().map_err(refused)? {
                Received::Events(events) => accept(&source, events).await,
                Received::Validation(code) => Ok(Reply::ok(&Validated { validation_response: code })),
            }
        }
        _ => {
            let message = format!("this address knows {}", METHODS.join(", "));
            Err(ApiError { allow: METHODS.to_vec(), ..ApiError::new(ErrorKind::MethodNotAllowed, message) })
        }
    }
}

/// Who sends.
async fn source(call: &Call, authorization: Option<String>) -> Result<String, ApiError> {
    let shown = storage_events::shown_secret(authorization.as_deref(), call.query.get("secret"));
    let own = variables::get(EVENTS_SECRET).await.map_err(|_| {
        ApiError::new(ErrorKind::Unavailable, format!("the variable {EVENTS_SECRET} is not set"))
    })?;
    if storage_events::is_admitted(shown, &own) {
        return Ok(OWN.to_owned());
    }
    let known = match shown {
        Some(secret) => guest::catalog().await?.verify_event_source(secret).await?,
        None => None,
    };
    known.ok_or_else(|| {
        let message = "the header Authorization must be \"Bearer\" and the secret of an event source; where no header \
                       can be set, the secret is the query parameter \"secret\"";
        ApiError::new(ErrorKind::Unauthorized, message)
    })
}

async fn accept(source: &str, events: Vec<StorageEvent>) -> Result<Reply, ApiError> {
    let events: Vec<NewStorageEvent> = events.into_iter().map(new_event).collect();
    let accepted = guest::catalog().await?.accept_events(source, &events, guest::now()).await?;
    let repeated = (events.len() as u64).saturating_sub(accepted);
    Ok(Reply::ok(&AcceptedEvents { accepted, repeated }))
}

fn new_event(event: StorageEvent) -> NewStorageEvent {
    NewStorageEvent {
        id: event.id(),
        container: event.container,
        location: event.location,
        removed: event.change == Change::Removed,
        etag: event.etag,
        position: event.order,
    }
}

fn refused(error: Malformed) -> ApiError {
    let message = format!("the message is no storage notification: {}", error.reason);
    ApiError::new(ErrorKind::Field, message).at(error.target)
}
