//! Trains on labeled sets and prints exact-span micro scores: the measure the project's quality claims are made in.
//!
//! ```text
//! cargo xtask bench training wnut17
//! cargo run --release -p training --example score -- ../shared/data/fin-loans.jsonl.gz --recipe lexical
//! cargo run --release -p training --example score -- ../shared/data/loan-agreements --seeds 1,2,3,4,5
//! ```
//! A set is a gzip'd JSON Lines file (`{"id","language","split","text","entities":[{"category","offset","length"}]}`,
//! offsets in code points) or a folder with a labels file of the custom NER project format.

mod encoder;
mod mixture;
mod peers;
mod scores;
mod sets;

use anyhow::{Context, Result};
use clap::Parser;
use encoder::{Chained, Opened};
use mixture::mixture;
use model::{Bundle, Encoder, LAYERS_FILE, ServingModel, TunableEncoder};
use ner::{EntityCategory, LabeledDocument};
use peers::Peers;
use scores::Scores;
use sets::{On, Set};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use training::{Progress, RecipeChoice, Stage, TrainRequest, TrainingEncoder, train};

#[derive(Parser)]
struct Arguments {
    /// Sets: `….jsonl.gz` files or project folders
    #[arg(required = true)]
    sets: Vec<PathBuf>,
    /// lexical, contextual, tuned, latest, or a recipe's JSON file; several after commas
    #[arg(long, value_delimiter = ',', default_value = "latest")]
    recipe: Vec<String>,
    /// Seeds, each a run of its own; a project folder is also split by them
    #[arg(long, value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// Score on this split, on `part:N/M` of the documents to learn from, or on every such part in turn: `folds:M`
    #[arg(long, default_value = "test", value_parser = On::parse)]
    on: On,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The encoder's folder as published; without it only lexical models are learned
    #[arg(long)]
    encoder: Option<PathBuf>,
    /// Folder where the encoder's answers are kept between runs
    #[arg(long)]
    keep: Option<PathBuf>,
    /// A Python with the peers' packages
    #[arg(long, requires = "peers_script")]
    peers: Option<PathBuf>,
    /// The script that trains and scores one peer
    #[arg(long)]
    peers_script: Option<PathBuf>,
    /// Learn from no more than so many documents
    #[arg(long)]
    documents: Option<usize>,
    /// Learn from so many characters of all sets together, repeated and altered
    #[arg(long)]
    mixture: Option<usize>,
    /// Also print each category's scores
    #[arg(long)]
    categories: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.keep {
        std::fs::create_dir_all(folder)?;
    }
    let open = |folder: &PathBuf| Opened::new(folder, arguments.threads, arguments.keep.clone());
    let encoder = arguments.encoder.as_ref().map(open).transpose()?;
    if let Some(characters) = arguments.mixture {
        print_heading(&format!("{characters} characters"));
        let seed = arguments.seeds[0];
        let sets = arguments.sets.iter().map(|path| Set::read(path, seed, &arguments.on));
        let set = mixture(sets.collect::<Result<_>>()?, characters);
        let mut runs =
            arguments.recipe.iter().map(|recipe| run(&arguments, encoder.as_ref(), recipe, &set, seed));
        return runs.try_for_each(|scores| scores.map(|_| ()));
    }
    for path in &arguments.sets {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default();
        print_heading(name);
        for recipe in &arguments.recipe {
            let (mut runs, mut together) = (Vec::new(), Scores::default());
            for &seed in &arguments.seeds {
                for on in arguments.on.each() {
                    let mut set = Set::read(path, seed, &on)?;
                    set.learn.truncate(arguments.documents.unwrap_or(usize::MAX));
                    let scores = run(&arguments, encoder.as_ref(), recipe, &set, seed)?;
                    runs.push(scores.micro()[0]);
                    together.add(&scores);
                }
            }
            if runs.len() > 1 {
                let mean = runs.iter().sum::<f64>() / runs.len() as f64;
                let [f1, precision, recall] = together.micro();
                println!(
                    "  {recipe:12} {f1:5.1} {precision:5.1} {recall:5.1} of all {} together, mean {mean:.1}",
                    runs.len()
                );
            }
        }
        if let (Some(python), Some(script)) = (&arguments.peers, &arguments.peers_script) {
            let peers = Peers { python, script, encoder: arguments.encoder.as_deref() };
            for &seed in &arguments.seeds {
                for on in arguments.on.each() {
                    peers.print(name, &Set::read(path, seed, &on)?, seed, arguments.threads)?;
                }
            }
        }
    }
    Ok(())
}

