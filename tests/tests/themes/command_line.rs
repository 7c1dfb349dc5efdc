//! A project's whole life from the command line, and what scripts see when something is wrong.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::command::{Ran, command, interrupt, run};
use spindle_tests::units::slice;
use spindle_tests::{Server, python};
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

const PROJECT: &str = "CommandLine";
const CONTAINER: &str = "command-line";
const LABELS: &str = "examples/claims-desk/labels.json";
const DOCUMENTS: &str = "examples/claims-desk/documents";
const UNSEEN: &str = "examples/claims-desk/unseen";

/// Commands that find the server through its data folder.
struct Desk {
    server: Arc<Server>,
    data: String,
}

impl Desk {
    fn open() -> Result<Self> {
        let server = Server::shared()?;
        let data = server.data().to_str().context("the data folder's name is not UTF-8")?.to_owned();
        Ok(Self { server, data })
    }

    /// `spindle <words> <rest> --data <folder>`; words are split at blanks.
    fn arguments<'a>(&'a self, words: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        words.split(' ').chain(rest.iter().copied()).chain(["--data", &self.data]).collect()
    }

    fn with_input(&self, words: &str, rest: &[&str], input: &str) -> Result<Ran> {
        let ran = run(command(&self.arguments(words, rest))?, input)?;
        assert!(
            !ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'),
            "colours in a pipe: {ran:?}"
        );
        Ok(ran)
    }

    fn run(&self, words: &str) -> Result<Ran> {
        self.with_input(words, &[], "")
    }

    /// What the API answers to a `GET` below the project.
    fn api(&self, below: &str) -> Result<Value> {
        self.server.client().get(&format!("{PROJECTS}/{PROJECT}{below}"))?.expect(200)
    }
}

#[test]
fn a_project_lives_on_the_command_line() -> Result<()> {
    let desk = Desk::open()?;
    create(&desk)?;
    train(&desk)?;
    evaluate(&desk)?;
    deploy(&desk)?;
    extract(&desk)?;
    texts_that_can_not_be_worked_on(&desk)?;
    interrupted(&desk)?;
    delete(&desk)
}

#[test]
fn keys_are_made_listed_and_removed_while_the_server_runs() -> Result<()> {
    let desk = Desk::open()?;
    let made = desk.run("key add reporting --role reader")?.ended(0)?;
    let key = made.stdout.trim();
    ensure!(key.len() == 32, "no key: {made:?}");
    let client = desk.server.client().with_key(key);
    client.get(PROJECTS)?.expect(200)?;
    assert_eq!(client.send("DELETE", &format!("{PROJECTS}/absent"), None)?.error()?.0, 403);

    says(&desk.run("key add reporting --role owner")?.ended(1)?.stderr, &["reporting"]);
    let listed = desk.run("key list")?.ended(0)?.stdout;
    says(&listed, &["first key of", "owner", "reporting", "reader"]);
    ensure!(!listed.contains(key), "the list shows the key");

    desk.run("key remove reporting")?.ended(0)?;
    assert_eq!(client.get(PROJECTS)?.error()?.0, 401);
    says(&desk.run("key remove reporting")?.ended(1)?.stderr, &["reporting"]);

    let listed: Value = serde_json::from_str(&desk.run("key list --json")?.ended(0)?.stdout)?;
    let own = listed["value"][0]["name"].as_str().context("the server's own key has no name")?;
    let refused = desk.with_input("key remove", &[own], "")?.ended(1)?;
    says(&refused.stderr, &["the server's own key", "secrets.json"]);
    desk.server.client().get(PROJECTS)?.expect(200)?;

    let elsewhere = run(command(&["key", "list", "--data", "tests"])?, "")?.ended(1)?;
    says(&elsewhere.stderr, &["no tests/spindle.sqlite", "--data", "spindle up"]);
    Ok(())
}

