//! A model scored again (contract: authoring 14; evaluation 1).

use crate::jobs::state;
use crate::payloads::EvaluatePayload;
use crate::{Answer, Authoring, stored};
use catalog::{Driver, JobKind};
use language_api::training::EvaluationJobState;
use language_api::{ApiError, EvaluationOptions, JobId, JobLocation, ModelLabel, ProjectName};

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/models/{model}/:evaluate`: on the project's present labels, divided as the body says.
    ///
    /// # Errors
    /// 400 for a wrong body or too few labelled documents, 404, 409 while another job runs.
    pub async fn evaluate(&self, project: &ProjectName, label: &ModelLabel, body: &[u8]) -> Answer {
        let evaluation_options = EvaluationOptions::parse(body)?;
        self.project(project).await?;
        let model = self.catalog.model(project.as_str(), label.as_str()).await?;
        self.check_labels(project, evaluation_options).await?;
        let training_config_version = model.training_config_version;
        let payload = EvaluatePayload { evaluation_options, training_config_version };
        let progress = stored(payload.progress(label.as_str(), 0))?;
        let progress = Some(stored(serde_json::to_string(&progress))?);
        let payload = stored(serde_json::to_vec(&payload))?;
        let location = |job| JobLocation::Evaluation { project: project.clone(), model: label.clone(), job };
        self.enqueue(JobKind::Evaluate, project, label.as_str(), payload, progress, location).await
    }

    /// `GET /{project}/models/{model}/evaluate/jobs/{job}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_evaluation_job(&self, project: &ProjectName, label: &ModelLabel, id: JobId) -> Answer {
        let job = self.find_job_of(project, id, &[JobKind::Evaluate]).await?;
        if job.target != label.as_str() {
            return Err(ApiError::operation_not_found());
        }
        let result = stored(serde_json::from_str(job.progress.as_deref().unwrap_or_default()))?;
        Ok(self.job_reply(&EvaluationJobState { result, job: state(&job)? }, &job))
    }
}
