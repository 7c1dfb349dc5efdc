//! Jobs: the queue, and what people see of it.
//!
//! One row per job. A worker leases the row for a while and renews the lease; when it dies the lease runs out and
//! another worker takes the job, with a higher attempt number. What a worker writes is bound to its [`Lease`], so one
//! that was thought dead and comes back changes nothing any more. Jobs therefore run at least once, and each of their
//! steps must bear repetition.

mod lease;
mod parts;

pub(crate) use lease::finish;

use std::fmt;

use jiff::Timestamp;

use crate::automations;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Page, PageRequest, Resource, Row, Value};

pub use lease::{Heartbeat, Lease, Outcome, QueueLength};

const COLUMNS: &str = "id, kind, project, target, status, progress, result, errors, warnings, created_at, updated_at, \
                       expires_at, attempt, not_before, lease_owner, lease_expires_at, cancel_requested";

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Replaces a project's labels by a file's.
    Import,
    /// Writes a project's labels into a file.
    Export,
    /// Replaces a project's labels by those of another, its target.
    Copy,
    /// Makes a model.
    Train,
    /// Scores a model again.
    Evaluate,
    /// Points a deployment at a model.
    Deploy,
    /// Exchanges the models of two deployments.
    Swap,
    /// Removes a deployment.
    DeleteDeployment,
    /// Copies a model's bundle for whoever carries it away.
    ExportModel,
    /// Removes such a copy.
    DeleteExportedModel,
    /// Puts a project's labels back to what a model was trained on.
    LoadSnapshot,
    /// Removes a project.
    DeleteProject,
    /// Extracts entities from the documents of a request.
    Extract,
    /// Works through the storage events of a container, its target.
    Inbox,
    /// Takes the next step of what a project does by itself.
    Automate,
    /// Writes the entities of one document, its target, beside it.
    ExtractDocument,
    /// Tells an event to one subscriber, its target.
    Deliver,
    /// Believes a message of SNS or does not, and confirms subscriptions to its topic, the target.
    Sns,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Import,
        Self::Export,
        Self::Copy,
        Self::Train,
        Self::Evaluate,
        Self::Deploy,
        Self::Swap,
        Self::DeleteDeployment,
        Self::ExportModel,
        Self::DeleteExportedModel,
        Self::LoadSnapshot,
        Self::DeleteProject,
        Self::Extract,
        Self::Inbox,
        Self::Automate,
        Self::ExtractDocument,
        Self::Deliver,
        Self::Sns,
    ];

    /// Kinds that wait for servers of other people, who may take their time.
    pub const OUTWARD: [Self; 2] = [Self::Deliver, Self::Sns];

    /// Whether a project has at most one unfinished job of all such kinds together (contract: authoring 4).
    pub fn is_exclusive(self) -> bool {
        !matches!(
            self,
            Self::Export | Self::Extract | Self::Automate | Self::ExtractDocument | Self::Deliver | Self::Sns
        )
    }

    /// Its word in the database and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Export => "export",
            Self::Copy => "copy",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Deploy => "deploy",
            Self::Swap => "swap",
            Self::DeleteDeployment => "delete-deployment",
            Self::ExportModel => "export-model",
            Self::DeleteExportedModel => "delete-exported-model",
            Self::LoadSnapshot => "load-snapshot",
            Self::DeleteProject => "delete-project",
            Self::Extract => "extract",
            Self::Inbox => "inbox",
            Self::Automate => "automate",
            Self::ExtractDocument => "extract-document",
            Self::Deliver => "deliver",
            Self::Sns => "sns",
        }
    }

    /// The kind with this [word](Self::word).
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    fn parse(word: &str) -> Result<Self, Error> {
        Self::from_word(word).ok_or_else(|| Error::Corrupt(format!("job kind {word:?}")))
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where a job, or a task of an extraction job, stands (contract: authoring 4, runtime 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// Waits for a worker.
    NotStarted,
    /// A worker has it, or had it and will again.
    Running,
    /// A worker has it and was asked to stop.
    Cancelling,
    /// Ended well.
    Succeeded,
    /// Ended with errors.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// Ended; some of its tasks failed.
    PartiallyCompleted,
}

impl JobStatus {
    const ALL: [Self; 7] = [
        Self::NotStarted,
        Self::Running,
        Self::Cancelling,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::PartiallyCompleted,
    ];

    /// Whether nothing more will happen.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::PartiallyCompleted)
    }

    fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::PartiallyCompleted => "partially-completed",
        }
    }

    pub(crate) fn parse(word: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|status| status.word() == word)
            .ok_or_else(|| Error::Corrupt(format!("job status {word:?}")))
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl From<JobStatus> for Value {
    fn from(status: JobStatus) -> Self {
        status.word().into()
    }
}

