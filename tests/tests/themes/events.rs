//! Uploads alone move a project: nothing but `aws s3 cp` is called after it was set up.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Client, Example, Server, places, python};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use ureq::http::Request;

/// Training on a machine that does other things too.
const MOVE_MAX: Duration = Duration::from_secs(900);
const POLL: Duration = Duration::from_millis(50);

/// A claims desk that does everything by itself.
pub(crate) struct Desk {
    pub(crate) example: Example,
    pub(crate) folder: tempfile::TempDir,
}

impl Desk {
    /// Makes bucket and project, and says what the project does.
    pub(crate) fn open(server: &Server, project: &str, container: &str) -> Result<Self> {
        let example = Example::claims_desk(project, container)?;
        let client = server.client();
        aws(server, &["mb", &format!("s3://{container}")])?;
        let metadata = json!({ "projectKind": "CustomEntityRecognition", "storageInputContainerName": container,
            "projectName": project, "multilingual": false, "language": "en-us" });
        client.send("PATCH", &example.path(""), Some(&metadata))?.expect(201)?;
        let settings = json!({
            "import": { "labelFile": "labels.json" },
            "train": { "afterImport": true, "modelLabel": "own", "trainingConfigVersion": "lexical", "evaluationOptions": { "kind": "manual" } },
            "deploy": { "deploymentName": "production" },
            "extract": { "prefix": "incoming/", "deploymentName": "production", "output": { "prefix": "entities/" } },
        });
        client.send("PUT", &example.path("/automation"), Some(&settings))?.expect(200)?;
        Ok(Self { example, folder: tempfile::tempdir()? })
    }

    pub(crate) fn bucket(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.example.container())
    }

    /// Documents, then the label file.
    pub(crate) fn upload_all(&self, server: &Server) -> Result<()> {
        let documents = places::root().join("examples/claims-desk/documents");
        aws(server, &["cp", "--recursive", &documents.display().to_string(), &self.bucket("")])?;
        self.upload(server, "labels.json", &self.example.labels.to_string())
    }

    pub(crate) fn upload(&self, server: &Server, key: &str, text: &str) -> Result<()> {
        let file = self.folder.path().join("file");
        fs::write(&file, text)?;
        aws(server, &["cp", &file.display().to_string(), &self.bucket(key)]).map(drop)
    }

    pub(crate) fn jobs(&self, client: &Client) -> Result<Vec<Value>> {
        let listed = client.get(&self.example.path("/jobs?maxpagesize=1000"))?.expect(200)?;
        Ok(listed["value"].as_array().cloned().unwrap_or_default())
    }

    /// How many jobs of a kind there are; all must have succeeded.
    pub(crate) fn succeeded(&self, client: &Client, kind: &str) -> Result<usize> {
        let jobs = self.jobs(client)?;
        let of_kind: Vec<_> = jobs.iter().filter(|job| job["kind"] == kind).collect();
        ensure!(of_kind.iter().all(|job| job["status"] == "succeeded"), "{of_kind:#?}");
        Ok(of_kind.len())
    }

    pub(crate) fn until_deployed(&self, client: &Client) -> Result<()> {
        let path = self.example.path("/deployments/production");
        until("the deployment", || {
            let failed: Vec<_> =
                self.jobs(client)?.into_iter().filter(|job| job["status"] == "failed").collect();
            ensure!(failed.is_empty(), "{failed:#?}");
            Ok((client.get(&path)?.status == 200).then_some(()))
        })
    }

    /// The entities of a document under `incoming/`, when they are there.
    pub(crate) fn entities(&self, server: &Server, name: &str) -> Result<Value> {
        let key = format!("entities/{name}.entities.json");
        until(&key, || Ok(python::keys(server, self.example.container())?.contains(&key).then_some(())))?;
        let text = aws(server, &["cp", &self.bucket(&key), "-"])?;
        serde_json::from_str(&text).context("the entities are not JSON")
    }

    pub(crate) fn check_entities(&self, server: &Server, name: &str, text: &str) -> Result<()> {
        let found = self.entities(server, name)?;
        let question =
            self.example.question("production", "Utf16CodeUnit", &json!([{ "id": "1", "text": text }]));
        let answer = server.client().send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
        let expected = &answer["results"]["documents"][0]["entities"];
        ensure!(expected.as_array().is_some_and(|list| !list.is_empty()), "{answer}");
        assert_eq!(&found["entities"], expected, "the object holds what the API answers");
        assert_eq!(found["location"], format!("incoming/{name}.txt"));
        Ok(())
    }
}

