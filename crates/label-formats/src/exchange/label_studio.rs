//! Label Studio's JSON export: tasks with annotations, each a list of results.
//!
//! `start` and `end` count code points: the editor turns its own UTF-16 positions into code points (its test
//! selects "test" in "🐱 Warning: This is a test text" at 21..25). Versions before that change wrote UTF-16 units;
//! the recorded text tells which of the two fits.

use super::conll::utf8;
use super::json_lines::{About, code_points, read_dataset};
use super::report::{Change, FidelityReport};
use super::set::{Builder, Draft, Keeps, LabeledSet, report_losses};
use super::spans::{RawSpan, settle};
use super::{Exported, File, Imported};
use crate::findings::Findings;
use language_api::Problem;
use serde::Serialize;
use serde_json::{Map, Value};

pub(super) fn import(files: &[File]) -> Result<Imported, Vec<Problem>> {
    let mut findings = Findings::default();
    let mut builder = Builder::default();
    for file in files.iter().filter(|file| !file.name.to_ascii_lowercase().ends_with(".xml")) {
        let Some(content) = utf8(file, &mut findings) else { continue };
        let tasks = match serde_json::from_str(crate::without_byte_order_mark(content)) {
            Ok(Value::Array(tasks)) => tasks,
            Ok(one @ Value::Object(_)) => vec![one],
            Ok(_) => {
                findings.add(format!("{}#", file.name), "must be a list of tasks");
                continue;
            }
            Err(error) => {
                let place = format!("{}:{}", file.name, error.line());
                let message =
                    format!("the file is not JSON: it breaks off or errs at column {}", error.column());
                findings.add(place, message);
                continue;
            }
        };
        let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
        for (index, task) in tasks.iter().enumerate() {
            let place = format!("{}#/{index}", file.name);
            let made_up = format!("{stem}-{:05}.txt", index + 1);
            match Task::read(task, &place) {
                Ok(task) => {
                    let draft = task.draft(made_up, &mut builder.report, &mut findings);
                    builder.add(draft);
                }
                Err(problem) => findings.add(problem.pointer, problem.message),
            }
        }
    }
    let problems = findings.into_list();
    if problems.is_empty() { Ok(builder.finish()) } else { Err(problems) }
}

struct Task<'a> {
    whole: &'a Map<String, Value>,
    data: &'a Map<String, Value>,
    text: &'a str,
    place: &'a str,
}

impl<'a> Task<'a> {
    fn read(task: &'a Value, place: &'a str) -> Result<Self, Problem> {
        let whole = task.as_object().ok_or_else(|| Problem::new(place, "must be a task with data"))?;
        let Some(data) = whole.get("data").and_then(Value::as_object) else {
            let message = "must be an object; export as JSON, JSON-MIN leaves out what belongs to a task";
            return Err(Problem::new(format!("{place}/data"), message));
        };
        let mut texts = data.iter().filter(|(key, value)| {
            value.is_string() && !["location", "language", "dataset"].contains(&key.as_str())
        });
        let text = match (data.get("text").and_then(Value::as_str), texts.next(), texts.next()) {
            (Some(text), ..) => text,
            (None, Some((_, only)), None) => only.as_str().unwrap_or_default(),
            _ => {
                let message = "must hold the text as \"text\", or one text alone";
                return Err(Problem::new(format!("{place}/data"), message));
            }
        };
        Ok(Self { whole, data, text, place })
    }

    fn draft(self, made_up: String, report: &mut FidelityReport, findings: &mut Findings) -> Draft {
        let told = |key: &str| self.data.get(key).and_then(Value::as_str);
        let unnamed = told("location").is_none();
        let location = told("location").map_or(made_up, str::to_owned);
        let dataset = read_dataset(told("dataset"), &location, self.place, report);
        if self.whole.get("predictions").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            report.note(Change::OtherAnnotation, &location, self.place, "predictions");
        }
        let chosen = self.annotation(&location, report);
        let mut raws = vec![];
        for (place, result) in chosen.iter().flat_map(|(place, annotation)| results(place, annotation)) {
            match read_result(result, &place, &location, report) {
                Ok(found) => raws.extend(found),
                Err(problem) => findings.add(problem.pointer, problem.message),
            }
        }
        let spans = settle(self.text, raws, &location, report);
        Draft {
            unnamed,
            language: told("language").map(str::to_owned),
            dataset,
            text: self.text.to_owned(),
            seen: chosen.is_some(),
            spans,
            place: self.place.to_owned(),
            location,
        }
    }

    /// The annotation that counts: the ground truth, else the first one that was finished.
    fn annotation(&self, location: &str, report: &mut FidelityReport) -> Option<(String, &'a Value)> {
        let key = ["annotations", "completions"].into_iter().find(|key| self.whole.contains_key(*key))?;
        let all = self.whole[key].as_array()?;
        let is = |annotation: &Value, key: &str| annotation.get(key).and_then(Value::as_bool) == Some(true);
        let finished = |annotation: &Value| !is(annotation, "was_cancelled");
        let chosen = all
            .iter()
            .position(|annotation| finished(annotation) && is(annotation, "ground_truth"))
            .or_else(|| all.iter().position(finished));
        for (index, annotation) in all.iter().enumerate().filter(|(index, _)| Some(*index) != chosen) {
            let place = format!("{}/{key}/{index}", self.place);
            for _ in results(&place, annotation) {
                match finished(annotation) {
                    true => report.note(Change::OtherAnnotation, location, &place, "a further annotation"),
                    false => report.note(Change::Rejected, location, &place, "was_cancelled"),
                }
            }
        }
        chosen.map(|index| (format!("{}/{key}/{index}", self.place), &all[index]))
    }
}

