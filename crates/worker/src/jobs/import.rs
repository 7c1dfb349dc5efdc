//! Import: every label proved against the document's text, then schema and labels replaced at once.

use super::deposit::deposit;
use super::pages::CHUNK;
use super::progress::ImportWatch;
use crate::documents::{self, Text, Unreadable};
use crate::failure::Failure;
use crate::run::Run;
use authoring::reread_import;
use blobs::Depth;
use catalog::{Category, DocumentState, LabelSet, NewDocument, Outcome, ProjectChange};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use language_api::limits::PROBLEMS_MAX;
use language_api::project_file::{Assets, DocumentEntry};
use language_api::{JobWarning, Problem};
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

/// Documents read ahead while others are proved: enough to keep a service busy that answers after milliseconds.
const READS_AT_ONCE: usize = 16;
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
    let mut import = Import { watch: Some(watch), ..Import::into_set(run, container, staged) };
    let mut known = BTreeSet::new();
    for entries in assets.documents.chunks(CHUNK as usize) {
        import.stage(entries, known.len()).await?;
        known.extend(entries.iter().map(|entry| entry.location.as_str()));
    }
    import.publish(&known, &change).await
}

/// Documents on their way into the labels of the job's project.
pub(super) struct Import<'a> {
    run: &'a Run,
    container: &'a str,
    staged: LabelSet,
    watch: Option<ImportWatch<'a>>,
    problems: Vec<Problem>,
    warnings: Vec<JobWarning>,
    missing: usize,
}

impl<'a> Import<'a> {
    /// Nothing yet; `staged` is the set they go into.
    pub(super) fn into_set(run: &'a Run, container: &'a str, staged: LabelSet) -> Self {
        Self { run, container, staged, problems: vec![], warnings: vec![], missing: 0, watch: None }
    }

    /// The next documents, the first of which is the `first` of all. Their problems are collected up to as many as are
    /// reported.
    ///
    /// # Errors
    /// All problems, when there are so many that no more are looked for; what stops every job.
    pub(super) async fn stage(&mut self, entries: &[DocumentEntry], first: usize) -> Result<(), Failure> {
        self.run.stop.check()?;
        let mut rows = Vec::with_capacity(entries.len());
        let (services, container) = (&self.run.services, self.container);
        let characters_max = services.limits.document_characters_max;
        let reads = (first..).zip(entries).map(|(index, entry)| async move {
            let read = documents::read(&services.blobs, container, &entry.location, characters_max);
            (index, entry, read.await)
        });
        // In the file's order, so that problems and warnings come in it.
        let mut texts = std::pin::pin!(stream::iter(reads).buffered(READS_AT_ONCE));
        while let Some((index, entry, read)) = texts.next().await {
            rows.extend(self.document(entry, index, read?)?);
            if let Some(watch) = &mut self.watch {
                watch.add(1);
            }
            if self.problems.len() >= PROBLEMS_MAX {
                return self.check();
            }
        }
        Ok(self.run.services.catalog.stage_documents(&self.run.lease, &self.staged, &rows).await?)
    }

    /// Shows what was staged, with the settings of `change`, unless there are problems. `known` are the locations staged.
    pub(super) async fn publish<T: Ord + Borrow<str>>(
        mut self,
        known: &BTreeSet<T>,
        change: &ProjectChange,
    ) -> Result<Outcome, Failure> {
        self.check()?;
        self.unlabeled(known).await?;
        let catalog = &self.run.services.catalog;
        catalog.publish_labels(&self.run.lease, change, &self.staged, Timestamp::now()).await?;
        let warnings = summary(self.warnings, self.missing);
        Ok(Outcome::succeeded().with_warnings(serde_json::to_string(&warnings)?))
    }

    fn check(&self) -> Result<(), Failure> {
        match self.problems.iter().take(PROBLEMS_MAX).map(Problem::body).collect::<Vec<_>>() {
            found if found.is_empty() => Ok(()),
            found => Err(Failure::Refused(found)),
        }
    }

    fn document(
        &mut self,
        entry: &DocumentEntry,
        index: usize,
        read: Result<Text, Unreadable>,
    ) -> Result<Option<NewDocument>, Failure> {
        let limits = &self.run.services.limits;
        let location = &entry.location;
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
    async fn unlabeled<T: Ord + Borrow<str>>(&mut self, known: &BTreeSet<T>) -> Result<(), Failure> {
        let services = &self.run.services;
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
