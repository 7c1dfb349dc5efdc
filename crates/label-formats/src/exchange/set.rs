//! The common middle: documents with labels and the categories they use, made to fit the contract's rules.

use super::report::{Change, FidelityReport};
use super::spans::DraftSpan;
use super::{Imported, report};
use crate::contract::check_location;
use language_api::FileMetadata;
use language_api::languages::is_supported;
use language_api::project_file::CategoryEntry;
use ner::{CATEGORY_CHARACTERS_MAX, Dataset, Document, EntityCategory, Label, LabeledDocument, Region, Span};
use std::collections::{HashMap, HashSet};

/// Documents with labels. Locations are distinct and allowed by the contract, labels of a document do not overlap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabeledSet {
    /// The project, where the input names one.
    pub project: Option<FileMetadata>,
    /// All categories, used or not, in order of appearance.
    pub categories: Vec<CategoryEntry>,
    /// The documents in the input's order.
    pub documents: Vec<LabeledDocument>,
}

impl LabeledSet {
    /// Number of labels.
    pub fn labels(&self) -> usize {
        self.documents.iter().map(|document| document.labels().count()).sum()
    }
}

/// A document as a reader found it. Spans are on character borders of `text`.
pub(super) struct Draft {
    /// The wanted name; need not be allowed or free.
    pub(super) location: String,
    /// Whether the name was made up, so that changing it is no loss.
    pub(super) unnamed: bool,
    pub(super) language: Option<String>,
    pub(super) dataset: Option<Dataset>,
    pub(super) text: String,
    /// Whether a person looked at it.
    pub(super) seen: bool,
    pub(super) spans: Vec<DraftSpan>,
    /// File and line or pointer.
    pub(super) place: String,
}

/// Puts drafts together.
#[derive(Default)]
pub(super) struct Builder {
    set: LabeledSet,
    categories: Names,
    locations: Names,
    pub(super) report: FidelityReport,
}

impl Builder {
    /// Declares a category that need not have labels.
    pub(super) fn declare(&mut self, name: &str, file: &str) -> Option<EntityCategory> {
        let (found, fresh) = self.categories.name(name, allowed_category);
        let category = EntityCategory::new(&found).ok()?;
        if fresh {
            if found != name {
                self.report.note(Change::CategoryRenamed, file, "", format!("{name:?} became {found:?}"));
            }
            self.set.categories.push(CategoryEntry { category: found, description: None });
        }
        Some(category)
    }

    /// Takes in a document, telling the report what can't stay as it is.
    pub(super) fn add(&mut self, draft: Draft) {
        let text = draft.text.trim_start_matches('\u{FEFF}');
        let mark = draft.text.len() - text.len();
        if text.is_empty() {
            let detail = format!("{} labels", draft.spans.len());
            return self.report.note(Change::EmptyDocument, &draft.location, draft.place, detail);
        }
        let location = self.locations.fresh(&draft.location, allowed_location);
        if location != draft.location && !draft.unnamed {
            let detail = format!("became {location:?}");
            self.report.note(Change::DocumentRenamed, &draft.location, &draft.place, detail);
        }
        if mark > 0 {
            self.report.note(Change::ByteOrderMark, &location, &draft.place, "offsets count from behind it");
        }
        let language = draft.language.filter(|language| {
            let supported = is_supported(language);
            if !supported {
                let detail = format!("{language:?} is not supported");
                self.report.note(Change::Language, &location, &draft.place, detail);
            }
            supported
        });
        let labels: Vec<(Label, String)> =
            draft.spans.into_iter().filter_map(|span| self.label(span, text, mark, &location)).collect();
        let seen = draft.seen || !labels.is_empty();
        let labels = self.flatten(labels, &location);
        let region = Region { span: Span::new(0, text.len()), labels };
        self.set.documents.push(LabeledDocument {
            document: Document { location, language, text: text.to_owned() },
            dataset: draft.dataset,
            regions: if seen { vec![region] } else { vec![] },
        });
    }

    fn label(&mut self, span: DraftSpan, text: &str, mark: usize, location: &str) -> Option<(Label, String)> {
        let start = span.range.start.max(mark) - mark;
        let end = span.range.end.max(mark) - mark;
        let piece = &text[start..end];
        let trimmed = piece.trim();
        if trimmed.is_empty() {
            self.report.note(Change::EmptyLabel, location, span.place, span.category);
            return None;
        }
        if trimmed.len() != piece.len() {
            self.report.note(Change::WhiteSpaceTrimmed, location, &span.place, &span.category);
        }
        let start = start + (piece.len() - piece.trim_start().len());
        let category = self.declare(&span.category, location)?;
        Some((Label { span: Span::new(start, start + trimmed.len()), category }, span.place))
    }