pub(crate) fn aws(server: &Server, arguments: &[&str]) -> Result<String> {
    let [verb, rest @ ..] = arguments else { bail!("no verb") };
    let quiet = if *verb == "mb" { vec![*verb] } else { vec![*verb, "--only-show-errors"] };
    python::aws_s3(server, &[quiet, rest.to_vec()].concat())
}

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(begun.elapsed() < MOVE_MAX, "{what} did not come");
        thread::sleep(POLL);
    }
}

/// All events of a container, once none waits.
pub(crate) fn settled(client: &Client, container: &str) -> Result<Vec<Value>> {
    let path = format!("{PROJECTS}/global/storage-events?container={container}&maxpagesize=1000");
    until("the end of the inbox", || {
        let listed = client.get(&path)?.expect(200)?;
        let events = listed["value"].as_array().cloned().unwrap_or_default();
        Ok(events.iter().all(|event| event["state"] != "waiting").then_some(events))
    })
}

#[test]
fn uploads_alone_lead_from_documents_to_entities() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let desk = Desk::open(&server, "SelfMoving", "self-moving")?;
    desk.upload_all(&server)?;
    desk.until_deployed(&client)?;
    let (_, text) = desk.example.unseen()?.into_iter().next().context("no unseen document")?;
    desk.upload(&server, "incoming/new letter+1 für.txt", &text)?;
    desk.check_entities(&server, "new letter+1 für", &text)?;
    for kind in ["import", "train", "deploy", "extractDocument"] {
        assert_eq!(desk.succeeded(&client, kind)?, 1, "{kind}");
    }
    assert!(desk.succeeded(&client, "automate")? >= 3);
    let documents = desk.example.labels["assets"]["documents"].as_array().map_or(0, Vec::len);
    let events = settled(&client, desk.example.container())?;
    assert!(events.len() >= documents + 2, "{} events for {documents} documents", events.len());
    let of = |location: &str| events.iter().find(|event| event["location"] == location).cloned();
    let label_file = of("labels.json").context("no event of the label file")?;
    assert_eq!(label_file["outcomes"][0]["message"], "the label file changed: it is imported");
    let entities = of("entities/new letter+1 für.entities.json").context("no event of the entities")?;
    assert_eq!(entities["state"], "ignored", "what is written triggers nothing: {entities}");

    replayed(&server, &desk, &events)
}

/// Every event again, twice and the last one first, and older than all that came before.
fn replayed(server: &Server, desk: &Desk, events: &[Value]) -> Result<()> {
    let client = server.client();
    let secrets: Value = serde_json::from_slice(&fs::read(server.data().join("secrets.json"))?)?;
    let secret = secrets["eventsSecret"].as_str().context("no events secret")?;
    let project = client.get(&desk.example.path(""))?.expect(200)?;
    let records: Vec<_> = events.iter().enumerate().map(|(index, event)| stale(event, index)).collect();
    let body = json!({ "Records": records }).to_string();
    for accepted in [records.len(), 0] {
        let request = Request::post(format!("{}/events/storage", client.endpoint))
            .header("Authorization", format!("Bearer {secret}"))
            .header("Content-Type", "application/json");
        let answer = client.run(request.body(body.as_bytes().to_vec())?)?.expect(200)?;
        assert_eq!(answer, json!({ "accepted": accepted, "repeated": records.len() - accepted }));
    }
    let events = settled(&client, desk.example.container())?;
    assert!(events.len() >= 2 * records.len());
    for kind in ["import", "train", "deploy", "extractDocument"] {
        assert_eq!(desk.succeeded(&client, kind)?, 1, "a stale event starts no {kind}");
    }
    assert_eq!(client.get(&desk.example.path(""))?.expect(200)?, project, "and changes nothing");
    Ok(())
}

