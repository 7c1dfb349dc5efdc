//! Extraction from a document that arrived: its entities become an object.

use crate::documents::{self, Unreadable};
use crate::failure::Failure;
use crate::run::Run;
use crate::serving;
use catalog::Outcome;
use language_api::runtime::WireEntity;
use language_api::{ErrorKind, limits::Limits};
use ner::{OffsetTable, StringIndexType};
use serde::{Deserialize, Serialize};

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

/// Runs the job. When it can't succeed, the same document may be asked for again.
pub(crate) async fn extract_document(run: &Run) -> Result<Outcome, Failure> {
    let done = extract(run).await;
    if matches!(done, Err(Failure::Refused(_))) {
        run.services.catalog.forget_extraction(&run.job.project, &run.job.target).await?;
    }
    done
}

async fn extract(run: &Run) -> Result<Outcome, Failure> {
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
    services.blobs.put(&payload.container, &payload.key, serde_json::to_vec(&object)?).await?;
    Ok(Outcome::succeeded().with_result(serde_json::json!({ "message": message }).to_string()))
}
