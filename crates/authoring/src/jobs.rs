//! Job states (contract: authoring 4).

use crate::{Answer, Authoring, stored};
use catalog::{Driver, Job, JobKind};
use language_api::{ApiError, JobId, JobState, JobStatus, ProjectName, Reply, WholeSeconds};
use serde::Serialize;

/// When a client is asked to look at a running job again.
const POLL_SECONDS: u32 = 1;

impl<D: Driver> Authoring<'_, D> {
    /// State of a job that has the common fields alone. `target` is the model or deployment in the path, empty for jobs
    /// of the whole project.
    ///
    /// # Errors
    /// 404 `OperationNotFound` when there is no such job of `kinds` in the project.
    pub async fn get_job(&self, project: &ProjectName, target: &str, id: JobId, kinds: &[JobKind]) -> Answer {
        let job = self.find_job_of(project, id, kinds).await?;
        if job.target != target {
            return Err(ApiError::operation_not_found());
        }
        Ok(self.job_reply(&state(&job)?, &job))
    }

    /// State of a project's deletion, whose project is gone.
    ///
    /// # Errors
    /// 404 `OperationNotFound`.
    pub async fn get_deletion_job(&self, id: JobId) -> Answer {
        let job = self.find_job(id, &[JobKind::DeleteProject]).await?;
        Ok(self.job_reply(&state(&job)?, &job))
    }

    /// A job of the project.
    pub(crate) async fn find_job_of(
        &self,
        project: &ProjectName,
        id: JobId,
        kinds: &[JobKind],
    ) -> Result<Job, ApiError> {
        let job = self.find_job(id, kinds).await?;
        if job.project == project.as_str() { Ok(job) } else { Err(ApiError::operation_not_found()) }
    }

    /// A job's state. While the job is not over the answer says when to look again, which clients would else do after
    /// half a minute.
    pub(crate) fn job_reply(&self, state: &impl Serialize, job: &Job) -> Reply {
        let mut reply = Reply::ok(state);
        if !job.status.is_terminal() {
            reply.headers.push(("retry-after", POLL_SECONDS.to_string()));
        }
        reply
    }

    pub(crate) async fn find_job(&self, id: JobId, kinds: &[JobKind]) -> Result<Job, ApiError> {
        let job = match self.catalog.job(&id.to_string(), self.now).await {
            Err(catalog::Error::NotFound { .. }) => return Err(ApiError::operation_not_found()),
            found => found?,
        };
        if kinds.contains(&job.kind) { Ok(job) } else { Err(ApiError::operation_not_found()) }
    }
}

/// The fields all jobs share.
pub(crate) fn state(job: &Job) -> Result<JobState, ApiError> {
    let warnings: Vec<language_api::JobWarning> = stored(serde_json::from_str(&job.warnings))?;
    let status = JobStatus::from(job.status);
    Ok(JobState {
        job_id: stored(job.id.parse())?,
        created_date_time: WholeSeconds(job.created_at),
        last_updated_date_time: WholeSeconds(job.updated_at),
        expiration_date_time: Some(WholeSeconds(job.expires_at)),
        status,
        warnings: (status.is_terminal() && (!warnings.is_empty() || job.kind == JobKind::Train))
            .then_some(warnings),
        errors: stored(serde_json::from_str(&job.errors))?,
    })
}
