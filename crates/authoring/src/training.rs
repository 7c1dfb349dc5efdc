//! Training (contract: authoring 10).

use crate::jobs::state;
use crate::payloads::TrainPayload;
use crate::quota::check_quota;
use crate::{Answer, Authoring, stored};
use catalog::{Driver, Job, JobKind};
use language_api::training::{CONFIG_LATEST, PhaseState, TrainingResult};
use language_api::{
    ApiError, ErrorKind, EvaluationOptions, JobId, JobLocation, JobStatus, ModelLabel, ProjectName, Reply,
    TrainRequest, TrainingJobState,
};

/// The version that lets the trainer choose, under the name the service has for it.
pub const CONFIG_AUTOMATIC: &str = "2022-05-01";

/// Every version that can be trained with; all but the first name a recipe.
pub const CONFIG_VERSIONS: &[&str] = &[CONFIG_AUTOMATIC, "lexical", "contextual", "tuned"];

/// Nothing expires here; the contract wants a date, so it is one far ahead.
pub fn expires() -> language_api::Day {
    language_api::Day(jiff::civil::date(2099, 12, 31))
}

/// The version meant by what a caller wrote.
///
/// # Errors
/// 400 with the versions there are.
pub fn resolve_config(wanted: &str) -> Result<&'static str, ApiError> {
    if wanted.eq_ignore_ascii_case(CONFIG_LATEST) {
        return Ok(CONFIG_AUTOMATIC);
    }
    let found = CONFIG_VERSIONS.iter().find(|version| version.eq_ignore_ascii_case(wanted));
    found.copied().ok_or_else(|| {
        let all = CONFIG_VERSIONS.join(", ");
        let message = format!(
            "there is no training configuration version {wanted:?}; there are {CONFIG_LATEST}, {all}"
        );
        ApiError::new(ErrorKind::Field, message).at("trainingConfigVersion")
    })
}

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/:train`.
    ///
    /// # Errors
    /// 400 for wrong fields or too few labelled documents, 404, 409 while another job runs, the quota of models.
    pub async fn train(&self, project: &ProjectName, body: &[u8]) -> Answer {
        let request = TrainRequest::parse(body)?;
        let config = resolve_config(&request.training_config_version)?;
        self.project(project).await?;
        self.check_labels(project, request.evaluation_options).await?;
        self.check_model_quota(project, &request.model_label).await?;
        let payload = stored(serde_json::to_vec(&TrainPayload::new(&request, config)))?;
        let progress = stored(serde_json::to_string(&not_started(&request, config)))?;
        let location = |job| JobLocation::Training { project: project.clone(), job };
        let label = request.model_label.as_str();
        self.enqueue(JobKind::Train, project, label, payload, Some(progress), location).await
    }

    pub(crate) async fn check_labels(
        &self,
        project: &ProjectName,
        options: EvaluationOptions,
    ) -> Result<(), ApiError> {
        let set = self.catalog.current_labels(project.as_str()).await?;
        let totals = self.catalog.label_totals(&set).await?;
        let least = u64::from(self.limits.labeled_documents_to_train_min);
        if totals.labeled < least {
            let message = format!(
                "training needs at least {least} labelled documents, the project has {}",
                totals.labeled
            );
            return Err(ApiError::new(ErrorKind::Field, message).at("documents"));
        }
        if options == EvaluationOptions::Manual && totals.labeled_test == 0 {
            let message = "evaluation kind manual needs at least one labelled document in the Test dataset";
            return Err(ApiError::new(ErrorKind::Field, message).at("evaluationOptions.kind"));
        }
        Ok(())
    }

    async fn check_model_quota(&self, project: &ProjectName, label: &ModelLabel) -> Result<(), ApiError> {
        match self.catalog.model(project.as_str(), label.as_str()).await {
            Ok(_) => return Ok(()),
            Err(catalog::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let total = self.catalog.models(project.as_str(), catalog::PageRequest::first(1)).await?.total;
        let most = self.limits.models_per_project_max;
        check_quota(total, most, "models", "overwrite one by its label", "modelLabel")
    }

    /// `GET /{project}/train/jobs`.
    ///
    /// # Errors
    /// 404, 400 for wrong paging.
    pub async fn list_training_jobs(&self, project: &ProjectName) -> Answer {
        self.project(project).await?;
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let found = self.catalog.jobs(project.as_str(), JobKind::Train, page, self.now).await?;
        self.list(wanted, found, "", |job| training_state(&job))
    }

    /// `GET /{project}/train/jobs/{job}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_training_job(&self, project: &ProjectName, id: JobId) -> Answer {
        let job = self.training_job(project, id).await?;
        Ok(self.job_reply(&training_state(&job)?, &job))
    }

    /// `POST /{project}/train/jobs/{job}/:cancel`.
    ///
    /// # Errors
    /// 404, 409 when the job has ended.
    pub async fn cancel_training_job(&self, project: &ProjectName, id: JobId) -> Answer {
        let job = self.training_job(project, id).await?;
        self.catalog.request_cancel(&job.id, self.now).await?;
        let location = JobLocation::Training { project: project.clone(), job: id };
        Ok(Reply::accepted(self.links.job(&location)))
    }

    async fn training_job(&self, project: &ProjectName, id: JobId) -> Result<Job, ApiError> {
        self.find_job_of(project, id, &[JobKind::Train]).await
    }
}

fn training_state(job: &Job) -> Result<TrainingJobState, ApiError> {
    let job_state = state(job)?;
    let mut result: TrainingResult =
        stored(serde_json::from_str(job.progress.as_deref().unwrap_or_default()))?;
    if job_state.status.is_terminal() {
        result.estimated_end_date_time = None;
        result.stage = None;
    }
    // The worker writes phases as it goes; how the job ended is the row's word.
    for phase in [Some(&mut result.training_status), result.evaluation_status.as_mut()].into_iter().flatten()
    {
        if job_state.status.is_terminal() && !phase.status.is_terminal() {
            phase.status = job_state.status;
        }
    }
    Ok(TrainingJobState { result, job: job_state })
}

/// What a training's state shows before a worker has begun.
fn not_started(request: &TrainRequest, config: &str) -> TrainingResult {
    let waiting = PhaseState {
        percent_complete: 0,
        start_date_time: None,
        end_date_time: None,
        status: JobStatus::NotStarted,
    };
    TrainingResult {
        model_label: request.model_label.clone(),
        training_config_version: config.to_owned(),
        training_status: waiting.clone(),
        evaluation_status: Some(waiting),
        estimated_end_date_time: None,
        stage: None,
        validation_f1: None,
        guidance: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_is_resolved_and_unknown_versions_are_refused() {
        assert_eq!(resolve_config("latest"), Ok(CONFIG_AUTOMATIC));
        assert_eq!(resolve_config("Lexical"), Ok("lexical"));
        let error = resolve_config("2031-01-01").expect_err("unknown");
        assert_eq!(error.target.as_deref(), Some("trainingConfigVersion"));
        assert!(error.message.contains("contextual"), "{}", error.message);
    }
}
