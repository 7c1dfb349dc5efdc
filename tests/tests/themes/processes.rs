//! What hosts and workers promise as processes of their own: how they are told things, come, go and share the work.

use crate::restart::until_at_work;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::cluster::{KEY, Process};
use spindle_tests::command::{command, run};
use spindle_tests::server::refused;
use spindle_tests::{Client, Cluster, Example};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const ANALYZE: &str = "/language/:analyze-text";
/// How often a balancer asks a host whether it is ready: well within the time for which a host that goes still answers.
const PROBE: Duration = Duration::from_millis(100);
const CALLERS: usize = 3;
/// Jobs of a busy project.
const BUSY: usize = 100;

/// A project with documents and labels.
fn project(cluster: &Cluster, client: &Client, name: &str) -> Result<Example> {
    let example = Example::claims_desk(name, &name.to_lowercase())?;
    example.upload_to(&cluster.access_file())?;
    example.import(client)?;
    Ok(example)
}

/// Hosts as a balancer sees them: it sends to those that say they are ready.
struct Balancer {
    hosts: [Client; 2],
    ready: [AtomicBool; 2],
    over: AtomicBool,
    answers: AtomicU64,
}

impl Balancer {
    fn probe(&self) {
        while !self.over.load(Ordering::Relaxed) {
            for (host, ready) in self.hosts.iter().zip(&self.ready) {
                let answer = host.get(&format!("{}/readyz", host.endpoint));
                ready.store(answer.is_ok_and(|answer| answer.status == 200), Ordering::Relaxed);
            }
            thread::sleep(PROBE);
        }
    }

    /// Sends the same question again and again over connections that stay; every one must be answered.
    fn send(&self, question: &Value) -> Result<()> {
        let own: Vec<Client> = self.hosts.iter().map(|host| Client::new(&host.endpoint, KEY)).collect();
        for turn in 0.. {
            if self.over.load(Ordering::Relaxed) {
                break;
            }
            let first = turn % own.len();
            let chosen = if self.ready[first].load(Ordering::Relaxed) { first } else { 1 - first };
            let answered = own[chosen].send("POST", ANALYZE, Some(question));
            let answered = answered.and_then(|answer| answer.expect(200).map(drop));
            if answered.is_err() {
                self.over.store(true, Ordering::Relaxed);
            }
            answered.with_context(|| format!("request {turn}"))?;
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn until_more(&self, count: u64) {
        let before = self.answers.load(Ordering::Relaxed);
        while self.answers.load(Ordering::Relaxed) < before + count && !self.over.load(Ordering::Relaxed) {
            thread::sleep(PROBE);
        }
    }
}

#[test]
fn hosts_are_replaced_one_by_one_without_a_failed_request() -> Result<()> {
    let Some(mut cluster) = Cluster::start()? else { return Ok(()) };
    let _storage = cluster.storage(None)?;
    let (mut first, mut second) =
        (cluster.host("host-1", &["--drain-seconds", "2"])?, cluster.host("host-2", &[])?);
    let _worker = cluster.worker("worker", &[&first, &second], &[])?;
    let client = first.client();
    let example = project(&cluster, &client, "Rolling")?;
    let job = example.start_training(&client, "m", "lexical")?;
    assert_eq!(client.wait(&job)?["status"], "succeeded");
    example.deploy(&client, "m", "production")?;
    let documents = spindle_tests::example::documents(&example.unseen()?[..1]);
    let question = example.question("production", "UnicodeCodePoint", &documents);
    let balancer = Balancer {
        hosts: [first.client(), second.client()],
        ready: [AtomicBool::new(true), AtomicBool::new(true)],
        over: AtomicBool::new(false),
        answers: AtomicU64::new(0),
    };
    thread::scope(|scope| {
        let balancer = &balancer;
        scope.spawn(|| balancer.probe());
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| balancer.send(&question))).collect();
        let replaced = (|| {
            for process in [&mut first, &mut second] {
                balancer.until_more(20);
                process.tell_to_end()?;
                ensure!(process.ended()?.success(), "it did not end well:\n{}", process.output());
                process.start_again()?;
            }
            balancer.until_more(20);
            anyhow::Ok(())
        })();
        balancer.over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().expect("no panic")?;
        }
        replaced
    })?;
    outage(&mut cluster, &first, &client)
}

