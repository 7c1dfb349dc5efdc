//! Deployments: names that point at models.

use crate::failure::Failure;
use crate::run::Run;
use crate::serving::OpenModel;
use authoring::payloads::{DeployPayload, SwapPayload};
use catalog::Outcome;
use jiff::Timestamp;
use language_api::{ApiError, ErrorKind};

/// Points the deployment at the model as it is now, after the model has shown that it
/// computes, which also spares its first caller the wait.
pub(crate) async fn deploy(run: &Run) -> Result<Outcome, Failure> {
    let services = &run.services;
    let payload: DeployPayload = serde_json::from_slice(&services.catalog.payload(&run.job.id).await?)?;
    let model = services.catalog.model(&run.job.project, &payload.model_label).await?;
    let refused = |reason: String| {
        let message = format!("model {} can't be deployed: {reason}", payload.model_label);
        Failure::from(ApiError::new(ErrorKind::Unavailable, message).at("trainedModelLabel"))
    };
    OpenModel::load(services, &model.model_id, refused).await?.warm_up().map_err(refused)?;
    let (project, name) = (&run.job.project, &run.job.target);
    services
        .catalog
        .put_deployment(&run.lease, project, name, &payload.model_label, Timestamp::now())
        .await?;
    Ok(Outcome::succeeded())
}

/// Exchanges two deployments' models and ends the job in the same transaction: a swap run twice would undo itself.
pub(crate) async fn swap(run: &Run) -> Result<(), Failure> {
    let catalog = &run.services.catalog;
    let payload: SwapPayload = serde_json::from_slice(&catalog.payload(&run.job.id).await?)?;
    catalog
        .swap_deployments(&run.lease, &run.job.project, &payload.first, &payload.second, Timestamp::now())
        .await?;
    Ok(())
}

/// Removes a deployment; one that is gone already is no error, since the job may be run twice.
pub(crate) async fn delete(run: &Run) -> Result<Outcome, Failure> {
    let catalog = &run.services.catalog;
    catalog.delete_deployment(&run.lease, &run.job.project, &run.job.target, Timestamp::now()).await?;
    Ok(Outcome::succeeded())
}
