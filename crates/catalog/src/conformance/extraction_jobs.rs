//! Extraction jobs.

use super::Database;
use super::support::{TTL, at};
use crate::{Error, JobKind, JobStatus, NewExtractionJob, Outcome, Resource, TaskResult};

fn new(id: &str) -> NewExtractionJob {
    NewExtractionJob {
        id: id.to_owned(),
        display_name: Some("monday letters".to_owned()),
        project: "P".to_owned(),
        request: b"{\"documents\":[]}".to_vec(),
        tasks: vec!["{\"task\":0}".to_owned(), "{\"task\":1}".to_owned()],
        expires_at: at(1000),
    }
}

fn result(position: u32, status: JobStatus) -> TaskResult {
    TaskResult { position, status, results: Some(format!("{{\"of\":{position}}}")) }
}

pub(super) async fn life_of_a_job(database: &impl Database) {
    let catalog = database.open().await;
    catalog.submit_extraction(&new("j"), at(0)).await.expect("submit");
    let taken = Error::Exists { resource: Resource::Job, name: "j".to_owned() };
    assert_eq!(catalog.submit_extraction(&new("j"), at(0)).await, Err(taken));
    let seen = catalog.extraction_job("j", at(0)).await.expect("read");
    assert_eq!(
        (seen.job.status, seen.display_name.as_deref()),
        (JobStatus::NotStarted, Some("monday letters"))
    );
    assert!(seen.tasks.iter().all(|task| task.status == JobStatus::NotStarted && task.results.is_none()));
    let lease = catalog.lease("w", &[JobKind::Extract], at(1), TTL).await.expect("lease").expect("due");
    let lease = lease.lease().expect("leased");
    assert_eq!(catalog.payload("j").await, Ok(b"{\"documents\":[]}".to_vec()));
    catalog.put_task_result(&lease, &result(1, JobStatus::Succeeded), at(2)).await.expect("put");
    let seen = catalog.extraction_job("j", at(2)).await.expect("read");
    let states: Vec<_> = seen.tasks.iter().map(|task| (task.status, task.results.as_deref())).collect();
    assert_eq!(states, [(JobStatus::Running, None), (JobStatus::Succeeded, Some("{\"of\":1}"))]);
    assert!(matches!(
        catalog.put_task_result(&lease, &result(2, JobStatus::Succeeded), at(2)).await,
        Err(Error::Refused(_))
    ));
    let outcome = Outcome::partially_completed("[{}]");
    let last = [result(0, JobStatus::Failed)];
    catalog.finish_extraction(&lease, &last, &outcome, at(3)).await.expect("finish");
    let lost = Error::LeaseLost { job: "j".to_owned() };
    assert_eq!(catalog.finish_extraction(&lease, &last, &outcome, at(4)).await, Err(lost));
    let seen = catalog.extraction_job("j", at(999)).await.expect("read");
    assert_eq!((seen.job.status, seen.job.errors.as_str()), (JobStatus::PartiallyCompleted, "[{}]"));
    assert_eq!((seen.tasks[0].status, seen.tasks[0].updated_at), (JobStatus::Failed, at(3)));
    assert_eq!(seen.tasks[1].header, "{\"task\":1}");
    assert_eq!(catalog.payload("j").await, Ok(vec![]), "documents are kept no longer than they are needed");
    assert!(matches!(catalog.extraction_job("j", at(1000)).await, Err(Error::NotFound { .. })));
    assert_eq!(catalog.sweep(at(1000)).await.map(|swept| swept.jobs), Ok(1));
    catalog.submit_extraction(&new("j"), at(1001)).await.expect("nothing of it is left");
}

pub(super) async fn cancelled_jobs_keep_their_tasks(database: &impl Database) {
    let catalog = database.open().await;
    catalog.submit_extraction(&new("j"), at(0)).await.expect("submit");
    assert_eq!(catalog.request_cancel("j", at(1)).await, Ok(JobStatus::Cancelled));
    let seen = catalog.extraction_job("j", at(2)).await.expect("read");
    let states: Vec<_> = seen.tasks.iter().map(|task| (task.header.as_str(), task.status)).collect();
    assert_eq!(states, [("{\"task\":0}", JobStatus::Cancelled), ("{\"task\":1}", JobStatus::Cancelled)]);
    assert_eq!(seen.tasks[0].updated_at, at(1));
    let unknown = Error::NotFound { resource: Resource::Job, name: "k".to_owned() };
    assert_eq!(catalog.extraction_job("k", at(1)).await, Err(unknown));
}