/// What an event would have looked like long ago; every other one tells of a deletion.
fn stale(event: &Value, index: usize) -> Value {
    let key = event["location"].as_str().unwrap_or_default().replace('%', "%25").replace('+', "%2B");
    let name = if index.is_multiple_of(2) { "ObjectRemoved:Delete" } else { "ObjectCreated:Put" };
    json!({ "eventName": name, "s3": { "bucket": { "name": event["containerName"] },
        "object": { "key": key, "eTag": "stale", "sequencer": format!("{:08X}", 1_000 - index) } } })
}

#[test]
fn a_server_that_is_killed_in_between_goes_on_where_it_was() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(&data)?;
    let desk = Desk::open(&server, "Stubborn", "stubborn")?;
    desk.upload_all(&server)?;
    // Killed at once: some events were told and some were not, some were looked at and some were not.
    server.kill9()?;
    let server = Server::start(&data)?;
    let client = server.client();
    until("the training", || {
        let jobs = desk.jobs(&client)?;
        Ok(jobs.iter().any(|job| job["kind"] == "train").then_some(()))
    })?;
    server.kill9()?;
    let server = Server::start(&data)?;
    desk.until_deployed(&server.client())?;
    let (_, text) = desk.example.unseen()?.into_iter().next().context("no unseen document")?;
    desk.upload(&server, "incoming/late.txt", &text)?;
    server.kill9()?;
    let server = Server::start(&data)?;
    desk.check_entities(&server, "late", &text)?;
    assert_eq!(desk.succeeded(&server.client(), "extractDocument")?, 1);
    Ok(())
}

#[test]
fn what_can_not_be_used_has_an_outcome_with_its_reason() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let desk = Desk::open(&server, "Picky", "picky")?;
    let bytes = desk.folder.path().join("bytes");
    fs::write(&bytes, [0xff, 0xfe, 0x00])?;
    put(&server, &bytes, &desk.bucket("latin.txt"))?;
    desk.upload(&server, "empty.txt", "")?;
    // In parts, and larger than any document.
    fs::write(&bytes, vec![b'a'; 9 << 20])?;
    put(&server, &bytes, &desk.bucket("huge.txt"))?;
    desk.upload(&server, "notes.md", "no document")?;
    desk.upload(&server, "deep/letter.txt", "neither here nor there")?;
    desk.upload(&server, "fine + good.txt", "A letter.")?;
    desk.upload(&server, "incoming/early.txt", "Before there is a deployment.")?;
    desk.upload(&server, "labels.json", "{")?;
    let all = until("all events", || {
        let events = settled(&client, desk.example.container())?;
        Ok((events.len() >= 8).then_some(events))
    })?;
    for (location, state, reason) in [
        ("latin.txt", "refused", "is not UTF-8 text"),
        ("empty.txt", "refused", "is empty"),
        ("huge.txt", "refused", "is larger than"),
        ("notes.md", "ignored", "neither a document"),
        ("deep/letter.txt", "ignored", "at the root"),
        ("fine + good.txt", "done", "new in the project"),
        ("incoming/early.txt", "done", "there is no deployment \"production\" yet"),
        ("labels.json", "done", "the label file changed"),
    ] {
        let event = all.iter().find(|event| event["location"] == location).context(location)?;
        let message = event["outcomes"][0]["message"].as_str().unwrap_or_default();
        assert!(event["state"] == state && message.contains(reason), "{event:#}");
    }
    let failed = |kind: &str| {
        until(kind, || {
            let jobs = desk.jobs(&client)?;
            Ok(jobs.into_iter().find(|job| job["kind"] == kind && job["status"] == "failed"))
        })
    };
    let broken = failed("automate")?;
    assert!(broken["errors"][0]["message"].as_str().is_some_and(|text| text.contains("JSON")), "{broken:#}");
    aws(&server, &["rm", &desk.bucket("fine + good.txt")])?;
    let gone = until("the deletion", || {
        let events = settled(&client, desk.example.container())?;
        Ok(events.into_iter().find(|event| event["change"] == "removed"))
    })?;
    assert_eq!(gone["outcomes"][0]["message"], "the document left the project");
    Ok(())
}

fn put(server: &Server, file: &Path, place: &str) -> Result<()> {
    aws(server, &["cp", &file.display().to_string(), place]).map(drop)
}
