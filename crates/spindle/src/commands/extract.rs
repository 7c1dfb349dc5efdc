//! `spindle extract`: entities of texts, through the call that answers at once or through jobs.

use super::documents::{Batch, Source};
use super::{Common, Session};
use crate::client::{self, ClientError, Refusal};
use crate::print;
use anyhow::{Context, Result};
use clap::Args;
use language_api::query::parse_string_index_type;
use language_api::runtime::{
    AnalysisInput, AnalyzeRequest, AnalyzeResponse, AnalyzeResponseKind, DocumentError, DocumentResult,
    InputDocument, RuntimeJobState, SubmitRequest, Task, TaskKind, TaskParameters, TaskResults,
};
use language_api::{DeploymentName, ErrorBody, ProjectName};
use ner::StringIndexType;
use reqwest::Method;
use std::path::PathBuf;

const ANALYZE: &str = "/language/:analyze-text";
/// Where prediction jobs are sent.
pub(crate) const JOBS: &str = "/language/analyze-text/jobs";

/// Find entities in texts with a deployed model
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle extract ClaimsDesk production letter.txt\n  spindle extract ClaimsDesk production letters/ --ndjson > entities.ndjson\n  pdftotext letter.pdf - | spindle extract ClaimsDesk production\n  spindle extract ClaimsDesk production --text 'Claim by Ana Ruiz' --json\n\nOn a terminal entities are coloured in their text. Folders are searched for .txt files. Texts that can't be worked on are named on standard error; the others go on, and the exit code is 1."
)]
pub(crate) struct ExtractArguments {
    /// Name of the project
    project: ProjectName,
    /// Name of the deployment
    deployment: DeploymentName,
    /// Files and folders; - is standard input, which is read also when nothing is named
    paths: Vec<PathBuf>,
    /// A text given here, any number of times
    #[arg(long = "text", value_name = "TEXT")]
    texts: Vec<String>,
    /// Language of the texts; the project's when absent
    #[arg(long)]
    language: Option<String>,
    /// Send a job and wait for it instead of the call that answers at once
    #[arg(long)]
    job: bool,
    /// Print one JSON object per text and line, as soon as it is there
    #[arg(long, conflicts_with = "json")]
    ndjson: bool,
    /// Unit of offsets in JSON: TextElements_v8, UnicodeCodePoint or Utf16CodeUnit
    #[arg(long, value_name = "UNIT", value_parser = unit, default_value = "UnicodeCodePoint")]
    string_index_type: StringIndexType,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(crate) async fn extract(arguments: ExtractArguments) -> Result<()> {
    let session = arguments.common.open()?;
    let form = match (session.json, arguments.ndjson) {
        (true, _) => Form::Json,
        (_, true) => Form::Lines,
        _ => Form::Painted,
    };
    let sources = Source::all(&arguments.paths, &arguments.texts)?;
    let parameters = TaskParameters {
        project_name: arguments.project,
        deployment_name: arguments.deployment,
        logging_opt_out: true,
        // People see no offsets, and painting needs this unit.
        string_index_type: match form {
            Form::Painted => StringIndexType::UnicodeCodePoint,
            _ => arguments.string_index_type,
        },
    };
    let titled = sources.len() > 1;
    let mut work = Extraction {
        session,
        all: TaskResults::empty(parameters.project_name.clone(), parameters.deployment_name.clone()),
        parameters,
        job: arguments.job,
        form,
        titled,
        failed: 0,
    };
    let mut batch = Batch::new();
    for source in sources {
        match source.read(arguments.language.as_deref()) {
            Ok(document) => {
                if let Some(full) = batch.add(document) {
                    work.send(full).await?;
                }
            }
            Err(error) => work.fail(&format!("{error:#}")),
        }
    }
    work.send(batch.take()).await?;
    work.end()
}

/// A job of one task.
pub(crate) fn job_request(documents: Vec<InputDocument>, parameters: TaskParameters) -> SubmitRequest {
    let kind = TaskKind::CustomEntityRecognition;
    SubmitRequest {
        display_name: None,
        analysis_input: AnalysisInput { documents },
        tasks: vec![Task { kind, task_name: None, parameters }],
        cancel_after_seconds: None,
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Painted,
    Json,
    Lines,
}

struct Extraction {
    session: Session,
    parameters: TaskParameters,
    job: bool,
    form: Form,
    titled: bool,
    /// Everything so far, for [`Form::Json`] alone.
    all: TaskResults,
    failed: usize,
}

impl Extraction {
    async fn send(&mut self, documents: Vec<InputDocument>) -> Result<()> {
        if documents.is_empty() {
            return Ok(());
        }
        let asked = if self.job { self.by_job(&documents).await } else { self.at_once(&documents).await };
        let results = match asked {
            Ok(results) => results,
            Err(error) => self.refused(&documents, error)?,
        };
        self.show(&documents, results)
    }

    async fn at_once(&self, documents: &[InputDocument]) -> Result<TaskResults> {
        let request = AnalyzeRequest {
            kind: TaskKind::CustomEntityRecognition,
            analysis_input: AnalysisInput { documents: documents.to_vec() },
            parameters: self.parameters.clone(),
        };
        let answer = self.session.client.send(Method::POST, ANALYZE, client::body(&request)?).await?;
        Ok(answer.read::<AnalyzeResponse>()?.results)
    }

    async fn by_job(&self, documents: &[InputDocument]) -> Result<TaskResults> {
        let request = job_request(documents.to_vec(), self.parameters.clone());
        let job = self.session.client.start(Method::POST, JOBS, client::body(&request)?).await?;
        let state: RuntimeJobState = self.session.wait(&job, "extraction").await?.read()?;
        let item = state.tasks.items.into_iter().next();
        Ok(item.context("the job has succeeded without a result")?.results)
    }

    /// The results of a request that was refused for its only document; other refusals concern them all.
    fn refused(&self, documents: &[InputDocument], error: anyhow::Error) -> Result<TaskResults> {
        let [document] = documents else { return Err(error) };
        let Some(ClientError::Refused(refusal)) = error.downcast_ref::<ClientError>() else {
            return Err(error);
        };
        if !is_about_the_document(refusal) {
            return Err(error);
        }
        let parameters = self.parameters.clone();
        let mut results = TaskResults::empty(parameters.project_name, parameters.deployment_name);
        results.errors.push(DocumentError { id: document.id.clone(), error: refusal.error.clone() });
        Ok(results)
    }

    fn show(&mut self, documents: &[InputDocument], mut results: TaskResults) -> Result<()> {
        for document in documents {
            if let Some(found) = results.documents.iter().find(|found| found.id == document.id) {
                self.show_document(document, found)?;
            }
            if let Some(wrong) = results.errors.iter().find(|wrong| wrong.id == document.id) {
                if self.form == Form::Lines {
                    print::out(&serde_json::to_string(wrong)?)?;
                }
                self.fail(&format!("{}: {}", wrong.id, sentence(&wrong.error)));
            }
        }
        if self.form == Form::Json {
            self.all.documents.append(&mut results.documents);
            self.all.errors.append(&mut results.errors);
        }
        Ok(())
    }

    fn show_document(&self, document: &InputDocument, found: &DocumentResult) -> Result<()> {
        for warning in &found.warnings {
            print::note(&format!("warning: {}: {} ({})", found.id, warning.message, warning.code));
        }
        match self.form {
            Form::Json => Ok(()),
            Form::Lines => Ok(print::out(&serde_json::to_string(found)?)?),
            Form::Painted => {
                let paint = self.session.paint;
                let title = if self.titled { format!("{}\n", paint.bold(&found.id)) } else { String::new() };
                let text = print::entities(&document.text, &found.entities, paint);
                Ok(print::out(&format!("{title}{text}"))?)
            }
        }
    }

    fn fail(&mut self, message: &str) {
        print::note(&format!("spindle: {message}"));
        self.failed += 1;
    }

    fn end(self) -> Result<()> {
        if self.form == Form::Json {
            let response = AnalyzeResponse {
                kind: AnalyzeResponseKind::CustomEntityRecognitionResults,
                results: self.all,
            };
            print::out(&serde_json::to_string(&response)?)?;
        }
        match self.failed {
            0 => Ok(()),
            1 => Err(ClientError::Failed("one text could not be worked on; see above".to_owned()).into()),
            many => {
                Err(ClientError::Failed(format!("{many} texts could not be worked on; see above")).into())
            }
        }
    }
}

/// Too long, or too large a body: the next document may be better.
fn is_about_the_document(refusal: &Refusal) -> bool {
    let inner = refusal.error.innererror.as_ref().map(|inner| inner.code.as_str());
    refusal.status == 413 || matches!(inner, Some("InvalidDocument" | "InvalidDocumentBatch"))
}

fn sentence(error: &ErrorBody) -> String {
    print::error_lines(error).join("; ").trim().to_owned()
}

fn unit(name: &str) -> Result<StringIndexType, String> {
    parse_string_index_type(name)
        .ok_or_else(|| "a unit is TextElements_v8, UnicodeCodePoint or Utf16CodeUnit".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use language_api::{ApiError, ErrorKind};

    #[test]
    fn only_refusals_of_the_document_let_the_others_go_on() {
        let about = |kind| {
            let error = ApiError::new(kind, "message");
            is_about_the_document(&Refusal {
                status: error.status(),
                error: error.body(),
                retry_after_seconds: None,
            })
        };
        assert!(
            about(ErrorKind::Document) && about(ErrorKind::DocumentBatch) && about(ErrorKind::BodyTooLarge)
        );
        assert!(
            !about(ErrorKind::ProjectNotFound) && !about(ErrorKind::Unauthorized) && !about(ErrorKind::Task)
        );
    }
}
