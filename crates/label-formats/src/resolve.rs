//! Between a file's UTF-16 offsets and the domain's byte spans, proved against the text itself.

use crate::contract::show;
use crate::findings::Findings;
use language_api::project_file::{DocumentEntry, LabelEntry, RegionEntry};
use language_api::{Limits, Problem};
use ner::{
    ByteOffset, Document, EntityCategory, Label, LabeledDocument, OffsetTable, Region, Span, StringIndexType,
};

/// A text as offsets count it: a byte-order mark at its start is not part of it (contract: authoring 7.2).
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

/// Turns the entry at `index` of a file's documents into a labeled document, proving every offset against
/// `text`. The entry passed [`crate::check`].
///
/// # Errors
/// Every problem, at most 100: a text that is empty or too long, a border outside the text or inside a
/// character, a label that is too long. Messages name places and lengths, never the text.
pub fn resolve_document(
    entry: &DocumentEntry,
    index: usize,
    text: &str,
    limits: &Limits,
) -> Result<LabeledDocument, Vec<Problem>> {
    let text = without_byte_order_mark(text);
    let location = &entry.location;
    let pointer = format!("#/assets/documents/{index}");
    let mut findings = Findings::default();
    let (characters, max) = (text.chars().count(), limits.document_characters_max as usize);
    if characters == 0 || characters > max {
        let message = format!("{location:?} has {characters} characters; 1 to {max} are allowed");
        findings.add(format!("{pointer}/location"), message);
    }
    let table = OffsetTable::new(text, StringIndexType::Utf16CodeUnit);
    let mut proof = Proof { location, text, table: &table, limits, findings };
    let mut regions: Vec<Region> = entry
        .entities
        .iter()
        .enumerate()
        .filter_map(|(index, region)| proof.region(region, &format!("{pointer}/entities/{index}")))
        .collect();
    let problems = proof.findings.into_list();
    if !problems.is_empty() {
        return Err(problems);
    }
    regions.sort_by_key(|region| region.span);
    let document =
        Document { location: location.clone(), language: entry.language.clone(), text: text.to_owned() };
    Ok(LabeledDocument { document, dataset: entry.dataset, regions })
}

struct Proof<'a> {
    location: &'a str,
    text: &'a str,
    table: &'a OffsetTable,
    limits: &'a Limits,
    findings: Findings,
}

impl Proof<'_> {
    fn region(&mut self, region: &RegionEntry, pointer: &str) -> Option<Region> {
        let place = format!("region at {}", region.region_offset);
        let span = self.span(region.region_offset, region.region_length, pointer, &place);
        let mut labels: Vec<Label> = region
            .labels
            .iter()
            .enumerate()
            .filter_map(|(index, label)| self.label(label, &format!("{pointer}/labels/{index}")))
            .collect();
        labels.sort();
        Some(Region { span: span?, labels })
    }

    fn label(&mut self, label: &LabelEntry, pointer: &str) -> Option<Label> {
        let category = EntityCategory::new(&label.category)
            .map_err(|error| self.findings.add(format!("{pointer}/category"), error.to_string()));
        let span = self.span(label.offset, label.length, pointer, &show(label))?;
        let (characters, max) =
            (span.slice(self.text).chars().count(), self.limits.entity_characters_max as usize);
        if characters > max {
            let message = format!(
                "{:?}: {} has {characters} characters, at most {max} are allowed",
                self.location,
                show(label)
            );
            self.findings.add(pointer, message);
        }
        Some(Label { span, category: category.ok()? })
    }

    fn span(&mut self, offset: u32, length: u32, pointer: &str, what: &str) -> Option<Span> {
        let start = self.border(u64::from(offset), pointer, what)?;
        let end = self.border(u64::from(offset) + u64::from(length), pointer, what)?;
        Some(Span { start, end })
    }

    fn border(&mut self, unit: u64, pointer: &str, what: &str) -> Option<ByteOffset> {
        let units = self.table.units();
        let found = usize::try_from(unit).ok().and_then(|unit| self.table.to_byte(unit));
        if found.is_none() {
            let reason = if unit > units as u64 {
                format!("reaches {unit}, but the document has {units} UTF-16 units")
            } else {
                format!("has a border at {unit}, inside a character of two UTF-16 units")
            };
            self.findings.add(pointer, format!("{:?}: {what} {reason}", self.location));
        }
        found
    }
}

/// The entry of a labeled document in a file, in UTF-16 units.
pub fn entry_of(document: &LabeledDocument) -> DocumentEntry {
    let table = OffsetTable::new(&document.document.text, StringIndexType::Utf16CodeUnit);
    // Spans lie on character borders, where flooring changes nothing; documents are far below 2^32 units.
    let unit = |byte| u32::try_from(table.floor_unit(byte)).unwrap_or(u32::MAX);
    let place = |span: Span| (unit(span.start), unit(span.end) - unit(span.start));
    let label = |label: &Label| {
        let (offset, length) = place(label.span);
        LabelEntry { category: label.category.as_str().to_owned(), offset, length }
    };
    let region = |region: &Region| {
        let (region_offset, region_length) = place(region.span);
        RegionEntry { region_offset, region_length, labels: region.labels.iter().map(label).collect() }
    };
    DocumentEntry {
        location: document.document.location.clone(),
        language: document.document.language.clone(),
        dataset: document.dataset,
        entities: document.regions.iter().map(region).collect(),
    }
}
