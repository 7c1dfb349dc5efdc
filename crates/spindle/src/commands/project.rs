//! `spindle project`: from a folder of documents and a label file to a project, and back.

use super::documents::Folder;
use super::label_file::{LabelFile, Metadata};
use super::upload::upload;
use super::{Common, Followed, Session, Waiting, or_empty};
use crate::client::{self, ClientError, project_path};
use crate::print::{self, Align, Paint, Table};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use language_api::{
    AuthoringRoute, ContainerName, ExportJobState, ModelLabel, Page, ProjectKind, ProjectMetadata,
    ProjectName, TrainingJobState,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

/// List, show, create, import, export and delete projects
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle project list\n  spindle project create ClaimsDesk --labels labels.json --documents documents\n  spindle project export ClaimsDesk --output labels.json\n  spindle project delete ClaimsDesk"
)]
pub(crate) struct ProjectArguments {
    #[command(subcommand)]
    command: ProjectCommand,
}

#[derive(Subcommand)]
enum ProjectCommand {
    /// All projects
    #[command(
        after_help = "Examples:\n  spindle project list\n  spindle project list --json | jq -r '.value[].projectName'"
    )]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// One project
    #[command(after_help = "Example:\n  spindle project show ClaimsDesk")]
    Show {
        /// Name of the project
        project: ProjectName,
        #[command(flatten)]
        common: Common,
    },
    /// Create a project; with a label file and a folder of documents in one step
    #[command(
        after_help = "Examples:\n  spindle project create ClaimsDesk --container claims-letters --language en-us\n  spindle project create --labels examples/claims-desk/labels.json --documents examples/claims-desk/documents"
    )]
    Create(CreateArguments),
    /// Delete a project with its labels, models and deployments; the documents stay in their container
    #[command(after_help = "Example:\n  spindle project delete ClaimsDesk --yes")]
    Delete {
        /// Name of the project
        project: ProjectName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        common: Common,
    },
    /// Replace a project's entity types and labels by those of a label file; make the project when there is none
    #[command(
        after_help = "Examples:\n  spindle project import labels.json\n  spindle project import labels.json --project ClaimsDesk2 --documents documents"
    )]
    Import(ImportArguments),
    /// Write a project's label file
    #[command(
        after_help = "Examples:\n  spindle project export ClaimsDesk > labels.json\n  spindle project export ClaimsDesk --model v1 --output labels-of-v1.json"
    )]
    Export {
        /// Name of the project
        project: ProjectName,
        /// Where the file goes; standard output when absent
        #[arg(long, short)]
        output: Option<PathBuf>,
        /// Export the labels this model was trained on instead of the present ones
        #[arg(long)]
        model: Option<ModelLabel>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct CreateArguments {
    /// Name of the project; the label file's when absent
    project: Option<ProjectName>,
    /// Label file to import
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct ImportArguments {
    /// The label file
    labels: PathBuf,
    /// Name of the project; the label file's when absent
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    common: Common,
}

/// What can be said about a project; the label file's own options stand where nothing is said.
#[derive(Args, Default)]
struct Options {
    /// Container (bucket) with the documents
    #[arg(long)]
    container: Option<ContainerName>,
    /// Language of the documents, for example en-us
    #[arg(long)]
    language: Option<String>,
    /// Single documents may have other languages
    #[arg(long)]
    multilingual: bool,
    /// What the project is about
    #[arg(long)]
    description: Option<String>,
    /// Entities below this confidence are dropped at prediction, 0 to 1
    #[arg(long, value_name = "NUMBER")]
    confidence_threshold: Option<f32>,
    /// Folder whose .txt files are uploaded to the container first; needs the server's data folder
    #[arg(long, value_name = "FOLDER")]
    documents: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn project(arguments: ProjectArguments) -> Result<()> {
    match arguments.command {
        ProjectCommand::List { common } => list(&common).await,
        ProjectCommand::Show { project, common } => {
            let session = common.open()?;
            let answer = session.client.get(&project_path(&project, "")).await?;
            let advice = if session.json { String::new() } else { advice(&session, &project).await? };
            session.show(&answer, |found: ProjectMetadata, _| details(&found) + &advice)
        }
        ProjectCommand::Create(arguments) => create(arguments).await,
        ProjectCommand::Delete { project, yes, waiting, common } => {
            confirm(&project, yes)?;
            let session = common.open()?;
            let job = session.client.start(Method::DELETE, &project_path(&project, ""), None).await?;
            match session.follow(&job, &format!("deleting {project}"), &waiting).await? {
                Followed::Started { state } => session.say(&state, &job.to_string()),
                Followed::Succeeded { state } => {
                    session.say(&state, &format!("project {project} is deleted"))
                }
            }
        }
        ProjectCommand::Import(arguments) => import(arguments).await,
        ProjectCommand::Export { project, output, model, common } => {
            export(&common.open()?, &project, output.as_deref(), model.as_ref()).await
        }
    }
}

/// What the last training said about the labels; nothing before the first.
async fn advice(session: &Session, project: &ProjectName) -> Result<String> {
    let jobs: Page<TrainingJobState> =
        session.client.get(&project_path(project, "/train/jobs?maxpagesize=1")).await?.read()?;
    let guidance = jobs.value.into_iter().next().map(|job| job.result.guidance).unwrap_or_default();
    Ok(if guidance.is_empty() { String::new() } else { print::advice(&guidance) })
}

async fn list(common: &Common) -> Result<()> {
    let session = common.open()?;
    let answer = session.client.list(AuthoringRoute::PREFIX).await?;
    session.show(&answer, |projects: Page<ProjectMetadata>, paint| {
        let empty = "no projects; make one with `spindle project create`";
        or_empty(projects.value.len(), table(&projects.value, paint), empty)
    })
}

async fn create(arguments: CreateArguments) -> Result<()> {
    let session = arguments.common.open()?;
    let file = arguments.labels.as_deref().map(LabelFile::read).transpose()?;
    let base = file.as_ref().map(|file| file.metadata.clone()).unwrap_or_default();
    let metadata = arguments.options.over(base, arguments.project.as_ref());
    let project = complete(&metadata)?;
    let path = project_path(&project, "");
    match session.client.get(&path).await {
        Err(error) if error.code() == Some("ProjectNotFound") => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            let message = format!(
                "project {project} exists already; `spindle project import` replaces its labels, `spindle project delete` removes it"
            );
            return Err(ClientError::Failed(message).into());
        }
    }
    send_documents(&session, &arguments.options, &metadata).await?;
    match file {
        Some(file) => {
            let job = start_import(&session, &project, file, &metadata).await?;
            session.wait(&job, "import").await?;
        }
        None => drop(session.client.send(Method::PATCH, &path, client::body(&metadata)?).await?),
    }
    let made = session.client.get(&path).await?;
    session.show(&made, |made: ProjectMetadata, _| details(&made))
}

async fn import(arguments: ImportArguments) -> Result<()> {
    let session = arguments.common.open()?;
    let file = LabelFile::read(&arguments.labels)?;
    let metadata = arguments.options.over(file.metadata.clone(), arguments.project.as_ref());
    let project = complete(&metadata)?;
    send_documents(&session, &arguments.options, &metadata).await?;
    let job = start_import(&session, &project, file, &metadata).await?;
    match session.follow(&job, "import", &arguments.waiting).await? {
        Followed::Started { state } => session.say(&state, &job.to_string()),
        Followed::Succeeded { state } => {
            session.say(&state, &format!("{} is imported into {project}", arguments.labels.display()))
        }
    }
}

async fn start_import(
    session: &Session,
    project: &ProjectName,
    file: LabelFile,
    metadata: &Metadata,
) -> Result<client::JobAddress> {
    let body = file.body(metadata)?;
    Ok(session.client.start(Method::POST, &project_path(project, "/:import"), Some(body)).await?)
}

async fn send_documents(session: &Session, options: &Options, metadata: &Metadata) -> Result<()> {
    let Some(path) = &options.documents else { return Ok(()) };
    let storage = session.storage()?;
    let folder = Folder::read(path)?;
    let container = text(metadata, "storageInputContainerName");
    upload(&storage, container, &folder).await?;
    let count = folder.documents.len();
    print::note(&format!("uploaded {count} documents to the container {container}"));
    Ok(())
}

async fn export(
    session: &Session,
    project: &ProjectName,
    output: Option<&Path>,
    model: Option<&ModelLabel>,
) -> Result<()> {
    let snapshot = model.map(|model| format!("&trainedModelLabel={model}")).unwrap_or_default();
    let path = project_path(project, &format!("/:export?stringIndexType=Utf16CodeUnit{snapshot}"));
    let job = session.client.start(Method::POST, &path, None).await?;
    let answer = session.wait(&job, "export").await?;
    let state: ExportJobState = answer.read()?;
    let url = state.result_url.context("the export has succeeded without naming its result")?;
    let file = session.client.get(&url).await?;
    let Some(output) = output else { return Ok(print::out(file.json())?) };
    fs::write(output, file.json()).with_context(|| format!("cannot write {}", output.display()))?;
    session.say(&answer, &format!("{project} is exported to {}", output.display()))
}

/// Labels are human work, and a project can't be brought back.
fn confirm(project: &ProjectName, yes: bool) -> Result<(), ClientError> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        let message = format!("deleting {project} with its labels can't be undone; add --yes if it is meant");
        return Err(ClientError::Usage(message));
    }
    print::note(&format!(
        "{project} will be deleted with its labels, models and deployments. Type its name to go on:"
    ));
    let mut typed = String::new();
    match io::stdin().lock().read_line(&mut typed) {
        Ok(_) if typed.trim() == project.as_str() => Ok(()),
        _ => Err(ClientError::Failed(format!("{project} is not deleted"))),
    }
}

