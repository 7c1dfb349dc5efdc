//! A copied project is the original under another name.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::api::{Client, PROJECTS};
use spindle_tests::{Example, Server};

/// The whole project as a file, without its name.
fn exported(client: &Client, project: &str) -> Result<Value> {
    let path = format!("{PROJECTS}/{project}/:export?stringIndexType=Utf16CodeUnit");
    let job = client.succeed("POST", &path, None)?;
    let place = job["resultUrl"].as_str().context("an export has a result")?;
    let mut file = client.get(place)?.expect(200)?;
    file["metadata"]["projectName"] = Value::Null;
    Ok(file)
}

fn copy(client: &Client, from: &str, to: &str, authorization: &Value) -> Result<Value> {
    let place = format!("{PROJECTS}/{to}/:authorize-copy");
    let permission = client.send("POST", &place, Some(authorization))?.expect(200)?;
    client.succeed("POST", &format!("{PROJECTS}/{from}/:copy"), Some(&permission))
}

#[test]
fn the_copy_exports_what_the_original_exports() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let mut example = Example::claims_desk("Copied", "copied")?;
    example.labels["metadata"]["description"] = json!("the original");
    example.labels["metadata"]["multilingual"] = json!(true);
    example.labels["metadata"]["settings"] = json!({ "confidenceThreshold": 0.25 });
    example.labels["assets"]["documents"][0]["language"] = json!("de");
    example.upload(&server)?;
    example.import(&client)?;
    let original = exported(&client, "Copied")?;
    let authorization = json!({ "projectKind": "CustomEntityRecognition" });
    copy(&client, "Copied", "Copied-new", &authorization)?;
    assert_eq!(exported(&client, "Copied-new")?, original);
    // Over labels that are there: none of them stays.
    let mut other = Example::claims_desk("Copied-over", "copied")?;
    let documents = other.labels["assets"]["documents"].as_array_mut().context("documents")?;
    documents.truncate(3);
    other.import(&client)?;
    assert_ne!(exported(&client, "Copied-over")?, original);
    let authorization = json!({ "projectKind": "CustomEntityRecognition", "allowOverwrite": true });
    copy(&client, "Copied", "Copied-over", &authorization)?;
    assert_eq!(exported(&client, "Copied-over")?, original);
    Ok(())
}
