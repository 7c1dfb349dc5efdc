//! Running jobs: the call of the installation to itself.

use crate::cancel::deadline;
use crate::stored::{StoredResults, from_json, to_json};
use crate::{Answer, Extraction};
use catalog::{Driver, ExtractionJob, JobStatus, Lease, Outcome, TaskResult};
use jiff::Timestamp;
use language_api::runtime::{AnalysisInput, SubmitRequest, Task, task_failed};
use language_api::{ApiError, Call, ErrorBody, ErrorKind, Reply, RuntimeJobId};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// Body of the call: the lease that the dispatcher holds.
#[derive(Debug, Deserialize)]
struct RunRequest {
    owner: String,
    attempt: u64,
}

/// Body of the answer.
#[derive(Debug, Serialize)]
struct RunResponse {
    status: language_api::JobStatus,
}

/// The work on one job: what is known of it, and what came of it so far.
struct Run {
    lease: Lease,
    deadline: Option<Timestamp>,
    unwritten: Vec<TaskResult>,
    succeeded: usize,
    errors: Vec<ErrorBody>,
}

impl<D: Driver> Extraction<'_, D> {
    /// Runs the job to its end under the dispatcher's lease and answers 200 with how it ended. Tasks that an earlier
    /// attempt finished are not done again, and a job that has ended stays as it is.
    ///
    /// `secret` is what the caller must show; an empty one admits nobody.
    ///
    /// # Errors
    /// 401 without the secret, 400 for a body without lease, 404 for an unknown job, 409 when the lease is not the
    /// job's: whoever called must let go of it. 503 when the database is away: the job is as it was, worth another try.
    pub async fn run_job(&self, call: &Call, id: RuntimeJobId, secret: &str) -> Answer {
        prove(call.internal_secret.as_deref(), secret)?;
        let lease = lease(&call.body, id)?;
        let found = self.catalog.extraction_job(&lease.job, (self.now)()).await?;
        if found.job.status.is_terminal() {
            return Ok(ended(found.job.status));
        }
        if found.job.lease().as_ref() != Some(&lease) {
            return Err(lease_lost());
        }
        let request: SubmitRequest = from_json(&self.catalog.payload(&lease.job).await?)?;
        let deadline = deadline(&found)?;
        let mut run = Run { lease, deadline, unwritten: Vec::new(), succeeded: 0, errors: Vec::new() };
        let cancelled = self.run_tasks(&mut run, &found, &request).await?;
        self.finish(run, cancelled).await
    }

    /// Runs the tasks that are not done; returns whether the job is to stop.
    async fn run_tasks(
        &self,
        run: &mut Run,
        found: &ExtractionJob,
        request: &SubmitRequest,
    ) -> Result<bool, ApiError> {
        for (task, (position, known)) in request.tasks.iter().zip((0..).zip(&found.tasks)) {
            if self.must_stop(run).await? {
                return Ok(true);
            }
            if known.status == JobStatus::Succeeded {
                run.succeeded += 1;
                continue;
            }
            let result = self.run_task(run, &request.analysis_input, task, position).await?;
            run.unwritten.push(result);
            // Others still run: this one's results can be seen already.
            if (position as usize) + 1 < request.tasks.len() {
                self.write(run).await?;
            }
        }
        self.must_stop(run).await
    }

    async fn run_task(
        &self,
        run: &mut Run,
        input: &AnalysisInput,
        task: &Task,
        position: u32,
    ) -> Result<TaskResult, ApiError> {
        match self.extract(input, &task.parameters).await {
            Ok(results) => {
                run.succeeded += 1;
                let document_ids = input.documents.iter().map(|document| document.id.clone()).collect();
                let results = Some(to_json(&StoredResults { document_ids, results })?);
                Ok(TaskResult { position, status: JobStatus::Succeeded, results })
            }
            Err(error) if error.is_final(run.lease.attempt) => {
                run.errors.push(task_failed(&error.into(), position as usize));
                Ok(TaskResult { position, status: JobStatus::Failed, results: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether somebody asked the job to stop or its own time is over.
    async fn must_stop(&self, run: &Run) -> Result<bool, ApiError> {
        let now = (self.now)();
        let job = self.catalog.job(&run.lease.job, now).await?;
        Ok(job.cancel_requested || run.deadline.is_some_and(|deadline| deadline <= now))
    }

    async fn write(&self, run: &mut Run) -> Result<(), ApiError> {
        for result in run.unwritten.drain(..) {
            self.catalog.put_task_result(&run.lease, &result, (self.now)()).await.map_err(refused)?;
        }
        Ok(())
    }

    async fn finish(&self, run: Run, cancelled: bool) -> Answer {
        let outcome = if cancelled { Outcome::cancelled() } else { run.outcome()? };
        // A job that was stopped shows no results of the task it was stopped in.
        let results = if cancelled { &[][..] } else { &run.unwritten };
        let finished = self.catalog.finish_extraction(&run.lease, results, &outcome, (self.now)());
        finished.await.map_err(refused)?;
        Ok(ended(outcome.status()))
    }
}

impl Run {
    /// How the job ended. Partly is for several tasks alone: two clients would wait for ever otherwise.
    fn outcome(&self) -> Result<Outcome, ApiError> {
        if self.errors.is_empty() {
            return Ok(Outcome::succeeded());
        }
        let errors = to_json(&self.errors)?;
        Ok(if self.succeeded == 0 { Outcome::failed(errors) } else { Outcome::partially_completed(errors) })
    }
}

fn prove(shown: Option<&str>, secret: &str) -> Result<(), ApiError> {
    let shown = shown.unwrap_or_default();
    if !secret.is_empty() && bool::from(shown.as_bytes().ct_eq(secret.as_bytes())) {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::Unauthorized, "only the installation itself may call this"))
}

fn lease(body: &[u8], id: RuntimeJobId) -> Result<Lease, ApiError> {
    let request: RunRequest = serde_json::from_slice(body).map_err(|error| {
        ApiError::new(ErrorKind::Field, format!("the body is no lease with owner and attempt: {error}"))
    })?;
    Ok(Lease { job: id.to_string(), owner: request.owner, attempt: request.attempt })
}

fn lease_lost() -> ApiError {
    ApiError::new(ErrorKind::Conflict, "the lease is not, or no longer, the job's")
}

fn refused(error: catalog::Error) -> ApiError {
    match error {
        catalog::Error::LeaseLost { .. } => lease_lost(),
        other => other.into(),
    }
}

fn ended(how: JobStatus) -> Reply {
    Reply::ok(&RunResponse { status: how.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_opens() {
        assert!(prove(Some("s3cret"), "s3cret").is_ok());
        for (shown, secret) in [(None, "s"), (Some("t"), "s"), (Some("ss"), "s"), (Some(""), ""), (None, "")]
        {
            assert!(prove(shown, secret).is_err(), "{shown:?} {secret:?}");
        }
    }
}
