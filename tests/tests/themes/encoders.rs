//! Encoders beside the default one: added, listed, chosen, trained over, served, removed.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::command::{Ran, command, run};
use spindle_tests::{Client, Marked, Server, places};
use std::fs;
use std::path::Path;

const TINY: &str = "crates/inference/tests/golden/xlm-roberta-tiny";

fn encoder(data: &Path, words: &[&str]) -> Result<Ran> {
    let data = data.to_str().context("the data folder's name is not UTF-8")?;
    run(command(&[&["encoder"], words, &["--data", data]].concat())?, "")
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn an_added_encoder_is_trained_over_and_serves() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let added = encoder(&data, &["add", TINY, "--name", "tiny", "--json"])?.json()?;
    assert_eq!((&added["architecture"], &added["width"]), (&json!("roberta"), &json!(16)), "{added}");
    let again = encoder(&data, &["add", TINY, "--name", "tiny", "--json"])?.json()?;
    assert_eq!(again, added, "the same files are the same encoder");
    says(&encoder(&data, &["list"])?.ended(0)?.stdout, &["tiny", "roberta", "one", "16"]);

    let server = Server::start_with(&data, &["--encoder".as_ref(), "tiny".as_ref()])?;
    let client = server.client();
    let mut project = Marked::new("over-tiny", "en-us");
    for at in 0..12 {
        let text = format!("Claim by [Person:Ana Ruiz] under policy [Policy:PN-44712{at}], São Paulo.");
        project.add(if at < 9 { "Train" } else { "Test" }, &text)?;
    }
    project.put(&server)?;
    let state = project.train(&client, "m", "contextual")?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let shown = client.get(&project.path("/models/m"))?.expect(200)?;
    assert_eq!(shown["lineage"]["encoder"], json!({ "name": "tiny", "digest": added["digest"] }), "{shown}");

    // The model keeps its encoder when it is removed from the list, and the component reads its pieces.
    client.succeed("PUT", &project.path("/deployments/d"), Some(&json!({ "trainedModelLabel": "m" })))?;
    encoder(&data, &["remove", "tiny"])?.ended(0)?;
    says(&encoder(&data, &["list"])?.ended(0)?.stdout, &["no encoder was added"]);
    says(&found(&client)?, &["Ana Ruiz", "PN-447129"]);
    Ok(())
}

fn found(client: &Client) -> Result<String> {
    let text = "Claim by Ana Ruiz under policy PN-447129, São Paulo.";
    let question = json!({
        "kind": "CustomEntityRecognition",
        "parameters": { "projectName": "over-tiny", "deploymentName": "d" },
        "analysisInput": { "documents": [{ "id": "1", "text": text }] },
    });
    let answer = client.send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
    Ok(answer["results"]["documents"][0]["entities"].to_string())
}

#[test]
fn what_is_no_encoder_is_refused_with_a_word_and_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let tiny = places::root().join(TINY);
    let copy = folder.path().join("copy");
    fs::create_dir(&copy)?;
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(tiny.join(name), copy.join(name))?;
    }
    let copied = copy.to_str().context("UTF-8")?;
    says(&encoder(&data, &["add", copied])?.ended(1)?.stderr, &["model.safetensors"]);
    fs::copy(tiny.join("model.safetensors"), copy.join("model.safetensors"))?;
    let config = fs::read_to_string(copy.join("config.json"))?;
    fs::write(copy.join("config.json"), config.replace("xlm-roberta", "t5"))?;
    says(&encoder(&data, &["add", copied])?.ended(1)?.stderr, &["unsupported", "t5", "BERT"]);
    says(
        &encoder(&data, &["add", "nobody/has-this"])?.ended(1)?.stderr,
        &["nobody/has-this", "huggingface-cli download"],
    );
    says(&encoder(&data, &["remove", "absent"])?.ended(1)?.stderr, &["absent", "encoder list"]);
    let none: Value = encoder(&data, &["list", "--json"])?.json()?;
    assert_eq!(none, json!({ "value": [] }));

    // One name is one encoder.
    encoder(&data, &["add", TINY, "--name", "one"])?.ended(0)?;
    fs::write(copy.join("config.json"), config.replace("1e-05", "1e-06"))?;
    says(
        &encoder(&data, &["add", copied, "--name", "one"])?.ended(1)?.stderr,
        &["another encoder", "--name"],
    );
    let kept = encoder(&data, &["list", "--json"])?.json()?;
    assert_eq!(kept["value"].as_array().map(Vec::len), Some(1), "{kept}");
    let refused = spindle_tests::server::refused(&data, &["--encoder", "other", "--listen", "127.0.0.1:0"])?;
    assert!(refused.output.contains("encoder list"), "{refused:?}");
    Ok(())
}
