//! Import: every label proved against the document's text, then schema and labels replaced at once.

use super::deposit::deposit;
use super::progress::ImportWatch;
use crate::documents::{self, Unreadable};
use crate::failure::Failure;
use crate::run::Run;
use authoring::reread_import;
use blobs::Depth;
use catalog::{Category, DocumentState, LabelSet, NewDocument, Outcome};
use jiff::Timestamp;
use language_api::limits::PROBLEMS_MAX;
use language_api::project_file::{Assets, DocumentEntry};
use language_api::{JobWarning, Problem};
use std::collections::{BTreeMap, BTreeSet};

/// Documents staged in one transaction.
const CHUNK: usize = 1_000;
/// Warnings kept of one job; their number is told in full.
const WARNINGS_MAX: usize = 100;

/// Runs an import job.
pub(crate) async fn import(run: &Run) -> Result<Outcome, Failure> {
    let services = &run.services;
    let payload = services.catalog.payload(&run.job.id).await?;
    let (file, change, texts) = reread_import(&run.job, &payload)?;
    drop(payload);
    documents::check_container(&services.blobs, &change.container).await?;
    let Some(staged) = services.catalog.begin_import(&run.lease, &run.job.project).await? else {
        return Ok(Outcome::succeeded());
    };
    let assets =
        file.assets.unwrap_or(Assets { project_kind: String::new(), entities: vec![], documents: vec![] });
    let categories: Vec<Category> = assets
        .entities
        .iter()
        .map(|entry| Category { name: entry.category.clone(), description: entry.description.clone() })
        .collect();
    services.catalog.stage_categories(&run.lease, &staged, &categories).await?;
    let mut watch = ImportWatch::begin(run, texts.len() + assets.documents.len())?;
    let container = &change.container;
    deposit(run, container, &texts, &mut watch).await?;
    let mut import = Import { run, container, staged, watch, problems: vec![], warnings: vec![], missing: 0 };
    import.labeled(&assets.documents).await?;
    if !import.problems.is_empty() {
        return Err(Failure::Refused(import.problems.iter().map(Problem::body).collect()));
    }
    import.unlabeled(&assets.documents).await?;
    let Import { staged, warnings, missing, .. } = import;
    let now = Timestamp::now();
    services.catalog.publish_labels(&run.lease, &change, &staged, now).await?;
    Ok(Outcome::succeeded().with_warnings(serde_json::to_string(&summary(warnings, missing))?))
}

struct Import<'a> {
    run: &'a Run,
    container: &'a str,
    staged: LabelSet,
    watch: ImportWatch<'a>,
    problems: Vec<Problem>,
    warnings: Vec<JobWarning>,
    missing: usize,
}

impl Import<'_> {
    /// The documents of the file.
    async fn labeled(&mut self, entries: &[DocumentEntry]) -> Result<(), Failure> {
        for (chunk, entries) in entries.chunks(CHUNK).enumerate() {
            self.run.stop.check()?;
            let mut rows = Vec::with_capacity(entries.len());
            for (offset, entry) in entries.iter().enumerate() {
                rows.extend(self.document(entry, chunk * CHUNK + offset).await?);
                self.watch.add(1);
                if self.problems.len() >= PROBLEMS_MAX {
                    self.problems.truncate(PROBLEMS_MAX);
                    return Ok(());
                }
            }
            self.run.services.catalog.stage_documents(&self.run.lease, &self.staged, &rows).await?;
        }
        Ok(())
    }

    async fn document(
        &mut self,
        entry: &DocumentEntry,
        index: usize,
    ) -> Result<Option<NewDocument>, Failure> {
        let services = &self.run.services;
        let limits = &services.limits;
        let location = &entry.location;
        let read = documents::read(&services.blobs, self.container, location, limits.document_characters_max)
            .await?;
        let mut row = NewDocument {
            location: location.clone(),
            language: entry.language.clone(),
            dataset: entry.dataset,
            state: DocumentState::Present,
            etag: None,
            characters: None,
            regions: (!entry.entities.is_empty())
                .then(|| serde_json::to_string(&entry.entities))
                .transpose()?,
            label_counts: label_counts(entry),
        };
        match read {
            Ok(text) => match label_formats::resolve_document(entry, index, &text.text, limits) {
                Ok(document) => {
                    row.characters = Some(document.document.text.chars().count() as u64);
                    row.etag = Some(text.etag);
                }
                Err(problems) => {
                    self.problems.extend(problems);
                    return Ok(None);
                }
            },
            Err(Unreadable::Missing) => {
                row.state = DocumentState::Missing;
                self.missing += 1;
                if self.warnings.len() < WARNINGS_MAX {
                    let message = format!(
                        "document {location:?} is not in container {:?}; it is left out of training until it is",
                        self.container
                    );
                    self.warnings.push(JobWarning { code: "DocumentMissing".to_owned(), message });
                }
            }
            Err(Unreadable::Refused(message)) => {
                self.problems.push(Problem::new(format!("#/assets/documents/{index}/location"), message));
                return Ok(None);
            }
        }
        Ok(Some(row))
    }

    /// Every other `.txt` object at the root of the container is a document of the project too (contract: authoring 16).
    async fn unlabeled(&mut self, entries: &[DocumentEntry]) -> Result<(), Failure> {
        let services = &self.run.services;
        let known: BTreeSet<&str> = entries.iter().map(|entry| entry.location.as_str()).collect();
        let mut listing = services.blobs.list(self.container, "", Depth::Folder);
        while let Some(objects) = listing.next_page().await? {
            self.run.stop.check()?;
            let new = objects
                .into_iter()
                .filter(|object| is_document(&object.key) && !known.contains(object.key.as_str()));
            let rows: Vec<NewDocument> = new
                .map(|object| NewDocument {
                    location: object.key,
                    language: None,
                    dataset: None,
                    state: DocumentState::Present,
                    etag: object.etag,
                    characters: None,
                    regions: None,
                    label_counts: BTreeMap::new(),
                })
                .collect();
            services.catalog.stage_documents(&self.run.lease, &self.staged, &rows).await?;
        }
        Ok(())
    }
}

fn is_document(key: &str) -> bool {
    let text = key.len() > 4
        && key.is_char_boundary(key.len() - 4)
        && key[key.len() - 4..].eq_ignore_ascii_case(".txt");
    text && !key.contains('/')
}

fn label_counts(entry: &DocumentEntry) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for label in entry.entities.iter().flat_map(|region| &region.labels) {
        *counts.entry(label.category.clone()).or_insert(0) += 1;
    }
    counts
}

fn summary(mut warnings: Vec<JobWarning>, missing: usize) -> Vec<JobWarning> {
    if missing > warnings.len() {
        let message =
            format!("{missing} documents are missing in all; the first {} are named", warnings.len());
        warnings.push(JobWarning { code: "DocumentsMissing".to_owned(), message });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_text_files_at_the_root() {
        for (key, expected) in [
            ("a.txt", true),
            ("A.TXT", true),
            ("a.json", false),
            ("x/a.txt", false),
            (".txt", false),
            ("日本", false),
        ] {
            assert_eq!(is_document(key), expected, "{key}");
        }
    }

    #[test]
    fn the_number_of_missing_documents_is_told_in_full() {
        let one = JobWarning { code: "DocumentMissing".into(), message: "x".into() };
        assert_eq!(summary(vec![one.clone()], 1).len(), 1);
        assert!(summary(vec![one], 7)[1].message.starts_with("7 documents"));
    }
}
