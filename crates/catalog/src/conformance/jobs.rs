//! Jobs.

use futures::future::join_all;

use super::Database;
use super::support::{TTL, at, job, started, succeed};
use crate::{
    Error, Heartbeat, JobCounts, JobKind, JobStatus, Lease, NewJob, Outcome, PageRequest, QueueLength,
    Resource,
};

pub(super) async fn one_exclusive_job_per_project(database: &impl Database) {
    let catalog = database.open().await;
    catalog.enqueue(&job("train", JobKind::Train, "P"), at(0)).await.expect("the first");
    let running =
        Error::JobRunning { project: "P".to_owned(), job: "train".to_owned(), kind: JobKind::Train };
    for kind in JobKind::ALL.into_iter().filter(|kind| kind.is_exclusive()) {
        let refused = catalog.enqueue(&job("other", kind, "P"), at(1)).await;
        assert_eq!(refused, Err(running.clone()), "{kind}");
    }
    assert_eq!(catalog.running_job("P").await.map(|job| job.map(|job| job.id)), Ok(Some("train".to_owned())));
    for (id, kind) in [("export 1", JobKind::Export), ("export 2", JobKind::Export), ("e", JobKind::Extract)]
    {
        catalog.enqueue(&job(id, kind, "P"), at(1)).await.expect("not exclusive");
    }
    catalog.enqueue(&job("train Q", JobKind::Train, "Q"), at(1)).await.expect("another project");
    let taken = Error::Exists { resource: Resource::Job, name: "export 1".to_owned() };
    assert_eq!(catalog.enqueue(&job("export 1", JobKind::Export, "R"), at(1)).await, Err(taken));
    let lease = catalog.lease("w", &[JobKind::Train], at(2), TTL).await.expect("lease").expect("due");
    succeed(&catalog, &lease.lease().expect("leased")).await;
    catalog.enqueue(&job("import", JobKind::Import, "P"), at(3)).await.expect("the first has ended");
}

pub(super) async fn payload_and_result_parts(database: &impl Database) {
    let catalog = database.open().await;
    let payload: Vec<u8> = (0..=255).cycle().take((2 << 20) + 17).collect();
    let new = NewJob { payload: payload.clone(), target: "m".to_owned(), ..job("j", JobKind::Export, "P") };
    catalog.enqueue(&new, at(0)).await.expect("enqueue");
    assert_eq!(catalog.payload("j").await, Ok(payload));
    let first = catalog.lease("w", &[JobKind::Export], at(1), TTL).await.expect("lease").expect("due");
    assert_eq!((first.target.as_str(), first.attempt), ("m", 1));
    let first = first.lease().expect("leased");
    for part in 0..3 {
        catalog.put_result_part(&first, part, b"first attempt").await.expect("put");
    }
    let again = catalog.lease("v", &[JobKind::Export], at(100), TTL).await.expect("lease").expect("expired");
    let second = again.lease().expect("leased");
    catalog.put_result_part(&second, 0, b"second attempt").await.expect("put");
    let lost = Error::LeaseLost { job: "j".to_owned() };
    assert_eq!(catalog.put_result_part(&first, 1, b"late").await, Err(lost));
    succeed(&catalog, &second).await;
    assert_eq!(catalog.result_part("j", 0).await, Ok(Some(b"second attempt".to_vec())));
    assert_eq!(catalog.result_part("j", 1).await, Ok(None));
    assert_eq!(catalog.payload("j").await, Ok(vec![]), "nobody needs it any more");
}