fn create(desk: &Desk) -> Result<()> {
    let words =
        format!("project create {PROJECT} --labels {LABELS} --documents {DOCUMENTS} --container {CONTAINER}");
    let made = desk.run(&words)?.ended(0)?;
    says(&made.stdout, &["project      CommandLine", "container    command-line", "language     en-us"]);
    says(&made.stderr, &["uploaded 60 documents to the container command-line", "import: succeeded"]);
    assert_eq!(python::keys(&desk.server, CONTAINER)?.len(), 60);
    let again = desk.run(&words)?.ended(1)?;
    says(&again.stderr, &["CommandLine exists already", "spindle project import"]);

    assert_eq!(desk.run(&format!("project show {PROJECT} --json"))?.json()?, desk.api("")?);
    let listed = desk.run("project list --json")?.json()?;
    let names = listed["value"].as_array().context("no list")?;
    assert!(names.iter().any(|project| project["projectName"] == PROJECT), "{listed}");
    assert_eq!(listed["nextLink"], Value::Null);
    says(&desk.run("project list")?.ended(0)?.stdout, &["project", "container", "CommandLine"]);

    let words = format!("project import {LABELS} --project {PROJECT} --container {CONTAINER} --json");
    assert_eq!(desk.run(&words)?.json()?["status"], "succeeded");
    says(&desk.run(&format!("model list {PROJECT}"))?.ended(0)?.stdout, &["has no model", "spindle train"]);
    Ok(())
}

fn train(desk: &Desk) -> Result<()> {
    let state = desk.run(&format!("train {PROJECT} v1 --config lexical --split manual --json"))?.json()?;
    assert_eq!((&state["status"], &state["result"]["modelLabel"]), (&json!("succeeded"), &json!("v1")));

    let started =
        desk.run(&format!("train {PROJECT} v2 --config lexical --split 70/30 --no-wait"))?.ended(0)?;
    let job = started.stdout.trim().to_owned();
    assert!(job.starts_with("CommandLine/train/jobs/"), "{started:?}");
    says(&started.stderr, &["goes on at the server", &format!("spindle job watch {job}")]);
    let busy = desk.run(&format!("train {PROJECT} v3 --config lexical"))?.ended(1)?;
    says(&busy.stderr, &["(Conflict, status 409)", "next: `spindle job list"]);
    let watched = desk.run(&format!("job watch {job}"))?.ended(0)?;
    says(&watched.stdout, &[&job, "state  succeeded", "model  v2 (lexical)", "done   100 %"]);
    assert_eq!(desk.run(&format!("job show {job} --json"))?.json()?["status"], "succeeded");
    says(&desk.run(&format!("job list {PROJECT}"))?.ended(0)?.stdout, &["v1", "v2", &job]);

    let models = desk.run(&format!("model list {PROJECT} --json"))?.json()?;
    assert_eq!(models, desk.api("/models")?);
    assert_eq!(models["value"].as_array().map(Vec::len), Some(2));
    let shown = desk.run(&format!("model show {PROJECT} v1"))?.ended(0)?.stdout;
    let lineage = &desk.api("/models/v1")?["lineage"];
    let digest = |name: &str| lineage[name].as_str().unwrap_or("none").to_owned();
    says(
        &shown,
        &["model          v1", "recipe         lexical", "48 learned from, 12 scored on", "test.microF1"],
    );
    says(&shown, &[&digest("bundleDigest"), &digest("dataDigest")]);
    Ok(())
}

