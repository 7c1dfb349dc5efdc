//! Job states (contract: authoring 4).

use crate::{Answer, Authoring, stored};
use catalog::{Driver, Job, JobKind};
use language_api::{ApiError, JobId, JobState, JobStatus, ProjectName, Reply, WholeSeconds};

impl<D: Driver> Authoring<'_, D> {
    /// State of a job that has the common fields alone.
    ///
    /// # Errors
    /// 404 `OperationNotFound` when there is no such job of `kinds` in the project.
    pub async fn get_job(&self, project: &ProjectName, id: JobId, kinds: &[JobKind]) -> Answer {
        let job = self.find_job(id, kinds).await?;
        if job.project != project.as_str() {
            return Err(ApiError::operation_not_found());
        }
        Ok(Reply::ok(&state(&job)?))
    }

    /// State of a project's deletion, whose project is gone.
    ///
    /// # Errors
    /// 404 `OperationNotFound`.
    pub async fn get_deletion_job(&self, id: JobId) -> Answer {
        Ok(Reply::ok(&state(&self.find_job(id, &[JobKind::DeleteProject]).await?)?))
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
    let status = status(job.status);
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

pub(crate) fn status(status: catalog::JobStatus) -> JobStatus {
    match status {
        catalog::JobStatus::NotStarted => JobStatus::NotStarted,
        catalog::JobStatus::Running => JobStatus::Running,
        catalog::JobStatus::Cancelling => JobStatus::Cancelling,
        catalog::JobStatus::Succeeded => JobStatus::Succeeded,
        catalog::JobStatus::Failed => JobStatus::Failed,
        catalog::JobStatus::Cancelled => JobStatus::Cancelled,
        catalog::JobStatus::PartiallyCompleted => JobStatus::PartiallyCompleted,
    }
}
