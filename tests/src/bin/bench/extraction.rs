//! Extraction under load, over HTTP and WebAssembly, beside the same model by native code and beside OpenVINO alone.

use crate::load::{Figures, Load, WARMING};
use crate::peers::Peers;
use crate::process;
use crate::table::{NONE, Table, quantile};
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use spindle_tests::places::root;
use spindle_tests::{Example, Server};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tempfile::NamedTempFile;

const RECIPES: [&str; 2] = ["lexical", "contextual"];
/// Words of one document, and callers at once: thirty long ones would take minutes and show nothing new.
const LOADS: [(usize, &[usize]); 2] = [(40, &[1, 8, 32]), (2000, &[1, 8])];
/// Different documents of each length.
const DOCUMENTS: usize = 64;
/// What is compared is measured by turns, so that a machine that gets faster or slower does so for all.
const TURNS: usize = 9;
const TURN: Duration = Duration::from_secs(1);
/// Models over one encoder.
const HEADS: usize = 1000;
/// Names another folder of built examples.
const VARIABLE: &str = "SPINDLE_EXAMPLES";

/// Three ways of computing the same, by turns.
struct Compared {
    /// OpenVINO alone; nothing for models without an encoder.
    raw: Option<Figures>,
    native: Figures,
    ours: Figures,
}

/// Trains and deploys the example with both recipes, then prints throughput, latency and memory.
pub(crate) fn extraction() -> Result<()> {
    let server = Server::fresh()?.quiet();
    let client = server.client();
    let example = Example::claims_desk("Bench", "bench")?;
    example.upload(&server)?;
    example.import(&client)?;
    for recipe in RECIPES {
        let state = client.wait(&example.start_training(&client, recipe, recipe)?)?;
        ensure!(state["status"] == "succeeded", "the training ended as {state}");
        example.deploy(&client, recipe, recipe)?;
    }
    let mut speed = Table::new(
        "Words per second; callers at once, each with one document per call",
        &[
            "recipe, document",
            "callers",
            "OpenVINO alone",
            "native",
            "HTTP + wasm",
            "of OpenVINO",
            "of native",
        ],
    );
    let mut latency = Table::new(
        "Milliseconds of one call",
        &[
            "recipe, document",
            "callers",
            "OpenVINO p50",
            "p99",
            "native p50",
            "p99",
            "HTTP + wasm p50",
            "p99",
        ],
    );
    let mut peers = Peers::named();
    for recipe in RECIPES {
        for (words, callers) in LOADS {
            let texts = texts(&example, words)?;
            let name = format!("{recipe}, {words} words");
            for &callers in callers {
                let mut beside = Beside::start(&server, recipe, &texts, callers)?;
                let load = Load::new(std::slice::from_ref(&client), &example, recipe, &texts, callers)?;
                let compared = compare(&mut beside, &load)?;
                speed.row(speed_row(&name, callers, &compared));
                latency.row(latency_row(&name, callers, &compared));
            }
            if let (Some(peers), "contextual", &[alone, .., together]) = (&mut peers, recipe, callers) {
                let load =
                    |callers| Load::new(std::slice::from_ref(&client), &example, recipe, &texts, callers);
                peers.measure(&example, words, &texts, [&load(alone)?, &load(together)?])?;
            }
        }
    }
    speed.print();
    latency.print();
    if let Some(peers) = &peers {
        peers.print();
    }
    println!("\nresident after all of it: {:.0} MiB", process::resident_mib(server.pid())?);
    heads(&server)
}

/// Many models over one encoder, in a process of its own.
fn heads(server: &Server) -> Result<()> {
    println!("\n{HEADS} models over one encoder, native code, one window per call");
    let cache = server.data().join("cache");
    let mut program = example("many_heads");
    program.arg(&cache).arg(model_id(&cache, "contextual")?).arg(HEADS.to_string());
    let status = program.status().with_context(|| format!("{program:?} can't be run"))?;
    ensure!(status.success(), "{program:?} ended with {status}");
    Ok(())
}

/// An example of the inference crate, built by `cargo xtask bench`.
fn example(name: &str) -> Command {
    let folder =
        std::env::var_os(VARIABLE).map_or_else(|| root().join("target/release/examples"), PathBuf::from);
    let mut program = Command::new(folder.join(name));
    program.current_dir(root());
    program
}

