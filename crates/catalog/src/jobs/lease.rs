//! What a worker does with jobs.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{COLUMNS, Job, JobKind, JobStatus, parts};
use crate::automations;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Value};

/// A worker's right to a job. It travels: whoever shows it acts for the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: String,
    /// The worker.
    pub owner: String,
    /// The attempt it was given for.
    pub attempt: u64,
}

impl Lease {
    /// Values for `id = ?1 AND lease_owner = ?2 AND attempt = ?3`.
    pub(crate) fn values(&self) -> [Value; 3] {
        let attempt = i64::try_from(self.attempt).unwrap_or(i64::MAX);
        [(&self.job).into(), (&self.owner).into(), attempt.into()]
    }
}

/// What a worker learns when it renews its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Somebody asked the job to stop.
    pub cancel_requested: bool,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    // Terminal: only the constructors set it.
    status: JobStatus,
    result: Option<String>,
    errors: String,
    warnings: String,
}

impl Outcome {
    /// Ended well.
    pub fn succeeded() -> Self {
        Self::new(JobStatus::Succeeded, "[]")
    }

    /// Ended with `errors`, a JSON list.
    pub fn failed(errors: impl Into<String>) -> Self {
        Self::new(JobStatus::Failed, errors)
    }

    /// Stopped on request.
    pub fn cancelled() -> Self {
        Self::new(JobStatus::Cancelled, "[]")
    }

    /// Ended; some of its tasks failed with `errors`, a JSON list.
    pub fn partially_completed(errors: impl Into<String>) -> Self {
        Self::new(JobStatus::PartiallyCompleted, errors)
    }

    /// Adds what came of it, JSON; without, the job keeps the result it has.
    pub fn with_result(self, result: impl Into<String>) -> Self {
        Self { result: Some(result.into()), ..self }
    }

    /// Adds warnings, a JSON list.
    pub fn with_warnings(self, warnings: impl Into<String>) -> Self {
        Self { warnings: warnings.into(), ..self }
    }

    /// How.
    pub fn status(&self) -> JobStatus {
        self.status
    }

    fn new(status: JobStatus, errors: impl Into<String>) -> Self {
        Self { status, result: None, errors: errors.into(), warnings: "[]".to_owned() }
    }
}

impl Job {
    /// The right of the worker that has the job; `None` when nobody has it.
    pub fn lease(&self) -> Option<Lease> {
        let owner = self.lease_owner.clone()?;
        Some(Lease { job: self.id.clone(), owner, attempt: self.attempt })
    }
}

/// What makes a job due at `?1`.
const DUE: &str = "j.finished_at IS NULL AND j.not_before <= ?1 \
                   AND (j.lease_expires_at IS NULL OR j.lease_expires_at <= ?1)";

impl<D: Driver> Catalog<D> {
    /// Gives the next due job of `kinds` to `owner` until `now + ttl`; of many that ask at once exactly one gets it.
    /// Projects take turns, and within a project the oldest job comes first. A job whose lease ran out is due again.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn lease(
        &self,
        owner: &str,
        kinds: &[JobKind],
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Job>, Error> {
        let mut values = vec![now.into()];
        let kinds = kind_list(kinds, &mut values);
        let due = format!("{DUE} AND j.kind IN ({kinds})");
        // First the project, then its job: a join of the two would sort the whole backlog for one row.
        let sql = format!(
            "SELECT j.id, j.attempt FROM jobs j WHERE {due} AND j.project = (SELECT t.project FROM job_turns t \
             WHERE EXISTS (SELECT 1 FROM jobs j WHERE j.project = t.project AND {due}) \
             ORDER BY t.served_at, t.project LIMIT 1) ORDER BY j.created_at, j.id LIMIT 1"
        );
        // Looking needs no lock, so workers that find nothing disturb nobody; the write proves the finding.
        while let Some(mut row) = self.query_one(&sql, &values).await? {
            let lease = Lease { job: row.text()?, attempt: row.count()? + 1, owner: owner.to_owned() };
            if let Some(job) = self.take(&lease, now, ttl).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn take(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Option<Job>, Error> {
        let mut tx = self.write().await?;
        // `attempt` is what decides a race: whoever is second finds it one higher.
        let sql = format!(
            "UPDATE jobs SET lease_owner = ?2, attempt = ?3, lease_expires_at = ?4, updated_at = ?5, \
             status = CASE status WHEN 'not-started' THEN 'running' ELSE status END \
             WHERE id = ?1 AND attempt + 1 = ?3 AND finished_at IS NULL RETURNING {COLUMNS}"
        );
        let mut values = lease.values().to_vec();
        values.extend([end(now, ttl).into(), now.into()]);
        let Some(row) = tx.query_one(&sql, &values).await? else { return Ok(None) };
        let job = Job::from_row(row)?;
        let turn = "UPDATE job_turns SET served_at = ?2 WHERE project = ?1";
        tx.execute(turn, &[(&job.project).into(), now.into()]).await?;
        tx.commit().await?;
        Ok(Some(job))
    }

    /// Renews the lease until `now + ttl`.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn heartbeat(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Heartbeat, Error> {
        self.renew(lease, "", &[end(now, ttl).into()]).await
    }

    /// Renews the lease and says how far the job is (JSON).
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn progress(
        &self,
        lease: &Lease,
        progress: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Heartbeat, Error> {
        let values = [end(now, ttl).into(), progress.into(), now.into()];
        self.renew(lease, ", progress = ?5, updated_at = ?6", &values).await
    }

    async fn renew(&self, lease: &Lease, more: &str, values: &[Value]) -> Result<Heartbeat, Error> {
        let sql = format!(
            "UPDATE jobs SET lease_expires_at = ?4{more} \
             WHERE id = ?1 AND lease_owner = ?2 AND attempt = ?3 AND finished_at IS NULL RETURNING cancel_requested"
        );
        let values = [&lease.values(), values].concat();
        match self.query_one(&sql, &values).await? {
            Some(mut row) => Ok(Heartbeat { cancel_requested: row.boolean()? }),
            None => Err(Error::LeaseLost { job: lease.job.clone() }),
        }
    }

    /// Ends the job. Its payload is forgotten.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn finish(&self, lease: &Lease, outcome: &Outcome, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.write().await?;
        finish(&mut tx, lease, outcome, now).await?;
        tx.commit().await
    }

    /// Gives the job back, to be taken again from `not_before` on. A job that was asked to stop ends instead.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn retry_later(
        &self,
        lease: &Lease,
        not_before: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let sql = "UPDATE jobs SET lease_owner = NULL, lease_expires_at = NULL, not_before = ?4, updated_at = ?5 \
                   WHERE id = ?1 AND lease_owner = ?2 AND attempt = ?3 AND finished_at IS NULL \
                   AND cancel_requested = 0";
        let mut values = lease.values().to_vec();
        values.extend([not_before.into(), now.into()]);
        if tx.execute(sql, &values).await? == 0 {
            finish(&mut tx, lease, &Outcome::cancelled(), now).await?;
        }
        tx.commit().await
    }

    /// Ends every lease: the jobs are due again at once. For whoever can prove that no worker is alive, such as the one
    /// process that holds the lock on a single machine's data. Returns how many there were.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn release_leases(&self, now: Timestamp) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let sql = "UPDATE jobs SET lease_expires_at = ?1 WHERE finished_at IS NULL AND lease_expires_at > ?1";
        let released = tx.execute(sql, &[now.into()]).await?;
        tx.commit().await?;
        Ok(released)
    }

