//! Those who subscribed are told of what was extracted: signed, again when they fail, and nowhere else than allowed.

use crate::events::{aws, until};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::command::{command, run};
use spindle_tests::python::{self, Script};
use spindle_tests::{Client, Example, Server};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LIMITS: &str = r#"{"subscriberAttemptsMax":3,"subscriberPauseMilliseconds":10,"subscriberAnswerMillisecondsMax":1500,"subscribersPerProjectMax":6}"#;

/// A receiver and what it received.
struct Receiver {
    _script: Script,
    address: String,
    record: PathBuf,
}

impl Receiver {
    fn start(folder: &Path) -> Result<Self> {
        let record = folder.join("record");
        fs::write(&record, "")?;
        let mut script = python::EVENTS.start("receiver.py", &[&record])?;
        let address = format!("http://127.0.0.1:{}", script.line()?);
        Ok(Self { _script: script, address, record })
    }

    fn received(&self) -> Result<Vec<Value>> {
        fs::read_to_string(&self.record)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

fn deliveries(client: &Client, example: &Example, filter: &str) -> Result<Vec<Value>> {
    let listed = client.get(&example.path(&format!("/deliveries{filter}")))?.expect(200)?;
    Ok(listed["value"].as_array().cloned().unwrap_or_default())
}

/// What became of the first `count` deliveries, by subscriber.
fn ended(client: &Client, example: &Example, count: usize) -> Result<BTreeMap<String, Value>> {
    let all = until("the deliveries", || {
        let all = deliveries(client, example, "")?;
        let over = all.len() >= count && all.iter().all(|delivery| delivery["state"] != "waiting");
        Ok(over.then_some(all))
    })?;
    let name = |delivery: &Value| delivery["subscriberName"].as_str().unwrap_or_default().to_owned();
    // The newest stand first, and count where there are several.
    Ok(all.into_iter().rev().map(|delivery| (name(&delivery), delivery)).collect())
}

#[test]
fn subscribers_are_told_as_often_as_it_takes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let receiver = Receiver::start(folder.path())?;
    let limits = folder.path().join("limits.json");
    fs::write(&limits, LIMITS)?;
    let arguments: [&OsStr; 4] =
        ["--limits".as_ref(), limits.as_ref(), "--subscribers".as_ref(), receiver.address.as_ref()];
    let server = Server::fresh_with(&arguments)?;
    let client = server.client();
    let example = Example::claims_desk("Telling", "telling")?;
    example.upload(&server)?;
    example.import(&client)?;
    let job = example.start_training(&client, "own", "lexical")?;
    ensure!(client.wait(&job)?["status"] == "succeeded");
    example.deploy(&client, "own", "production")?;
    let settings = json!({ "extract": { "prefix": "in/", "deploymentName": "production", "output": { "prefix": "out/" } } });
    client.send("PUT", &example.path("/automation"), Some(&settings))?.expect(200)?;
    subscribe(&client, &example, &receiver)?;

    let (_, text) = example.unseen()?.into_iter().next().context("no unseen document")?;
    let file = folder.path().join("letter.txt");
    fs::write(&file, &text)?;
    aws(&server, &["cp", &file.display().to_string(), "s3://telling/in/a b+ü.txt"])?;
    let found = ended(&client, &example, 6)?;
    for (name, state, attempts, reason) in [
        ("taken", "delivered", 1, "answered 204"),
        ("late", "delivered", 3, "answered 204"),
        ("refused", "dead", 3, "answered 500"),
        ("silent", "dead", 3, "no answer came within 1.5s"),
        ("gone", "dead", 1, "answered 410"),
        ("elsewhere", "dead", 1, "redirects are not followed"),
    ] {
        let delivery = &found[name];
        let told = delivery["reason"].as_str().unwrap_or_default();
        assert!(
            delivery["state"] == state && delivery["attempts"] == attempts && told.contains(reason),
            "{delivery:#}"
        );
    }
    check_events(&server, &receiver, &text)?;
    dead_letters(&server, &example, &found)
}

/// One subscriber for each way to answer.
fn subscribe(client: &Client, example: &Example, receiver: &Receiver) -> Result<()> {
    let put = |name: &str, body: &Value| {
        client.send("PUT", &example.path(&format!("/subscribers/{name}")), Some(body))
    };
    let address = |name: &str, secret: &str| {
        format!("{}/{name}?secret={}", receiver.address, secret.replace('+', "%2B"))
    };
    for name in ["late", "refused", "silent", "gone", "elsewhere"] {
        let made = put(name, &json!({ "url": address(name, SECRET), "secret": SECRET }))?.expect(201)?;
        assert!(made.get("secret").is_none(), "a given secret is not repeated: {made}");
    }
    let made = put("taken", &json!({ "url": address("taken", "") }))?.expect(201)?;
    let secret = made["secret"].as_str().context("no secret was made")?;
    let changed = put("taken", &json!({ "url": address("taken", secret) }))?.expect(200)?;
    assert!(changed.get("secret").is_none(), "a secret is shown once: {changed}");
    let listed = client.get(&example.path("/subscribers"))?.expect(200)?;
    assert!(!listed.to_string().contains("\"secret\""), "{listed}");
    for (body, target) in [
        (json!({ "url": "http://127.0.0.1:1/" }), "url"),
        (json!({ "url": "http://169.254.169.254/latest/meta-data" }), "url"),
        (json!({ "url": receiver.address.replace("http", "https") }), "url"),
        (json!({ "url": address("taken", ""), "secret": "short" }), "secret"),
    ] {
        let refused = put("other", &body)?.expect(400)?;
        assert_eq!(refused["error"]["target"], target, "{refused}");
    }
    let full = put("seventh", &json!({ "url": address("taken", "") }))?;
    assert_eq!(full.error()?, (400, "QuotaExceeded".to_owned(), String::new()));
    Ok(())
}

fn check_events(server: &Server, receiver: &Receiver, text: &str) -> Result<()> {
    let received = receiver.received()?;
    let count = |path: &str| received.iter().filter(|message| message["path"] == path).count();
    let paths = ["/taken", "/late", "/refused", "/silent", "/gone", "/elsewhere"];
    assert_eq!(paths.map(count), [1, 3, 3, 3, 1, 1], "a redirect leads nowhere");
    let object = python::object(server, "telling", "out/a b+ü.entities.json")?;
    let entities: Value = serde_json::from_str(&object)?;
    let entities = entities["entities"].as_array().context("no entities")?;
    assert!(!entities.is_empty());
    for message in &received {
        let event = &message["event"];
        assert!(message["signed"] == true, "{message:#}");
        assert_eq!(message["webhookId"], received[0]["webhookId"], "one event for all");
        assert_eq!(event["id"], message["webhookId"]);
        assert_eq!(message["type"], "application/cloudevents+json; charset=utf-8");
        assert_eq!((&event["specversion"], &event["subject"]), (&json!("1.0"), &json!("in/a b+ü.txt")));
        assert_eq!(event["type"], "spindle.entities.extracted");
        assert_eq!(event["data"]["output"]["location"], "out/a b+ü.entities.json");
        assert_eq!(event["data"]["entityCount"], entities.len());
    }
    let told = fs::read_to_string(&receiver.record)?;
    let words = entities.iter().filter_map(|entity| entity["text"].as_str());
    // A few digits may stand in a time or an id by accident.
    for words in words.filter(|words| words.contains(' ')) {
        assert!(text.contains(words) && !told.contains(words), "texts stay in the container");
    }
    Ok(())
}

/// Deliveries that were given up are seen, and made once more, from the command line.
fn dead_letters(server: &Server, example: &Example, found: &BTreeMap<String, Value>) -> Result<()> {
    let client = server.client();
    let data = server.data().to_str().context("the data folder's name is not UTF-8")?;
    let subscriber =
        |arguments: &[&str]| run(command(&[&["subscriber"], arguments, &["--data", data]].concat())?, "");
    let shown = subscriber(&["deliveries", "Telling", "--state", "dead"])?.ended(0)?.stdout;
    assert!(shown.contains("redirects are not followed") && !shown.contains("late"), "{shown}");
    let dead = subscriber(&["deliveries", "Telling", "--state", "dead", "--json"])?.json()?;
    assert_eq!(dead["value"].as_array().map(Vec::len), Some(4));
    let id = |name: &str| found[name]["deliveryId"].as_str().unwrap_or_default().to_owned();
    subscriber(&["retry", "Telling", &id("gone")])?.ended(0)?;
    let again = ended(&client, example, 7)?;
    assert_ne!(again["gone"]["deliveryId"], found["gone"]["deliveryId"]);
    assert_eq!(again["gone"]["eventId"], found["gone"]["eventId"]);
    let refused = subscriber(&["retry", "Telling", &id("taken")])?.ended(1)?;
    assert!(refused.stderr.contains("delivered"), "{}", refused.stderr);
    subscriber(&["remove", "Telling", "gone"])?.ended(0)?;
    let refused = subscriber(&["retry", "Telling", &id("gone")])?.ended(1)?;
    assert!(refused.stderr.contains("gone"), "{}", refused.stderr);
    let jobs = client.get(&example.path("/jobs?maxpagesize=1000"))?.expect(200)?;
    let told = jobs["value"].as_array().into_iter().flatten().filter(|job| job["kind"] == "deliver");
    assert_eq!(told.count(), 7, "every delivery is among the project's jobs");
    Ok(())
}
