//! What each kind of job does.

mod automate;
mod copy;
mod corpus;
mod deliver;
mod deploy;
mod deposit;
mod evaluate;
mod export;
mod export_model;
mod extract;
mod extract_document;
mod import;
mod inbox;
mod judge;
mod look;
mod pages;
mod preflight;
mod progress;
mod project;
mod recipe;
mod reevaluate;
mod sns;
mod train;

use crate::failure::Failure;
use crate::run::Run;
use catalog::{JobKind, Outcome};

/// Runs the job. `None` when the code has already written how it ended.
pub(crate) async fn run(run: &Run) -> Result<Option<Outcome>, Failure> {
    match run.job.kind {
        JobKind::Import => import::import(run).await.map(Some),
        JobKind::Train => train::train(run).await.map(Some),
        JobKind::Evaluate => reevaluate::reevaluate(run).await.map(Some),
        JobKind::Deploy => deploy::deploy(run).await.map(Some),
        JobKind::Swap => deploy::swap(run).await.map(|()| None),
        JobKind::DeleteDeployment => deploy::delete(run).await.map(Some),
        JobKind::LoadSnapshot => project::load_snapshot(run).await.map(Some),
        JobKind::DeleteProject => project::delete(run).await.map(Some),
        JobKind::ExportModel => export_model::export(run).await.map(Some),
        JobKind::DeleteExportedModel => export_model::delete(run).await.map(Some),
        JobKind::Extract => extract::extract(run).await.map(|()| None),
        JobKind::Inbox => inbox::inbox(run).await.map(|()| None),
        JobKind::Automate => automate::automate(run).await.map(Some),
        JobKind::ExtractDocument => extract_document::extract_document(run).await.map(|()| None),
        JobKind::Deliver => deliver::deliver(run).await.map(Some),
        JobKind::Sns => sns::sns(run).await.map(Some),
        JobKind::Copy => copy::copy(run).await.map(Some),
        JobKind::Export => export::export(run).await.map(Some),
    }
}
