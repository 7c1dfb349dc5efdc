//! A server that is killed in the middle of its work finishes it when it starts again.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::{Client, Example, Server};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

#[test]
fn a_training_that_was_killed_ends_well_after_the_next_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(&data)?;
    let (client, access) = (server.client(), server.access.clone());
    let example = Example::claims_desk("Survivor", "survivor")?;
    example.upload(&server)?;
    example.import(&client)?;
    let job = example.start_training(&client, "kept", "contextual")?;
    let begun = until_at_work(&client, &job)?;
    server.kill9()?;

    let server = Server::start(&data)?;
    let client = server.client();
    for key in ["/key", "/s3/accessKeyId", "/s3/secretAccessKey", "/s3/region"] {
        assert_eq!(server.access.pointer(key), access.pointer(key), "{key} stays");
    }
    assert_eq!(client.get(&example.path(""))?.expect(200)?["projectName"], "Survivor");
    let path =
        job.strip_prefix(access["endpoint"].as_str().context("no endpoint")?).context("a foreign job")?;
    let state = client.wait(&format!("{}{path}", client.endpoint))?;
    assert_eq!(state["status"], "succeeded", "{state}");
    assert_eq!(state["jobId"], begun["jobId"]);
    let started = |state: &Value| state["result"]["trainingStatus"]["startDateTime"].clone();
    assert_ne!(started(&state), started(&begun), "the killed run had ended its training: nothing was tried");

    // The model of the second run serves.
    example.deploy(&client, "kept", "production")?;
    let texts = example.unseen()?;
    let sent = json!([{ "id": "1", "language": "en-us", "text": texts[0].1 }]);
    let question = example.question("production", "UnicodeCodePoint", &sent);
    let answer = client.send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
    let entities = answer["results"]["documents"][0]["entities"].as_array().map_or(0, Vec::len);
    assert!(entities > 0, "{answer}");
    Ok(())
}

/// The first state in which the worker learns.
pub(crate) fn until_at_work(client: &Client, job: &str) -> Result<Value> {
    loop {
        let state = client.get(job)?.expect(200)?;
        let phase = &state["result"]["trainingStatus"];
        match state["status"].as_str() {
            Some("running") if !phase["startDateTime"].is_null() => return Ok(state),
            Some("notStarted" | "running") => std::thread::yield_now(),
            _ => anyhow::bail!("the training ended before it could be killed: {state}"),
        }
    }
}

/// Name, identity and last use of each checkpoint whose name holds `part`.
fn checkpoints(data: &Path, part: &str) -> Result<BTreeMap<String, (u64, SystemTime)>> {
    let folder = data.join("cache/checkpoints");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A file that is being written may be gone by now.
        if let (true, Ok(about)) = (name.contains(part), entry.metadata()) {
            found.insert(name, (about.ino(), about.modified()?));
        }
    }
    Ok(found)
}

#[test]
fn a_killed_training_goes_on_from_its_checkpoints_to_the_same_model() -> Result<()> {
    goes_on("contextual", "-member-")
}

#[test]
fn a_killed_tuning_goes_on_from_its_checkpoints_to_the_same_model() -> Result<()> {
    goes_on("tuned", "-layers")
}

/// Kills a training that has left its first checkpoint of a kind, and compares what comes of it with one that was left alone.
fn goes_on(config: &str, kind: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(&data)?;
    let (client, endpoint) = (server.client(), server.text("/endpoint").to_owned());
    let example = Example::claims_desk("Resumed", "resumed")?;
    example.upload(&server)?;
    example.import(&client)?;
    let job = example.start_training(&client, "kept", config)?;
    while checkpoints(&data, kind)?.is_empty() {
        let state = client.get(&job)?.expect(200)?;
        ensure!(state["status"] != "succeeded", "the training ended before it could be killed: {state}");
    }
    server.kill9()?;
    let left = checkpoints(&data, "")?;

    let server = Server::start(&data)?;
    let client = server.client();
    let path = job.strip_prefix(&endpoint).context("a foreign job")?;
    let state = client.wait(&format!("{}{path}", client.endpoint))?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let kept = checkpoints(&data, "-vectors-")?;
    assert!(!kept.is_empty(), "vectors serve the next training, too");
    for (name, (file, used)) in &kept {
        let (before, used_before) = match left.get(name) {
            Some(before) => before,
            // The killed run was still tuning, and had nothing to say yet.
            None if config == "tuned" => continue,
            None => anyhow::bail!("{name} was computed again"),
        };
        assert_eq!(file, before, "{name} was written again");
        assert!(used > used_before, "{name} was not used");
    }
    assert_eq!(checkpoints(&data, "-run-")?, BTreeMap::new(), "what the run alone could use is gone");

    // An attempt that is not interrupted and finds nothing comes to the same model.
    fs::remove_dir_all(data.join("cache/checkpoints"))?;
    let job = example.start_training(&client, "again", config)?;
    assert_eq!(client.wait(&job)?["status"], "succeeded");
    let digest = |model: &str| -> Result<Value> {
        let shown = client.get(&example.path(&format!("/models/{model}")))?.expect(200)?;
        Ok(shown["lineage"]["bundleDigest"].clone())
    };
    assert_eq!(digest("kept")?.as_str().map(str::len), Some(64));
    assert_eq!(digest("kept")?, digest("again")?);
    Ok(())
}