    /// When the next job of `kinds` becomes due; in the past when one is due already, `None` when none waits.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, Error> {
        let mut values = Vec::new();
        // A leased job has a `not_before` in the past, so the later of the two decides.
        let sql = format!(
            "SELECT MIN(CASE WHEN lease_expires_at > not_before THEN lease_expires_at ELSE not_before END) \
             FROM jobs WHERE finished_at IS NULL AND kind IN ({})",
            kind_list(kinds, &mut values)
        );
        let row = self.query_one(&sql, &values).await?;
        Ok(row.map(|mut row| row.optional_time()).transpose()?.flatten())
    }
}

/// Jobs of one kind that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLength {
    /// The kind.
    pub kind: JobKind,
    /// Nobody works on them, though somebody could.
    pub due: u64,
    /// Somebody works on them.
    pub running: u64,
    /// Their time has not come.
    pub later: u64,
}

impl<D: Driver> Catalog<D> {
    /// How many jobs have not ended, for the kinds that have some.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn queue_lengths(&self, now: Timestamp) -> Result<Vec<QueueLength>, Error> {
        let sql = format!(
            "SELECT j.kind, COUNT(CASE WHEN {DUE} THEN 1 END), COUNT(CASE WHEN j.lease_expires_at > ?1 THEN 1 END), COUNT(*) \
             FROM jobs j WHERE j.finished_at IS NULL GROUP BY j.kind ORDER BY j.kind"
        );
        let rows = self.query(&sql, &[now.into()]).await?;
        let length = |mut row: crate::Row| {
            let (kind, due, running) = (JobKind::parse(&row.text()?)?, row.count()?, row.count()?);
            let later = row.count()?.saturating_sub(due + running);
            Ok(QueueLength { kind, due, running, later })
        };
        rows.into_iter().map(length).collect()
    }
}

/// Ends the job within a transaction that does more.
pub(crate) async fn finish<C: Connection>(
    tx: &mut Transaction<C>,
    lease: &Lease,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), Error> {
    let mut values = lease.values().to_vec();
    values.extend([
        outcome.status.into(),
        outcome.result.clone().into(),
        (&outcome.errors).into(),
        (&outcome.warnings).into(),
        now.into(),
    ]);
    let ended = tx
        .execute(
            "UPDATE jobs SET status = ?4, result = COALESCE(?5, result), errors = ?6, warnings = ?7, \
             finished_at = ?8, updated_at = ?8, lease_owner = NULL, lease_expires_at = NULL \
             WHERE id = ?1 AND lease_owner = ?2 AND attempt = ?3 AND finished_at IS NULL",
            &values,
        )
        .await?;
    if ended == 0 {
        return Err(Error::LeaseLost { job: lease.job.clone() });
    }
    parts::forget_payload(tx, &lease.job).await?;
    automations::after_job(tx, &lease.job, now).await
}

/// `?2, ?3` … for `kinds`, whose words are appended to `values`; a list that matches nothing when there are none.
pub(super) fn kind_list(kinds: &[JobKind], values: &mut Vec<Value>) -> String {
    if kinds.is_empty() {
        return "NULL".to_owned();
    }
    let mut list = Vec::with_capacity(kinds.len());
    for kind in kinds {
        values.push(kind.word().into());
        list.push(format!("?{}", values.len()));
    }
    list.join(", ")
}

fn end(now: Timestamp, ttl: Duration) -> Timestamp {
    let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
    now.checked_add(ttl).unwrap_or(Timestamp::MAX)
}
