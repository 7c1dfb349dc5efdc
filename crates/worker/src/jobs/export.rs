//! Export: a project's settings, schema and labels as a project file, written in parts.

use super::pages::DocumentPages;
use crate::failure::Failure;
use crate::run::Run;
use authoring::file_metadata;
use authoring::payloads::ExportPayload;
use catalog::{DocumentRow, LabelSet, Outcome};
use language_api::project_file::{CategoryEntry, DocumentEntry};
use language_api::{ErrorKind, FileWriter};

/// Bytes after which a part is written: few enough rows, and no single value that strains a driver.
const PART_BYTES: usize = 1 << 20;

/// Runs an export job. Every document that the project knows is in the file, so that its dataset survives.
pub(crate) async fn export(run: &Run) -> Result<Outcome, Failure> {
    let catalog = &run.services.catalog;
    let payload: ExportPayload = serde_json::from_slice(&catalog.payload(&run.job.id).await?)?;
    let (project, present) = catalog.project_with_labels(&run.job.project).await?;
    let labels = match &payload.model_label {
        Some(label) => snapshot(run, label).await?,
        None => present,
    };
    let categories = catalog.categories(&labels).await?;
    let categories = categories
        .into_iter()
        .map(|category| CategoryEntry { category: category.name, description: category.description });
    let (mut file, head) = FileWriter::begin(file_metadata(project)?, categories.collect());
    let mut parts = Parts { run, part: 0, bytes: head.into_bytes() };
    let mut pages = DocumentPages::of(run, &labels);
    while let Some(rows) = pages.next().await? {
        for row in rows {
            parts.write(&file.document(&entry(row)?)).await?;
        }
    }
    parts.bytes.extend(file.end().as_bytes());
    parts.flush().await?;
    Ok(Outcome::succeeded())
}

/// The labels that a model was trained on.
async fn snapshot(run: &Run, label: &str) -> Result<LabelSet, Failure> {
    run.services.catalog.model(&run.job.project, label).await?.snapshot.ok_or_else(|| {
        let message = format!("model {label} keeps no copy of the labels it was trained on");
        Failure::refused(ErrorKind::NotFound, message)
    })
}

/// A document as project files have it.
pub(super) fn entry(row: DocumentRow) -> Result<DocumentEntry, Failure> {
    let entities = row.regions.as_deref().map(serde_json::from_str).transpose()?;
    Ok(DocumentEntry {
        location: row.location,
        language: row.language,
        dataset: row.dataset,
        entities: entities.unwrap_or_default(),
    })
}

/// The file's bytes on their way into the catalog.
struct Parts<'a> {
    run: &'a Run,
    part: u32,
    bytes: Vec<u8>,
}

impl Parts<'_> {
    async fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes.extend(text.as_bytes());
        if self.bytes.len() >= PART_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.run.services.catalog.put_result_part(&self.run.lease, self.part, &self.bytes).await?;
        self.part += 1;
        self.bytes.clear();
        Ok(())
    }
}
