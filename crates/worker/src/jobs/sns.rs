//! A message of SNS that needs a look around: its certificate is fetched, its subscription confirmed.

use crate::announce::new_event;
use crate::failure::Failure;
use crate::run::Run;
use catalog::{Outcome, TopicState, source_of};
use jiff::Timestamp;
use language_api::ErrorKind;
use serde_json::json;
use storage_events::{Delivery, Received, SnsKind, SnsMessage, check_certificate};

/// Many times the size of a certificate, and of an answer to a confirmation.
const PAGE_BYTES_MAX: usize = 64 << 10;

/// Runs the job. What came of it is noted beside the topic, where the operator sees it.
pub(crate) async fn sns(run: &Run) -> Result<Outcome, Failure> {
    let catalog = &run.services.catalog;
    let body = catalog.payload(&run.job.id).await?;
    let message = match (Delivery { header: &|_| None, body: &body }).read() {
        Ok(Received::Sns(message)) => message,
        _ => return Err(Failure::refused(ErrorKind::Field, "this is no message of SNS")),
    };
    let source = source_of(&run.job.project);
    let done = take(run, source, &message).await;
    let (state, reason) = match &done {
        Ok((state, reason)) => (*state, reason.clone()),
        Err(error) => (None, error.to_string()),
    };
    if !matches!(done, Ok((None, _)) | Err(Failure::LeaseLost)) {
        catalog.put_topic_state(source, message.topic(), state, &reason).await?;
    }
    done.map(|_| Outcome::succeeded().with_result(json!({ "message": reason }).to_string()))
}

/// What it comes to: where the topic stands now, when that changed, and a sentence for people.
async fn take(
    run: &Run,
    source: &str,
    message: &SnsMessage,
) -> Result<(Option<TopicState>, String), Failure> {
    let catalog = &run.services.catalog;
    let topics = catalog.sns_topics(source).await?;
    if !topics.iter().any(|allowed| allowed.topic == message.topic()) {
        return Err(Failure::refused(ErrorKind::Forbidden, "the topic is not allowed any more"));
    }
    verify(run, source, message).await?;
    match message.kind() {
        SnsKind::Notification => {
            let events = message.events();
            let events = events.map_err(|error| {
                Failure::refused(ErrorKind::Field, format!("{}: {}", error.target, error.reason))
            })?;
            let events: Vec<_> = events.into_iter().map(new_event).collect();
            let accepted = catalog.accept_events(source, &events, Timestamp::now()).await?;
            Ok((None, format!("{accepted} events were accepted")))
        }
        SnsKind::Subscription(url) => {
            let answer = run.services.outward.sns_page(url, PAGE_BYTES_MAX).await;
            answer.map_err(|reason| {
                Failure::Transient(format!("the subscription is not confirmed: {reason}"))
            })?;
            Ok((Some(TopicState::Confirmed), "SNS was told that it may deliver".to_owned()))
        }
        SnsKind::Unsubscription => Ok((Some(TopicState::Ended), "SNS will deliver no more".to_owned())),
    }
}

/// Proves the signature, by the operator's certificates or by the one that SNS shows.
async fn verify(run: &Run, source: &str, message: &SnsMessage) -> Result<(), Failure> {
    let catalog = &run.services.catalog;
    let url = message.certificate_url();
    let mut certificates = catalog.sns_certificates(source, url).await?;
    if certificates.is_empty() {
        let fetched = run.services.outward.sns_page(url, PAGE_BYTES_MAX).await;
        let pem = fetched
            .map_err(|reason| Failure::Transient(format!("the certificate can't be had: {reason}")))?;
        check_certificate(&pem)
            .map_err(|error| Failure::refused(ErrorKind::Unavailable, error.to_string()))?;
        catalog.put_sns_certificate(source, url, &pem).await?;
        certificates.push(pem);
    }
    if certificates.iter().any(|certificate| message.verify(certificate).is_ok()) {
        return Ok(());
    }
    let message = "the signature fits none of the certificates: the message was forged or changed on its way";
    Err(Failure::refused(ErrorKind::Forbidden, message))
}