pub(super) async fn one_winner_per_lease(database: &impl Database) {
    let first = database.open().await;
    for number in 0..5 {
        let new = job(&format!("job {number}"), JobKind::Export, "P");
        first.enqueue(&new, at(number)).await.expect("enqueue");
    }
    let second = database.open().await;
    let catalogs = [&first, &second];
    let owners: Vec<_> = (0..8).map(|number| format!("worker {number}")).collect();
    let leased = join_all(
        owners
            .iter()
            .enumerate()
            .map(|(n, owner)| catalogs[n % 2].lease(owner, &[JobKind::Export], at(9), TTL)),
    )
    .await;
    let mut won: Vec<_> =
        leased.into_iter().filter_map(|job| job.expect("lease")).map(|job| job.id).collect();
    won.sort();
    assert_eq!(won, ["job 0", "job 1", "job 2", "job 3", "job 4"]);
    assert_eq!(first.lease("late", &[JobKind::Export], at(9), TTL).await, Ok(None));
    let counts = JobCounts { waiting: 0, leased: 5 };
    assert_eq!(first.job_counts(&[JobKind::Export], at(9)).await, Ok(counts));
    assert_eq!(first.lease("w", &[], at(9), TTL).await, Ok(None), "no kind, no job");
}

pub(super) async fn expired_leases_are_taken_over(database: &impl Database) {
    let catalog = database.open().await;
    let first = started(&catalog, "j", JobKind::Train, "P").await;
    let end = at(1) + jiff::SignedDuration::try_from(TTL).expect("in range");
    let kinds = [JobKind::Train];
    let just_before = end - jiff::SignedDuration::from_micros(1);
    assert_eq!(catalog.lease("other", &kinds, just_before, TTL).await, Ok(None));
    assert_eq!(catalog.heartbeat(&first, at(20), TTL).await, Ok(Heartbeat { cancel_requested: false }));
    assert_eq!(catalog.lease("other", &kinds, end, TTL).await, Ok(None), "the heartbeat renewed it");
    let taken = catalog.lease("other", &kinds, at(50), TTL).await.expect("lease").expect("expired");
    assert_eq!((taken.id.as_str(), taken.attempt, taken.status), ("j", 2, JobStatus::Running));
    let lost = Error::LeaseLost { job: "j".to_owned() };
    assert_eq!(catalog.heartbeat(&first, at(51), TTL).await, Err(lost.clone()));
    assert_eq!(catalog.progress(&first, "{}", at(51), TTL).await, Err(lost.clone()));
    assert_eq!(catalog.finish(&first, &Outcome::succeeded(), at(51)).await, Err(lost.clone()));
    assert_eq!(catalog.retry_later(&first, at(60), at(51)).await, Err(lost.clone()));
    let second = taken.lease().expect("leased");
    // The same worker may come again: only the attempt tells its two lives apart.
    let mixed = Lease { attempt: 1, ..second.clone() };
    assert_eq!(catalog.heartbeat(&mixed, at(51), TTL).await, Err(lost.clone()));
    catalog.progress(&second, "{\"percent\":42}", at(52), TTL).await.expect("progress");
    let seen = catalog.job("j", at(52)).await.expect("read");
    assert_eq!((seen.progress.as_deref(), seen.updated_at), (Some("{\"percent\":42}"), at(52)));
    let outcome = Outcome::failed("[{\"code\":\"x\"}]").with_result("{\"model\":1}").with_warnings("[1]");
    catalog.finish(&second, &outcome, at(53)).await.expect("finish");
    let seen = catalog.job("j", at(53)).await.expect("read");
    assert_eq!((seen.status, seen.errors.as_str()), (JobStatus::Failed, "[{\"code\":\"x\"}]"));
    assert_eq!((seen.result.as_deref(), seen.warnings.as_str()), (Some("{\"model\":1}"), "[1]"));
    assert_eq!((seen.lease_owner, seen.lease_expires_at), (None, None));
    assert_eq!(catalog.finish(&second, &outcome, at(54)).await, Err(lost));
    assert_eq!(catalog.lease("w", &kinds, at(999), TTL).await, Ok(None), "ended jobs are never leased");
}

pub(super) async fn projects_take_turns(database: &impl Database) {
    let catalog = database.open().await;
    for number in 0..4 {
        let new = job(&format!("a{number}"), JobKind::Extract, "A");
        catalog.enqueue(&new, at(number)).await.expect("enqueue");
    }
    for (id, project, second) in [("b0", "B", 10), ("b1", "B", 11), ("c0", "C", 12)] {
        catalog.enqueue(&job(id, JobKind::Extract, project), at(second)).await.expect("enqueue");
    }
    let mut order = Vec::new();
    for second in 20.. {
        let Some(job) = catalog.lease("w", &[JobKind::Extract], at(second), TTL).await.expect("lease") else {
            break;
        };
        succeed(&catalog, &job.lease().expect("leased")).await;
        order.push(job.id);
    }
    assert_eq!(order, ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]);
}

