//! Words per second and latency of one model by this machine's own code: no HTTP, no WebAssembly, no catalog.
//!
//! ```text
//! cargo run --release -p inference --example extract_speed -- FOLDER MODEL DOCUMENTS CALLERS
//! ```
//! `FOLDER` holds `models/` and `encoders/` as a server caches them, `DOCUMENTS` is a JSON list of texts. Each line of
//! standard input asks for one measurement, `raw SECONDS` or `native SECONDS`, and is answered by one line of JSON, `null`
//! where there is nothing to measure: `raw` is OpenVINO alone, given the same windows in the same batches; `native` is
//! everything from text to entities. Asked by turns with something else, both meet the same machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use inference::{Engine, EngineLimits, FolderSource, OpenVinoEncoder, Precision, Settings};
use model::{Encoder, Graph, MANIFEST_FILE, Manifest, Pieces, ServingModel};
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, model, documents, callers] = arguments.as_slice() else {
        anyhow::bail!("usage: extract_speed FOLDER MODEL DOCUMENTS CALLERS");
    };
    let callers: usize = callers.parse()?;
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(documents)?)?;
    ensure!(!texts.is_empty(), "{documents} holds no texts");
    let settings = Settings { precision: Precision::Auto, ..Settings::default() };
    let engine = Engine::new(FolderSource::new(folder), settings.clone(), EngineLimits::default());
    let graph = engine.open(model)?;
    let manifest = std::fs::read(format!("{folder}/models/{model}/{MANIFEST_FILE}"))?;
    let manifest = Manifest::from_json(&manifest)?;
    let encoder = manifest.encoder.as_ref().map(|encoder| format!("{folder}/encoders/{}", encoder.digest));
    let tokenizer = encoder.as_ref().map(|folder| std::fs::read(format!("{folder}/tokenizer.json")));
    let serving = ServingModel::new(manifest, tokenizer.transpose()?.as_deref())?;
    let encoder = encoder.map(|folder| OpenVinoEncoder::open(folder.as_ref(), &settings)).transpose()?;
    let windows: Vec<Pieces> = match encoder {
        Some(_) => texts.iter().map(|text| windows(&serving, text)).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    for line in std::io::stdin().lines() {
        let line = line?;
        let (system, seconds) = line.split_once(' ').context("expected a system and seconds")?;
        let span = Duration::from_secs_f64(seconds.parse()?);
        let answer = match (system, &encoder) {
            ("raw", None) => Value::Null,
            ("raw", Some(encoder)) => {
                measure(callers, span, &texts, |at| Ok(drop(encoder.encode(&windows[at])?)))?
            }
            ("native", _) => measure(callers, span, &texts, |at| extract(&serving, &graph, &texts[at]))?,
            (other, _) => anyhow::bail!("{other:?} is not raw or native"),
        };
        println!("{answer}");
    }
    Ok(())
}

fn windows(serving: &ServingModel, text: &str) -> anyhow::Result<Pieces> {
    serving.prepare(&[text])?.inputs.pieces.context("a model with encoder makes windows")
}

fn extract(serving: &ServingModel, graph: &Arc<dyn Graph + Send + Sync>, text: &str) -> anyhow::Result<()> {
    let prepared = serving.prepare(&[text])?;
    serving.decode(&prepared, &graph.compute(&prepared.inputs)?)?;
    Ok(())
}

/// `callers` at once, each with one text after another, for `span`.
fn measure(
    callers: usize,
    span: Duration,
    texts: &[String],
    work: impl Fn(usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Value> {
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begun = Instant::now();
    let caller = || -> anyhow::Result<Vec<(usize, f64)>> {
        let mut calls = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed) % texts.len();
            let start = Instant::now();
            work(at)?;
            calls.push((at, start.elapsed().as_secs_f64() * 1e3));
        }
        Ok(calls)
    };
    let calls = std::thread::scope(|scope| {
        let running: Vec<_> = (0..callers).map(|_| scope.spawn(caller)).collect();
        std::thread::sleep(span);
        stop.store(true, Ordering::Relaxed);
        let ended = running.into_iter().map(|caller| caller.join().expect("a caller panicked"));
        ended.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let calls = calls.concat();
    let words: usize = calls.iter().map(|(at, _)| texts[*at].split_whitespace().count()).sum();
    let milliseconds: Vec<f64> = calls.into_iter().map(|(_, milliseconds)| milliseconds).collect();
    Ok(json!({ "words_per_second": words as f64 / seconds, "milliseconds": milliseconds }))
}
