//! The inbox.

use super::Database;
use super::support::{TTL, at};
use crate::{
    EventState, JobKind, JobStatus, NewEventSource, NewStorageEvent, PageRequest, SettledEvent, SnsTopic,
    TopicState, inbox_of,
};

fn event(number: u32, container: &str) -> NewStorageEvent {
    NewStorageEvent {
        id: format!("{container}-{number:05}"),
        container: container.to_owned(),
        location: format!("in/{number:05} ü.txt"),
        removed: number % 2 == 1,
        etag: (number % 2 == 0).then(|| format!("etag {number}")),
        position: format!("{number:016X}"),
    }
}

fn done(id: &str) -> SettledEvent {
    SettledEvent { id: id.to_owned(), state: EventState::Done, outcomes: "[{}]".to_owned() }
}

pub(super) async fn accepted_once_and_worked_through(database: &impl Database) {
    let catalog = database.open().await;
    let first: Vec<_> = (0..3).map(|number| event(number, "letters")).collect();
    assert_eq!(catalog.accept_events("aws", &first, at(1)).await, Ok(3));
    assert_eq!(catalog.accept_events("aws", &first, at(2)).await, Ok(0), "the same delivery again");
    assert_eq!(catalog.accept_events("aws", &[], at(2)).await, Ok(0));

    let job = catalog.lease("w", &[JobKind::Inbox], at(3), TTL).await.expect("lease").expect("a job");
    assert_eq!((job.target.as_str(), job.project.as_str()), ("letters", inbox_of("letters").as_str()));
    let lease = job.lease().expect("leased");
    assert_eq!(catalog.lease("x", &[JobKind::Inbox], at(3), TTL).await, Ok(None), "one at a time");
    let waiting = catalog.waiting_events("letters", 10).await.expect("waiting");
    assert_eq!(waiting.iter().map(|found| found.event.clone()).collect::<Vec<_>>(), first);
    assert!(waiting.iter().all(|found| found.source == "aws" && found.state == EventState::Waiting));

    let settled: Vec<_> = first.iter().map(|event| done(&event.id)).collect();
    catalog.settle_events(&lease, &settled, at(4)).await.expect("settle");
    // Another came while these were worked on: the job that is there goes on.
    assert_eq!(catalog.accept_events("aws", &[event(3, "letters")], at(5)).await, Ok(1));
    assert_eq!(catalog.finish_inbox(&lease, "letters", at(5)).await, Ok(false));
    let left = catalog.waiting_events("letters", 10).await.expect("waiting");
    assert_eq!(left.len(), 1);
    catalog.settle_events(&lease, &[done(&left[0].event.id)], at(6)).await.expect("settle");
    assert_eq!(catalog.finish_inbox(&lease, "letters", at(7)).await, Ok(true));
    assert_eq!(catalog.job(&job.id, at(8)).await.map(|job| job.status), Ok(JobStatus::Succeeded));
    assert!(catalog.settle_events(&lease, &settled, at(8)).await.is_err(), "the job has ended");

    let page = catalog.storage_events(Some("letters"), PageRequest::first(2)).await.expect("list");
    assert_eq!((page.total, page.has_more, page.items[0].event.id.as_str()), (4, true, "letters-00003"));
    assert_eq!((page.items[0].state, page.items[0].handled_at), (EventState::Done, Some(at(6))));
    let none = catalog.storage_events(Some("other"), PageRequest::first(2)).await.expect("list");
    assert_eq!(none.total, 0);
    let late = at(6) + crate::EVENTS_KEPT;
    catalog.sweep(late).await.expect("sweep");
    let page = catalog.storage_events(None, PageRequest::first(9)).await.expect("list");
    assert_eq!(page.total, 0, "what was handled is forgotten");
}

pub(super) async fn a_burst_is_one_job(database: &impl Database) {
    let catalog = database.open().await;
    let events: Vec<_> = (0..1_250).map(|number| event(number, "letters")).collect();
    assert_eq!(catalog.accept_events("aws", &events, at(1)).await, Ok(1_250));
    assert_eq!(catalog.accept_events("aws", &events[600..], at(1)).await, Ok(0));
    let others: Vec<_> = (0..2).map(|number| event(number, "notes")).collect();
    assert_eq!(catalog.accept_events("aws", &others, at(1)).await, Ok(2));
    let counts = catalog.job_counts(&[JobKind::Inbox], at(1)).await.expect("counts");
    assert_eq!(counts.waiting, 2, "one for each container");
    assert_eq!(catalog.waiting_events("letters", 5_000).await.map(|found| found.len()), Ok(1_250));
}