/// A job to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its id, in the form callers are given.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// The project it belongs to.
    pub project: String,
    /// The model label, deployment, exported model or other project it is about; empty when the kind has none.
    pub target: String,
    /// What the worker needs to know; any size, and forgotten when the job ends.
    pub payload: Vec<u8>,
    /// What people see of it before a worker has begun, as [`Job::progress`].
    pub progress: Option<String>,
    /// When it is forgotten, once it has ended.
    pub expires_at: Timestamp,
}

/// A job's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// See [`NewJob::id`].
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// The project it belongs to.
    pub project: String,
    /// See [`NewJob::target`].
    pub target: String,
    /// Where it stands.
    pub status: JobStatus,
    /// How far it is, as JSON of the worker's making.
    pub progress: Option<String>,
    /// What came of it, as JSON of the worker's making; large results are parts ([`Catalog::result_part`]).
    pub result: Option<String>,
    /// Errors as a JSON list; `[]` unless it failed.
    pub errors: String,
    /// Warnings as a JSON list.
    pub warnings: String,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When its row last changed, lease renewals aside.
    pub updated_at: Timestamp,
    /// See [`NewJob::expires_at`].
    pub expires_at: Timestamp,
    /// How many times a worker took it.
    pub attempt: u64,
    /// Earliest time for the next attempt.
    pub not_before: Timestamp,
    /// Who has it.
    pub lease_owner: Option<String>,
    /// When others may take it.
    pub lease_expires_at: Option<Timestamp>,
    /// Whether somebody asked it to stop.
    pub cancel_requested: bool,
}

/// Unfinished jobs by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Not leased by anybody.
    pub waiting: u64,
    /// Leased.
    pub leased: u64,
}

impl Job {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.text()?,
            kind: JobKind::parse(&row.text()?)?,
            project: row.text()?,
            target: row.text()?,
            status: JobStatus::parse(&row.text()?)?,
            progress: row.optional_text()?,
            result: row.optional_text()?,
            errors: row.text()?,
            warnings: row.text()?,
            created_at: row.time()?,
            updated_at: row.time()?,
            expires_at: row.time()?,
            attempt: row.count()?,
            not_before: row.time()?,
            lease_owner: row.optional_text()?,
            lease_expires_at: row.optional_time()?,
            cancel_requested: row.boolean()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// Puts a job into the queue.
    ///
    /// # Errors
    /// [`Error::JobRunning`] when the kind is exclusive and another exclusive job of the project has not ended;
    /// [`Error::Exists`] when the id is taken.
    pub async fn enqueue(&self, job: &NewJob, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.write().await?;
        enqueue(&mut tx, job, now).await?;
        tx.commit().await
    }

