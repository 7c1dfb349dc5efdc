//! `spindle demo`: a project's whole life over the REST API, on a server of its own.

mod client;
mod show;

use crate::up::{self, Running};
use anyhow::{Context, Result};
use clap::Args;
use client::Client;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const DEPLOYMENT: &str = "production";
const MODEL: &str = "demo";

/// Start a server with a fresh data folder and walk through a project's life
#[derive(Args)]
#[command(after_help = "Examples:\n  spindle demo\n  spindle demo --examples examples/claims-desk --stay")]
pub(crate) struct DemoArguments {
    /// A folder with labels.json, documents/ and unseen/
    #[arg(long, default_value = "examples/claims-desk")]
    examples: PathBuf,
    /// Where the server's data goes; a temporary folder when absent
    #[arg(long)]
    data: Option<PathBuf>,
    /// Training configuration version: latest, lexical or contextual
    #[arg(long, default_value = "latest")]
    config: String,
    /// Keep the server running afterwards, until Ctrl+C
    #[arg(long)]
    stay: bool,
    #[command(flatten)]
    server: up::ServerArguments,
}

/// Runs the walk-through; the server ends with it unless it shall stay.
pub(crate) async fn demo(arguments: DemoArguments) -> Result<()> {
    let temporary = tempfile::Builder::new().prefix("spindle-demo-").tempdir()?;
    let data = arguments.data.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let labels: Value = read_json(&arguments.examples.join("labels.json"))?;
    let running = up::start(&data, SocketAddr::from(([127, 0, 0, 1], 0)), &arguments.server).await?;
    println!("server       {}", running.access.endpoint);
    println!("data folder  {}", data.display());

    let client = Client::new(&running.access.endpoint, &running.access.key);
    let metadata = &labels["metadata"];
    let project = metadata["projectName"].as_str().context("labels.json names no project")?;
    upload(&running, &arguments.examples, &labels).await?;
    create(&client, project, &labels).await?;
    train(&client, project, &arguments.config).await?;
    deploy(&client, project).await?;
    extract(&client, project, metadata, &arguments.examples).await?;
    how_to_go_on(&running, project, &data, arguments.stay);
    if arguments.stay {
        up::until_stopped().await;
    }
    running.stop().await
}

async fn upload(running: &Running, examples: &Path, labels: &Value) -> Result<()> {
    let container =
        labels["metadata"]["storageInputContainerName"].as_str().context("labels.json names no container")?;
    running.blobs.create_container_if_absent(container).await?;
    let mut count = 0;
    for document in labels["assets"]["documents"].as_array().into_iter().flatten() {
        let location = document["location"].as_str().context("a document without location")?;
        let path = examples.join("documents").join(location);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        running.blobs.put(container, location, bytes).await?;
        count += 1;
    }
    show::step(&format!("1  Uploaded {count} documents to the bucket {container}"));
    Ok(())
}

async fn create(client: &Client, project: &str, labels: &Value) -> Result<()> {
    show::step(&format!("2  Creating project {project} and importing its label file"));
    let path = format!("/authoring/analyze-text/projects/{project}");
    client.send(Method::PATCH, &path, Some(&labels["metadata"])).await?;
    let job = client.start(Method::POST, &format!("{path}/:import"), labels).await?;
    let state = client.wait(&job, |_| {}).await?;
    println!(
        "  {} documents ({})",
        labels["assets"]["documents"].as_array().map_or(0, Vec::len),
        show::datasets(labels)
    );
    for warning in state["warnings"].as_array().into_iter().flatten() {
        println!("  warning: {}", warning["message"].as_str().unwrap_or_default());
    }
    Ok(())
}

