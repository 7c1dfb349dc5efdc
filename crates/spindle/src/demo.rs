//! `spindle demo`: a project's whole life over the REST API, on a server of its own.

use crate::client::{self, Client, project_path};
use crate::commands::documents::{Folder, Source};
use crate::commands::{extract, upload};
use crate::print::{self, JobProgress, Paint};
use crate::servers::{self, Running};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use language_api::runtime::{RuntimeJobState, TaskParameters};
use language_api::{
    DeploymentName, DeploymentSummary, EvaluationOptions, EvaluationSummary, ModelLabel, ProjectFile,
    ProjectName, PutDeploymentRequest, TrainRequest,
};
use ner::{Dataset, StringIndexType};
use reqwest::Method;
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
    /// Training configuration version: latest, lexical, contextual or tuned
    #[arg(long, default_value = "latest")]
    config: String,
    /// Keep the server running afterwards, until Ctrl+C
    #[arg(long)]
    stay: bool,
    #[command(flatten)]
    server: servers::ServerArguments,
}

/// Runs the walk-through; the server ends with it unless it shall stay.
pub(crate) async fn demo(arguments: DemoArguments) -> Result<()> {
    let temporary = tempfile::Builder::new().prefix("spindle-demo-").tempdir()?;
    let data = arguments.data.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let labels = read_labels(&arguments.examples.join("labels.json"))?;
    let project: ProjectName = labels.metadata.project_name.parse()?;
    let (model, deployment): (ModelLabel, DeploymentName) = (MODEL.parse()?, DEPLOYMENT.parse()?);
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let running = servers::start(&data, listen, None, &arguments.server).await?;
    println!("server       {}", running.access.endpoint);
    println!("data folder  {}", data.display());

    let client = Client::new(&running.access.endpoint, &running.access.key)?;
    upload(&running, &arguments.examples, &labels.metadata.storage_input_container_name).await?;
    create(&client, &project, &labels).await?;
    train(&client, &project, &model, &arguments.config).await?;
    deploy(&client, &project, &model, &deployment).await?;
    extract(&client, &project, &deployment, &arguments.examples).await?;
    how_to_go_on(&running, &project, &data, arguments.stay);
    if arguments.stay {
        servers::until_stopped().await;
    }
    running.stop().await
}

async fn upload(running: &Running, examples: &Path, container: &str) -> Result<()> {
    let folder = Folder::read(&examples.join("documents"))?;
    upload::upload(&running.blobs, container, &folder).await?;
    step(&format!("1  Uploaded {} documents to the bucket {container}", folder.documents.len()));
    Ok(())
}

async fn create(client: &Client, project: &ProjectName, labels: &ProjectFile) -> Result<()> {
    step(&format!("2  Creating project {project} and importing its label file"));
    client.send(Method::PATCH, &project_path(project, ""), client::body(&labels.metadata)?).await?;
    let job = client.start(Method::POST, &project_path(project, "/:import"), client::body(labels)?).await?;
    let (_, view) = client.succeeded(&job, |_| {}).await?;
    println!("  {}", datasets(labels));
    for warning in view.warnings.iter().flatten() {
        println!("  warning: {}", warning.message);
    }
    Ok(())
}

async fn train(client: &Client, project: &ProjectName, model: &ModelLabel, config: &str) -> Result<()> {
    step(&format!("3  Training model {model} (configuration {config})"));
    let request = TrainRequest {
        model_label: model.clone(),
        training_config_version: config.to_owned(),
        evaluation_options: EvaluationOptions::Manual,
    };
    let path = project_path(project, "/:train");
    let job = client.start(Method::POST, &path, client::body(&request)?).await?;
    let mut progress = JobProgress::new("training");
    let ended = client.succeeded(&job, |view| progress.show(view)).await;
    progress.end();
    ended?;
    let place = project_path(project, &format!("/models/{model}/evaluation/summary-result"));
    let summary: EvaluationSummary = client.get(&place).await?.read()?;
    step("4  Evaluation on the Test documents, which share no names or numbers with Train");
    print!("{}", print::scores(&summary, Paint::stdout()));
    Ok(())
}

async fn deploy(
    client: &Client,
    project: &ProjectName,
    model: &ModelLabel,
    deployment: &DeploymentName,
) -> Result<()> {
    step(&format!("5  Deploying it as {deployment}"));
    let path = project_path(project, &format!("/deployments/{deployment}"));
    let request = PutDeploymentRequest { trained_model_label: model.clone() };
    let job = client.start(Method::PUT, &path, client::body(&request)?).await?;
    client.succeeded(&job, |_| {}).await?;
    let made: DeploymentSummary = client.get(&path).await?.read()?;
    println!("  model {}", made.model_id);
    Ok(())
}

async fn extract(
    client: &Client,
    project: &ProjectName,
    deployment: &DeploymentName,
    examples: &Path,
) -> Result<()> {
    step("6  Extracting from documents it has never seen");
    let mut documents = vec![];
    for source in Source::all(&[examples.join("unseen")], &[])? {
        documents.push(source.read(None)?);
    }
    let parameters = TaskParameters {
        project_name: project.clone(),
        deployment_name: deployment.clone(),
        logging_opt_out: true,
        string_index_type: StringIndexType::UnicodeCodePoint,
    };
    let request = extract::job_request(documents.clone(), parameters);
    let job = client.start(Method::POST, extract::JOBS, client::body(&request)?).await?;
    let (answer, _) = client.succeeded(&job, |_| {}).await?;
    let state: RuntimeJobState = answer.read()?;
    for found in state.tasks.items.iter().flat_map(|item| &item.results.documents) {
        let sent = documents.iter().find(|document| document.id == found.id);
        let sent = sent.context("the server answered for a document that was not sent")?;
        println!("\n  ── {}", sent.id);
        print!("{}", print::entities(&sent.text, &found.entities, Paint::stdout()));
    }
    Ok(())
}

/// A heading for the next step.
fn step(text: &str) {
    println!("\n{}", Paint::stdout().bold(text));
}

fn how_to_go_on(running: &Running, project: &ProjectName, data: &Path, stay: bool) {
    step("Go on");
    if !stay {
        println!(
            "  The demo's server ends now. To keep one: spindle demo --stay, or spindle up --data <folder>.\n  While it runs:"
        );
    }
    let endpoint = &running.access.endpoint;
    let key = format!("-H 'Ocp-Apim-Subscription-Key: {}'", running.access.key);
    println!(
        "  spindle extract {project} {DEPLOYMENT} --data {} --text 'Claim by Ana Ruiz under policy PN-4471'",
        data.display()
    );
    println!("  curl {key} '{endpoint}/language/authoring/analyze-text/projects?api-version=2023-04-01'");
    println!("  Studio: {endpoint}/   ·   keys and addresses: {}", data.join("access.json").display());
}

/// How many documents of each dataset a label file holds.
fn datasets(labels: &ProjectFile) -> String {
    let documents = labels.assets.iter().flat_map(|assets| &assets.documents);
    let test = documents.clone().filter(|document| document.dataset == Some(Dataset::Test)).count();
    format!("{} documents for training, {test} for testing", documents.count() - test)
}

fn read_labels(path: &Path) -> Result<ProjectFile> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    ProjectFile::parse(&bytes).map_err(|problems| {
        let list: Vec<String> =
            problems.iter().map(|one| format!("{}: {}", one.pointer, one.message)).collect();
        anyhow!("{} is no label file: {}", path.display(), list.join("; "))
    })
}