/// Measures all three by turns, once each has worked for a while.
fn compare(beside: &mut Beside, load: &Load<'_>) -> Result<Compared> {
    beside.measure("raw", WARMING)?;
    beside.measure("native", WARMING)?;
    load.measure(WARMING)?;
    let (mut raw, mut native, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        raw.extend(beside.measure("raw", TURN)?);
        native.extend(beside.measure("native", TURN)?);
        ours.push(load.measure(TURN)?);
    }
    let raw = (!raw.is_empty()).then(|| Figures::of_turns(raw));
    Ok(Compared { raw, native: Figures::of_turns(native), ours: Figures::of_turns(ours) })
}

fn speed_row(name: &str, callers: usize, compared: &Compared) -> Vec<String> {
    let Compared { raw, native, ours } = compared;
    let rate = |figures: &Figures| format!("{:.0}", figures.words_per_second);
    let ratio = |other: &Figures| format!("{:.2}", ours.words_per_second / other.words_per_second);
    let raw = |show: &dyn Fn(&Figures) -> String| raw.as_ref().map_or_else(|| NONE.to_owned(), show);
    vec![
        name.to_owned(),
        callers.to_string(),
        raw(&rate),
        rate(native),
        rate(ours),
        raw(&ratio),
        ratio(native),
    ]
}

fn latency_row(name: &str, callers: usize, compared: &Compared) -> Vec<String> {
    let Compared { raw, native, ours } = compared;
    let quantiles = |figures: &Figures| {
        let mut sorted = figures.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        [0.5, 0.99].map(|share| format!("{:.2}", quantile(&sorted, share))).to_vec()
    };
    let raw = raw.as_ref().map_or_else(|| vec![NONE.to_owned(); 2], quantiles);
    [vec![name.to_owned(), callers.to_string()], raw, quantiles(native), quantiles(ours)].concat()
}

/// Documents of this length: lines of the example in an order of chance, with other digits each time, since whatever
/// repeats itself within a request is computed once.
pub(crate) fn texts(example: &Example, words: usize) -> Result<Vec<String>> {
    let unseen = example.unseen()?;
    let lines: Vec<&str> = unseen.iter().flat_map(|(_, text)| text.split_inclusive('\n')).collect();
    ensure!(lines.iter().any(|line| !line.trim().is_empty()), "the example has no unseen documents");
    let mut chance = Rng::with_seed(words as u64);
    let text = |_| {
        let mut text = String::new();
        let mut count = 0;
        while count < words {
            let line = lines[chance.usize(0..lines.len())];
            for word in line.split_inclusive(char::is_whitespace).take(words - count) {
                count += usize::from(!word.trim().is_empty());
                text.extend(word.chars().map(|sign| match sign {
                    '0'..='9' => char::from(b'0' + chance.u8(0..10)),
                    other => other,
                }));
            }
        }
        text
    };
    Ok((0..DOCUMENTS).map(text).collect())
}

/// The same without HTTP and wasm, in a process of its own that works while the server is idle.
struct Beside {
    program: Child,
    /// Each line it reads asks for one measurement.
    asked: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// The documents' file, for as long as the program runs.
    _documents: NamedTempFile,
}

impl Beside {
    fn start(server: &Server, recipe: &str, texts: &[String], callers: usize) -> Result<Self> {
        let cache = server.data().join("cache");
        let documents = NamedTempFile::new()?;
        fs::write(documents.path(), serde_json::to_vec(texts)?)?;
        let mut program = example("extract_speed");
        program.arg(&cache).arg(model_id(&cache, recipe)?).arg(documents.path()).arg(callers.to_string());
        let mut program = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| "extract_speed can't be run; `cargo xtask bench` builds it")?;
        let asked = program.stdin.take().context("no input")?;
        let answers = BufReader::new(program.stdout.take().context("no output")?).lines();
        Ok(Self { program, asked, answers, _documents: documents })
    }

    /// What `system` reaches in `span`; nothing where it does not exist.
    fn measure(&mut self, system: &str, span: Duration) -> Result<Option<Figures>> {
        writeln!(self.asked, "{system} {}", span.as_secs_f64())?;
        let answer = self.answers.next().context("extract_speed ended")??;
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A model's id begins with its label.
fn model_id(cache: &Path, label: &str) -> Result<String> {
    let names = fs::read_dir(cache.join("models"))?;
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut own = names.filter(|name| name.starts_with(&format!("{label}-")));
    own.next().with_context(|| format!("the server has no bundle of {label}"))
}