/// Without the database a host lives, is not ready, and tells callers to come again; with it all is well by itself.
fn outage(cluster: &mut Cluster, host: &Process, client: &Client) -> Result<()> {
    cluster.database.stop();
    while host.readiness() != Some(503) {
        thread::sleep(PROBE);
    }
    let alive = client.get(&format!("{}/healthz", host.endpoint()))?;
    assert_eq!(alive.status, 200);
    let away = client.get(spindle_tests::api::PROJECTS)?;
    assert_eq!(away.error()?.0, 503, "{}", away.text());
    assert!(away.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{}", away.text());
    cluster.database.start_again()?;
    client.get(spindle_tests::api::PROJECTS)?.expect(200)?;
    while host.readiness() != Some(200) {
        thread::sleep(PROBE);
    }
    Ok(())
}

#[test]
fn workers_share_jobs_by_kind_and_fairly_and_leave_them_to_others() -> Result<()> {
    let Some(cluster) = Cluster::start()? else { return Ok(()) };
    let _storage = cluster.storage(None)?;
    let host = cluster.host("host", &[])?;
    let client = host.client();
    let importer = cluster.worker("importer", &[&host], &["--jobs", "import"])?;
    let (busy, quiet) = (project(&cluster, &client, "Busy")?, project(&cluster, &client, "Quiet")?);
    drop(importer);

    // Nobody takes them yet: a hundred of one project before three of another.
    for (example, count) in [(&busy, BUSY), (&quiet, 3)] {
        for _ in 0..count {
            client.start("POST", &example.path("/:export?stringIndexType=Utf16CodeUnit"), None)?;
        }
    }
    let training = busy.start_training(&client, "m", "contextual")?;
    let exporter = cluster.worker("exporter", &[&host], &["--jobs", "export", "--jobs-at-once", "1"])?;
    let unfinished = "SELECT COUNT(*) FROM jobs WHERE kind = 'export' AND finished_at IS NULL";
    while cluster.count(unfinished)? > 0 {
        thread::sleep(PROBE);
    }
    let order = "SELECT project FROM jobs WHERE kind = 'export' ORDER BY finished_at";
    let order = cluster.database.ask(&cluster.address, order)?;
    let quiet = order.lines().enumerate().filter(|(_, project)| *project == "Quiet");
    let last = quiet.map(|(place, _)| place).last().context("no job of the quiet project")?;
    assert!(last < 8, "the quiet project's three jobs waited for {last} others: {order}");
    assert_eq!(client.get(&training)?.expect(200)?["status"], "notStarted", "nobody here trains");
    drop(exporter);

    let mut trainer = cluster.worker("trainer", &[&host], &["--jobs", "train", "--drain-seconds", "0"])?;
    until_at_work(&client, &training)?;
    trainer.tell_to_end()?;
    ensure!(trainer.ended()?.success(), "it did not end well:\n{}", trainer.output());
    let free = "SELECT COUNT(*) FROM jobs WHERE kind = 'train' AND finished_at IS NULL AND lease_owner IS NULL \
                AND lease_expires_at IS NULL";
    assert_eq!(cluster.count(free)?, 1, "the job is anybody's at once: {}", trainer.output());
    let _other = cluster.worker("other trainer", &[&host], &["--jobs", "train"])?;
    assert_eq!(client.wait(&training)?["status"], "succeeded");
    assert_eq!(cluster.count("SELECT attempt FROM jobs WHERE kind = 'train'")?, 2);

    alone(&cluster)
}

/// `spindle up` and the processes of many machines keep out of each other's way.
fn alone(cluster: &Cluster) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let words = ["--listen", "127.0.0.1:0", "--database", &cluster.address];
    let up = refused(&folder.path().join("data"), &words)?;
    let messages = up.messages().join("\n");
    assert!(!up.status.success() && messages.contains("spindle serve"), "{}", up.output);
    Ok(())
}

