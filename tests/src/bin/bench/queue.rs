//! The queue of jobs on both engines, and extraction by one host and by two.

use crate::extraction::texts;
use crate::load::Load;
use crate::table::{Table, quantile};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use spindle_tests::cluster::Process;
use spindle_tests::{Client, Cluster, Example, Server};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use test_postgres::PostgresServer;

/// Jobs one after the other, for the time from a call to its job's begin.
const SINGLE: usize = 100;
/// Jobs in a burst, and who sends them.
const BURST: usize = 1_000;
const SENDERS: usize = 4;
const EXPORT: &str = "/:export?stringIndexType=Utf16CodeUnit";
/// The log tells when each job began, to the microsecond.
const LOG: [(&str, &str); 2] =
    [("SPINDLE_LOG", "warn,spindle=info,worker::run=info"), ("SPINDLE_LOG_FORMAT", "json")];
const BEGINS: &str = "job begins";
const SUCCEEDED: &str = "job succeeded";
const POLL: Duration = Duration::from_millis(50);
const END_MAX: Duration = Duration::from_secs(600);
/// Words of a document, and callers at once.
const WORDS: usize = 40;
const CALLERS: usize = 8;

/// Prints all of it.
pub(crate) fn queue() -> Result<()> {
    let mut table = Table::new(
        "Exports of a project of 60 documents: one after the other, then in a burst by 4 senders to 4 at once",
        &[
            "engine",
            "from call to begin, median ms",
            "99 % ms",
            "jobs in the burst",
            "jobs/s",
            "told to come again",
        ],
    );
    let folder = tempfile::tempdir()?;
    table.row(engine("SQLite", &folder.path().join("sqlite"), None)?);
    if let Some(server) = PostgresServer::start()? {
        table.row(engine("PostgreSQL", &folder.path().join("postgres"), Some(&server.database()?))?);
    }
    table.print();
    hosts()
}

fn engine(name: &str, data: &Path, database: Option<&str>) -> Result<Vec<String>> {
    let words: Vec<&OsStr> =
        database.iter().flat_map(|address| ["--database".as_ref(), (*address).as_ref()]).collect();
    let variables: Vec<(&str, &OsStr)> = LOG.iter().map(|(name, value)| (*name, (*value).as_ref())).collect();
    let server = Server::start_in(data, &words, &variables)?.quiet();
    let client = server.client();
    let example = Example::claims_desk("Bench", "bench")?;
    example.upload(&server)?;
    example.import(&client)?;

    let mut called = BTreeMap::new();
    for _ in 0..SINGLE {
        let moment = Timestamp::now();
        let job = export(&client, &example)?;
        ensure!(client.wait(&job)?["status"] == "succeeded", "an export failed");
        called.insert(id(&job)?, moment);
    }
    let begun = moments(&server, BEGINS)?;
    let mut milliseconds = vec![];
    for (job, moment) in &called {
        let begun = begun.get(job).with_context(|| format!("the log does not tell of job {job}"))?;
        milliseconds.push(begun.duration_since(*moment).as_secs_f64() * 1e3);
    }
    milliseconds.sort_by(f64::total_cmp);
    let again = AtomicUsize::new(0);
    let rate = burst(&server, &example, &again)?;
    Ok(vec![
        name.to_owned(),
        format!("{:.1}", quantile(&milliseconds, 0.5)),
        format!("{:.1}", quantile(&milliseconds, 0.99)),
        BURST.to_string(),
        format!("{rate:.0}"),
        again.into_inner().to_string(),
    ])
}

/// Jobs per second from the first call to the last end; `again` counts calls that a busy database turned away.
fn burst(server: &Server, example: &Example, again: &AtomicUsize) -> Result<f64> {
    let client = server.client();
    let before = moments(server, SUCCEEDED)?.len();
    let begun = Timestamp::now();
    thread::scope(|scope| {
        let send = || -> Result<()> {
            let client = Client::new(&client.endpoint, &client.key);
            (0..BURST / SENDERS).try_for_each(|_| enqueue(&client, example, again))
        };
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send)).collect();
        senders.into_iter().try_for_each(|sender| sender.join().expect("a sender does not panic"))
    })?;
    let waited = Instant::now();
    loop {
        let ended = moments(server, SUCCEEDED)?;
        if ended.len() >= before + BURST {
            let last = ended.values().max().context("no job ended")?;
            return Ok(BURST as f64 / last.duration_since(begun).as_secs_f64());
        }
        ensure!(waited.elapsed() < END_MAX, "the burst is not worked through");
        thread::sleep(POLL);
    }
}

fn export(client: &Client, example: &Example) -> Result<String> {
    client.start("POST", &example.path(EXPORT), None)
}

/// As a patient caller does it.
fn enqueue(client: &Client, example: &Example, again: &AtomicUsize) -> Result<()> {
    loop {
        let answer = client.send("POST", &example.path(EXPORT), None)?;
        if answer.status != 503 {
            ensure!(answer.status == 202, "answered {}: {}", answer.status, answer.text());
            return Ok(());
        }
        again.fetch_add(1, Ordering::Relaxed);
    }
}

/// The id in a job's URL.
fn id(job: &str) -> Result<String> {
    let path = job.split('?').next().unwrap_or_default();
    Ok(path.rsplit('/').next().context("no job in the URL")?.to_owned())
}

/// When the log said `message` of each job.
fn moments(server: &Server, message: &str) -> Result<BTreeMap<String, Timestamp>> {
    let output = server.output();
    let mut found = BTreeMap::new();
    for line in output.lines().filter(|line| line.contains(message)) {
        // The last line may be half there.
        let Ok(told) = serde_json::from_str::<Value>(line) else { continue };
        if let (Some(job), Some(moment)) = (told["fields"]["job"].as_str(), told["timestamp"].as_str()) {
            found.insert(job.to_owned(), moment.parse()?);
        }
    }
    Ok(found)
}

/// One host process, then two.
fn hosts() -> Result<()> {
    let Some(cluster) = Cluster::start()? else { return Ok(()) };
    let _storage = cluster.storage(None)?.quiet();
    let hosts = [cluster.host("host-1", &[])?.quiet(), cluster.host("host-2", &[])?.quiet()];
    let _worker = cluster.worker("worker", &[&hosts[0]], &[])?.quiet();
    let clients = hosts.each_ref().map(Process::client);
    let example = Example::claims_desk("Bench", "bench")?;
    example.upload_to(&cluster.access_file())?;
    example.import(&clients[0])?;
    let state = clients[0].wait(&example.start_training(&clients[0], "lexical", "lexical")?)?;
    ensure!(state["status"] == "succeeded", "the training ended as {state}");
    example.deploy(&clients[0], "lexical", "lexical")?;
    let texts = texts(&example, WORDS)?;
    let mut table = Table::new(
        "Extraction over PostgreSQL and S3, lexical, documents of 40 words, 8 callers at once, all on this machine",
        &["host processes", "documents/s", "median ms", "99 % ms"],
    );
    for count in [1, 2] {
        let figures = Load::new(&clients[..count], &example, "lexical", &texts, CALLERS)?.measure_alone()?;
        let mut sorted = figures.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        table.row(vec![
            count.to_string(),
            format!("{:.0}", figures.words_per_second / WORDS as f64),
            format!("{:.2}", quantile(&sorted, 0.5)),
            format!("{:.2}", quantile(&sorted, 0.99)),
        ]);
    }
    table.print();
    Ok(())
}
