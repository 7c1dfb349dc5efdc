//! Exported models (contract: authoring 14): copies of bundles, whose files this server hands out.

use crate::payloads::ExportModelPayload;
use crate::training::expires;
use crate::{Answer, Authoring, stored};
use catalog::{Driver, ExportedModel, JobKind};
use language_api::exported_models::{
    ExportModelRequest, ExportedModelManifest, ExportedModelSummary, ModelFile,
};
use language_api::{ApiError, ExportedModelName, JobLocation, ProjectName, Reply, WholeSeconds};

impl<D: Driver> Authoring<'_, D> {
    /// `GET /{project}/exported-models`.
    ///
    /// # Errors
    /// 404, 400 for wrong paging.
    pub async fn list_exported_models(&self, project: &ProjectName) -> Answer {
        self.project(project).await?;
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let found = self.catalog.exported_models(project.as_str(), page).await?;
        self.list(wanted, found, "", summary)
    }

    /// `GET /{project}/exported-models/{name}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_exported_model(&self, project: &ProjectName, name: &ExportedModelName) -> Answer {
        self.project(project).await?;
        let found = self.catalog.exported_model(project.as_str(), name.as_str()).await?;
        Ok(Reply::ok(&summary(found)?))
    }

    /// `PUT /{project}/exported-models/{name}`: a job that copies the model's bundle as it is then.
    ///
    /// # Errors
    /// 400 for a wrong body, 404 for project or model, 409 while another job runs.
    pub async fn export_model(&self, project: &ProjectName, name: &ExportedModelName, body: &[u8]) -> Answer {
        let request = ExportModelRequest::parse(body)?;
        self.project(project).await?;
        let label = request.trained_model_label.as_str();
        let found = self.catalog.model(project.as_str(), label).await;
        found.map_err(|error| ApiError::from(error).at("trainedModelLabel"))?;
        let payload = stored(serde_json::to_vec(&ExportModelPayload { model_label: label.to_owned() }))?;
        self.exported_model_job(JobKind::ExportModel, project, name, payload).await
    }

    /// `DELETE /{project}/exported-models/{name}`: a job. Models and deployments stay.
    ///
    /// # Errors
    /// 404, 409 while another job runs.
    pub async fn delete_exported_model(&self, project: &ProjectName, name: &ExportedModelName) -> Answer {
        self.project(project).await?;
        self.catalog.exported_model(project.as_str(), name.as_str()).await?;
        self.exported_model_job(JobKind::DeleteExportedModel, project, name, vec![]).await
    }

    async fn exported_model_job(
        &self,
        kind: JobKind,
        project: &ProjectName,
        name: &ExportedModelName,
        payload: Vec<u8>,
    ) -> Answer {
        let location =
            |job| JobLocation::ExportedModel { project: project.clone(), exported: name.clone(), job };
        self.enqueue(kind, project, name.as_str(), payload, None, location).await
    }

    /// `GET /{project}/exported-models/{name}/manifest`: the files and where they are.
    ///
    /// # Errors
    /// 404.
    pub async fn get_exported_manifest(&self, project: &ProjectName, name: &ExportedModelName) -> Answer {
        self.project(project).await?;
        let files = self.catalog.exported_files(project.as_str(), name.as_str()).await?;
        let place = |file| {
            let (project, exported) = (project.clone(), name.clone());
            self.links.job(&JobLocation::ExportedFile { project, exported, file })
        };
        let model_files =
            files.into_iter().map(|file| ModelFile { content_uri: place(file.clone()), name: file });
        Ok(Reply::ok(&ExportedModelManifest { model_files: model_files.collect() }))
    }

    /// `GET /{project}/exported-models/{name}/files/{file}`: the bytes of one file.
    ///
    /// # Errors
    /// 404.
    pub async fn get_exported_file(
        &self,
        project: &ProjectName,
        name: &ExportedModelName,
        file: &str,
    ) -> Answer {
        self.project(project).await?;
        Ok(Reply::bytes(self.catalog.exported_file(project.as_str(), name.as_str(), file).await?))
    }
}

fn summary(model: ExportedModel) -> Result<ExportedModelSummary, ApiError> {
    Ok(ExportedModelSummary {
        exported_model_name: stored(ExportedModelName::new(&model.name))?,
        model_id: model.model_id,
        last_trained_date_time: WholeSeconds(model.trained_at),
        last_exported_model_date_time: WholeSeconds(model.exported_at),
        model_expiration_date: expires(),
        model_training_config_version: model.training_config_version,
    })
}
