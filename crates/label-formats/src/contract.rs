//! The contract's project file: reading every shape it ever had, and judging what it says
//! (contract: authoring 7, 8, 15).

use crate::findings::Findings;
use crate::legacy::{modernize, original_pointer, recognize};
use language_api::languages::is_supported;
use language_api::project_file::{
    Assets, DocumentEntry, FileMetadata, LabelEntry, ProjectFile, RegionEntry, UTF16,
};
use language_api::{ApiVersion, Limits, Problem, ProjectKind};
use ner::EntityCategory;
use std::collections::{HashMap, HashSet};

/// The shape a file had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFormat {
    /// The project file of 2022 and later.
    Current,
    /// The labels file of November 2021: `extractors` and `documents` at the top, no project.
    Labels2021,
    /// The import body of `2021-11-01-preview`: `metadata` and `assets` with `extractors`.
    Import2021,
}

impl SourceFormat {
    /// The shape's name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Current => "the project file of 2022-05-01",
            Self::Labels2021 => "the labels file of November 2021 (extractors)",
            Self::Import2021 => "the import body of 2021-11-01-preview (extractors)",
        }
    }

    /// Problems of the converted file as problems of the file that was given.
    pub fn restate(self, problems: Vec<Problem>) -> Vec<Problem> {
        let restate =
            |problem: Problem| Problem { pointer: original_pointer(&problem.pointer, self), ..problem };
        problems.into_iter().map(restate).collect()
    }
}

/// Reads a project file of any shape. `project` describes the project that a labels file of 2021, which names
/// none, is meant for.
///
/// # Errors
/// Every problem of the shape, at most 100, with pointers into the file that was given. The author of the file
/// can fix them.
pub fn read(
    bytes: &[u8],
    project: Option<&FileMetadata>,
) -> Result<(ProjectFile, SourceFormat), Vec<Problem>> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let format = recognize(bytes);
    if format == SourceFormat::Current {
        return ProjectFile::parse(bytes).map(|file| (file, format));
    }
    if format == SourceFormat::Labels2021 && project.is_none() {
        let message = format!("{} names no project; import it into a project that exists", format.name());
        return Err(vec![Problem::new("#", message)]);
    }
    let named = |problem: Problem| Problem {
        message: format!("{} (read as {})", problem.message, format.name()),
        ..problem
    };
    let value = serde_json::from_slice(bytes).map_err(|_| vec![Problem::new("#", "the file is not JSON")])?;
    let text = modernize(value, format, project).to_string();
    ProjectFile::parse(text.as_bytes())
        .map(|file| (file, format))
        .map_err(|problems| format.restate(problems).into_iter().map(named).collect())
}

/// Judges what a file says, apart from the texts of its documents: kinds, names, languages, duplicates, known
/// categories, labels inside their regions and apart from each other, limits.
///
/// Returns every problem, at most 100, with pointers into the present shape (see [`SourceFormat::restate`]);
/// none when the file may be imported.
pub fn check(file: &ProjectFile, limits: &Limits) -> Vec<Problem> {
    let mut findings = Findings::default();
    if ApiVersion::parse(Some(&file.project_file_version)).is_err() {
        let message = format!("{:?} is no version; 2022-05-01 is usual", file.project_file_version);
        findings.add("#/projectFileVersion", message);
    }
    if !file.string_index_type.eq_ignore_ascii_case(UTF16) {
        let message = format!("must be {UTF16}, {:?} was given", file.string_index_type);
        findings.add("#/stringIndexType", message);
    }
    if let Err(problems) = file.metadata.options() {
        findings.extend(problems);
    }
    if let Some(assets) = &file.assets {
        check_kinds(&file.metadata, assets, &mut findings);
        let declared = check_categories(assets, limits, &mut findings);
        check_documents(&assets.documents, &declared, limits, &mut findings);
    }
    findings.into_list()
}

fn check_kinds(metadata: &FileMetadata, assets: &Assets, findings: &mut Findings) {
    let (outer, inner) = (&metadata.project_kind, &assets.project_kind);
    if !outer.eq_ignore_ascii_case(inner) {
        let message =
            format!("metadata.projectKind {outer:?} and assets.projectKind {inner:?} must be equal");
        findings.add("#/assets/projectKind", message);
    } else if let Err(message) = ProjectKind::parse(inner) {
        findings.add("#/assets/projectKind", message);
    }
}

/// The declared categories; equal names differ in nothing but case.
fn check_categories<'a>(assets: &'a Assets, limits: &Limits, findings: &mut Findings) -> HashSet<&'a str> {
    let (count, max) = (assets.entities.len(), limits.categories_per_project_max as usize);
    if count > max {
        findings.add(
            "#/assets/entities",
            format!("{count} entity categories are given, at most {max} are allowed"),
        );
    }
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (index, entry) in assets.entities.iter().enumerate() {
        let pointer = format!("#/assets/entities/{index}/category");
        if let Err(error) = EntityCategory::new(&entry.category) {
            findings.add(&pointer, error.to_string());
        }
        if let Some(first) = seen.insert(entry.category.to_lowercase(), &entry.category) {
            let message = format!("entity category {:?} is the same as {first:?}", entry.category);
            findings.add(&pointer, message);
        }
    }
    assets.entities.iter().map(|entry| entry.category.as_str()).collect()
}

