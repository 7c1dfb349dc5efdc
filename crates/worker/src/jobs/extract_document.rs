//! Extraction from a document that arrived: its entities become an object, and subscribers are told of it.

use crate::documents::{self, Unreadable};
use crate::failure::Failure;
use crate::run::Run;
use crate::serving;
use authoring::payloads::DeliveryProgress;
use catalog::{NewExtraction, Outcome, Project};
use jiff::Timestamp;
use language_api::runtime::WireEntity;
use language_api::subscribers::ENTITIES_EXTRACTED;
use language_api::{AuthoringRoute, AutomationSettings, ErrorKind, limits::Limits};
use ner::{OffsetTable, StringIndexType};
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage_events::Announcement;

/// Letters' offsets are counted as in project files.
const UNIT: StringIndexType = StringIndexType::Utf16CodeUnit;
const UNIT_NAME: &str = "Utf16CodeUnit";
/// Some editors put it in front of a text; it is not part of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What the job is asked to do; its target is the document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExtractDocumentPayload {
    /// The deployment that extracts.
    pub(crate) deployment: String,
    /// Where entities go.
    pub(crate) container: String,
    /// Under which key.
    pub(crate) key: String,
}

/// The object that is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExtractedEntities<'a> {
    project_name: &'a str,
    deployment_name: &'a str,
    model_id: &'a str,
    container_name: &'a str,
    location: &'a str,
    etag: &'a str,
    string_index_type: &'static str,
    entities: Vec<WireEntity>,
}

/// The extraction that a project wants from a document of this key and entity tag.
pub(crate) fn wanted_extraction(
    settings: &AutomationSettings,
    project: &Project,
    location: &str,
    etag: &str,
) -> Result<Option<NewExtraction>, Failure> {
    let Some(step) = &settings.extract else { return Ok(None) };
    let Some(key) = step.output_key(location) else { return Ok(None) };
    let container =
        step.output.container_name.as_ref().map_or(project.container.as_str(), |name| name.as_str());
    let deployment = step.deployment_name.to_string();
    let payload = ExtractDocumentPayload { deployment, container: container.to_owned(), key };
    let payload = serde_json::to_vec(&payload)?;
    Ok(Some(NewExtraction { location: location.to_owned(), etag: etag.to_owned(), payload }))
}

/// Runs the job, which ends itself together with the start of what tells others of it. When it can't succeed, the same
/// document may be asked for again.
pub(crate) async fn extract_document(run: &Run) -> Result<(), Failure> {
    let catalog = &run.services.catalog;
    let project = &run.job.project;
    let (outcome, data) = match extract(run).await {
        Ok(done) => done,
        Err(refused @ Failure::Refused(_)) => {
            run.still_ours().await?;
            catalog.forget_extraction(project, &run.job.target).await?;
            return Err(refused);
        }
        Err(error) => return Err(error),
    };
    let now = Timestamp::now();
    let event = Announcement {
        // The same when a worker dies and another one extracts again.
        id: &run.job.id,
        source: &format!("{}/{project}", AuthoringRoute::PREFIX),
        kind: ENTITIES_EXTRACTED,
        subject: &run.job.target,
        time: now,
        data,
    };
    let progress = DeliveryProgress { event: event.to_json(), reason: None };
    let progress = serde_json::to_string(&progress)?;
    Ok(catalog.finish_and_tell(&run.lease, &outcome, project, &progress, now).await?)
}

/// Writes the object; how the job ends, and what others are told.
async fn extract(run: &Run) -> Result<(Outcome, serde_json::Value), Failure> {
    let services = &run.services;
    let (project, location) = (&run.job.project, &run.job.target);
    let payload: ExtractDocumentPayload =
        serde_json::from_slice(&services.catalog.payload(&run.job.id).await?)?;
    if payload.container == services.models_container {
        let message =
            format!("container {:?} is the server's own; choose another for entities", payload.container);
        return Err(Failure::refused(ErrorKind::Field, message));
    }
    let container = services.catalog.project(project).await?.container;
    let served = services.catalog.served_model(project, &payload.deployment).await?;
    let limits: &Limits = &services.limits;
    let read = documents::read(&services.blobs, &container, location, limits.document_characters_max).await?;
    let text = match read {
        Ok(text) => text,
        Err(Unreadable::Missing) => {
            let message = format!("document {location:?} was deleted before it could be read");
            return Err(Failure::refused(ErrorKind::NotFound, message));
        }
        Err(Unreadable::Refused(message)) => return Err(Failure::refused(ErrorKind::DocumentText, message)),
    };
    let model = serving::open(services, &served.model_id).await?;
    let words = text.text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text.text);
    let table = OffsetTable::new(words, UNIT);
    let threshold = served.confidence_threshold.unwrap_or(0.0);
    let entities = model.entities(words)?;
    let entities = entities.iter().map(|entity| WireEntity::new(entity, words, &table));
    let entities: Vec<_> = entities.filter(|entity| entity.confidence_score >= threshold).collect();
    let message =
        format!("{} entities are in {:?} of container {:?}", entities.len(), payload.key, payload.container);
    let object = ExtractedEntities {
        project_name: project,
        deployment_name: &payload.deployment,
        model_id: &served.model_id,
        container_name: &container,
        location,
        etag: &text.etag,
        string_index_type: UNIT_NAME,
        entities,
    };
    // A worker that comes too late must not overwrite what was extracted from a newer text.
    run.still_ours().await?;
    let written = services.blobs.put(&payload.container, &payload.key, serde_json::to_vec(&object)?).await?;
    // Where the entities are, and not what they say: texts go nowhere but into the container.
    let data = json!({
        "projectName": project, "deploymentName": payload.deployment, "modelId": served.model_id,
        "containerName": container, "location": location, "etag": text.etag,
        "output": { "containerName": payload.container, "location": payload.key, "etag": written },
        "entityCount": object.entities.len(),
    });
    Ok((Outcome::succeeded().with_result(json!({ "message": message }).to_string()), data))
}
