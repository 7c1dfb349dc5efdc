//! Exported models: bundles copied to where the API can hand them out.

use crate::failure::Failure;
use crate::run::Run;
use authoring::payloads::ExportModelPayload;
use catalog::{ExportedModel, Outcome};
use jiff::Timestamp;
use language_api::{ApiError, ErrorKind};
use model::{Bundle, MANIFEST_FILE, Manifest};
use std::collections::BTreeMap;

/// Copies the bundle that the model has now, after proving that it is what training wrote.
pub(crate) async fn export(run: &Run) -> Result<Outcome, Failure> {
    let catalog = &run.services.catalog;
    let payload: ExportModelPayload = serde_json::from_slice(&catalog.payload(&run.job.id).await?)?;
    let model = catalog.model(&run.job.project, &payload.model_label).await?;
    let manifest = catalog.bundle_manifest(&model.model_id).await?;
    let manifest = Manifest::from_json(manifest.as_bytes())
        .map_err(|error| damaged(&payload.model_label, &error.to_string()))?;
    let bundle = fetch(run, manifest).await?.map_err(|reason| damaged(&payload.model_label, &reason))?;
    let mut files = bundle.files;
    files.insert(MANIFEST_FILE.to_owned(), bundle.manifest.to_json());
    let exported = ExportedModel {
        name: run.job.target.clone(),
        model_id: model.model_id,
        training_config_version: model.training_config_version,
        trained_at: model.trained_at,
        exported_at: Timestamp::now(),
    };
    catalog.put_exported_model(&run.lease, &run.job.project, &exported, &files).await?;
    Ok(Outcome::succeeded())
}

/// The stored bundle; the inner error says why it is none.
async fn fetch(run: &Run, manifest: Manifest) -> Result<Result<Bundle, String>, Failure> {
    let services = &run.services;
    let mut files = BTreeMap::new();
    for (name, expected) in &manifest.files {
        run.stop.check()?;
        let key = format!("models/{}/{name}", manifest.model_id);
        match services.blobs.get(&services.models_container, &key, expected.bytes).await {
            Ok(object) => drop(files.insert(name.clone(), object.bytes.into())),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Bundle::new(manifest, files).map_err(|error| error.to_string()))
}

fn damaged(label: &str, reason: &str) -> Failure {
    let message = format!("model {label} can't be exported: {reason}; train it again");
    Failure::from(ApiError::new(ErrorKind::Unavailable, message).at("trainedModelLabel"))
}

/// Removes an exported model; one that is gone already is no error, since the job may be run twice.
pub(crate) async fn delete(run: &Run) -> Result<Outcome, Failure> {
    run.services.catalog.delete_exported_model(&run.lease, &run.job.project, &run.job.target).await?;
    Ok(Outcome::succeeded())
}
