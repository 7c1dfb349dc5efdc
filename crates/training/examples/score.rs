//! Trains on a labeled set and prints exact-span micro scores: the measure the project's quality claims are made in.
//!
//! ```text
//! cargo run --release -p training --example score -- ../shared/data/fin-loans.jsonl.gz lexical
//! cargo run --release -p training --example score -- ../shared/data/loan-agreements contextual --seed 3 \
//!     --encoder build/encoders/all-MiniLM-L6-v2
//! ```
//! A set is a gzip'd JSON Lines file (`{"id","language","split","text","entities":[{"category","offset","length"}]}`,
//! offsets in code points) or a folder with a labels file of the custom NER project format.

use flate2::read::GzDecoder;
use inference::{Conversion, EncoderPackage, OpenVinoEncoder, Precision, Settings};
use model::{Encoder, Graph, GraphError, Inputs, ServingModel};
use ner::{
    Dataset, Document, EntityCategory, Label, LabeledDocument, OffsetTable, Region, Span, StringIndexType,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;
use training::{Progress, RecipeChoice, TrainRequest, TrainingEncoder, train};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
    };
    let [path, recipe, ..] = arguments.as_slice() else {
        return Err(
            "usage: score SET lexical|contextual|auto|RECIPE.json [--encoder FOLDER] [--seed N] [--threads N] [--on dev]".into(),
        );
    };
    let seed: u64 = option("--seed").map_or(Ok(1), |seed| seed.parse())?;
    let threads: usize = option("--threads").map_or(Ok(2), |threads| threads.parse())?;
    let recipe = match recipe.as_str() {
        "lexical" => RecipeChoice::Lexical,
        "contextual" => RecipeChoice::Contextual,
        "auto" => RecipeChoice::Auto,
        file => RecipeChoice::Given(serde_json::from_slice(&std::fs::read(file)?)?),
    };
    let encoder = match option("--encoder") {
        Some(folder) => Some(open_encoder(Path::new(&folder), threads)?),
        None => None,
    };
    let on = option("--on").unwrap_or_else(|| "test".into());
    let (training, test) = read_set(Path::new(path), seed, &on)?;
    let categories: BTreeSet<EntityCategory> =
        training.iter().flat_map(LabeledDocument::labels).map(|label| label.category.clone()).collect();
    let request = TrainRequest {
        corpus: &training,
        recipe,
        language: "en".into(),
        categories: categories.into_iter().collect(),
        seed,
        threads,
        model_id: "score".into(),
        code_version: env!("CARGO_PKG_VERSION").into(),
        encoder: encoder.as_ref().map(|(package, tokenizer, encoder)| TrainingEncoder {
            encoder,
            reference: package.manifest.reference(&package.digest),
            tokenizer_json: tokenizer,
        }),
    };
    let encoder_of_graph = encoder.as_ref().map(|(_, _, encoder)| encoder);
    let started = Instant::now();
    let mut watch = |progress: Progress| {
        if std::env::var_os("VERBOSE").is_some() {
            eprintln!("{:6.1}s {progress:?}", started.elapsed().as_secs_f64());
        }
        ControlFlow::Continue(())
    };
    let bundle = train(&request, &mut watch)?;
    let trained = started.elapsed().as_secs_f64();
    let characters = |documents: &[LabeledDocument]| -> usize {
        documents.iter().map(|document| document.document.text.chars().count()).sum()
    };
    println!(
        "trained on {} documents, {} characters in {trained:.1} s ({:.0} characters/s), head {} bytes, scores {:?}",
        training.len(),
        characters(&training),
        characters(&training) as f64 / trained,
        bundle.manifest.files[model::HEAD_FILE].bytes,
        bundle.manifest.lineage.scores,
    );
    let lineage = &bundle.manifest.lineage;
    println!(
        "labels {} widened {} left out {}",
        lineage.labels, lineage.labels_widened, lineage.labels_left_out
    );
    let started = Instant::now();
    let tokenizer = encoder.as_ref().map(|(_, tokenizer, _)| tokenizer.as_slice());
    let serving = ServingModel::new(bundle.manifest.clone(), tokenizer)?;
    let graph = Chained { head: bundle.head()?, encoder: encoder_of_graph };
    let scores = score(&serving, &graph, &test)?;
    let seconds = started.elapsed().as_secs_f64();
    scores.print();
    println!(
        "served {} characters, {:.0} characters/s",
        characters(&test),
        characters(&test) as f64 / seconds
    );
    Ok(())
}

type Opened = (EncoderPackage, Vec<u8>, OpenVinoEncoder);

fn open_encoder(published: &Path, threads: usize) -> Result<Opened, Failure> {
    let package = EncoderPackage::convert(
        published,
        &std::env::temp_dir().join("spindle-score-encoders"),
        &Conversion::default(),
    )?;
    let settings = Settings { precision: Precision::Auto, threads: Some(threads), ..Settings::default() };
    let encoder = OpenVinoEncoder::open(&package.folder, &settings)?;
    let tokenizer = std::fs::read(package.folder.join(inference::TOKENIZER_FILE))?;
    Ok((package, tokenizer, encoder))
}

/// Encoder and head, chained as in service.
struct Chained<'a> {
    head: model::Head,
    encoder: Option<&'a OpenVinoEncoder>,
}

