//! Notifications of storage services: puts what they tell into the inbox, which a worker looks through.
//!
//! It reads no object and knows no project; a message that comes twice changes nothing the second time.

use catalog::{NewStorageEvent, TopicState};
use language_api::storage_events::AcceptedEvents;
use language_api::{ApiError, Call, ErrorKind, Reply};
use serde::Serialize;
use spin_sdk::http::{HeaderMap, IntoResponse, Request};
use spin_sdk::{http_service, variables};
use storage_events::{Change, Delivery, Malformed, Received, SnsKind, SnsMessage, StorageEvent};

const EVENTS_SECRET: &str = "events_secret";
/// The source that the installation's own secret stands for: its embedded storage, and whoever was given the secret.
const OWN: &str = "installation";
/// Header of a message of SNS that comes without its envelope, and so without a signature.
const RAW_TOPIC: &str = "x-amz-sns-topic-arn";
const RAW: &str = "x-amz-sns-rawdelivery";
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
            if header(RAW).is_some_and(|raw| raw.eq_ignore_ascii_case("true")) {
                check_topic(&source, &header(RAW_TOPIC).unwrap_or_default()).await?;
            }
            match delivery.read().map_err(refused)? {
                Received::Sns(message) => sns(&source, &message, &call.body).await,
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
    Ok(Reply::ok(&AcceptedEvents { accepted, repeated, queued: None }))
}

/// A message of SNS counts when its topic is the sender's and its signature fits; what needs a look around, a job does.
async fn sns(source: &str, message: &SnsMessage, body: &[u8]) -> Result<Reply, ApiError> {
    check_topic(source, message.topic()).await?;
    let catalog = guest::catalog().await?;
    let certificates = catalog.sns_certificates(source, message.certificate_url()).await?;
    let is_known = !certificates.is_empty();
    if is_known && !certificates.iter().any(|certificate| message.verify(certificate).is_ok()) {
        let reason =
            "the signature fits none of the certificates: the message was forged or changed on its way";
        return Err(ApiError::new(ErrorKind::Forbidden, reason).at("#/Signature"));
    }
    match message.kind() {
        SnsKind::Notification if is_known => accept(source, message.events().map_err(refused)?).await,
        SnsKind::Unsubscription if is_known => {
            let reason = "SNS will deliver no more";
            catalog.put_topic_state(source, message.topic(), Some(TopicState::Ended), reason).await?;
            Ok(Reply::ok(&AcceptedEvents { accepted: 0, repeated: 0, queued: None }))
        }
        _ => {
            catalog.enqueue_sns(source, message.topic(), body.to_vec(), guest::now()).await?;
            Ok(Reply::ok(&AcceptedEvents { accepted: 0, repeated: 0, queued: Some(1) }))
        }
    }
}

async fn check_topic(source: &str, topic: &str) -> Result<(), ApiError> {
    let allowed = guest::catalog().await?.sns_topics(source).await?;
    if allowed.iter().any(|allowed| allowed.topic == topic) {
        return Ok(());
    }
    let reason = format!(
        "the source {source:?} does not speak for the topic {topic:?} of SNS; the operator allows it with \
         spindle source add NAME --kind sns --topic ARN"
    );
    Err(ApiError::new(ErrorKind::Forbidden, reason).at("#/TopicArn"))
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
