//! JSON Lines with character offsets: spaCy's shape, Prodigy's and doccano's. Offsets are Unicode code points,
//! as in all tools that count in Python.

use super::conll::utf8;
use super::report::{Change, FidelityReport};
use super::set::{Builder, Draft, Keeps, LabeledSet, report_losses};
use super::spans::{RawSpan, settle};
use super::{Exported, File, Imported};
use crate::findings::Findings;
use language_api::Problem;
use language_api::project_file::parse_dataset;
use ner::{Dataset, LabeledDocument, OffsetTable, StringIndexType};
use serde::Serialize;
use serde_json::{Map, Value};

/// Whose words are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Spacy,
    Doccano,
}

/// Keys that may hold labels; the first one that is there does.
pub(super) const LABEL_KEYS: [&str; 5] = ["entities", "ents", "spans", "label", "labels"];
/// Keys whose loss is none.
const KNOWN_KEYS: [&str; 8] = ["text", "id", "meta", "location", "language", "dataset", "answer", "Comments"];
/// Keys of a label that say nothing beyond place and category.
const KNOWN_LABEL_KEYS: [&str; 9] =
    ["start", "end", "label", "start_offset", "end_offset", "id", "token_start", "token_end", "text"];

pub(super) fn import(files: &[File]) -> Result<Imported, Vec<Problem>> {
    let mut findings = Findings::default();
    let mut builder = Builder::default();
    for file in files {
        let Some(content) = utf8(file, &mut findings) else { continue };
        let content = crate::without_byte_order_mark(content);
        let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
        for (index, (place, record)) in records(content, &file.name, &mut findings).into_iter().enumerate() {
            let made_up = format!("{stem}-{:05}.txt", index + 1);
            if let Some(draft) = read_record(record, &place, made_up, &mut builder.report, &mut findings) {
                builder.add(draft);
            }
        }
    }
    let problems = findings.into_list();
    if problems.is_empty() { Ok(builder.finish()) } else { Err(problems) }
}

/// The records of a file: a line each, or the items of one array.
fn records(content: &str, file: &str, findings: &mut Findings) -> Vec<(String, Value)> {
    if content.trim_start().starts_with('[')
        && let Ok(Value::Array(items)) = serde_json::from_str(content)
        // A lone training tuple is a record, not a list of them.
        && !items.first().is_some_and(Value::is_string)
    {
        return items.into_iter().enumerate().map(|(index, v)| (format!("{file}#/{index}"), v)).collect();
    }
    let mut records = vec![];
    for (index, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("{file}:{}#", index + 1);
        match serde_json::from_str(line) {
            Ok(value) => records.push((place, value)),
            Err(error) => findings.add(
                format!("{file}:{}", index + 1),
                format!("the line is not JSON: it breaks off or errs at column {}", error.column()),
            ),
        }
    }
    records
}

fn read_record(
    record: Value,
    place: &str,
    made_up: String,
    report: &mut FidelityReport,
    findings: &mut Findings,
) -> Option<Draft> {
    let map = match record {
        Value::Object(map) => map,
        // spaCy's training tuples: [text, {"entities": […]}].
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([text @ Value::String(_), Value::Object(mut map)]) => {
                map.insert("text".to_owned(), text);
                map
            }
            _ => return refuse(findings, place, "must be an object, or a pair of text and object"),
        },
        _ => return refuse(findings, place, "must be an object with text and labels"),
    };
    let Some(text) = map.get("text").and_then(Value::as_str) else {
        return refuse(findings, &format!("{place}/text"), "must be a text");
    };
    let about = map.get("meta").and_then(Value::as_object);
    let told = |key: &str| about.and_then(|meta| meta.get(key)).or(map.get(key)).and_then(Value::as_str);
    let location = told("location").map(str::to_owned);
    let unnamed = location.is_none();
    let location = location.unwrap_or(made_up);
    let dataset = read_dataset(told("dataset"), &location, place, report);
    let key = LABEL_KEYS.into_iter().find(|key| map.get(*key).is_some_and(Value::is_array));
    for (other, value) in &map {
        if Some(other.as_str()) != key && !KNOWN_KEYS.contains(&other.as_str()) && !is_empty(value) {
            report.note(Change::OtherAnnotation, &location, place, other);
        }
    }
    let items = key.and_then(|key| map[key].as_array()).map_or(&[][..], Vec::as_slice);
    let mut raws = vec![];
    for (index, item) in items.iter().enumerate() {
        let place = format!("{place}/{}/{index}", key.unwrap_or_default());
        match read_label(item, &place) {
            Ok(raw) => {
                note_extras(item, &location, &place, report);
                raws.push(raw);
            }
            Err(problem) => findings.add(problem.pointer, problem.message),
        }
    }
    let mut seen = key.is_some();
    if let Some(answer @ ("reject" | "ignore")) = map.get("answer").and_then(Value::as_str) {
        raws.drain(..).for_each(|raw| report.note(Change::Rejected, &location, raw.place, answer));
        seen = false;
    }
    let spans = settle(text, raws, &location, report);
    let language = told("language").map(str::to_owned);
    let (text, place) = (text.to_owned(), place.to_owned());
    Some(Draft { location, unnamed, language, dataset, text, seen, spans, place })
}