fn evaluate(desk: &Desk) -> Result<()> {
    let shown = desk.run(&format!("evaluate {PROJECT} v1"))?.ended(0)?;
    says(
        &shown.stdout,
        &["precision", "support", "Claimant", "PolicyNumber", "all (micro)", "Confusion matrix"],
    );
    let found = desk.run(&format!("evaluate {PROJECT} v1 --json"))?.json()?;
    assert_eq!(found, desk.api("/models/v1/evaluation/summary-result")?);
    // The table shows the same number.
    let micro = found["customEntityRecognitionEvaluation"]["microF1"].as_f64().context("no microF1")?;
    let row = shown.stdout.lines().find(|line| line.contains("all (micro)")).context("no micro row")?;
    assert!(row.contains(&format!("{micro:.3}")), "{micro} is not in {row}");
    let documents = desk.run(&format!("evaluate {PROJECT} v1 --documents --json"))?.json()?;
    assert_eq!(documents["value"].as_array().map(Vec::len), Some(12));
    let documents = desk.run(&format!("evaluate {PROJECT} v1 --documents"))?.ended(0)?;
    says(&documents.stdout, &["letter-", "missed", "invented"]);
    Ok(())
}

fn deploy(desk: &Desk) -> Result<()> {
    let made = desk.run(&format!("deploy {PROJECT} v1 production"))?.ended(0)?;
    says(&made.stdout, &["deployment     production", "model          v1-"]);
    let staged = desk.run(&format!("deploy {PROJECT} v2 staging --json"))?.json()?;
    assert_eq!(staged, desk.api("/deployments/staging")?);
    let refused = desk.run(&format!("model delete {PROJECT} v1"))?.ended(1)?;
    says(&refused.stderr, &["production", "(Conflict, status 409)", "next:"]);

    desk.run(&format!("deployment swap {PROJECT} production staging"))?.ended(0)?;
    let swapped = desk.api("/deployments/production")?;
    assert!(swapped["modelId"].as_str().is_some_and(|id| id.starts_with("v2-")), "{swapped}");
    desk.run(&format!("deployment swap {PROJECT} production staging --json"))?.json()?;
    let listed = desk.run(&format!("deployment list {PROJECT} --json"))?.json()?;
    assert_eq!(listed, desk.api("/deployments")?);
    says(
        &desk.run(&format!("deployment list {PROJECT}"))?.ended(0)?.stdout,
        &["production", "staging", "v1-"],
    );
    Ok(())
}

fn extract(desk: &Desk) -> Result<()> {
    let asked = format!("extract {PROJECT} production");
    let answer = desk.run(&format!("{asked} {UNSEEN} --json"))?.json()?;
    assert_eq!(answer["kind"], "CustomEntityRecognitionResults");
    let documents = answer["results"]["documents"].as_array().context("no documents")?;
    assert_eq!(documents.len(), 4, "{answer}");
    for document in documents {
        let file = spindle_tests::places::root().join(document["id"].as_str().context("no id")?);
        let text = fs::read_to_string(&file)?;
        for entity in document["entities"].as_array().context("no entities")? {
            let number = |name: &str| entity[name].as_u64().context("no number");
            let (offset, length) = (usize::try_from(number("offset")?)?, usize::try_from(number("length")?)?);
            let piece = slice(&text, "UnicodeCodePoint", offset, length);
            assert_eq!(piece.as_deref(), entity["text"].as_str(), "{}: {entity}", file.display());
        }
    }
    let by_job = desk.run(&format!("{asked} {UNSEEN} --json --job"))?.json()?;
    assert_eq!(by_job, answer, "jobs and the call that answers at once agree");
    let lines = desk.run(&format!("{asked} {UNSEEN} --ndjson"))?.ended(0)?;
    let lines: Vec<Value> = lines.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(&lines, documents);

    let letter = format!("{UNSEEN}/letter-101.txt");
    let painted = desk.run(&format!("{asked} {letter}"))?.ended(0)?.stdout;
    let first =
        &documents.iter().find(|found| found["id"] == letter.as_str()).context("no letter")?["entities"][0];
    says(
        &painted,
        &[&format!(
            "[{} · {} ",
            first["text"].as_str().unwrap_or_default(),
            first["category"].as_str().unwrap_or_default()
        )],
    );
    let text = fs::read_to_string(spindle_tests::places::root().join(&letter))?;
    let piped = desk.with_input(&asked, &[], &text)?.ended(0)?.stdout;
    assert_eq!(piped, painted, "standard input is a text like any other");
    let mut colored = command(&desk.arguments(&asked, &["--text", &text]))?;
    colored.env("FORCE_COLOR", "1");
    says(&run(colored, "")?.ended(0)?.stdout, &["\u{1b}["]);
    Ok(())
}

