//! Extraction jobs: a job of the queue ([`JobKind::Extract`]) whose payload is the request, with a row per task.
//!
//! The request holds documents; it is deleted in the transaction that ends the job.

use jiff::Timestamp;

use crate::{Catalog, Driver, Error, Job, JobKind, JobStatus, Lease, NewJob, Outcome, Resource, Row, jobs};

/// An extraction job to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExtractionJob {
    /// A plain GUID (contract: runtime 3).
    pub id: String,
    /// What the caller calls it.
    pub display_name: Option<String>,
    /// The project whose turn it takes in the queue: the first task's.
    pub project: String,
    /// The request as the extraction reads it, JSON.
    pub request: Vec<u8>,
    /// One JSON text per task with what its answer repeats whatever happens: name, project, deployment.
    pub tasks: Vec<String>,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// What a task came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskResult {
    /// Index in [`NewExtractionJob::tasks`].
    pub position: u32,
    /// A terminal status.
    pub status: JobStatus,
    /// The task's results, JSON.
    pub results: Option<String>,
}

/// A task with its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractionTask {
    /// See [`NewExtractionJob::tasks`].
    pub header: String,
    /// Where it stands; a task without a result stands where its job stands.
    pub status: JobStatus,
    /// When it got there.
    pub updated_at: Timestamp,
    /// Its results, JSON.
    pub results: Option<String>,
}

/// An extraction job with its tasks, read in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractionJob {
    /// The job's row.
    pub job: Job,
    /// What the caller calls it.
    pub display_name: Option<String>,
    /// Its tasks in order.
    pub tasks: Vec<ExtractionTask>,
}

impl<D: Driver> Catalog<D> {
    /// Puts the job into the queue.
    ///
    /// # Errors
    /// [`Error::Exists`] when the id is taken.
    pub async fn submit_extraction(&self, new: &NewExtractionJob, now: Timestamp) -> Result<(), Error> {
        let job = NewJob {
            id: new.id.clone(),
            kind: JobKind::Extract,
            project: new.project.clone(),
            target: String::new(),
            payload: new.request.clone(),
            progress: None,
            expires_at: new.expires_at,
        };
        let mut tx = self.write().await?;
        jobs::enqueue(&mut tx, &job, now).await?;
        let sql = "INSERT INTO extraction_jobs (id, display_name) VALUES (?1, ?2)";
        tx.execute(sql, &[(&new.id).into(), new.display_name.clone().into()]).await?;
        let sql = "INSERT INTO extraction_tasks (job, position, header, status, updated_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        for (header, position) in new.tasks.iter().zip(0_i64..) {
            let status = JobStatus::NotStarted;
            let values = [(&new.id).into(), position.into(), header.into(), status.into(), now.into()];
            tx.execute(sql, &values).await?;
        }
        tx.commit().await
    }

    /// The job with its tasks, unless it has expired.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a job that extracts nothing.
    pub async fn extraction_job(&self, id: &str, now: Timestamp) -> Result<ExtractionJob, Error> {
        let mut tx = self.read().await?;
        let sql = "SELECT display_name FROM extraction_jobs WHERE id = ?1";
        let Some(mut row) = tx.query_one(sql, &[id.into()]).await? else {
            return Err(Error::not_found(Resource::Job, id));
        };
        let display_name = row.optional_text()?;
        let job = jobs::find(&mut tx, id, now).await?;
        let sql = "SELECT header, status, updated_at, results FROM extraction_tasks WHERE job = ?1 ORDER BY position";
        let rows = tx.query(sql, &[id.into()]).await?;
        tx.commit().await?;
        let tasks = rows.into_iter().map(|row| task(row, &job)).collect::<Result<_, _>>()?;
        Ok(ExtractionJob { job, display_name, tasks })
    }

    /// Notes a task that is done while others still run.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn put_task_result(
        &self,
        lease: &Lease,
        result: &TaskResult,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        put_result(&mut tx, &lease.job, result, now).await?;
        tx.commit().await
    }

    /// Ends the job together with the tasks that were not noted before.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn finish_extraction(
        &self,
        lease: &Lease,
        results: &[TaskResult],
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        for result in results {
            put_result(&mut tx, &lease.job, result, now).await?;
        }
        jobs::finish(&mut tx, lease, outcome, now).await?;
        tx.commit().await
    }
}

async fn put_result<C: crate::Connection>(
    tx: &mut crate::transaction::Transaction<C>,
    job: &str,
    result: &TaskResult,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "UPDATE extraction_tasks SET status = ?3, results = ?4, updated_at = ?5 \
               WHERE job = ?1 AND position = ?2";
    let position = i64::from(result.position);
    let values =
        [job.into(), position.into(), result.status.into(), result.results.clone().into(), now.into()];
    match tx.execute(sql, &values).await? {
        0 => Err(Error::Refused(format!("job {job} has no task {position}"))),
        _ => Ok(()),
    }
}

fn task(mut row: Row, job: &Job) -> Result<ExtractionTask, Error> {
    let (header, status) = (row.text()?, JobStatus::parse(&row.text()?)?);
    let (updated_at, results) = (row.time()?, row.optional_text()?);
    if status.is_terminal() {
        return Ok(ExtractionTask { header, status, updated_at, results });
    }
    Ok(ExtractionTask { header, status: job.status, updated_at: job.updated_at, results })
}
