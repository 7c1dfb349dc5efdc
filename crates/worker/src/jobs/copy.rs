//! Copy: a project's settings, schema and labels become those of the job's project, all at once.

use super::export::entry;
use super::import::Import;
use super::pages::DocumentPages;
use crate::documents;
use crate::failure::Failure;
use crate::run::Run;
use authoring::copied_settings;
use authoring::payloads::CopyPayload;
use catalog::Outcome;
use language_api::project_file::DocumentEntry;
use std::collections::BTreeSet;

/// Runs a copy job. The labels are proved against the documents of the copy's container, which may be another one.
pub(crate) async fn copy(run: &Run) -> Result<Outcome, Failure> {
    let catalog = &run.services.catalog;
    let payload: CopyPayload = serde_json::from_slice(&catalog.payload(&run.job.id).await?)?;
    documents::check_container(&run.services.blobs, &payload.container).await?;
    let Some(staged) = catalog.begin_import(&run.lease, &run.job.project).await? else {
        return Ok(Outcome::succeeded());
    };
    let (original, labels) = catalog.project_with_labels(&run.job.target).await?;
    let change = copied_settings(original, &run.job.project, &payload.container);
    catalog.stage_categories(&run.lease, &staged, &catalog.categories(&labels).await?).await?;
    let mut import = Import::into_set(run, &payload.container, staged);
    let mut known = BTreeSet::new();
    let mut pages = DocumentPages::of(run, &labels);
    while let Some(rows) = pages.next().await? {
        let entries: Vec<DocumentEntry> = rows.into_iter().map(entry).collect::<Result<_, _>>()?;
        import.stage(&entries, known.len()).await?;
        known.extend(entries.into_iter().map(|entry| entry.location));
    }
    import.publish(&known, &change).await
}