pub(super) async fn retry_and_next_due(database: &impl Database) {
    let catalog = database.open().await;
    let kinds = [JobKind::Train, JobKind::Import];
    assert_eq!(catalog.next_due(&kinds).await, Ok(None));
    catalog.enqueue(&job("other", JobKind::Export, "P"), at(0)).await.expect("enqueue");
    assert_eq!(catalog.next_due(&kinds).await, Ok(None), "another kind");
    let lease = started(&catalog, "j", JobKind::Train, "P").await;
    assert_eq!(catalog.next_due(&kinds).await, Ok(Some(at(31))), "when the lease ends");
    catalog.retry_later(&lease, at(100), at(2)).await.expect("retry");
    assert_eq!(catalog.next_due(&kinds).await, Ok(Some(at(100))));
    assert_eq!(catalog.lease("w", &kinds, at(99), TTL).await, Ok(None));
    assert!(
        catalog.running_job("P").await.expect("read").is_some(),
        "a job that waits still keeps others out"
    );
    let again = catalog.lease("w", &kinds, at(100), TTL).await.expect("lease").expect("due");
    assert_eq!(again.attempt, 2);
    succeed(&catalog, &again.lease().expect("leased")).await;
    assert_eq!(catalog.next_due(&kinds).await, Ok(None));
}

pub(super) async fn queue_lengths(database: &impl Database) {
    let catalog = database.open().await;
    assert_eq!(catalog.queue_lengths(at(0)).await, Ok(vec![]));
    for id in ["a", "b", "c"] {
        catalog.enqueue(&job(id, JobKind::Export, "P"), at(0)).await.expect("enqueue");
    }
    catalog.enqueue(&job("t", JobKind::Train, "P"), at(0)).await.expect("enqueue");
    let leases = join_all([0, 1].map(|_| catalog.lease("w", &[JobKind::Export], at(1), TTL))).await;
    let mut leases = leases.into_iter().flat_map(|lease| lease.expect("lease").and_then(|job| job.lease()));
    let (first, _second) = (leases.next().expect("leased"), leases.next().expect("leased"));
    catalog.retry_later(&first, at(100), at(2)).await.expect("retry");
    let of = |kind, [due, running, later]: [u64; 3]| QueueLength { kind, due, running, later };
    let [export, train] = [JobKind::Export, JobKind::Train];
    assert_eq!(catalog.queue_lengths(at(3)).await, Ok(vec![of(export, [1, 1, 1]), of(train, [1, 0, 0])]));
    let expired = catalog.queue_lengths(at(100)).await;
    assert_eq!(expired, Ok(vec![of(export, [3, 0, 0]), of(train, [1, 0, 0])]), "all are due by then");
}

pub(super) async fn released_leases_are_due_at_once(database: &impl Database) {
    let catalog = database.open().await;
    let lease = started(&catalog, "j", JobKind::Train, "P").await;
    assert_eq!(catalog.lease("w", &[JobKind::Train], at(2), TTL).await, Ok(None), "still leased");
    assert_eq!(catalog.release_leases(at(2)).await, Ok(1));
    assert_eq!(catalog.release_leases(at(2)).await, Ok(0), "once");
    let again = catalog.lease("w", &[JobKind::Train], at(2), TTL).await.expect("lease").expect("due");
    assert_eq!(again.attempt, 2);
    let lost = Error::LeaseLost { job: "j".to_owned() };
    assert_eq!(catalog.heartbeat(&lease, at(3), TTL).await, Err(lost), "the dead worker's lease is void");
}

