//! Many deployed models over one encoder: what each costs in memory and in time, and what a busy one feels of it.
//!
//! ```text
//! cargo run --release -p inference --example many_heads -- FOLDER MODEL COUNT
//! ```
//! `FOLDER` holds `models/` and `encoders/` as a server caches them; `MODEL` is copied `COUNT` times under other ids.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use inference::{Engine, EngineLimits, FolderSource, Precision, Settings};
use model::{HEAD_FILE, Inputs, MANIFEST_FILE, Manifest, ServingModel};
use serde_json::{Value, json};

const TEXT: &str = "Dear Ms Ruiz, we received your claim C-2231 of 3 May 2024 under policy PN-4471 about water damage in \
                    Lisbon and will pay EUR 1,250 to the account you named.";
/// Calls of the busy model per measurement.
const CALLS: usize = 300;
/// The busy model is called again after so many others.
const BETWEEN: usize = 10;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, model, count] = arguments.as_slice() else {
        anyhow::bail!("usage: many_heads FOLDER MODEL COUNT");
    };
    let count: usize = count.parse()?;
    let store = tempfile::tempdir()?;
    copy_bundles(Path::new(folder), model, count, store.path())?;
    let settings = Settings { precision: Precision::Auto, ..Settings::default() };
    let engine = Engine::new(FolderSource::new(store.path()), settings, EngineLimits::default());
    let inputs = inputs(store.path())?;

    println!("{:<34}{:>14}{:>12}{:>12}", "", "resident MiB", "p50 ms", "p99 ms");
    let busy = || -> anyhow::Result<f64> {
        let begun = Instant::now();
        engine.open(&name(0))?.compute(&inputs)?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    };
    report("one model", (0..CALLS).map(|_| busy()).collect::<anyhow::Result<_>>()?)?;
    let (mut first, mut between) = (Vec::new(), Vec::new());
    for other in 1..count {
        let begun = Instant::now();
        engine.open(&name(other))?.compute(&inputs)?;
        first.push(begun.elapsed().as_secs_f64() * 1e3);
        if other % BETWEEN == 0 {
            between.push(busy()?);
        }
    }
    report(&format!("{} others, first call each", count - 1), first)?;
    report("the busy one meanwhile", between)?;
    report("the busy one afterwards", (0..CALLS).map(|_| busy()).collect::<anyhow::Result<_>>()?)
}

fn name(number: usize) -> String {
    format!("head-{number}")
}

/// Bundles that differ in their id alone, and the encoder they share.
fn copy_bundles(folder: &Path, model: &str, count: usize, store: &Path) -> anyhow::Result<()> {
    let bundle = folder.join("models").join(model);
    let manifest = fs::read(bundle.join(MANIFEST_FILE)).with_context(|| format!("no bundle {model}"))?;
    let mut manifest: Value = serde_json::from_slice(&manifest)?;
    symlink(fs::canonicalize(folder.join("encoders"))?, store.join("encoders"))?;
    for number in 0..count {
        let copy = store.join("models").join(name(number));
        fs::create_dir_all(&copy)?;
        manifest["modelId"] = json!(name(number));
        fs::write(copy.join(MANIFEST_FILE), serde_json::to_vec(&manifest)?)?;
        fs::copy(bundle.join(HEAD_FILE), copy.join(HEAD_FILE))?;
    }
    Ok(())
}

fn inputs(store: &Path) -> anyhow::Result<Inputs> {
    let manifest = fs::read(store.join("models").join(name(0)).join(MANIFEST_FILE))?;
    let manifest = Manifest::from_json(&manifest)?;
    let tokenizer = manifest.encoder.as_ref().map(|encoder| {
        fs::read(store.join("encoders").join(&encoder.digest).join(inference::TOKENIZER_FILE))
    });
    let serving = ServingModel::new(manifest, tokenizer.transpose()?.as_deref())?;
    Ok(serving.prepare(&[TEXT])?.inputs)
}

fn report(what: &str, mut milliseconds: Vec<f64>) -> anyhow::Result<()> {
    milliseconds.sort_by(f64::total_cmp);
    let quantile =
        |share: usize| milliseconds.get(milliseconds.len() * share / 100).copied().unwrap_or(f64::NAN);
    println!("{what:<34}{:>14.0}{:>12.2}{:>12.2}", resident_mib()?, quantile(50), quantile(99));
    Ok(())
}

/// Memory of this process (Linux: proc(5), `status`).
fn resident_mib() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("memory needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
