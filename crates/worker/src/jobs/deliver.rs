//! An event on its way to one subscriber.

use crate::failure::Failure;
use crate::outward::{Outward, reason};
use crate::run::Run;
use authoring::payloads::DeliveryProgress;
use catalog::{Outcome, Subscriber};
use jiff::Timestamp;
use language_api::{ErrorKind, SubscriberUrl};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use storage_events::{ANNOUNCEMENT_TYPE, WebhookSecret};

/// Runs the job.
pub(crate) async fn deliver(run: &Run) -> Result<Outcome, Failure> {
    let mut progress: DeliveryProgress = serde_json::from_str(run.job.progress.as_deref().unwrap_or("{}"))?;
    let done = attempt(run, &progress.event).await;
    let message = match &done {
        Ok(message) => message.clone(),
        Err(error) => error.to_string(),
    };
    progress.reason = Some(message.clone());
    run.set_progress(serde_json::to_string(&progress)?);
    done.map(|_| Outcome::succeeded().with_result(json!({ "message": message }).to_string()))
}

/// What the subscriber said, for people.
async fn attempt(run: &Run, event: &Value) -> Result<String, Failure> {
    let services = &run.services;
    let (project, name) = (&run.job.project, &run.job.target);
    let given_up = |message: String| Failure::refused(ErrorKind::Unavailable, message);
    let subscriber = match services.catalog.subscriber(project, name).await {
        Err(catalog::Error::NotFound { .. }) => {
            return Err(given_up("the subscriber was removed before it could be told".to_owned()));
        }
        found => found?,
    };
    let url = SubscriberUrl::new(&subscriber.url).map_err(|error| given_up(error.to_string()))?;
    if !services.outward.allowed.allows(&url) {
        // The operator may have changed his mind since the subscriber was written.
        return Err(given_up(
            "this installation sends nothing to the subscriber's address any more".to_owned(),
        ));
    }
    run.still_ours().await?;
    let status = send(run, &subscriber, event).await?;
    let said = format!("the subscriber answered {}", status.as_u16());
    match status {
        status if status.is_success() => Ok(said),
        StatusCode::GONE => Err(given_up(format!("{said}: it is gone"))),
        status if status.is_redirection() => {
            Err(given_up(format!("{said}: redirects are not followed; give it the address where it listens")))
        }
        _ => Err(Failure::Transient(said)),
    }
}

async fn send(run: &Run, subscriber: &Subscriber, event: &Value) -> Result<StatusCode, Failure> {
    let services = &run.services;
    let secret = WebhookSecret::parse(&subscriber.secret)
        .map_err(|error| Failure::refused(ErrorKind::Internal, error.to_string()))?;
    let body = serde_json::to_vec(event)?;
    let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
    let time_max = Outward::subscriber_time_max(&services.limits);
    let mut request = services.outward.http.post(&subscriber.url).timeout(time_max);
    for (name, value) in secret.headers(id, Timestamp::now(), &body) {
        request = request.header(name, value);
    }
    let sent = request.header(CONTENT_TYPE, ANNOUNCEMENT_TYPE).body(body).send().await;
    // What else it says is nobody's business.
    sent.map(|response| response.status()).map_err(|error| Failure::Transient(reason(&error, time_max)))
}