fn results<'a>(place: &str, annotation: &'a Value) -> Vec<(String, &'a Value)> {
    let list = annotation.get("result").and_then(Value::as_array).into_iter().flatten();
    list.enumerate().map(|(index, result)| (format!("{place}/result/{index}"), result)).collect()
}

/// The labels of a result; one for each of its categories.
fn read_result(
    result: &Value,
    place: &str,
    location: &str,
    report: &mut FidelityReport,
) -> Result<Vec<RawSpan>, Problem> {
    let kind = result.get("type").and_then(Value::as_str).unwrap_or("no type");
    if kind != "labels" {
        report.note(Change::OtherAnnotation, location, place, kind);
        return Ok(vec![]);
    }
    if result.get("meta").and_then(Value::as_object).is_some_and(|meta| !meta.is_empty()) {
        report.note(Change::OtherAnnotation, location, place, "meta of a label");
    }
    let value = result.get("value").unwrap_or(&Value::Null);
    let number = |key: &str| {
        // The documentation of the export calls them strings; the export writes numbers.
        let found = value.get(key);
        let number = found.and_then(|n| n.as_i64().or_else(|| n.as_str()?.parse().ok()));
        number.ok_or_else(|| Problem::new(format!("{place}/value/{key}"), "must be a whole number"))
    };
    let (start, end) = (number("start")?, number("end")?);
    let quote = value.get("text").and_then(Value::as_str);
    let Some(labels) = value.get("labels").and_then(Value::as_array) else {
        return Err(Problem::new(format!("{place}/value/labels"), "must be a list of categories"));
    };
    let span = |label: &Value| {
        let category = label
            .as_str()
            .ok_or_else(|| Problem::new(format!("{place}/value/labels"), "must be a list of texts"))?;
        let quote = quote.map(str::to_owned);
        Ok(RawSpan { start, end, category: category.to_owned(), place: place.to_owned(), quote })
    };
    labels.iter().map(span).collect()
}

#[derive(Serialize)]
struct TaskOut<'a> {
    id: usize,
    data: DataOut<'a>,
    annotations: Vec<AnnotationOut<'a>>,
}

#[derive(Serialize)]
struct DataOut<'a> {
    text: &'a str,
    #[serde(flatten)]
    about: About<'a>,
}

#[derive(Serialize)]
struct AnnotationOut<'a> {
    id: usize,
    was_cancelled: bool,
    ground_truth: bool,
    result: Vec<ResultOut<'a>>,
}

#[derive(Serialize)]
struct ResultOut<'a> {
    id: String,
    from_name: &'static str,
    to_name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    value: ValueOut<'a>,
}

#[derive(Serialize)]
struct ValueOut<'a> {
    start: usize,
    end: usize,
    text: &'a str,
    labels: [&'a str; 1],
}

/// Writes the tasks, and the labelling interface a Label Studio project needs for them.
pub(super) fn export(set: &LabeledSet) -> Exported {
    let keeps = Keeps { dataset: true, language: true, unseen: true, unused_categories: false };
    let report = report_losses(set, &keeps);
    let tasks: Vec<TaskOut<'_>> =
        set.documents.iter().enumerate().map(|(i, labeled)| task(i + 1, labeled)).collect();
    // Writing to memory what has no maps with odd keys can't fail.
    let bytes = serde_json::to_vec_pretty(&tasks).unwrap_or_default();
    let interface = interface(set.categories.iter().map(|entry| entry.category.as_str()));
    let files = vec![
        File { name: "tasks.json".to_owned(), bytes },
        File { name: "labeling-interface.xml".to_owned(), bytes: interface.into_bytes() },
    ];
    Exported { files, report }
}

fn task(id: usize, labeled: &ner::LabeledDocument) -> TaskOut<'_> {
    let text = &labeled.document.text;
    let result = labeled.labels().zip(code_points(labeled)).enumerate().map(|(index, (label, place))| {
        let (start, end, category) = place;
        let value = ValueOut { start, end, text: label.span.slice(text), labels: [category] };
        ResultOut {
            id: format!("{id}-{}", index + 1),
            from_name: "label",
            to_name: "text",
            kind: "labels",
            value,
        }
    });
    let annotation =
        AnnotationOut { id, was_cancelled: false, ground_truth: false, result: result.collect() };
    let seen = !labeled.regions.is_empty();
    let data = DataOut { text, about: About::of(labeled) };
    TaskOut { id, data, annotations: seen.then_some(annotation).into_iter().collect() }
}

fn interface<'a>(categories: impl Iterator<Item = &'a str>) -> String {
    let escape = |name: &str| {
        name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let labels: String =
        categories.map(|name| format!("    <Label value=\"{}\"/>\n", escape(name))).collect();
    format!(
        "<View>\n  <Labels name=\"label\" toName=\"text\">\n{labels}  </Labels>\n  <Text name=\"text\" value=\"$text\"/>\n</View>\n"
    )
}
