//! The authoring API as a Spin component: a route, a use-case, an answer.

use authoring::{Answer, Authoring};
use bytes::Bytes;
use catalog::JobKind;
use http_body_util::Full;
use language_api::{AllowedSubscribers, ApiError, AuthoringRoute as Route, Call, ErrorKind};
use spin_sdk::http::{Request, Response};
use spin_sdk::{http_service, variables};
use storage_events::WebhookSecret;

const SUBSCRIBERS: &str = "subscribers";

#[http_service]
async fn handle(request: Request) -> Response<Full<Bytes>> {
    guest::answer(request, decide).await
}

async fn decide(call: Call) -> Answer {
    let route = Route::parse(&call.method, &call.path)?;
    let catalog = guest::catalog().await?;
    let limits = guest::limits().await?;
    let view = Authoring::open(&catalog, &call, &route, limits, guest::now(), guest::new_id()).await?;
    match route {
        Route::ListProjects => view.list_projects().await,
        Route::ListLanguages => view.list_languages(),
        Route::ListTrainingConfigVersions => view.list_training_config_versions(),
        Route::GetDeletionJob { job } => view.get_deletion_job(job).await,
        Route::GetProject { project } => view.get_project(&project).await,
        Route::PatchProject { project } => view.patch_project(&project, &call.body).await,
        Route::DeleteProject { project } => view.delete_project(&project).await,
        Route::Import { project } => view.import(&project, call.body).await,
        Route::GetImportJob { project, job } => view.get_import_job(&project, job).await,
        Route::AuthorizeCopy { project } => view.authorize_copy(&project, &call.body).await,
        Route::Copy { project } => view.copy(&project, &call.body).await,
        Route::GetCopyJob { project, job } => view.get_copy_job(&project, job).await,
        Route::Train { project } => view.train(&project, &call.body).await,
        Route::ListTrainingJobs { project } => view.list_training_jobs(&project).await,
        Route::GetTrainingJob { project, job } => view.get_training_job(&project, job).await,
        Route::CancelTrainingJob { project, job } => view.cancel_training_job(&project, job).await,
        Route::ListModels { project } => view.list_models(&project).await,
        Route::GetModel { project, model } => view.get_model(&project, &model).await,
        Route::DeleteModel { project, model } => view.delete_model(&project, &model).await,
        Route::LoadSnapshot { project, model } => view.load_snapshot(&project, &model).await,
        Route::GetLoadSnapshotJob { project, model, job } => {
            view.get_job(&project, model.as_str(), job, &[JobKind::LoadSnapshot]).await
        }
        Route::GetEvaluationSummary { project, model } => view.get_evaluation_summary(&project, &model).await,
        Route::GetEvaluationResult { project, model } => view.get_evaluation_result(&project, &model).await,
        Route::ListPrebuiltEntities => view.list_prebuilt_entities(),
        Route::ListDeploymentResources => view.list_deployment_resources(),
        Route::ListStorageEvents => view.list_storage_events().await,
        Route::GetAutomation { project } => view.get_automation(&project).await,
        Route::PutAutomation { project } => view.put_automation(&project, &call.body).await,
        Route::ListSubscribers { project } => view.list_subscribers(&project).await,
        Route::PutSubscriber { project, subscriber } => {
            let allowed = allowed_subscribers().await?;
            view.put_subscriber(&project, &subscriber, &call.body, &allowed, &new_secret()?).await
        }
        Route::DeleteSubscriber { project, subscriber } => {
            view.delete_subscriber(&project, &subscriber).await
        }
        Route::ListDeliveries { project } => view.list_deliveries(&project).await,
        Route::RetryDelivery { project, job } => view.retry_delivery(&project, job).await,
        Route::ListJobs { project } => view.list_jobs(&project).await,
        Route::ListResources { project } => view.list_resources(&project).await,
        Route::ListExportedModels { project } => view.list_exported_models(&project).await,
        Route::GetExportedModel { project, exported } => view.get_exported_model(&project, &exported).await,
        Route::ExportModel { project, exported } => view.export_model(&project, &exported, &call.body).await,
        Route::DeleteExportedModel { project, exported } => {
            view.delete_exported_model(&project, &exported).await
        }
        Route::GetExportedModelJob { project, exported, job } => {
            let kinds = [JobKind::ExportModel, JobKind::DeleteExportedModel];
            view.get_job(&project, exported.as_str(), job, &kinds).await
        }
        Route::GetExportedManifest { project, exported } => {
            view.get_exported_manifest(&project, &exported).await
        }
        Route::GetExportedFile { project, exported, file } => {
            view.get_exported_file(&project, &exported, &file).await
        }
        Route::AssignResources { project } => view.assign_resources(&project, &call.body).await,
        Route::UnassignResources { project } => view.unassign_resources(&project, &call.body).await,
        Route::DeleteFromResources { project, deployment } => {
            view.delete_from_resources(&project, &deployment, &call.body).await
        }
        Route::Evaluate { project, model } => view.evaluate(&project, &model, &call.body).await,
        Route::GetEvaluationJob { project, model, job } => {
            view.get_evaluation_job(&project, &model, job).await
        }
        Route::ListDeployments { project } => view.list_deployments(&project).await,
        Route::SwapDeployments { project } => view.swap_deployments(&project, &call.body).await,
        Route::GetSwapJob { project, job } => view.get_job(&project, "", job, &[JobKind::Swap]).await,
        Route::GetDeployment { project, deployment } => view.get_deployment(&project, &deployment).await,
        Route::PutDeployment { project, deployment } => {
            view.put_deployment(&project, &deployment, &call.body).await
        }
        Route::DeleteDeployment { project, deployment } => {
            view.delete_deployment(&project, &deployment).await
        }
        Route::GetDeploymentJob { project, deployment, job } => {
            let kinds = [JobKind::Deploy, JobKind::DeleteDeployment];
            view.get_job(&project, deployment.as_str(), job, &kinds).await
        }
        Route::Export { project } => view.export(&project).await,
        Route::GetExportJob { project, job } => view.get_export_job(&project, job).await,
        Route::GetExportResult { project, job } => view.get_export_result(&project, job).await,
    }
}

/// Where this installation sends events.
async fn allowed_subscribers() -> Result<AllowedSubscribers, ApiError> {
    let unusable = |reason: String| ApiError::new(ErrorKind::Unavailable, reason);
    let text = variables::get(SUBSCRIBERS).await;
    let text = text.map_err(|_| unusable(format!("the variable {SUBSCRIBERS} is not set")))?;
    AllowedSubscribers::parse(&text).map_err(|error| unusable(format!("{SUBSCRIBERS}: {error}")))
}

/// A secret that nobody knows yet.
fn new_secret() -> Result<WebhookSecret, ApiError> {
    let random = [guest::new_id(), guest::new_id()].map(|id| id.into_bytes()).concat();
    WebhookSecret::new(&random).map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))
}
