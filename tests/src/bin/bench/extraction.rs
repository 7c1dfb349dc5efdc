//! Extraction under load, over HTTP and WebAssembly, beside the same model by native code and beside OpenVINO alone.

use crate::caller::{self, Caller};
use crate::peers::Peers;
use crate::process;
use crate::table::{NONE, Table, quantile};
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use serde::Deserialize;
use serde_json::json;
use spindle_tests::places::root;
use spindle_tests::{Client, Example, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const RECIPES: [&str; 2] = ["lexical", "contextual"];
/// Words of one document, and callers at once: thirty long ones would take minutes and show nothing new.
const LOADS: [(usize, &[usize]); 2] = [(40, &[1, 8, 32]), (2000, &[1, 8])];
/// Different documents of each length.
const DOCUMENTS: usize = 64;
/// How long each figure is measured.
pub(crate) const SPAN: Duration = Duration::from_secs(4);
const WARMING: Duration = Duration::from_secs(1);
const ANALYZE: &str = "/language/:analyze-text";
/// Models over one encoder.
const HEADS: usize = 1000;
/// Names another folder of built examples.
const VARIABLE: &str = "SPINDLE_EXAMPLES";

/// What one way of computing reached.
#[derive(Deserialize)]
pub(crate) struct Figures {
    pub(crate) words_per_second: f64,
    /// One value per call.
    pub(crate) milliseconds: Vec<f64>,
}

/// Output of the example `extract_speed`.
#[derive(Deserialize)]
struct Beside {
    raw: Option<Figures>,
    native: Figures,
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
            let mut all = vec![];
            for &callers in callers {
                let beside = beside(&server, recipe, &texts, callers)?;
                let ours = load(std::slice::from_ref(&client), &example, recipe, &texts, callers)?;
                speed.row(speed_row(&name, callers, &beside, &ours));
                latency.row(latency_row(&name, callers, &beside, &ours));
                all.push(ours);
            }
            if let (Some(peers), "contextual", [alone, .., together]) = (&mut peers, recipe, &all[..]) {
                peers.measure(&example, words, &texts, alone, together)?;
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

fn speed_row(name: &str, callers: usize, beside: &Beside, ours: &Figures) -> Vec<String> {
    let rate = |figures: &Figures| format!("{:.0}", figures.words_per_second);
    let ratio = |other: &Figures| format!("{:.2}", ours.words_per_second / other.words_per_second);
    let raw = |show: &dyn Fn(&Figures) -> String| beside.raw.as_ref().map_or_else(|| NONE.to_owned(), show);
    vec![
        name.to_owned(),
        callers.to_string(),
        raw(&rate),
        rate(&beside.native),
        rate(ours),
        raw(&ratio),
        ratio(&beside.native),
    ]
}

fn latency_row(name: &str, callers: usize, beside: &Beside, ours: &Figures) -> Vec<String> {
    let quantiles = |figures: &Figures| {
        let mut sorted = figures.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        [0.5, 0.99].map(|share| format!("{:.2}", quantile(&sorted, share))).to_vec()
    };
    let raw = beside.raw.as_ref().map_or_else(|| vec![NONE.to_owned(); 2], quantiles);
    [vec![name.to_owned(), callers.to_string()], raw, quantiles(&beside.native), quantiles(ours)].concat()
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

/// The same without HTTP and wasm, in a process of its own while the server is idle.
fn beside(server: &Server, recipe: &str, texts: &[String], callers: usize) -> Result<Beside> {
    let cache = server.data().join("cache");
    let documents = tempfile::NamedTempFile::new()?;
    fs::write(documents.path(), serde_json::to_vec(texts)?)?;
    let mut program = example("extract_speed");
    let output = program
        .arg(&cache)
        .arg(model_id(&cache, recipe)?)
        .arg(documents.path())
        .args([callers.to_string(), SPAN.as_secs_f64().to_string()])
        .output()
        .with_context(|| "extract_speed can't be run; `cargo xtask bench` builds it")?;
    ensure!(output.status.success(), "extract_speed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A model's id begins with its label.
fn model_id(cache: &Path, label: &str) -> Result<String> {
    let names = fs::read_dir(cache.join("models"))?;
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut own = names.filter(|name| name.starts_with(&format!("{label}-")));
    own.next().with_context(|| format!("the server has no bundle of {label}"))
}

/// `callers` clients at once for a while, each with a connection of its own, the hosts in turn.
pub(crate) fn load(
    hosts: &[Client],
    example: &Example,
    deployment: &str,
    texts: &[String],
    callers: usize,
) -> Result<Figures> {
    let questions = texts.iter().map(|text| {
        let sent = json!([{ "id": "1", "language": "en-us", "text": text }]);
        serde_json::to_vec(&example.question(deployment, "UnicodeCodePoint", &sent))
    });
    let questions = questions.collect::<Result<Vec<_>, _>>()?;
    let request = |host: &Client, question: &Vec<u8>| caller::request(host, ANALYZE, question);
    let hosts: Vec<(&Client, Vec<Vec<u8>>)> = hosts
        .iter()
        .map(|host| (host, questions.iter().map(|question| request(host, question)).collect()))
        .collect();
    // Until every instance that so many callers need has met the model.
    asked(&hosts, callers, WARMING)?;
    let begun = Instant::now();
    let calls = asked(&hosts, callers, SPAN)?;
    let seconds = begun.elapsed().as_secs_f64();
    let words: usize = calls.iter().map(|(at, _)| texts[*at].split_whitespace().count()).sum();
    let milliseconds = calls.into_iter().map(|(_, milliseconds)| milliseconds).collect();
    Ok(Figures { words_per_second: words as f64 / seconds, milliseconds })
}

/// Which question each call had, and its milliseconds; callers share the hosts, each with its requests.
fn asked(hosts: &[(&Client, Vec<Vec<u8>>)], callers: usize, span: Duration) -> Result<Vec<(usize, f64)>> {
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let caller = |host: &Client, requests: &[Vec<u8>]| -> Result<Vec<(usize, f64)>> {
        let mut caller = Caller::connect(host)?;
        let mut calls = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed) % requests.len();
            let start = Instant::now();
            caller.ask(&requests[at])?;
            calls.push((at, start.elapsed().as_secs_f64() * 1e3));
        }
        Ok(calls)
    };
    let calls = std::thread::scope(|scope| {
        let hosts = hosts.iter().cycle().take(callers);
        let running: Vec<_> = hosts.map(|(host, requests)| scope.spawn(|| caller(host, requests))).collect();
        std::thread::sleep(span);
        stop.store(true, Ordering::Relaxed);
        let ended = running.into_iter().map(|caller| caller.join().expect("a caller panicked"));
        ended.collect::<Result<Vec<_>>>()
    })?;
    Ok(calls.concat())
}