fn texts_that_can_not_be_worked_on(desk: &Desk) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes);
    write("a-good.txt", b"Claim by Ana Ruiz under policy PN-447120.")?;
    write("b-empty.txt", b"")?;
    write("c-latin.txt", b"Jos\xe9 Pe\xf1a")?;
    write("d-long.txt", "x ".repeat(70_000).as_bytes())?;
    write("e-good.txt", b"Claim by Ana Ruiz under policy PN-447120.")?;
    write("notes.pdf", b"no text")?;
    let path = folder.path().to_str().context("no UTF-8")?;
    let ran = desk.run(&format!("extract {PROJECT} production {path} --ndjson"))?.ended(1)?;
    says(
        &ran.stderr,
        &[
            "notes.pdf",
            "b-empty.txt: ",
            "Document text is empty",
            "c-latin.txt is not UTF-8 from byte 3",
            "d-long.txt: ",
            "3 texts",
        ],
    );
    let lines: Vec<Value> = ran.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let kinds: Vec<_> = lines.iter().map(|line| line.get("error").is_some()).collect();
    assert_eq!(kinds, [false, true, true, false], "a, b, d, e; c never left: {ran:?}");
    let json =
        run(command(&desk.arguments(&format!("extract {PROJECT} production {path} --json"), &[]))?, "")?
            .ended(1)?;
    let answer: Value = serde_json::from_str(&json.stdout)?;
    assert_eq!(answer["results"]["documents"].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(answer["results"]["errors"].as_array().map(Vec::len), Some(2), "{answer}");
    Ok(())
}

/// Ctrl+C leaves a training running; it can be found and ended afterwards.
fn interrupted(desk: &Desk) -> Result<()> {
    let words = format!("train {PROJECT} v3 --config latest --split manual");
    let begun =
        ["notStarted", "reading", "preparing", "validating"].map(|stage| format!("training v3: {stage}"));
    let begun = begun.each_ref().map(String::as_str);
    let ran = interrupt(command(&desk.arguments(&words, &[]))?, &begun)?.ended(130)?;
    says(&ran.stderr, &["the job goes on at the server", "next: `spindle job watch CommandLine/train/jobs/"]);
    assert_eq!(ran.stdout, "");
    let line = ran.stderr.lines().find(|line| line.contains(": job ")).context("no job was named")?;
    let job = line.split_whitespace().last().context("no job")?;
    let state = desk.run(&format!("job show {job} --json"))?.json()?;
    ensure!(["notStarted", "running"].iter().any(|status| state["status"] == *status), "{state}");
    let cancelled = desk.run(&format!("job cancel {job}"))?.ended(0)?;
    says(&cancelled.stdout, &["state  cancelled"]);
    says(&desk.run(&format!("job watch {job}"))?.ended(1)?.stderr, &["the job ended as cancelled"]);
    Ok(())
}

fn delete(desk: &Desk) -> Result<()> {
    desk.run(&format!("deployment delete {PROJECT} staging"))?.ended(0)?;
    desk.run(&format!("model delete {PROJECT} v2"))?.ended(0)?;
    assert_eq!(desk.api("/models")?["value"].as_array().map(Vec::len), Some(1));
    says(&desk.run(&format!("project delete {PROJECT}"))?.ended(2)?.stderr, &["can't be undone", "--yes"]);
    desk.api("")?;
    says(
        &desk.run(&format!("project delete {PROJECT} --yes"))?.ended(0)?.stdout,
        &["CommandLine is deleted"],
    );
    let gone = desk.run(&format!("project show {PROJECT}"))?.ended(1)?;
    says(&gone.stderr, &["(ProjectNotFound, status 404)", "next: `spindle project list`"]);
    assert_eq!(python::keys(&desk.server, CONTAINER)?.len(), 60, "the documents belong to the user");
    Ok(())
}

