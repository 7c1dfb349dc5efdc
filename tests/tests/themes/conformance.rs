//! The server against its own description, which it serves.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::example::documents;
use spindle_tests::{Example, Server, python};
use std::fs;

const PROJECT: &str = "Conformance";
/// The end of the tool's report, which sums it up.
const SUMMARY_LINES: usize = 20;

#[test]
fn every_described_operation_answers_made_up_calls_as_described() -> Result<()> {
    let server = Server::fresh()?;
    let folder = tempfile::tempdir()?;
    let names = folder.path().join("names.json");
    fs::write(&names, lived_in(&server)?.to_string())?;
    let access = server.access_file();
    let report = python::CONFORMANCE.run("conformance.py", &[access.as_os_str(), names.as_os_str()])?;
    let lines: Vec<&str> = report.lines().collect();
    println!("{}", lines[lines.len().saturating_sub(SUMMARY_LINES)..].join("\n"));
    let described = server.client().get("/openapi.json")?.expect(200)?;
    let paths = described["paths"].as_object().context("no paths")?;
    // The tool makes no HEAD calls.
    let methods = paths.values().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    let operations = methods.filter(|method| *method != "head").count();
    let wanted = format!("Selected: {operations}/{operations}");
    assert!(report.contains(&wanted), "not {wanted}:\n{report}");
    Ok(())
}

/// A project with a model, a deployment and ended jobs of every kind; answers with their names.
fn lived_in(server: &Server) -> Result<Value> {
    let client = server.client();
    let example = Example::claims_desk(PROJECT, "conformance")?;
    example.upload(server)?;
    let mut jobs = serde_json::Map::new();
    let mut run = |route: &str, method: &str, path: &str, body: Option<&Value>| -> Result<String> {
        let job = client.start(method, &example.path(path), body)?;
        client.wait(&job)?;
        let id = id(&job)?;
        jobs.insert(route.to_owned(), json!(id));
        Ok(id)
    };
    run("import/jobs", "POST", "/:import", Some(&example.labels))?;
    let train = json!({ "modelLabel": "m", "trainingConfigVersion": "lexical", "evaluationOptions": { "kind": "manual" } });
    run("train/jobs", "POST", "/:train", Some(&train))?;
    run("export/jobs", "POST", "/:export?stringIndexType=Utf16CodeUnit", None)?;
    let manual = json!({ "kind": "manual" });
    run("models/{modelLabel}/evaluate/jobs", "POST", "/models/m/:evaluate", Some(&manual))?;
    run("models/{modelLabel}/load-snapshot/jobs", "POST", "/models/m/:load-snapshot", None)?;
    let model = json!({ "trainedModelLabel": "m" });
    run("deployments/{deploymentName}/jobs", "PUT", "/deployments/other", Some(&model))?;
    run("deployments/{deploymentName}/jobs", "PUT", "/deployments/d", Some(&model))?;
    let swap = json!({ "firstDeploymentName": "d", "secondDeploymentName": "other" });
    run("deployments/swap/jobs", "POST", "/deployments/:swap", Some(&swap))?;
    let texts = documents(&example.unseen()?[..2]);
    let job = client.start(
        "POST",
        "/language/analyze-text/jobs",
        Some(&example.job("d", "TextElements_v8", &texts)),
    )?;
    client.wait(&job)?;
    let secrets: Value = serde_json::from_slice(&fs::read(server.data().join("secrets.json"))?)?;
    Ok(json!({
        "projectName": PROJECT,
        "storageInputContainerName": example.container(),
        "modelLabel": "m",
        "trainedModelLabel": "m",
        "trainingConfigVersion": "lexical",
        "eventsSecret": secrets["eventsSecret"],
        "deploymentName": "d",
        "extractionJobId": id(&job)?,
        "jobs": jobs,
    }))
}

/// The last word of a job's address.
fn id(job: &str) -> Result<String> {
    let path = job.split('?').next().unwrap_or_default();
    Ok(path.rsplit('/').next().context("an empty address")?.to_owned())
}
