//! The contract's project file with its documents as files.

use super::report::{Change, FidelityReport};
use super::set::LabeledSet;
use super::{Exported, File, Imported};
use crate::contract::{check, read};
use crate::findings::Findings;
use crate::resolve::{entry_of, resolve_document};
use language_api::project_file::{Assets, DocumentEntry, PROJECT_FILE_VERSION, UTF16};
use language_api::{FileMetadata, Limits, Problem, ProjectFile, ProjectKind};
use std::collections::HashMap;

/// Name of the label file.
const LABELS: &str = "labels.json";
/// Folder of the documents.
const DOCUMENTS: &str = "documents";

/// The label file among `files`: the one `.json` file that reads as one, the uppermost.
pub fn labels_file(files: &[File]) -> Option<&File> {
    let is_json = |file: &&File| file.name.to_ascii_lowercase().ends_with(".json");
    let candidates = files.iter().filter(is_json).filter(|file| super::detect::is_contract(&file.bytes));
    candidates.min_by_key(|file| (file.name.matches('/').count(), file.name.clone()))
}

pub(super) fn import(files: &[File]) -> Result<Imported, Vec<Problem>> {
    let Some(labels) = labels_file(files) else {
        return Err(vec![Problem::new("", "no file has the shape of the contract's label file")]);
    };
    let prefixed = |problems: Vec<Problem>| -> Vec<Problem> {
        let named = |p: Problem| Problem { pointer: format!("{}{}", labels.name, p.pointer), ..p };
        problems.into_iter().map(named).collect()
    };
    let placeholder = placeholder_project();
    let (file, format) = read(&labels.bytes, Some(&placeholder)).map_err(prefixed)?;
    let limits = Limits::default();
    let found = check(&file, &limits);
    let assets = file.assets.unwrap_or_default();
    let texts: HashMap<&str, &[u8]> =
        files.iter().map(|file| (file.name.as_str(), file.bytes.as_slice())).collect();
    let folder = labels.name.rfind('/').map_or("", |end| &labels.name[..=end]);
    let mut findings = Findings::default();
    let mut documents = vec![];
    for (index, entry) in assets.documents.iter().enumerate() {
        let pointer = format!("#/assets/documents/{index}");
        let below = format!("{pointer}/");
        // A document whose entry is wrong was spoken of already.
        let judged = found.iter().any(|p| p.pointer == pointer || p.pointer.starts_with(&below));
        match text_of(entry, folder, &texts) {
            Err(reason) => findings.add(format!("{pointer}/location"), reason),
            Ok(_) if judged => {}
            Ok(text) => match resolve_document(entry, index, text, &limits) {
                Ok(document) => documents.push(document),
                Err(problems) => findings.extend(problems),
            },
        }
    }
    let mut all = Findings::default();
    all.extend(found);
    all.extend(findings.into_list());
    let problems = all.into_list();
    if !problems.is_empty() {
        return Err(prefixed(format.restate(problems)));
    }
    let mut report = FidelityReport::default();
    let project = Some(file.metadata).filter(|metadata| *metadata != placeholder);
    if project.is_none() {
        report.note(Change::ProjectAssumed, "", &labels.name, "the file names no project");
    }
    Ok(Imported { set: LabeledSet { project, categories: assets.entities, documents }, report })
}

fn text_of<'a>(
    entry: &DocumentEntry,
    folder: &str,
    texts: &HashMap<&str, &'a [u8]>,
) -> Result<&'a str, String> {
    let location = &entry.location;
    let places = [format!("{folder}{location}"), format!("{folder}{DOCUMENTS}/{location}"), location.clone()];
    let Some(bytes) = places.iter().find_map(|place| texts.get(place.as_str())) else {
        return Err(format!("there is no text {location:?} beside the label file or below {DOCUMENTS}/"));
    };
    std::str::from_utf8(bytes)
        .map_err(|error| format!("{location:?} is not UTF-8 from byte {} on", error.valid_up_to()))
}

/// What a project is called that nobody named.
pub fn placeholder_project() -> FileMetadata {
    FileMetadata {
        project_kind: ProjectKind::NAME.to_owned(),
        storage_input_container_name: "imported".to_owned(),
        project_name: "Imported".to_owned(),
        language: "en-us".to_owned(),
        ..FileMetadata::default()
    }
}

/// The project file of a set, and what an import would refuse in it.
pub(super) fn contract_file(set: &LabeledSet) -> (ProjectFile, FidelityReport) {
    let mut report = FidelityReport::default();
    let metadata = set.project.clone().unwrap_or_else(|| {
        let assumed = placeholder_project();
        let detail = format!("name {:?}, language {:?}", assumed.project_name, assumed.language);
        report.note(Change::ProjectAssumed, "", "#/metadata", detail);
        assumed
    });
    let assets = Assets {
        project_kind: metadata.project_kind.clone(),
        entities: set.categories.clone(),
        documents: set.documents.iter().map(entry_of).collect(),
    };
    let file = ProjectFile {
        project_file_version: PROJECT_FILE_VERSION.to_owned(),
        string_index_type: UTF16.to_owned(),
        metadata,
        assets: Some(assets),
    };
    let limits = Limits::default();
    let entries = file.assets.iter().flat_map(|assets| &assets.documents);
    let proofs = entries.zip(&set.documents).enumerate().filter_map(|(index, (entry, labeled))| {
        resolve_document(entry, index, &text_bytes(&labeled.document.text), &limits).err()
    });
    for problem in check(&file, &limits).into_iter().chain(proofs.flatten()) {
        report.note(Change::BeyondLimits, "", problem.pointer, problem.message);
    }
    (file, report)
}

pub(super) fn export(set: &LabeledSet) -> Exported {
    let (file, report) = contract_file(set);
    let mut files = vec![File { name: LABELS.to_owned(), bytes: file.to_json().into_bytes() }];
    files.extend(set.documents.iter().map(|labeled| File {
        name: format!("{DOCUMENTS}/{}", labeled.document.location),
        bytes: text_bytes(&labeled.document.text).into_bytes(),
    }));
    Exported { files, report }
}

/// A text as a file. A mark that belongs to the text needs another one before it, which readers take off.
pub(super) fn text_bytes(text: &str) -> String {
    if text.starts_with('\u{FEFF}') { format!("\u{FEFF}{text}") } else { text.to_owned() }
}