/// A worker that stands still for longer than a lease lasts is taken for dead. When it goes on, it must change nothing.
#[test]
fn a_worker_that_stood_still_leaves_no_trace() -> Result<()> {
    let Some(cluster) = Cluster::start()? else { return Ok(()) };
    let _storage = cluster.storage(None)?;
    let host = cluster.host("host", &[])?;
    let client = host.client();
    let mut sleeper = cluster.worker("sleeper", &[&host], &["--drain-seconds", "0"])?;
    let example = project(&cluster, &client, "Sleeper")?;
    let training = example.start_training(&client, "m", "contextual")?;
    until_at_work(&client, &training)?;
    sleeper.freeze()?;
    let _other = cluster.worker("other", &[&host], &[])?;
    let ended = client.wait(&training)?;
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let model = client.get(&example.path("/models/m"))?.expect(200)?;
    assert_eq!(cluster.count("SELECT attempt FROM jobs WHERE kind = 'train'")?, 2);
    sleeper.thaw()?;
    // It learns that it lost the job before it takes another, and the next deployment may well be its own.
    example.deploy(&client, "m", "production")?;
    sleeper.tell_to_end()?;
    ensure!(sleeper.ended()?.success(), "it did not end well:\n{}", sleeper.output());
    assert_eq!(client.get(&example.path("/models/m"))?.expect(200)?, model);
    assert_eq!(client.get(&training)?.expect(200)?, ended);
    cluster.check_models()
}

#[test]
fn what_is_missing_is_named_at_once() -> Result<()> {
    let missing = run(command(&["worker"])?, "")?.ended(1)?.stderr;
    for name in [
        "--endpoint (SPINDLE_ENDPOINT)",
        "SPINDLE_DATABASE_FILE",
        "SPINDLE_S3_ACCESS_KEY_ID",
        "SPINDLE_S3_SECRET_ACCESS_KEY",
        "SPINDLE_INTERNAL_SECRET_FILE",
        "spindle config worker",
    ] {
        assert!(missing.contains(name), "{name}: {missing}");
    }
    let wrong = run(command(&["worker", "--jobs", "train,extrct"])?, "")?.ended(1)?.stderr;
    assert!(wrong.contains("\"extrct\"") && wrong.contains("train,evaluate,deploy"), "{wrong}");
    Ok(())
}

#[test]
fn configuration_says_where_it_comes_from_and_keeps_secrets() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("secret");
    fs::write(&file, "from-a-file\n")?;
    let mut config = command(&["config", "serve", "--json", "--drain-seconds", "7"])?;
    config.env("SPINDLE_INTERNAL_SECRET_FILE", &file).env("SPINDLE_KEY", "a-key-to-hide");
    config.env("SPINDLE_DATABASE", "postgres://u:hidden@h/d").env("SPINDLE_S3_REGION", "eu-west-3");
    let shown = run(config, "")?.ended(0)?.stdout;
    for secret in ["from-a-file", "a-key-to-hide", "hidden"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    let listed: Value = serde_json::from_str(&shown)?;
    let listed = listed["value"].as_array().context("no list")?;
    let file = file.display().to_string();
    for (variable, value, source, default) in [
        ("SPINDLE_DRAIN_SECONDS", json!("7"), "flag", json!("5")),
        ("SPINDLE_S3_REGION", json!("eu-west-3"), "environment", json!("us-east-1")),
        ("SPINDLE_MODELS_CONTAINER", json!("spindle-models"), "default", json!("spindle-models")),
        ("SPINDLE_DATABASE", json!("set"), "environment", json!(null)),
        ("SPINDLE_INTERNAL_SECRET", json!("set"), file.as_str(), json!(null)),
        ("SPINDLE_KEY", json!("set"), "environment", json!(null)),
        ("SPINDLE_EVENTS_SECRET", json!(null), "unset", json!(null)),
    ] {
        let found = listed.iter().find(|one| one["variable"] == variable).context(variable)?;
        let told = (&found["value"], found["source"].as_str(), &found["default"]);
        assert_eq!(told, (&value, Some(source), &default), "{variable}");
    }
    let all = run(command(&["config"])?, "")?.ended(0)?.stdout;
    for process in ["up ", "serve ", "worker ", "storage "] {
        assert!(all.lines().any(|line| line.starts_with(process)), "{process}: {all}");
    }
    let mut twice = command(&["key", "list"])?;
    twice.env("SPINDLE_DATABASE", "postgres://u:hidden@h/d").env("SPINDLE_DATABASE_FILE", &file);
    let refused = run(twice, "")?.ended(1)?.stderr;
    assert!(refused.contains("both set") && !refused.contains("hidden"), "{refused}");
    Ok(())
}
