//! Export of a project file (contract: authoring 9): the worker writes it, in parts; here it is asked for and handed out.

use crate::jobs::state;
use crate::payloads::ExportPayload;
use crate::{Answer, Authoring, stored};
use catalog::{Driver, Job, JobKind, JobStatus};
use language_api::{ApiError, ErrorKind, ExportJobState, JobId, JobLocation, ModelLabel, ProjectName, Reply};

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/:export`: of the present labels, or of those that `trainedModelLabel` was trained on.
    ///
    /// # Errors
    /// 400 without `stringIndexType=Utf16CodeUnit`, 404 for the project or the model.
    pub async fn export(&self, project: &ProjectName) -> Answer {
        self.query.utf16()?;
        self.project(project).await?;
        let model_label = self.snapshot_asked_for(project).await?;
        let target = model_label.clone().unwrap_or_default();
        let payload = stored(serde_json::to_vec(&ExportPayload { model_label }))?;
        let location = |job| JobLocation::Export { project: project.clone(), job };
        self.enqueue(JobKind::Export, project, &target, payload, None, location).await
    }

    async fn snapshot_asked_for(&self, project: &ProjectName) -> Result<Option<String>, ApiError> {
        let name = "trainedModelLabel";
        let Some(label) = self.query.get(name).filter(|label| !label.is_empty()) else { return Ok(None) };
        let label = ModelLabel::new(label)
            .map_err(|error| ApiError::new(ErrorKind::Field, error.to_string()).at(name))?;
        let model = self.catalog.model(project.as_str(), label.as_str()).await;
        let model = model.map_err(|error| ApiError::from(error).at(name))?;
        if model.snapshot.is_none() {
            let message = format!("model {label} keeps no copy of the labels it was trained on");
            return Err(ApiError::new(ErrorKind::NotFound, message).at(name));
        }
        Ok(Some(model.label))
    }

    /// `GET /{project}/export/jobs/{job}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_export_job(&self, project: &ProjectName, id: JobId) -> Answer {
        let job = self.export_job(project, id).await?;
        let location = JobLocation::ExportResult { project: project.clone(), job: id };
        let result_url = (job.status == JobStatus::Succeeded).then(|| self.links.job(&location));
        Ok(self.job_reply(&ExportJobState { result_url, job: state(&job)? }, &job))
    }

    /// `GET /{project}/export/jobs/{job}/result`: the project file.
    ///
    /// # Errors
    /// 404, also while the job has not succeeded.
    pub async fn get_export_result(&self, project: &ProjectName, id: JobId) -> Answer {
        let job = self.export_job(project, id).await?;
        if job.status != JobStatus::Succeeded {
            let message = format!("the export has no result: the job is {}", job.status);
            return Err(ApiError::new(ErrorKind::NotFound, message));
        }
        let mut file = Vec::new();
        for part in 0.. {
            match self.catalog.result_part(&job.id, part).await? {
                Some(bytes) => file.extend(bytes),
                None => break,
            }
        }
        Ok(Reply::stored(file))
    }

    async fn export_job(&self, project: &ProjectName, id: JobId) -> Result<Job, ApiError> {
        self.find_job_of(project, id, &[JobKind::Export]).await
    }
}