async fn train(client: &Client, project: &str, config: &str) -> Result<()> {
    show::step(&format!("3  Training model {MODEL} (configuration {config})"));
    let path = format!("/authoring/analyze-text/projects/{project}");
    let body = json!({
        "modelLabel": MODEL, "trainingConfigVersion": config, "evaluationOptions": { "kind": "manual" }
    });
    let job = client.start(Method::POST, &format!("{path}/:train"), &body).await?;
    let bar = ProgressBar::new(200);
    bar.set_style(ProgressStyle::with_template("  {bar:40} {msg} {elapsed}")?);
    let watch = |state: &Value| {
        let percent = |part: &str| state["result"][part]["percentComplete"].as_u64().unwrap_or(0);
        let (training, evaluation) = (percent("trainingStatus"), percent("evaluationStatus"));
        bar.set_position(training + evaluation);
        bar.set_message(format!("training {training} %, evaluation {evaluation} %"));
    };
    let state = client.wait(&job, watch).await;
    bar.finish();
    state?;
    let summary =
        client.send(Method::GET, &format!("{path}/models/{MODEL}/evaluation/summary-result"), None).await?;
    show::step("4  Evaluation on the Test documents, which share no names or numbers with Train");
    show::evaluation(&summary);
    Ok(())
}

async fn deploy(client: &Client, project: &str) -> Result<()> {
    show::step(&format!("5  Deploying it as {DEPLOYMENT}"));
    let path = format!("/authoring/analyze-text/projects/{project}/deployments/{DEPLOYMENT}");
    let job = client.start(Method::PUT, &path, &json!({ "trainedModelLabel": MODEL })).await?;
    client.wait(&job, |_| {}).await?;
    let deployment = client.send(Method::GET, &path, None).await?;
    println!("  model {}", deployment["modelId"].as_str().unwrap_or_default());
    Ok(())
}

async fn extract(client: &Client, project: &str, metadata: &Value, examples: &Path) -> Result<()> {
    show::step("6  Extracting from documents it has never seen");
    let texts = unseen(&examples.join("unseen"))?;
    let documents: Vec<Value> = texts
        .iter()
        .map(|(name, text)| json!({ "id": name, "language": metadata["language"], "text": text }))
        .collect();
    let body = json!({
        "analysisInput": { "documents": documents },
        "tasks": [{ "kind": "CustomEntityRecognition", "parameters": {
            "projectName": project, "deploymentName": DEPLOYMENT, "stringIndexType": "UnicodeCodePoint"
        }}]
    });
    let job = client.start(Method::POST, "/analyze-text/jobs", &body).await?;
    let state = client.wait(&job, |_| {}).await?;
    let results = &state["tasks"]["items"][0]["results"];
    for document in results["documents"].as_array().into_iter().flatten() {
        let found = texts.iter().find(|(name, _)| document["id"] == name.as_str());
        let (name, text) = found.context("the server answered for a document that was not sent")?;
        println!("\n  ── {name}");
        show::entities(text, &document["entities"]);
    }
    Ok(())
}

fn how_to_go_on(running: &Running, project: &str, data: &Path, stay: bool) {
    show::step("Go on");
    if !stay {
        println!(
            "  The demo's server ends now. To keep one: spindle demo --stay, or spindle up --data <folder>.\n  While it runs:"
        );
    }
    let endpoint = &running.access.endpoint;
    let key = format!("-H 'Ocp-Apim-Subscription-Key: {}'", running.access.key);
    println!("  curl {key} '{endpoint}/language/authoring/analyze-text/projects?api-version=2023-04-01'");
    println!(
        "  curl {key} -H 'Content-Type: application/json' '{endpoint}/language/:analyze-text?api-version=2023-04-01' -d '{{\"kind\":\"CustomEntityRecognition\",\"parameters\":{{\"projectName\":\"{project}\",\"deploymentName\":\"{DEPLOYMENT}\"}},\"analysisInput\":{{\"documents\":[{{\"id\":\"1\",\"text\":\"Claim by Ana Ruiz under policy PN-4471: hail damage on 3 May 2024, EUR 1,250.\"}}]}}}}'"
    );
    println!("  Studio: {endpoint}/   ·   keys and addresses: {}", data.join("access.json").display());
}

/// The `.txt` files of a folder by name, in order.
fn unseen(folder: &Path) -> Result<Vec<(String, String)>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut texts = vec![];
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            texts.push((name, fs::read_to_string(&path)?));
        }
    }
    texts.sort();
    Ok(texts)
}

fn read_json(path: &Path) -> Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", path.display()))
}