pub(super) async fn an_inbox_without_job_is_resumed(database: &impl Database) {
    let catalog = database.open().await;
    catalog.accept_events("aws", &[event(1, "letters")], at(1)).await.expect("accept");
    assert_eq!(catalog.resume_inboxes(at(2)).await, Ok(0), "its job waits");
    let job = catalog.lease("w", &[JobKind::Inbox], at(3), TTL).await.expect("lease").expect("a job");
    let lease = job.lease().expect("leased");
    catalog.finish(&lease, &crate::Outcome::failed("[]"), at(4)).await.expect("finish");
    assert_eq!(catalog.resume_inboxes(at(5)).await, Ok(1));
    assert!(catalog.lease("w", &[JobKind::Inbox], at(6), TTL).await.expect("lease").is_some());
}

pub(super) async fn sources_have_secrets_of_their_own(database: &impl Database) {
    let catalog = database.open().await;
    let source = |name: &str| NewEventSource { name: name.to_owned(), ..NewEventSource::default() };
    catalog.add_event_source(&source("minio"), "secret-1", at(1)).await.expect("add");
    catalog.add_event_source(&source("azure"), "secret-2", at(1)).await.expect("add");
    assert!(catalog.add_event_source(&source("azure"), "secret-3", at(1)).await.is_err());
    let whose = async |secret: &str| catalog.verify_event_source(secret).await.expect("verify");
    assert_eq!(whose("secret-2").await.as_deref(), Some("azure"));
    assert_eq!((whose("secret-3").await, whose("").await), (None, None));
    let sources = catalog.event_sources().await.expect("list");
    assert_eq!(sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["azure", "minio"]);
    catalog.remove_event_source("minio").await.expect("remove");
    assert_eq!(whose("secret-1").await, None);
    assert!(catalog.remove_event_source("minio").await.is_err());
}

pub(super) async fn topics_and_certificates_belong_to_a_source(database: &impl Database) {
    let catalog = database.open().await;
    let new = |name: &str, certificates: &[&str]| NewEventSource {
        name: name.to_owned(),
        topics: vec!["arn:2".to_owned(), "arn:1".to_owned()],
        certificates: certificates.iter().map(|pem| (*pem).to_owned()).collect(),
    };
    catalog.add_event_source(&new("sns", &[]), "secret-1", at(1)).await.expect("add");
    catalog.add_event_source(&new("pinned", &["a", "b"]), "secret-2", at(1)).await.expect("add");
    let topic = |number: u8, state, reason: &str| SnsTopic {
        topic: format!("arn:{number}"),
        state,
        reason: reason.to_owned(),
    };
    let allowed = [topic(1, TopicState::Allowed, ""), topic(2, TopicState::Allowed, "")];
    assert_eq!(catalog.sns_topics("sns").await, Ok(allowed.to_vec()));
    catalog.put_topic_state("sns", "arn:2", Some(TopicState::Confirmed), "").await.expect("put");
    catalog.put_topic_state("sns", "arn:2", None, "SNS answered 200").await.expect("put");
    catalog.put_topic_state("sns", "arn:3", Some(TopicState::Confirmed), "").await.expect("put");
    let changed = [topic(1, TopicState::Allowed, ""), topic(2, TopicState::Confirmed, "SNS answered 200")];
    assert_eq!(catalog.sns_topics("sns").await, Ok(changed.to_vec()), "no topic joins by itself");
    assert_eq!(catalog.sns_topics("pinned").await, Ok(allowed.to_vec()));

    let certificates =
        async |source: &str| catalog.sns_certificates(source, "https://a").await.expect("read");
    assert_eq!((certificates("sns").await, certificates("none").await), (vec![], vec![]));
    for pem in ["old", "new"] {
        catalog.put_sns_certificate("sns", "https://a", pem).await.expect("put");
    }
    catalog.put_sns_certificate("sns", "https://b", "other").await.expect("put");
    assert_eq!(certificates("sns").await, ["new"]);
    assert_eq!(certificates("pinned").await, ["a", "b"]);

    catalog.enqueue_sns("sns", "arn:1", b"message".to_vec(), at(2)).await.expect("enqueue");
    catalog.enqueue_sns("sns", "arn:1", b"message".to_vec(), at(2)).await.expect("enqueue");
    let job = catalog.lease("w", &[JobKind::Sns], at(3), TTL).await.expect("lease").expect("a job");
    assert_eq!((crate::source_of(&job.project), job.target.as_str()), ("sns", "arn:1"));
    assert_eq!(catalog.payload(&job.id).await, Ok(b"message".to_vec()));
    catalog.remove_event_source("sns").await.expect("remove");
    assert_eq!((catalog.sns_topics("sns").await, certificates("sns").await), (Ok(vec![]), vec![]));
}