    /// The job `id`, unless it has expired.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn job(&self, id: &str, now: Timestamp) -> Result<Job, Error> {
        let row = self.query_one(&by_id(), &[id.into(), now.into()]).await?;
        row.map_or_else(|| Err(Error::not_found(Resource::Job, id)), Job::from_row)
    }

    /// The project's jobs of one kind that have not expired, newest first.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn jobs(
        &self,
        project: &str,
        kind: JobKind,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Job>, Error> {
        let condition = "project = ?1 AND kind = ?2 AND (expires_at > ?3 OR finished_at IS NULL)";
        self.some_jobs(condition, vec![project.into(), kind.word().into(), now.into()], page).await
    }

    /// The jobs that meet a condition on three values, newest first.
    pub(crate) async fn some_jobs(
        &self,
        condition: &str,
        mut values: Vec<Value>,
        page: PageRequest,
    ) -> Result<Page<Job>, Error> {
        let mut tx = self.read().await?;
        let total = tx.count(&format!("SELECT COUNT(*) FROM jobs WHERE {condition}"), &values).await?;
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT ?4 OFFSET ?5"
        );
        values.extend([page.limit_value(), page.offset_value()]);
        let rows = tx.query(&sql, &values).await?;
        tx.commit().await?;
        Ok(Page::new(rows.into_iter().map(Job::from_row).collect::<Result<_, _>>()?, total, page))
    }

    /// The project's jobs of every kind but the extractions that callers asked for, newest first.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn project_jobs(
        &self,
        project: &str,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Job>, Error> {
        let condition = "project = ?1 AND kind <> ?2 AND (expires_at > ?3 OR finished_at IS NULL)";
        self.some_jobs(condition, vec![project.into(), JobKind::Extract.word().into(), now.into()], page)
            .await
    }

    /// The exclusive job of the project that has not ended.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn running_job(&self, project: &str) -> Result<Option<Job>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs WHERE project = ?1 AND exclusive = 1 AND finished_at IS NULL"
        );
        self.query_one(&sql, &[project.into()]).await?.map(Job::from_row).transpose()
    }

    /// Asks the job to stop: one that no worker has is cancelled at once, another learns of it with its next
    /// heartbeat. Asking twice is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::JobEnded`].
    pub async fn request_cancel(&self, id: &str, now: Timestamp) -> Result<JobStatus, Error> {
        let mut tx = self.write().await?;
        let sql =
            "SELECT status, lease_owner FROM jobs WHERE id = ?1 AND (expires_at > ?2 OR finished_at IS NULL)";
        let Some(mut row) = tx.query_one(sql, &[id.into(), now.into()]).await? else {
            return Err(Error::not_found(Resource::Job, id));
        };
        let status = JobStatus::parse(&row.text()?)?;
        if status.is_terminal() {
            return Err(Error::JobEnded { job: id.to_owned(), status });
        }
        let (status, finished) = match row.optional_text()? {
            Some(_) => (JobStatus::Cancelling, None),
            None => (JobStatus::Cancelled, Some(now)),
        };
        tx.execute(
            "UPDATE jobs SET status = ?2, finished_at = ?3, updated_at = ?4, cancel_requested = 1 WHERE id = ?1",
            &[id.into(), status.into(), finished.into(), now.into()],
        )
        .await?;
        if finished.is_some() {
            parts::forget_payload(&mut tx, id).await?;
            automations::after_job(&mut tx, id, now).await?;
        }
        tx.commit().await?;
        Ok(status)
    }

    /// How many unfinished jobs of `kinds` there are.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn job_counts(&self, kinds: &[JobKind], now: Timestamp) -> Result<JobCounts, Error> {
        let lengths = self.queue_lengths(now).await?;
        let asked = lengths.iter().filter(|length| kinds.contains(&length.kind));
        Ok(asked.fold(JobCounts::default(), |sum, length| JobCounts {
            waiting: sum.waiting + length.due + length.later,
            leased: sum.leased + length.running,
        }))
    }
}

fn by_id() -> String {
    format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1 AND (expires_at > ?2 OR finished_at IS NULL)")
}

/// [`Catalog::job`] within a transaction that reads more.
pub(crate) async fn find<C: Connection>(
    tx: &mut Transaction<C>,
    id: &str,
    now: Timestamp,
) -> Result<Job, Error> {
    let row = tx.query_one(&by_id(), &[id.into(), now.into()]).await?;
    row.map_or_else(|| Err(Error::not_found(Resource::Job, id)), Job::from_row)
}

/// Inserts the job, its payload and its project's turn.
pub(crate) async fn enqueue<C: Connection>(
    tx: &mut Transaction<C>,
    job: &NewJob,
    now: Timestamp,
) -> Result<(), Error> {
    let inserted = tx
        .execute(
            "INSERT INTO jobs (id, kind, project, target, exclusive, status, errors, warnings, created_at, \
             updated_at, expires_at, attempt, not_before, cancel_requested, progress) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, '[]', '[]', ?7, ?7, ?8, 0, ?7, 0, ?9) ON CONFLICT DO NOTHING",
            &[
                (&job.id).into(),
                job.kind.word().into(),
                (&job.project).into(),
                (&job.target).into(),
                job.kind.is_exclusive().into(),
                JobStatus::NotStarted.into(),
                now.into(),
                job.expires_at.into(),
                job.progress.clone().into(),
            ],
        )
        .await?;
    if inserted == 0 {
        return Err(why_refused(tx, job).await?);
    }
    let turn = "INSERT INTO job_turns (project, served_at) VALUES (?1, 0) ON CONFLICT DO NOTHING";
    tx.execute(turn, &[(&job.project).into()]).await?;
    parts::put_payload(tx, &job.id, &job.payload).await
}

async fn why_refused<C: Connection>(tx: &mut Transaction<C>, job: &NewJob) -> Result<Error, Error> {
    let sql =
        "SELECT id, kind FROM jobs WHERE project = ?1 AND exclusive = 1 AND finished_at IS NULL AND id <> ?2";
    match tx.query_one(sql, &[(&job.project).into(), (&job.id).into()]).await? {
        Some(mut row) => Ok(Error::JobRunning {
            project: job.project.clone(),
            job: row.text()?,
            kind: JobKind::parse(&row.text()?)?,
        }),
        None => Ok(Error::Exists { resource: Resource::Job, name: job.id.clone() }),
    }
}
