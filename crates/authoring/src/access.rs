//! Which role a call needs (contract: authoring 1).

use catalog::Role;
use language_api::AuthoringRoute as Route;

/// The least role whose keys may make this call: readers read and export, writers edit, import and train, owners also
/// deploy and delete.
pub fn role_needed(route: &Route) -> Role {
    match route {
        Route::ListProjects
        | Route::ListLanguages
        | Route::ListTrainingConfigVersions
        | Route::ListPrebuiltEntities
        | Route::ListDeploymentResources
        | Route::ListStorageEvents
        | Route::GetDeletionJob { .. }
        | Route::GetAutomation { .. }
        | Route::ListJobs { .. }
        | Route::ListSubscribers { .. }
        | Route::ListDeliveries { .. }
        | Route::GetProject { .. }
        | Route::GetImportJob { .. }
        | Route::Export { .. }
        | Route::GetExportJob { .. }
        | Route::GetExportResult { .. }
        | Route::GetCopyJob { .. }
        | Route::ListTrainingJobs { .. }
        | Route::GetTrainingJob { .. }
        | Route::ListModels { .. }
        | Route::GetModel { .. }
        | Route::GetLoadSnapshotJob { .. }
        | Route::GetEvaluationSummary { .. }
        | Route::GetEvaluationResult { .. }
        | Route::GetEvaluationJob { .. }
        | Route::ListExportedModels { .. }
        | Route::GetExportedModel { .. }
        | Route::GetExportedModelJob { .. }
        | Route::GetExportedManifest { .. }
        | Route::GetExportedFile { .. }
        | Route::ListResources { .. }
        | Route::ListDeployments { .. }
        | Route::GetSwapJob { .. }
        | Route::GetDeployment { .. }
        | Route::GetDeploymentJob { .. } => Role::Reader,
        Route::PatchProject { .. }
        | Route::Import { .. }
        | Route::AuthorizeCopy { .. }
        | Route::Copy { .. }
        | Route::Train { .. }
        | Route::CancelTrainingJob { .. }
        | Route::Evaluate { .. }
        | Route::ExportModel { .. }
        | Route::LoadSnapshot { .. } => Role::Writer,
        Route::DeleteProject { .. }
        | Route::DeleteModel { .. }
        | Route::DeleteExportedModel { .. }
        | Route::PutAutomation { .. }
        | Route::PutSubscriber { .. }
        | Route::DeleteSubscriber { .. }
        | Route::RetryDelivery { .. }
        | Route::AssignResources { .. }
        | Route::UnassignResources { .. }
        | Route::DeleteFromResources { .. }
        | Route::SwapDeployments { .. }
        | Route::PutDeployment { .. }
        | Route::DeleteDeployment { .. } => Role::Owner,
    }
}
