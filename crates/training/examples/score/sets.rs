//! Labeled sets as files: what to learn from and what to score on.

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use ner::{
    Dataset, Document, EntityCategory, Label, LabeledDocument, OffsetTable, Region, Span, StringIndexType,
};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// Documents to score on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum On {
    /// Those of a split the set names, such as `test` or `dev`.
    Split(String),
    /// Every `of`-th of the documents to learn from, the first being `part`; they are not learned from.
    Part { part: usize, of: usize },
    /// Every such part in turn.
    Folds(usize),
}

/// What a run learns from and is scored on.
pub(crate) struct Set {
    pub(crate) language: String,
    pub(crate) learn: Vec<LabeledDocument>,
    pub(crate) score: Vec<LabeledDocument>,
}

impl On {
    /// What is scored on, one after the other.
    pub(crate) fn each(&self) -> Vec<Self> {
        match *self {
            Self::Folds(of) => (0..of).map(|part| Self::Part { part, of }).collect(),
            _ => vec![self.clone()],
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(folds) = text.strip_prefix("folds:") {
            return match folds.parse() {
                Ok(folds) if folds > 1 => Ok(Self::Folds(folds)),
                _ => Err(format!("{text:?} is not folds:N with N above 1")),
            };
        }
        let Some(part) = text.strip_prefix("part:") else { return Ok(Self::Split(text.to_owned())) };
        let numbers =
            part.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if part < of => Ok(Self::Part { part, of }),
            _ => Err(format!("{text:?} is not part:N/M with N below M")),
        }
    }
}

impl Set {
    /// Reads the gzip'd JSON Lines file or the project folder `path`. `seed` shuffles a project, which has no splits.
    pub(crate) fn read(path: &Path, seed: u64, on: &On) -> Result<Self> {
        let mut set = if path.is_dir() { project(path, seed)? } else { lines(path, on)? };
        if let On::Part { part, of } = *on {
            let documents = std::mem::take(&mut set.learn).into_iter().enumerate();
            let (score, learn): (Vec<_>, Vec<_>) = documents.partition(|(at, _)| at % of == part);
            let plain =
                |documents: Vec<(usize, LabeledDocument)>| documents.into_iter().map(|pair| pair.1).collect();
            (set.score, set.learn) = (plain(score), plain(learn));
        }
        if set.learn.is_empty() || set.score.is_empty() {
            bail!("{} has no documents to learn from or none to score on", path.display());
        }
        Ok(set)
    }

    /// The set as the JSON Lines that `peers.py` reads.
    pub(crate) fn to_lines(&self) -> String {
        let splits = [("train", &self.learn), ("test", &self.score)];
        let documents =
            splits.iter().flat_map(|(split, documents)| documents.iter().map(move |d| (split, d)));
        let mut text = String::new();
        for (split, document) in documents {
            let characters = |to: usize| document.document.text[..to].chars().count();
            let labels = document.labels().map(|label| {
                let (from, to) = (characters(label.span.start.get()), characters(label.span.end.get()));
                serde_json::json!({"category": label.category.as_str(), "offset": from, "length": to - from})
            });
            let line = serde_json::json!({
                "id": document.document.location, "language": self.language, "split": split,
                "text": document.document.text, "entities": labels.collect::<Vec<_>>(),
            });
            text.push_str(&format!("{line}\n"));
        }
        text
    }
}

fn lines(path: &Path, on: &On) -> Result<Set> {
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| format!("no set {}", path.display()))?;
    GzDecoder::new(file).read_to_string(&mut text)?;
    let mut set = Set { language: "en".into(), learn: Vec::new(), score: Vec::new() };
    for line in text.lines() {
        let value: Value = serde_json::from_str(line)?;
        let part = match (value["split"].as_str().unwrap_or_default(), on) {
            ("train", _) => &mut set.learn,
            (split, On::Split(wanted)) if split == wanted => &mut set.score,
            _ => continue,
        };
        let labels = value["entities"].as_array().context("no entities")?;
        let text = value["text"].as_str().context("no text")?;
        let location = value["id"].as_str().context("no id")?;
        part.push(document(location, text, labels, StringIndexType::UnicodeCodePoint)?);
        set.language = value["language"].as_str().unwrap_or("en").into();
    }
    Ok(set)
}

/// Four fifths of a project's documents to learn from, shuffled by the seed, and the others to score on.
fn project(folder: &Path, seed: u64) -> Result<Set> {
    let labels = std::fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let labels = labels.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let project: Value = serde_json::from_slice(&std::fs::read(labels.last().context("no labels file")?)?)?;
    let mut documents = Vec::new();
    for entry in project["assets"]["documents"].as_array().context("no documents")? {
        let location = entry["location"].as_str().context("no location")?;
        let text = std::fs::read_to_string(folder.join(location))?;
        let regions = entry["entities"].as_array().context("no entities")?;
        let labels: Vec<Value> =
            regions.iter().filter_map(|region| region["labels"].as_array()).flatten().cloned().collect();
        documents.push(document(location, &text, &labels, StringIndexType::Utf16CodeUnit)?);
    }
    documents.sort_by_key(|document| {
        model::sha256_hex(format!("{seed} {}", document.document.location).as_bytes())
    });
    let score = documents.split_off(documents.len() * 4 / 5);
    Ok(Set { language: "en".into(), learn: documents, score })
}

fn document(location: &str, text: &str, labels: &[Value], unit: StringIndexType) -> Result<LabeledDocument> {
    let table = OffsetTable::new(text, unit);
    let number = |value: &Value| value.as_u64().map(|number| number as usize).context("no number");
    let mut found = Vec::new();
    for label in labels {
        let offset = number(&label["offset"])?;
        let end = offset + number(&label["length"])?;
        let (start, end) = (table.to_byte(offset).context("offset")?, table.to_byte(end).context("length")?);
        let category = EntityCategory::new(label["category"].as_str().context("no category")?)?;
        found.push(Label { span: Span { start, end }, category });
    }
    found.sort();
    Ok(LabeledDocument {
        document: Document { location: location.into(), language: None, text: text.into() },
        dataset: Some(Dataset::Train),
        regions: vec![Region { span: Span::new(0, text.len()), labels: found }],
    })
}
