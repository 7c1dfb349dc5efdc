//! A server that is killed in the middle of its work finishes it when it starts again.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::{Client, Example, Server};

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
