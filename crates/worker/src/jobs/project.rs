//! Whole projects: deletion, and labels as they were when a model was trained.

use crate::bundles;
use crate::failure::Failure;
use crate::run::Run;
use catalog::Outcome;
use jiff::Timestamp;

/// Removes the project's rows, then the bundles nobody uses any more. The documents are the user's and stay.
pub(crate) async fn delete(run: &Run) -> Result<Outcome, Failure> {
    let services = &run.services;
    services.catalog.delete_project(&run.lease, &run.job.project, Timestamp::now()).await?;
    bundles::sweep(services).await?;
    Ok(Outcome::succeeded())
}

/// Puts the labels back to what they were at the model's training.
pub(crate) async fn load_snapshot(run: &Run) -> Result<Outcome, Failure> {
    let catalog = &run.services.catalog;
    catalog.load_snapshot(&run.lease, &run.job.project, &run.job.target, Timestamp::now()).await?;
    Ok(Outcome::succeeded())
}
