//! Models and their evaluation (contract: authoring 11, evaluation 3 and 5).

use crate::training::expires;
use crate::{Answer, Authoring, stored};
use catalog::{Driver, Model};
use language_api::{
    ApiError, ErrorKind, JobLocation, ModelLabel, ModelLineage, ModelSummary, ProjectName, Reply,
    WholeSeconds,
};
use serde_json::value::RawValue;

impl<D: Driver> Authoring<'_, D> {
    /// `GET /{project}/models`.
    ///
    /// # Errors
    /// 404, 400 for wrong paging.
    pub async fn list_models(&self, project: &ProjectName) -> Answer {
        self.project(project).await?;
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let found = self.catalog.models(project.as_str(), page).await?;
        self.list(wanted, found, "", summary)
    }

    /// `GET /{project}/models/{model}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_model(&self, project: &ProjectName, label: &ModelLabel) -> Answer {
        self.project(project).await?;
        let model = self.catalog.model(project.as_str(), label.as_str()).await?;
        let manifest = self.catalog.bundle_manifest(&model.model_id).await?;
        let lineage = Some(stored(ModelLineage::of_manifest(&manifest))?);
        Ok(Reply::ok(&ModelSummary { lineage, ..summary(model)? }))
    }

    /// `DELETE /{project}/models/{model}`.
    ///
    /// # Errors
    /// 404, 409 while a deployment uses it or a job of the project runs.
    pub async fn delete_model(&self, project: &ProjectName, label: &ModelLabel) -> Answer {
        self.project(project).await?;
        self.catalog.delete_model(project.as_str(), label.as_str(), self.now).await?;
        Ok(Reply::no_content())
    }

    /// `POST /{project}/models/{model}/:load-snapshot`.
    ///
    /// # Errors
    /// 404, 409 while another job runs.
    pub async fn load_snapshot(&self, project: &ProjectName, label: &ModelLabel) -> Answer {
        self.project(project).await?;
        self.catalog.model(project.as_str(), label.as_str()).await?;
        let location =
            |job| JobLocation::LoadSnapshot { project: project.clone(), model: label.clone(), job };
        self.enqueue(catalog::JobKind::LoadSnapshot, project, label.as_str(), vec![], None, location).await
    }

    /// `GET /{project}/models/{model}/evaluation/summary-result`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_evaluation_summary(&self, project: &ProjectName, label: &ModelLabel) -> Answer {
        self.project(project).await?;
        match self.catalog.evaluation_summary(project.as_str(), label.as_str()).await? {
            Some(json) => Ok(Reply::stored(json)),
            None => Err(ApiError::new(ErrorKind::NotFound, format!("model {label} has no evaluation"))),
        }
    }

    /// `GET /{project}/models/{model}/evaluation/result`.
    ///
    /// # Errors
    /// 404, 400 without `stringIndexType=Utf16CodeUnit` or for wrong paging.
    pub async fn get_evaluation_result(&self, project: &ProjectName, label: &ModelLabel) -> Answer {
        self.query.utf16()?;
        self.project(project).await?;
        let (wanted, page) = self.page(self.limits.evaluation_page_items_default)?;
        let found = self.catalog.evaluation_documents(project.as_str(), label.as_str(), page).await?;
        let raw = |document: catalog::EvaluationDocument| stored(RawValue::from_string(document.result));
        self.list(wanted, found, "stringIndexType=Utf16CodeUnit", raw)
    }
}

fn summary(model: Model) -> Result<ModelSummary, ApiError> {
    Ok(ModelSummary {
        label: stored(ModelLabel::new(&model.label))?,
        model_id: model.model_id,
        last_trained_date_time: WholeSeconds(model.trained_at),
        last_training_duration_in_seconds: model.training_seconds,
        model_expiration_date: expires(),
        model_training_config_version: model.training_config_version,
        has_snapshot: model.snapshot.is_some(),
        lineage: None,
    })
}