impl Options {
    /// The options of `base`, with those given here in their place.
    fn over(&self, base: Metadata, project: Option<&ProjectName>) -> Metadata {
        let mut metadata = base;
        // A file that names no kind is for the server to judge; where there is nothing, there is one kind alone.
        if metadata.is_empty() {
            metadata.insert("projectKind".to_owned(), json!(ProjectKind::NAME));
        }
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                metadata.insert(key.to_owned(), value);
            }
        };
        set("projectName", project.map(|name| json!(name)));
        set("storageInputContainerName", self.container.as_ref().map(|name| json!(name)));
        set("language", self.language.as_ref().map(|code| json!(code)));
        set("multilingual", self.multilingual.then(|| json!(true)));
        set("description", self.description.as_ref().map(|text| json!(text)));
        set("settings", self.confidence_threshold.map(|number| json!({ "confidenceThreshold": number })));
        metadata
    }
}

/// The project's name, when nothing a project needs is missing.
fn complete(metadata: &Metadata) -> Result<ProjectName, ClientError> {
    let needed = [
        ("projectName", "its name"),
        ("storageInputContainerName", "--container"),
        ("language", "--language"),
    ];
    let missing: Vec<&str> =
        needed.into_iter().filter(|(key, _)| text(metadata, key).is_empty()).map(|(_, flag)| flag).collect();
    if !missing.is_empty() {
        return Err(ClientError::Usage(format!(
            "a project needs {}; or --labels, a label file that says all of it",
            missing.join(", ")
        )));
    }
    text(metadata, "projectName")
        .parse()
        .map_err(|error: language_api::NameError| ClientError::Usage(error.to_string()))
}

