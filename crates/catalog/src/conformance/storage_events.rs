//! The inbox.

use super::Database;
use super::support::{TTL, at};
use crate::{EventState, JobKind, JobStatus, NewStorageEvent, PageRequest, SettledEvent, inbox_of};

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
    catalog.add_event_source("minio", "secret-1", at(1)).await.expect("add");
    catalog.add_event_source("azure", "secret-2", at(1)).await.expect("add");
    assert!(catalog.add_event_source("azure", "secret-3", at(1)).await.is_err());
    let whose = async |secret: &str| catalog.verify_event_source(secret).await.expect("verify");
    assert_eq!(whose("secret-2").await.as_deref(), Some("azure"));
    assert_eq!((whose("secret-3").await, whose("").await), (None, None));
    assert_eq!(catalog.event_sources().await, Ok(vec!["azure".to_owned(), "minio".to_owned()]));
    catalog.remove_event_source("minio").await.expect("remove");
    assert_eq!(whose("secret-1").await, None);
    assert!(catalog.remove_event_source("minio").await.is_err());
}