#[test]
fn scripts_can_tell_what_went_wrong_by_the_exit_code() -> Result<()> {
    let server = Server::shared()?;
    let endpoint = server.text("/endpoint");
    let with = |endpoint: &str, key: &str, words: &str| -> Result<Ran> {
        let mut prepared = command(&words.split(' ').collect::<Vec<_>>())?;
        prepared.env("SPINDLE_ENDPOINT", endpoint).env("SPINDLE_KEY", key);
        run(prepared, "")
    };
    let wrong_key = with(endpoint, "0123456789abcdef0123456789abcdef", "project list")?.ended(1)?;
    says(&wrong_key.stderr, &["(Unauthorized, status 401)", "SPINDLE_KEY"]);
    let key = server.text("/key");
    with(endpoint, key, "project list")?.ended(0)?;
    for words in
        ["project show Absent", "train Absent v1", "evaluate Absent v1", "extract Absent production --text x"]
    {
        says(&with(endpoint, key, words)?.ended(1)?.stderr, &["(ProjectNotFound, status 404)"]);
    }
    let documents =
        format!("project create Absent --container absent --language en-us --documents {DOCUMENTS}");
    says(&with(endpoint, key, &documents)?.ended(2)?.stderr, &["--data"]);
    says(&with(endpoint, key, "project create Absent")?.ended(2)?.stderr, &["--container", "--language"]);
    let language =
        with(endpoint, key, "project create Absent --container absent --language tlh")?.ended(1)?;
    says(&language.stderr, &["tlh", "InvalidArgument/UnsupportedLanguageCode, status 400", "at: language"]);
    for words in
        ["project", "project show a/b", "train Absent v1 --split half", "job show nothing", "--no-such-flag"]
    {
        with(endpoint, key, words)?.ended(2)?;
    }
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let down = with(&format!("http://{closed}"), key, "project list")?.ended(3)?;
    says(&down.stderr, &[&closed.to_string(), "can't be reached", "spindle up"]);
    let s3 = server.text("/s3/endpoint");
    says(&with(s3, key, "project list")?.ended(3)?.stderr, &["is not answered by this API", "--endpoint"]);
    let folder = tempfile::tempdir()?;
    let empty = folder.path().to_str().context("no UTF-8")?;
    let nowhere = run(command(&["project", "list", "--data", empty])?, "")?.ended(3)?;
    says(&nowhere.stderr, &["no server found", "access.json", "spindle up --data"]);
    for ran in [wrong_key, down, nowhere] {
        assert_eq!(ran.stdout, "", "errors are no data");
        assert_eq!(
            ran.stderr.lines().filter(|line| line.starts_with("spindle: ")).count(),
            1,
            "{}",
            ran.stderr
        );
    }
    Ok(())
}

#[test]
fn every_command_explains_itself_with_an_example() -> Result<()> {
    let commands = [
        "up",
        "demo",
        "check",
        "project",
        "project list",
        "project show",
        "project create",
        "project delete",
        "project import",
        "project export",
        "train",
        "evaluate",
        "model",
        "model list",
        "model show",
        "model delete",
        "deploy",
        "deployment",
        "deployment list",
        "deployment show",
        "deployment delete",
        "deployment swap",
        "extract",
        "job",
        "job list",
        "job show",
        "job watch",
        "job cancel",
    ];
    for words in commands {
        let arguments: Vec<&str> = words.split(' ').chain(["--help"]).collect();
        let help = run(command(&arguments)?, "")?.ended(0)?;
        says(&help.stdout, &["Example", &format!("spindle {words}")]);
    }
    says(&run(command(&["--help"])?, "")?.ended(0)?.stdout, &["Exit codes"]);
    Ok(())
}

#[track_caller]
pub(crate) fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}
