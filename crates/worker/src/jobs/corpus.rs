//! Labelled documents with their texts, and how they are divided: what training and evaluation begin with.

use super::pages::DocumentPages;
use crate::documents::{self, Unreadable};
use crate::failure::Failure;
use crate::run::Run;
use catalog::{DocumentRow, DocumentState, LabelSet, Project};
use language_api::project_file::{DocumentEntry, RegionEntry};
use language_api::{ErrorKind, EvaluationOptions, JobWarning};
use ner::split::{SplitDocument, split};
use ner::{Dataset, EntityCategory, LabeledDocument};
use std::collections::BTreeSet;

/// Seed of the split and of every random choice; recorded in the bundle.
pub(crate) const SEED: u64 = 1;
/// The labelled documents with their texts; what can't be used is warned about by name.
pub(crate) async fn labeled_documents(
    run: &Run,
    project: &Project,
    labels: &LabelSet,
    warnings: &mut Vec<JobWarning>,
) -> Result<Vec<LabeledDocument>, Failure> {
    let mut documents = vec![];
    let mut pages = DocumentPages::of(run, labels);
    while let Some(rows) = pages.next().await? {
        for row in rows {
            run.stop.check()?;
            let Some(regions) = row.regions.clone() else { continue };
            match read_labeled(run, project, &row, &regions).await? {
                Ok(document) => {
                    warnings.extend(overwritten(&row));
                    documents.push(document);
                }
                Err(message) => warnings.push(JobWarning { code: "DocumentLeftOut".to_owned(), message }),
            }
        }
    }
    let least = run.services.limits.labeled_documents_to_train_min as usize;
    if documents.len() < least {
        let message = format!(
            "at least {least} labelled documents are needed whose text can be read, there are {}; {} were left out",
            documents.len(),
            warnings.len()
        );
        return Err(Failure::refused(ErrorKind::Field, message));
    }
    Ok(documents)
}

/// A text that came after its labels may fit them by accident: it is used, but not in silence.
fn overwritten(row: &DocumentRow) -> Option<JobWarning> {
    let message = || {
        format!(
            "document {:?} was overwritten after it was labelled; its labels lie within the new text, but nobody has \
             checked them",
            row.location
        )
    };
    let changed = row.state == DocumentState::Changed;
    changed.then(|| JobWarning { code: "DocumentChanged".to_owned(), message: message() })
}

async fn read_labeled(
    run: &Run,
    project: &Project,
    row: &DocumentRow,
    regions: &str,
) -> Result<Result<LabeledDocument, String>, Failure> {
    let services = &run.services;
    let location = &row.location;
    let limits = &services.limits;
    if row.state == DocumentState::Missing {
        return Ok(Err(format!("document {location:?} is missing from the container")));
    }
    let read = documents::read(&services.blobs, &project.container, location, limits.document_characters_max)
        .await?;
    let text = match read {
        Ok(text) => text.text,
        Err(Unreadable::Missing) => {
            return Ok(Err(format!("document {location:?} is missing from the container")));
        }
        Err(Unreadable::Refused(message)) => return Ok(Err(message)),
    };
    let entities: Vec<RegionEntry> = serde_json::from_str(regions)?;
    let entry = DocumentEntry {
        location: location.clone(),
        language: row.language.clone(),
        dataset: row.dataset,
        entities,
    };
    Ok(label_formats::resolve_document(&entry, 0, &text, limits).map_err(|problems| {
        let first = problems.first().map_or("", |problem| problem.message.as_str());
        format!("the labels of document {location:?} no longer fit its text: {first}")
    }))
}

pub(crate) async fn categories(run: &Run, labels: &LabelSet) -> Result<Vec<EntityCategory>, Failure> {
    let categories = run.services.catalog.categories(labels).await?;
    let named = categories.iter().map(|category| EntityCategory::new(&category.name));
    named.collect::<Result<_, _>>().map_err(|error| Failure::refused(ErrorKind::Internal, error.to_string()))
}

/// Divides into training and test documents as the contract says (authoring 10.1): documents put into Test are test
/// documents in either mode.
pub(crate) fn divide(
    documents: Vec<LabeledDocument>,
    options: EvaluationOptions,
    warnings: &mut Vec<JobWarning>,
) -> (Vec<LabeledDocument>, Vec<LabeledDocument>) {
    let (mut test, mut learn): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|document| document.dataset == Some(Dataset::Test));
    if let EvaluationOptions::Percentage { testing_split_percentage, .. } = options {
        if !test.is_empty() {
            let message =
                format!("{} documents assigned to Test are scored on in addition to the split", test.len());
            warnings.push(JobWarning { code: "TestDocumentsAdded".to_owned(), message });
        }
        let views: Vec<SplitDocument<'_>> = learn.iter().map(split_view).collect();
        let sets = split(&views, testing_split_percentage, SEED);
        let mut sets = sets.into_iter();
        let (more, rest) = learn.into_iter().partition(|_| sets.next() == Some(Dataset::Test));
        learn = rest;
        test.extend::<Vec<_>>(more);
    }
    if test.is_empty() {
        let message = "no document is in the test set: the model is not scored".to_owned();
        warnings.push(JobWarning { code: "NoTestDocuments".to_owned(), message });
    }
    (learn, test)
}

fn split_view(document: &LabeledDocument) -> SplitDocument<'_> {
    let categories: BTreeSet<&EntityCategory> = document.labels().map(|label| &label.category).collect();
    SplitDocument { location: &document.document.location, categories }
}