    /// Keeps the longest of labels that overlap, the first of equally long ones.
    fn flatten(&mut self, mut labels: Vec<(Label, String)>, location: &str) -> Vec<Label> {
        labels.sort_by_key(|(label, _)| (std::cmp::Reverse(label.span.len()), label.span.start));
        let mut kept: std::collections::BTreeMap<usize, Label> = std::collections::BTreeMap::new();
        for (label, place) in labels {
            let before = kept.range(..label.span.end.get()).next_back().map(|(_, label)| label);
            match before.filter(|before| before.span.overlaps(label.span)) {
                Some(same) if *same == label => {
                    self.report.note(Change::RepeatedLabel, location, place, label.category.as_str());
                }
                Some(longer) => {
                    let detail = format!("{} inside or across {}", label.category, longer.category);
                    self.report.note(Change::OverlappingLabel, location, place, detail);
                }
                None => drop(kept.insert(label.span.start.get(), label)),
            }
        }
        kept.into_values().collect()
    }

    pub(super) fn finish(self) -> Imported {
        Imported { set: self.set, report: self.report }
    }
}

/// Gives every name an allowed one, so that different names stay different, also without regard to case.
#[derive(Default)]
pub(super) struct Names {
    given: HashMap<String, String>,
    taken: HashSet<String>,
    counts: HashMap<String, usize>,
}

impl Names {
    /// The allowed form of `name`, and whether this is its first use.
    pub(super) fn name(&mut self, name: &str, allowed: fn(&str, usize) -> String) -> (String, bool) {
        if let Some(known) = self.given.get(name) {
            return (known.clone(), false);
        }
        let fresh = self.fresh(name, allowed);
        self.given.insert(name.to_owned(), fresh.clone());
        (fresh, true)
    }

    /// An allowed form of `name` that nobody has yet. `allowed` makes the n-th form of a name.
    pub(super) fn fresh(&mut self, name: &str, allowed: fn(&str, usize) -> String) -> String {
        let first = allowed(name, 1);
        let count = self.counts.entry(first.clone()).or_default();
        loop {
            *count += 1;
            let form = allowed(name, *count);
            if self.taken.insert(form.to_lowercase()) {
                return form;
            }
        }
    }
}

/// The n-th form of a category that the contract allows.
fn allowed_category(name: &str, number: usize) -> String {
    let suffix = if number > 1 { format!("_{number}") } else { String::new() };
    if number == 1 && EntityCategory::new(name).is_ok() {
        return name.to_owned();
    }
    let room = CATEGORY_CHARACTERS_MAX - suffix.len();
    let sign = |sign: char| if ":$&%*()+~#/?".contains(sign) { '_' } else { sign };
    let cut: String = name.trim().chars().map(sign).take(room).collect();
    let cut = cut.trim_end();
    if cut.is_empty() { format!("unnamed{suffix}") } else { format!("{cut}{suffix}") }
}

/// Longest name before a number is added, in bytes: leaves room for it below the contract's limit.
const LOCATION_STEM_BYTES: usize = 900;

/// The n-th form of a document's name that the contract allows.
fn allowed_location(name: &str, number: usize) -> String {
    if number == 1 && check_location(name).is_ok() {
        return name.to_owned();
    }
    let sign = |sign: char| if sign.is_control() || sign == '\\' { '_' } else { sign };
    let whole: String = name.chars().map(sign).collect();
    let parts: Vec<&str> = whole.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let path = parts.join("/");
    let stem = path.strip_suffix(".txt").unwrap_or(&path);
    let stem = &stem[..stem.floor_char_boundary(LOCATION_STEM_BYTES)];
    let stem = stem.trim_end_matches('/');
    let stem = if stem.is_empty() { "document" } else { stem };
    if number > 1 { format!("{stem}-{number}.txt") } else { format!("{stem}.txt") }
}

/// What a format has a place for.
pub(super) struct Keeps {
    pub(super) dataset: bool,
    pub(super) language: bool,
    pub(super) unseen: bool,
    pub(super) unused_categories: bool,
}

/// Reports what of `set` a format other than the contract's leaves behind.
pub(super) fn report_losses(set: &LabeledSet, keeps: &Keeps) -> FidelityReport {
    let mut report = report::FidelityReport::default();
    if let Some(project) = &set.project {
        report.note(Change::Project, "", "#/metadata", format!("project {:?}", project.project_name));
    }
    let used: HashSet<&str> =
        set.documents.iter().flat_map(|d| d.labels()).map(|label| label.category.as_str()).collect();
    for entry in &set.categories {
        if !keeps.unused_categories && !used.contains(entry.category.as_str()) {
            report.note(Change::UnusedCategory, "", "", &entry.category);
        }
        if entry.description.is_some() {
            report.note(Change::CategoryDescription, "", "", &entry.category);
        }
    }
    for labeled in &set.documents {
        let location = &labeled.document.location;
        if let Some(dataset) = labeled.dataset.filter(|_| !keeps.dataset) {
            report.note(Change::Dataset, location, "", format!("{dataset:?}"));
        }
        if let Some(language) = labeled.document.language.as_ref().filter(|_| !keeps.language) {
            report.note(Change::Language, location, "", language);
        }
        match &labeled.regions[..] {
            [] if keeps.unseen => {}
            [] => report.note(Change::Region, location, "", "nobody looked at it; reads back as looked at"),
            [one] if one.span.range() == (0..labeled.document.text.len()) => {}
            parts => {
                let detail = format!("{} parts; reads back as looked at entirely", parts.len());
                report.note(Change::Region, location, "", detail);
            }
        }
    }
    report
}