fn text<'a>(metadata: &'a Metadata, key: &str) -> &'a str {
    metadata.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn table(projects: &[ProjectMetadata], paint: Paint) -> String {
    let mut table = Table::new([
        ("project", Align::Left),
        ("container", Align::Left),
        ("language", Align::Left),
        ("changed", Align::Left),
        ("trained", Align::Left),
        ("deployed", Align::Left),
    ]);
    for found in projects {
        table.row([
            found.options.project_name.to_string(),
            found.options.storage_input_container_name.to_string(),
            found.options.language.clone(),
            print::moment(found.last_modified_date_time),
            found.last_trained_date_time.map_or_else(never, print::moment),
            found.last_deployed_date_time.map_or_else(never, print::moment),
        ]);
    }
    table.text(paint, 0)
}

fn never() -> String {
    "never".to_owned()
}

fn details(found: &ProjectMetadata) -> String {
    let options = &found.options;
    let languages = if options.multilingual { " and others" } else { "" };
    let mut text = format!(
        "project      {}\ncontainer    {}\nlanguage     {}{languages}\n",
        options.project_name, options.storage_input_container_name, options.language
    );
    if let Some(description) = &options.description {
        text.push_str(&format!("description  {description}\n"));
    }
    if let Some(threshold) = options.settings.confidence_threshold {
        text.push_str(&format!("threshold    {threshold}\n"));
    }
    let moments = [
        ("created ", Some(found.created_date_time)),
        ("changed ", Some(found.last_modified_date_time)),
        ("trained ", found.last_trained_date_time),
        ("deployed", found.last_deployed_date_time),
    ];
    for (what, moment) in moments {
        text.push_str(&format!("{what}     {}\n", moment.map_or_else(never, print::moment)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn base(text: &str) -> Metadata {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_said_stands_before_the_label_file() {
        let file = base(
            r#"{"projectName":"Desk","storageInputContainerName":"c","language":"en-us","settings":{}}"#,
        );
        assert_eq!(Options::default().over(file.clone(), None), file);
        let given = Options { language: Some("de".to_owned()), ..Options::default() };
        let changed = given.over(file, Some(&ProjectName::new("Other").unwrap()));
        assert_eq!((text(&changed, "projectName"), text(&changed, "language")), ("Other", "de"));
        assert_eq!(complete(&changed).unwrap().as_str(), "Other");
    }

    #[test]
    fn what_is_missing_is_named() {
        let nothing = Options::default().over(Metadata::new(), None);
        assert_eq!(nothing.get("projectKind"), Some(&json!("CustomEntityRecognition")));
        let error = complete(&nothing).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a project needs its name, --container, --language; or --labels, a label file that says all of it"
        );
    }

    #[test]
    fn projects_are_a_table_or_a_page() {
        let found: ProjectMetadata = serde_json::from_str(
            r#"{"createdDateTime":"2024-05-06T08:12:40Z","lastModifiedDateTime":"2024-05-06T09:12:40Z","projectKind":"CustomEntityRecognition","storageInputContainerName":"claims-letters","settings":{"confidenceThreshold":0.5},"projectName":"ClaimsDesk","multilingual":true,"description":"Fields of incoming claim letters","language":"en-us"}"#,
        )
        .unwrap();
        expect![[r#"
            project     container       language  changed               trained  deployed
            ClaimsDesk  claims-letters  en-us     2024-05-06 09:12:40Z  never    never
            project      ClaimsDesk
            container    claims-letters
            language     en-us and others
            description  Fields of incoming claim letters
            threshold    0.5
            created      2024-05-06 08:12:40Z
            changed      2024-05-06 09:12:40Z
            trained      never
            deployed     never
        "#]]
        .assert_eq(&(table(std::slice::from_ref(&found), Paint::PLAIN) + &details(&found)));
    }
}