pub(super) async fn cancelling(database: &impl Database) {
    let catalog = database.open().await;
    let progress = Some("{\"percent\":0}".to_owned());
    let waiting = NewJob {
        payload: b"text".to_vec(),
        progress: progress.clone(),
        ..job("waiting", JobKind::Train, "P")
    };
    catalog.enqueue(&waiting, at(0)).await.expect("enqueue");
    assert_eq!(catalog.request_cancel("waiting", at(1)).await, Ok(JobStatus::Cancelled));
    assert_eq!(catalog.payload("waiting").await, Ok(vec![]));
    assert_eq!(
        catalog.job("waiting", at(1)).await.map(|job| job.progress),
        Ok(progress),
        "what people saw stays"
    );
    let ended = Error::JobEnded { job: "waiting".to_owned(), status: JobStatus::Cancelled };
    assert_eq!(catalog.request_cancel("waiting", at(1)).await, Err(ended));
    assert_eq!(catalog.lease("w", &[JobKind::Train], at(2), TTL).await, Ok(None));
    let lease = started(&catalog, "running", JobKind::Train, "P").await;
    assert_eq!(catalog.request_cancel("running", at(2)).await, Ok(JobStatus::Cancelling));
    assert_eq!(catalog.request_cancel("running", at(2)).await, Ok(JobStatus::Cancelling));
    assert_eq!(catalog.heartbeat(&lease, at(3), TTL).await, Ok(Heartbeat { cancel_requested: true }));
    // The worker dies: the next one learns of the wish at once.
    let taken =
        catalog.lease("other", &[JobKind::Train], at(99), TTL).await.expect("lease").expect("expired");
    assert_eq!((taken.status, taken.cancel_requested), (JobStatus::Cancelling, true));
    let lease = taken.lease().expect("leased");
    catalog.retry_later(&lease, at(200), at(100)).await.expect("a job that should stop is not tried again");
    assert_eq!(catalog.job("running", at(100)).await.map(|job| job.status), Ok(JobStatus::Cancelled));
    let unknown = Error::NotFound { resource: Resource::Job, name: "none".to_owned() };
    assert_eq!(catalog.request_cancel("none", at(1)).await, Err(unknown));
}

pub(super) async fn listing_and_expiry(database: &impl Database) {
    let catalog = database.open().await;
    for number in 0..3 {
        let id = format!("train {number}");
        let new = NewJob { expires_at: at(1000 + number), ..job(&id, JobKind::Train, "P") };
        catalog.enqueue(&new, at(number)).await.expect("enqueue");
        let leased =
            catalog.lease("w", &[JobKind::Train], at(number), TTL).await.expect("lease").expect("due");
        catalog.put_result_part(&leased.lease().expect("leased"), 0, b"x").await.expect("put");
        succeed(&catalog, &leased.lease().expect("leased")).await;
    }
    let endless = NewJob { expires_at: at(10), ..job("endless", JobKind::Train, "P") };
    catalog.enqueue(&endless, at(3)).await.expect("enqueue");
    catalog.enqueue(&job("elsewhere", JobKind::Train, "Q"), at(3)).await.expect("enqueue");
    let page = PageRequest { limit: 2, offset: 1 };
    let listed = catalog.jobs("P", JobKind::Train, page, at(5)).await.expect("list");
    let ids: Vec<_> = listed.items.iter().map(|job| job.id.as_str()).collect();
    assert_eq!((ids.as_slice(), listed.total, listed.has_more), (["train 2", "train 1"].as_slice(), 4, true));
    let listed = catalog.jobs("P", JobKind::Train, PageRequest::first(9), at(1001)).await.expect("list");
    assert_eq!(listed.total, 2, "two have expired");
    assert!(catalog.job("train 1", at(1000)).await.is_ok());
    let expired = Error::NotFound { resource: Resource::Job, name: "train 1".to_owned() };
    assert_eq!(catalog.job("train 1", at(1001)).await, Err(expired));
    assert!(catalog.job("endless", at(1001)).await.is_ok(), "a job that has not ended does not expire");
    assert_eq!(catalog.sweep(at(1001)).await.map(|swept| swept.jobs), Ok(2));
    assert_eq!(catalog.result_part("train 1", 0).await, Ok(None));
    assert_eq!(catalog.result_part("train 2", 0).await, Ok(Some(b"x".to_vec())));
    assert!(catalog.lease("w", &[JobKind::Train], at(1002), TTL).await.expect("lease").is_some());
}
