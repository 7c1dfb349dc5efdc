//! Training and serving of the example project.

use crate::process;
use crate::raw::Raw;
use crate::table::{NONE, Table, quantile};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use spindle_tests::{Client, Example, Server};
use std::time::{Duration, Instant};

const RECIPES: [&str; 2] = ["lexical", "contextual"];
const WORDS: usize = 40;
const WARM_UP_CALLS: usize = 20;
const CALLS: usize = 500;
const IDLE: Duration = Duration::from_secs(10);

/// Trains the example with both recipes and prints what is asked for.
pub(crate) fn project(latency: bool, training: bool) -> Result<()> {
    let raw = Raw::measure()?;
    let server = Server::fresh()?.quiet();
    let client = server.client();
    let example = Example::claims_desk("Bench", "bench")?;
    example.upload(&server)?;
    example.import(&client)?;
    let texts = example.texts("Train")?;
    let characters: usize = texts.iter().map(|(_, text)| text.chars().count()).sum();
    let pieces: usize = texts.iter().map(|(_, text)| raw.pieces(text)).sum();
    let raw_rate = raw.batch_rate()? * characters as f64 / pieces as f64;
    let mut table = Table::new(
        "Training on the example's Train documents, by the job's own times; OpenVINO alone encodes them once",
        &["recipe", "characters", "seconds", "characters/s", "OpenVINO alone characters/s", "micro F1"],
    );
    for recipe in RECIPES {
        let (seconds, micro_f1) = train(&client, &example, recipe)?;
        let beside = if recipe == "contextual" { format!("{raw_rate:.0}") } else { NONE.to_owned() };
        let rate = characters as f64 / seconds;
        let numbers = [
            format!("{characters}"),
            format!("{seconds:.2}"),
            format!("{rate:.0}"),
            beside,
            format!("{micro_f1:.3}"),
        ];
        table.row([vec![recipe.to_owned()], numbers.to_vec()].concat());
    }
    if training {
        table.print();
    }
    if latency {
        for recipe in RECIPES {
            example.deploy(&client, recipe, recipe)?;
        }
        latencies(&server, &example, &raw)?;
    }
    Ok(())
}

/// Seconds between start and end of the training phase, and the micro F1.
fn train(client: &Client, example: &Example, recipe: &str) -> Result<(f64, f64)> {
    let job = example.start_training(client, recipe, recipe)?;
    let state = client.wait(&job)?;
    ensure!(state["status"] == "succeeded", "the training ended as {state}");
    let moment = |name: &str| -> Result<Timestamp> {
        Ok(state["result"]["trainingStatus"][name].as_str().context("a phase without times")?.parse()?)
    };
    let seconds = moment("endDateTime")?.duration_since(moment("startDateTime")?).as_secs_f64();
    let place = example.path(&format!("/models/{recipe}/evaluation/summary-result"));
    let summary = client.get(&place)?.expect(200)?;
    let micro_f1 = summary["customEntityRecognitionEvaluation"]["microF1"].as_f64().context("no microF1")?;
    Ok((seconds, micro_f1))
}

fn latencies(server: &Server, example: &Example, raw: &Raw) -> Result<()> {
    let client = server.client();
    let text = document(example)?;
    let alone = raw.window_milliseconds(raw.pieces(&text))?;
    let mut table = Table::new(
        "One warm document of 40 words through `:analyze-text`, 500 calls one after another",
        &["recipe", "p50 ms", "p99 ms", "OpenVINO alone ms"],
    );
    for recipe in RECIPES {
        let sent = json!([{ "id": "1", "language": "en-us", "text": text }]);
        let question = example.question(recipe, "UnicodeCodePoint", &sent);
        let milliseconds = calls(&client, &question)?;
        let beside = if recipe == "contextual" { format!("{alone:.2}") } else { NONE.to_owned() };
        let quantiles = [0.5, 0.99].map(|share| format!("{:.2}", quantile(&milliseconds, share)));
        table.row([vec![recipe.to_owned()], quantiles.to_vec(), vec![beside]].concat());
    }
    table.print();
    let mut table = Table::new("Idle server, over 10 s", &["", "CPU % of one core", "resident MiB"]);
    let (cpu, memory) = (process::cpu_percent(server.pid(), IDLE)?, process::resident_mib(server.pid())?);
    table.row(vec!["after training and serving".to_owned(), format!("{cpu:.2}"), format!("{memory:.0}")]);
    table.print();
    Ok(())
}

/// Milliseconds of every warm call, sorted.
fn calls(client: &Client, question: &Value) -> Result<Vec<f64>> {
    let mut milliseconds = Vec::with_capacity(CALLS);
    for call in 0..WARM_UP_CALLS + CALLS {
        let begun = Instant::now();
        let answer = client.send("POST", "/language/:analyze-text", Some(question))?;
        let taken = begun.elapsed().as_secs_f64() * 1e3;
        ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.text());
        if call >= WARM_UP_CALLS {
            milliseconds.push(taken);
        }
    }
    milliseconds.sort_by(f64::total_cmp);
    Ok(milliseconds)
}

/// The first words of an unseen document.
fn document(example: &Example) -> Result<String> {
    let texts = example.unseen()?;
    let words: Vec<&str> = texts.iter().flat_map(|(_, text)| text.split_whitespace()).take(WORDS).collect();
    ensure!(words.len() == WORDS, "the unseen documents have fewer than {WORDS} words");
    Ok(words.join(" "))
}