fn print_heading(name: &str) {
    println!(
        "{name}\n  {:12} {:>5} {:>5} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9}  stages",
        "system", "F1", "P", "R", "train s", "CPU s", "serve c/s", "peak MiB", "KiB"
    );
}

/// Trains and scores one model, prints its row and returns its scores.
fn run(
    arguments: &Arguments,
    encoder: Option<&Opened>,
    recipe: &str,
    set: &Set,
    seed: u64,
) -> Result<Scores> {
    let categories: BTreeSet<EntityCategory> =
        set.learn.iter().flat_map(LabeledDocument::labels).map(|label| label.category.clone()).collect();
    let request = TrainRequest {
        corpus: &set.learn,
        recipe: choice(recipe)?,
        language: set.language.clone(),
        categories: categories.into_iter().collect(),
        seed,
        threads: arguments.threads,
        model_id: "score".into(),
        code_version: env!("CARGO_PKG_VERSION").into(),
        encoder: encoder.map(|opened| TrainingEncoder {
            encoder: opened,
            reference: opened.reference.clone(),
            tokenizer_json: &opened.tokenizer_json,
            tuning: Some(opened.tuning()),
        }),
        surroundings: training::Surroundings::default(),
    };
    forget_peak();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let mut stages: Vec<(Stage, f64)> = Vec::new();
    let mut watch = |progress: Progress| {
        let now = started.elapsed().as_secs_f64();
        match stages.last_mut() {
            Some((stage, end)) if *stage == progress.stage => *end = now,
            _ => stages.push((progress.stage, now)),
        }
        ControlFlow::Continue(())
    };
    let bundle = train(&request, &mut watch)?;
    let (trained, cpu, peak) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu, peak_mebibytes());
    let (scores, rate) = serve(&bundle, encoder, &set.score)?;
    let [f1, precision, recall] = scores.micro();
    let size = bundle.manifest.to_json().len() as u64
        + bundle.manifest.files.values().map(|file| file.bytes).sum::<u64>();
    println!(
        "  {recipe:12} {f1:5.1} {precision:5.1} {recall:5.1} {trained:9.1} {cpu:9.1} {rate:9.0} {peak:9} {:9}  {}",
        size / 1024,
        said(&stages, &bundle, &scores),
    );
    if arguments.categories {
        scores.print_categories();
    }
    Ok(scores)
}

fn choice(recipe: &str) -> Result<RecipeChoice> {
    Ok(match recipe {
        "lexical" => RecipeChoice::Lexical,
        "contextual" => RecipeChoice::Contextual,
        "tuned" => RecipeChoice::Tuned,
        "latest" => RecipeChoice::Auto,
        file => RecipeChoice::Given(serde_json::from_slice(&std::fs::read(file)?).context(file.to_owned())?),
    })
}

/// When each stage ended, what the run measured by itself, and the calibration error.
fn said(stages: &[(Stage, f64)], bundle: &Bundle, scores: &Scores) -> String {
    let mut words: Vec<String> = stages.iter().map(|(stage, end)| format!("{stage:?} {end:.0}")).collect();
    words.extend(bundle.manifest.lineage.scores.iter().map(|(name, value)| format!("{name} {value:.3}")));
    words.push(format!("calibration {:.3}", scores.calibration_error()));
    words.join(", ")
}

/// Scores and characters per second.
fn serve(bundle: &Bundle, encoder: Option<&Opened>, documents: &[LabeledDocument]) -> Result<(Scores, f64)> {
    let tokenizer = encoder.map(|opened| opened.tokenizer_json.as_slice());
    let serving = ServingModel::new(bundle.manifest.clone(), tokenizer)?;
    let tuned = match (encoder, bundle.files.get(LAYERS_FILE)) {
        (Some(opened), Some(layers)) => Some(opened.tunable.with(layers)?),
        _ => None,
    };
    let frozen = encoder.map(|opened| opened as &dyn Encoder);
    let graph = Chained { head: bundle.head()?, encoder: tuned.as_deref().or(frozen) };
    let started = Instant::now();
    let scores = Scores::of(&serving, &graph, documents)?;
    let characters: usize = documents.iter().map(|document| document.document.text.chars().count()).sum();
    Ok((scores, characters as f64 / started.elapsed().as_secs_f64()))
}

/// CPU seconds of this process over all threads, at the kernel's hundred ticks a second.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Begins a new measurement of the peak.
fn forget_peak() {
    // Where the kernel refuses it, the peak of the whole process is shown.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mebibytes() -> u64 {
    let text = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