fn check_documents(
    documents: &[DocumentEntry],
    declared: &HashSet<&str>,
    limits: &Limits,
    findings: &mut Findings,
) {
    let (count, max) = (documents.len(), limits.documents_per_project_max as usize);
    if count > max {
        findings.add("#/assets/documents", format!("{count} documents are given, at most {max} are allowed"));
    }
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(count);
    for (index, document) in documents.iter().enumerate() {
        if findings.full() {
            return;
        }
        let pointer = format!("#/assets/documents/{index}");
        if let Err(reason) = check_location(&document.location) {
            findings.add(format!("{pointer}/location"), format!("{:?} {reason}", document.location));
        }
        if let Some(first) = seen.insert(&document.location, index) {
            let message = format!("{:?} is given twice, first as document {first}", document.location);
            findings.add(format!("{pointer}/location"), message);
        }
        if let Some(language) = document.language.as_ref().filter(|language| !is_supported(language)) {
            let message = format!("{:?}: language {language:?} is not supported", document.location);
            findings.push(Problem::language(format!("{pointer}/language"), message));
        }
        check_regions(document, &pointer, declared, findings);
    }
}

/// Longest object key of S3 in bytes.
const LOCATION_BYTES_MAX: usize = 1024;

/// Whether a location can be an object's key and nothing else.
pub(crate) fn check_location(location: &str) -> Result<(), &'static str> {
    if location.is_empty() || location.len() > LOCATION_BYTES_MAX {
        return Err("must have 1 to 1024 bytes");
    }
    if location.chars().any(|sign| sign.is_control() || sign == '\\') {
        return Err("holds a control character or a backslash");
    }
    if location.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("is no plain path: empty parts, '.' and '..' are not allowed");
    }
    Ok(())
}

fn check_regions(document: &DocumentEntry, pointer: &str, declared: &HashSet<&str>, findings: &mut Findings) {
    let mut sorted: Vec<(usize, &RegionEntry)> = document.entities.iter().enumerate().collect();
    sorted.sort_by_key(|(_, region)| (region.region_offset, region.region_length));
    for pair in sorted.windows(2) {
        let [(_, before), (index, after)] = pair else { continue };
        if end(before.region_offset, before.region_length) > u64::from(after.region_offset) {
            let message =
                format!("{:?}: two regions overlap at offset {}", document.location, after.region_offset);
            findings.add(format!("{pointer}/entities/{index}"), message);
        }
    }
    for (index, region) in document.entities.iter().enumerate() {
        let pointer = format!("{pointer}/entities/{index}");
        for (index, label) in region.labels.iter().enumerate() {
            let pointer = format!("{pointer}/labels/{index}");
            check_label(document, region, label, &pointer, declared, findings);
        }
        check_overlaps(document, region, &pointer, findings);
    }
}

fn check_label(
    document: &DocumentEntry,
    region: &RegionEntry,
    label: &LabelEntry,
    pointer: &str,
    declared: &HashSet<&str>,
    findings: &mut Findings,
) {
    let location = &document.location;
    if !declared.contains(label.category.as_str()) {
        let message =
            format!("{location:?}: entity category {:?} is not declared in assets.entities", label.category);
        findings.add(format!("{pointer}/category"), message);
    }
    if label.length == 0 {
        findings.add(format!("{pointer}/length"), format!("{location:?}: {} is empty", show(label)));
    }
    let region_end = end(region.region_offset, region.region_length);
    if label.offset < region.region_offset || end(label.offset, label.length) > region_end {
        let message = format!(
            "{location:?}: {} is not inside its region, {} to {region_end}; offsets count from the start of the \
             document",
            show(label),
            region.region_offset
        );
        findings.add(pointer, message);
    }
}

fn check_overlaps(document: &DocumentEntry, region: &RegionEntry, pointer: &str, findings: &mut Findings) {
    let mut sorted: Vec<(usize, &LabelEntry)> = region.labels.iter().enumerate().collect();
    sorted.sort_by_key(|(_, label)| (label.offset, label.length));
    // The label that reaches farthest so far, which need not be the one before.
    let mut farthest: Option<&LabelEntry> = None;
    for (index, label) in sorted {
        if let Some(before) =
            farthest.filter(|before| end(before.offset, before.length) > u64::from(label.offset))
        {
            let message = format!("{:?}: {} and {} overlap", document.location, show(before), show(label));
            findings.add(format!("{pointer}/labels/{index}"), message);
        }
        if farthest.is_none_or(|before| end(before.offset, before.length) < end(label.offset, label.length)) {
            farthest = Some(label);
        }
    }
}

/// Offsets and lengths of a file may be anything up to 32 bits; their sum may not fit.
fn end(offset: u32, length: u32) -> u64 {
    u64::from(offset) + u64::from(length)
}

/// A label by place and category, never by its text.
pub(crate) fn show(label: &LabelEntry) -> String {
    format!("label {:?} at {}..{}", label.category, label.offset, end(label.offset, label.length))
}
