//! Storage events: how many are accepted in a second, and how long it takes from an upload to its entities.

use crate::table::{Table, quantile};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Client, Example, Server, python};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};
use ureq::http::Request;

/// A burst, one event to a message, as most services send them.
const EVENTS: usize = 10_000;
const SENDERS: usize = 4;
const UPLOADS: usize = 20;
const POLL: Duration = Duration::from_millis(5);
const END_MAX: Duration = Duration::from_secs(600);
const LETTER: &str =
    "Dear Ms Alvarez, your claim CL-20419 of 12 March 2024 about the flooded cellar has arrived.";

/// Prints both.
pub(crate) fn events() -> Result<()> {
    let server = Server::fresh()?.quiet();
    let client = server.client();
    let example = Example::claims_desk("Bench", "bench")?;
    example.upload(&server)?;
    example.import(&client)?;
    let job = example.start_training(&client, "own", "contextual")?;
    ensure!(client.wait(&job)?["status"] == "succeeded", "the training did not succeed");
    example.deploy(&client, "own", "production")?;
    let settings = json!({ "extract": { "prefix": "in/", "deploymentName": "production", "output": { "prefix": "out/" } } });
    client.send("PUT", &example.path("/automation"), Some(&settings))?.expect(200)?;
    burst(&server)?;
    uploads(&server, &example)
}

/// Events of a container that nobody uses: what accepting alone costs.
fn burst(server: &Server) -> Result<()> {
    let client = server.client();
    let secrets: Value = serde_json::from_slice(&fs::read(server.data().join("secrets.json"))?)?;
    let secret = secrets["eventsSecret"].as_str().context("no events secret")?.to_owned();
    let (client, secret) = (&client, secret.as_str());
    let begun = Instant::now();
    let mut milliseconds = thread::scope(|scope| {
        let senders: Vec<_> =
            (0..SENDERS).map(|sender| scope.spawn(move || send(client, secret, sender))).collect();
        let sent = senders.into_iter().map(|sender| sender.join().expect("a sender does not panic"));
        sent.collect::<Result<Vec<_>>>().map(|times| times.concat())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    milliseconds.sort_by(f64::total_cmp);
    let path = format!("{PROJECTS}/global/storage-events?container=nobodys&maxpagesize=1");
    let handled = || Ok(client.get(&path)?.expect(200)?["value"][0]["state"] != "waiting");
    until(handled)?;
    let mut table = Table::new(
        "A burst of storage events, one to a message, 4 senders",
        &["events", "events/s", "median ms", "99 % ms", "worked through after s"],
    );
    table.row(vec![
        EVENTS.to_string(),
        format!("{:.0}", EVENTS as f64 / seconds),
        format!("{:.1}", quantile(&milliseconds, 0.5)),
        format!("{:.1}", quantile(&milliseconds, 0.99)),
        format!("{:.1}", begun.elapsed().as_secs_f64()),
    ]);
    table.print();
    Ok(())
}

/// One sender's share; milliseconds of each message.
fn send(client: &Client, secret: &str, sender: usize) -> Result<Vec<f64>> {
    let mut times = vec![];
    for number in (sender..EVENTS).step_by(SENDERS) {
        let message = json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "nobodys" },
            "object": { "key": format!("{number}.txt"), "eTag": "1", "sequencer": format!("{number:016X}") } } }] });
        let request = Request::post(format!("{}/events/storage", client.endpoint))
            .header("Authorization", format!("Bearer {secret}"))
            .body(message.to_string().into_bytes())?;
        let begun = Instant::now();
        let answer = client.run(request)?.expect(200)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(answer["accepted"] == 1, "{answer}");
    }
    Ok(times)
}

/// Short documents, one after the other, each by the times that the server itself notes.
fn uploads(server: &Server, example: &Example) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut milliseconds = vec![];
    for number in 0..=UPLOADS {
        let file = folder.path().join("letter.txt");
        fs::write(&file, format!("{LETTER} No. {number}"))?;
        let target = format!("s3://{}/in/{number}.txt", example.container());
        python::aws_s3(server, &["cp", "--only-show-errors", &file.display().to_string(), &target])?;
        // The upload's own process takes longer than all the rest: the clock starts when its object was told of.
        let object = server.data().join("s3").join(example.container()).join(format!("in/{number}.txt"));
        let output =
            server.data().join("s3").join(example.container()).join(format!("out/{number}.entities.json"));
        until(|| Ok(output.is_file()))?;
        let moment = |path: &std::path::Path| anyhow::Ok(fs::metadata(path)?.modified()?);
        let took = moment(&output)?.duration_since(moment(&object)?)?;
        // The first one opens the model.
        if number > 0 {
            milliseconds.push(took.as_secs_f64() * 1e3);
        }
    }
    milliseconds.sort_by(f64::total_cmp);
    let mut table = Table::new(
        "From the upload of one short document to the object with its entities, warm, contextual model",
        &["uploads", "best ms", "median ms", "worst ms"],
    );
    table.row(vec![
        UPLOADS.to_string(),
        format!("{:.0}", milliseconds[0]),
        format!("{:.0}", quantile(&milliseconds, 0.5)),
        format!("{:.0}", milliseconds[milliseconds.len() - 1]),
    ]);
    table.print();
    Ok(())
}

fn until(mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !done()? {
        ensure!(begun.elapsed() < END_MAX, "it did not end within {END_MAX:?}");
        thread::sleep(POLL);
    }
    Ok(())
}