impl Graph for Chained<'_> {
    fn compute(&self, inputs: &Inputs) -> Result<model::Emissions, GraphError> {
        let vectors = match (&inputs.pieces, self.encoder) {
            (Some(pieces), Some(encoder)) => Some(encoder.encode(pieces)?),
            _ => None,
        };
        self.head.emissions(inputs, vectors.as_deref())
    }
}

#[derive(Default)]
struct Scores {
    by_category: BTreeMap<EntityCategory, [usize; 3]>,
    /// Sum of confidences and of right ones in ten classes of confidence.
    calibration: [(usize, f64, usize); 10],
}

impl Scores {
    fn print(&self) {
        let ratio = |part: usize, all: usize| if all == 0 { 0.0 } else { 100.0 * part as f64 / all as f64 };
        let line = |name: &str, [right, found, gold]: [usize; 3]| {
            let (precision, recall) = (ratio(right, found), ratio(right, gold));
            let f1 = if right == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
            println!("{name:24} P {precision:5.1} R {recall:5.1} F1 {f1:5.1} gold {gold} found {found}");
        };
        let mut total = [0; 3];
        for (category, counts) in &self.by_category {
            line(category.as_str(), *counts);
            (0..3).for_each(|i| total[i] += counts[i]);
        }
        line("micro", total);
        let error: f64 = self.calibration.iter().map(|(_, sum, right)| (sum - *right as f64).abs()).sum();
        let all: usize = self.calibration.iter().map(|(count, _, _)| count).sum();
        println!("calibration error {:.3} over {all} entities", error / all.max(1) as f64);
    }
}

fn score(serving: &ServingModel, graph: &dyn Graph, test: &[LabeledDocument]) -> Result<Scores, Failure> {
    let mut scores = Scores::default();
    for document in test {
        let prepared = serving.prepare(&[&document.document.text])?;
        let emissions = graph.compute(&prepared.inputs)?;
        let found = serving.decode(&prepared, &emissions)?.remove(0);
        let gold: BTreeSet<(Span, EntityCategory)> =
            document.labels().map(|label| (label.span, label.category.clone())).collect();
        for (_, category) in &gold {
            scores.by_category.entry(category.clone()).or_default()[2] += 1;
        }
        for entity in found {
            let class = &mut scores.calibration[((entity.confidence * 10.0) as usize).min(9)];
            let counts = scores.by_category.entry(entity.category.clone()).or_default();
            counts[1] += 1;
            class.0 += 1;
            class.1 += f64::from(entity.confidence);
            if gold.contains(&(entity.span, entity.category)) {
                counts[0] += 1;
                class.2 += 1;
            }
        }
    }
    Ok(scores)
}

type Sets = (Vec<LabeledDocument>, Vec<LabeledDocument>);

fn read_set(path: &Path, seed: u64, on: &str) -> Result<Sets, Failure> {
    if path.is_dir() {
        return read_project(path, seed);
    }
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let (mut training, mut test) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let value: Value = serde_json::from_str(line)?;
        let split = value["split"].as_str().unwrap_or_default();
        let set = match split {
            "train" => &mut training,
            _ if split == on => &mut test,
            _ => continue,
        };
        let labels = value["entities"].as_array().ok_or("no entities")?;
        let text = value["text"].as_str().ok_or("no text")?;
        let location = value["id"].as_str().ok_or("no id")?;
        set.push(document(location, text, labels, StringIndexType::UnicodeCodePoint)?);
    }
    Ok((training, test))
}

/// 16 documents to learn from and 4 to score on, shuffled by the seed.
fn read_project(folder: &Path, seed: u64) -> Result<Sets, Failure> {
    let labels = std::fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let labels = labels.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let project: Value = serde_json::from_slice(&std::fs::read(labels.last().ok_or("no labels file")?)?)?;
    let mut documents = Vec::new();
    for entry in project["assets"]["documents"].as_array().ok_or("no documents")? {
        let location = entry["location"].as_str().ok_or("no location")?;
        let text = std::fs::read_to_string(folder.join(location))?;
        let regions = entry["entities"].as_array().ok_or("no entities")?;
        let labels: Vec<Value> =
            regions.iter().filter_map(|region| region["labels"].as_array()).flatten().cloned().collect();
        documents.push(document(location, &text, &labels, StringIndexType::Utf16CodeUnit)?);
    }
    let key = |document: &LabeledDocument| {
        model::sha256_hex(format!("{seed} {}", document.document.location).as_bytes())
    };
    documents.sort_by_key(key);
    let test = documents.split_off(documents.len() * 4 / 5);
    Ok((documents, test))
}

fn document(
    location: &str,
    text: &str,
    labels: &[Value],
    unit: StringIndexType,
) -> Result<LabeledDocument, Failure> {
    let table = OffsetTable::new(text, unit);
    let number = |value: &Value| value.as_u64().map(|number| number as usize).ok_or("no number");
    let mut found = Vec::new();
    for label in labels {
        let offset = number(&label["offset"])?;
        let end = offset + number(&label["length"])?;
        let (start, end) = (table.to_byte(offset).ok_or("offset")?, table.to_byte(end).ok_or("length")?);
        let category = EntityCategory::new(label["category"].as_str().ok_or("no category")?)?;
        found.push(Label { span: Span { start, end }, category });
    }
    found.sort();
    Ok(LabeledDocument {
        document: Document { location: location.into(), language: None, text: text.into() },
        dataset: Some(Dataset::Train),
        regions: vec![Region { span: Span::new(0, text.len()), labels: found }],
    })
}