fn refuse<T>(findings: &mut Findings, place: &str, message: &str) -> Option<T> {
    findings.add(place, message);
    None
}

/// A set's name; others than Train and Test have no place.
pub(super) fn read_dataset(
    name: Option<&str>,
    document: &str,
    place: &str,
    report: &mut FidelityReport,
) -> Option<Dataset> {
    let name = name?;
    parse_dataset(name).map_err(|reason| report.note(Change::Dataset, document, place, reason)).ok()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// A label as `[start, end, category]` or as an object.
fn read_label(item: &Value, place: &str) -> Result<RawSpan, Problem> {
    let wrong = |key: &str, message: &str| Problem::new(format!("{place}{key}"), message);
    let (start, end, category, quote) = match item {
        Value::Array(parts) if parts.len() >= 3 => (&parts[0], &parts[1], &parts[2], None),
        Value::Object(map) => {
            let get = |keys: [&str; 2]| {
                let found = keys.into_iter().find_map(|key| map.get(key));
                found.ok_or_else(|| wrong(&format!("/{}", keys[0]), "is missing"))
            };
            let quote = map.get("text").and_then(Value::as_str);
            (get(["start", "start_offset"])?, get(["end", "end_offset"])?, get(["label", "label"])?, quote)
        }
        _ => return Err(wrong("", "must be [start, end, category] or an object with start, end and label")),
    };
    let number =
        |value: &Value| value.as_i64().ok_or_else(|| wrong("", "start and end must be whole numbers"));
    let category = category.as_str().ok_or_else(|| wrong("", "the category must be a text"))?;
    Ok(RawSpan {
        start: number(start)?,
        end: number(end)?,
        category: category.to_owned(),
        place: place.to_owned(),
        quote: quote.map(str::to_owned),
    })
}

fn note_extras(item: &Value, document: &str, place: &str, report: &mut FidelityReport) {
    let extra =
        |(key, value): &(&String, &Value)| !KNOWN_LABEL_KEYS.contains(&key.as_str()) && !is_empty(value);
    for (key, _) in item.as_object().map(Map::iter).into_iter().flatten().filter(extra) {
        report.note(Change::OtherAnnotation, document, place, format!("{key} of a label"));
    }
    if item.as_array().is_some_and(|parts| parts.len() > 3) {
        report.note(Change::OtherAnnotation, document, place, "further items of a label");
    }
}

/// What a document is called and belongs to, where a format has room for it.
#[derive(Serialize)]
pub(super) struct About<'a> {
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset: Option<&'static str>,
}

impl<'a> About<'a> {
    pub(super) fn of(labeled: &'a LabeledDocument) -> Self {
        let dataset = labeled.dataset.map(|dataset| match dataset {
            Dataset::Train => "Train",
            Dataset::Test => "Test",
        });
        let document = &labeled.document;
        Self { location: &document.location, language: document.language.as_deref(), dataset }
    }
}

#[derive(Serialize)]
struct SpacyRecord<'a> {
    text: &'a str,
    entities: Vec<(usize, usize, &'a str)>,
    meta: About<'a>,
}

#[derive(Serialize)]
struct DoccanoRecord<'a> {
    text: &'a str,
    label: Vec<(usize, usize, &'a str)>,
    #[serde(flatten)]
    about: About<'a>,
}

/// Code-point offsets and categories of a document's labels.
pub(super) fn code_points(labeled: &LabeledDocument) -> Vec<(usize, usize, &str)> {
    let table = OffsetTable::new(&labeled.document.text, StringIndexType::UnicodeCodePoint);
    let place = |label: &ner::Label| (table.floor_unit(label.span.start), table.floor_unit(label.span.end));
    labeled.labels().map(|label| (place(label).0, place(label).1, label.category.as_str())).collect()
}

pub(super) fn export(set: &LabeledSet, shape: Shape) -> Exported {
    let keeps = Keeps { dataset: true, language: true, unseen: false, unused_categories: false };
    let report = report_losses(set, &keeps);
    let mut bytes = vec![];
    for labeled in &set.documents {
        let (text, labels, about) = (&labeled.document.text, code_points(labeled), About::of(labeled));
        // Writing to memory what has no maps with odd keys can't fail.
        let line = match shape {
            Shape::Spacy => serde_json::to_vec(&SpacyRecord { text, entities: labels, meta: about }),
            Shape::Doccano => serde_json::to_vec(&DoccanoRecord { text, label: labels, about }),
        };
        bytes.extend(line.unwrap_or_default());
        bytes.push(b'\n');
    }
    Exported { files: vec![File { name: "documents.jsonl".to_owned(), bytes }], report }
}
