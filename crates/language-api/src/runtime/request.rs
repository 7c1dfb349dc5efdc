//! What callers send (contract: runtime 2 and 6).

use crate::error::{ApiError, ErrorKind};
use crate::ids::{DeploymentName, ProjectName};
use crate::limits::Limits;
use crate::projects::ProjectKind;
use crate::query::{parse_string_index_type, string_index_type_name};
use crate::read::{Node, Object, Problems, TargetStyle, json};
use ner::{OffsetTable, StringIndexType};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::HashSet;

/// One document of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDocument {
    /// Unique in the request, not empty.
    pub id: String,
    /// BCP-47; absent means the project's language. Whether it is supported is judged document by document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The text, perhaps empty, which is then an error of this document alone.
    pub text: String,
}

/// The documents of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisInput {
    /// In the caller's order.
    pub documents: Vec<InputDocument>,
}

/// The kind of a task; the only one of this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskKind {
    /// Custom named entity recognition.
    #[default]
    CustomEntityRecognition,
}

/// Which deployment does the work, and how the answer counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskParameters {
    /// The project.
    pub project_name: ProjectName,
    /// Its deployment.
    pub deployment_name: DeploymentName,
    /// Whether the text must not be kept for troubleshooting; it is never kept longer than the job.
    #[serde(default)]
    pub logging_opt_out: bool,
    /// Unit of offsets and lengths in the answer.
    #[serde(default, serialize_with = "unit_name", deserialize_with = "unit")]
    pub string_index_type: StringIndexType,
}

fn unit_name<S: Serializer>(unit: &StringIndexType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(string_index_type_name(*unit))
}

fn unit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StringIndexType, D::Error> {
    let name = String::deserialize(deserializer)?;
    parse_string_index_type(&name).ok_or_else(|| de::Error::custom("unknown stringIndexType"))
}

/// One task over all documents of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Kind.
    pub kind: TaskKind,
    /// Repeated in the result when sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// What to do.
    pub parameters: TaskParameters,
}

/// The body of `POST /analyze-text/jobs`. Serializes to the contract's form, which reads back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmitRequest {
    /// Repeated in the job's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The documents.
    pub analysis_input: AnalysisInput,
    /// At least one.
    pub tasks: Vec<Task>,
    /// The job ends itself when it is not done after this time.
    #[serde(rename = "cancelAfter", default, skip_serializing_if = "Option::is_none")]
    pub cancel_after_seconds: Option<u32>,
}

/// The body of `POST /:analyze-text`, our synchronous extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalyzeRequest {
    /// Kind.
    pub kind: TaskKind,
    /// The documents.
    pub analysis_input: AnalysisInput,
    /// What to do.
    pub parameters: TaskParameters,
}

impl SubmitRequest {
    /// Reads the body and holds it against the limits.
    ///
    /// # Errors
    /// The row of contract runtime 6 that fits; 404 for names under which nothing can exist.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, ApiError> {
        check_size(body, limits)?;
        let value = json(body)?;
        let problems = Problems::default();
        let root = Node::root(&value, &problems).object();
        let root = problems_or(root, &problems, ErrorKind::Task)?;
        let analysis_input = read_documents(&root, limits)?;
        let tasks = read_tasks(&root, &problems)?;
        let display_name = root.optional("displayName").and_then(|node| node.text()).map(str::to_owned);
        let cancel_after_seconds = root.optional("cancelAfter").and_then(|node| node.seconds());
        let request = Self { display_name, analysis_input, tasks, cancel_after_seconds };
        problems.finish(Some(request), ErrorKind::Task, TargetStyle::Pointer)
    }
}

impl AnalyzeRequest {
    /// Reads the body and holds it against the limits.
    ///
    /// # Errors
    /// As for [`SubmitRequest::parse`].
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, ApiError> {
        check_size(body, limits)?;
        let value = json(body)?;
        let problems = Problems::default();
        let root = Node::root(&value, &problems).object();
        let root = problems_or(root, &problems, ErrorKind::Task)?;
        let analysis_input = read_documents(&root, limits)?;
        let named = read_task(&root);
        let named = problems_or(named, &problems, ErrorKind::Task)?;
        let parameters = named.resolve("#")?.parameters;
        Ok(Self { kind: TaskKind::CustomEntityRecognition, analysis_input, parameters })
    }
}

fn check_size(body: &[u8], limits: &Limits) -> Result<(), ApiError> {
    let (bytes, max) = (body.len() as u64, limits.request_body_bytes_max);
    if bytes <= max {
        return Ok(());
    }
    let message = format!("the body has {bytes} bytes, at most {max} are allowed");
    Err(ApiError::new(ErrorKind::BodyTooLarge, message))
}

/// The value, or everything that is wrong so far.
fn problems_or<T>(value: Option<T>, problems: &Problems, kind: ErrorKind) -> Result<T, ApiError> {
    problems.take().finish(value, kind, TargetStyle::Pointer)
}

fn read_documents(root: &Object<'_>, limits: &Limits) -> Result<AnalysisInput, ApiError> {
    const TARGET: &str = "#/analysisInput/documents";
    let missing = |message: &str| ApiError::new(ErrorKind::DocumentsMissing, message).at(TARGET);
    let problems = Problems::default();
    let input = root.given("analysisInput").map(|node| Node { problems: &problems, ..node });
    let list = input.and_then(|node| node.object()).and_then(|object| object.optional("documents"));
    let list = list.ok_or_else(|| missing("analysisInput.documents is missing"))?;
    let nodes: Vec<_> = list.list().ok_or_else(|| missing("analysisInput.documents is no list"))?.collect();
    if nodes.is_empty() {
        return Err(missing("analysisInput.documents is empty"));
    }
    let max = limits.request_documents_max as usize;
    if nodes.len() > max {
        let message = format!("the request has {} documents, at most {max} are allowed", nodes.len());
        return Err(ApiError::new(ErrorKind::DocumentBatch, message).at(TARGET));
    }
    let documents: Vec<_> = nodes.iter().map_while(read_document).collect();
    let documents = problems.finish(Some(documents), ErrorKind::Document, TargetStyle::Pointer)?;
    check_documents(&documents, limits)?;
    Ok(AnalysisInput { documents })
}

pub(super) fn read_document(node: &Node<'_>) -> Option<InputDocument> {
    let object = node.object()?;
    let id = object.optional("id").map(|node| node.text());
    let id = match id {
        Some(Some(id)) if !id.is_empty() => id,
        Some(None) => return None,
        _ => return node.fail("At least one input is missing an Id attribute."),
    };
    let text = object.required("text")?.text()?;
    let language = match object.optional("language") {
        Some(node) => {
            Some(node.text()?).filter(|code| !code.is_empty() && !code.eq_ignore_ascii_case("auto"))
        }
        None => None,
    };
    Some(InputDocument { id: id.to_owned(), language: language.map(str::to_owned), text: text.to_owned() })
}

fn check_documents(documents: &[InputDocument], limits: &Limits) -> Result<(), ApiError> {
    let max = limits.request_characters_max as usize;
    let (mut ids, mut total) = (HashSet::new(), 0);
    for (index, document) in documents.iter().enumerate() {
        let refuse = |kind, message| {
            Err(ApiError::new(kind, message).at(format!("#/analysisInput/documents/{index}")))
        };
        if !ids.insert(&document.id) {
            let message = format!("the id {:?} names more than one document", document.id);
            return refuse(ErrorKind::Document, message);
        }
        let characters = text_elements(&document.text);
        total += characters;
        if characters > max {
            let message = format!("the document has {characters} text elements, at most {max} are allowed");
            return refuse(ErrorKind::Document, message);
        }
    }
    if total > max {
        let message = format!("the documents have {total} text elements together, at most {max} are allowed");
        return Err(ApiError::new(ErrorKind::DocumentBatch, message).at("#/analysisInput/documents"));
    }
    Ok(())
}

/// Length of a text in text elements, the unit of limits and of `charactersCount`.
pub fn text_elements(text: &str) -> usize {
    OffsetTable::new(text, StringIndexType::TextElements).units()
}

/// A task whose names are not yet known to be possible.
struct NamedTask<'a> {
    task_name: Option<&'a str>,
    project: &'a str,
    deployment: &'a str,
    logging_opt_out: bool,
    string_index_type: StringIndexType,
}

impl NamedTask<'_> {
    /// Names that break the rules belong to nothing, so they are answered like any unknown name.
    fn resolve(self, pointer: &str) -> Result<Task, ApiError> {
        let project_name = ProjectName::new(self.project)
            .map_err(|_| ApiError::project_not_found(self.project).at(pointer))?;
        let unknown = format!("there is no deployment {:?}", self.deployment);
        let deployment_name = DeploymentName::new(self.deployment)
            .map_err(|_| ApiError::new(ErrorKind::NotFound, unknown).at(pointer))?;
        let parameters = TaskParameters {
            project_name,
            deployment_name,
            logging_opt_out: self.logging_opt_out,
            string_index_type: self.string_index_type,
        };
        let task_name = self.task_name.map(str::to_owned);
        Ok(Task { kind: TaskKind::CustomEntityRecognition, task_name, parameters })
    }
}

fn read_tasks(root: &Object<'_>, problems: &Problems) -> Result<Vec<Task>, ApiError> {
    let list = root.required("tasks").and_then(|node| {
        let nodes: Vec<_> = node.list()?.collect();
        if nodes.is_empty() { node.fail("tasks is empty; at least one task is needed") } else { Some(nodes) }
    });
    let nodes = problems_or(list, problems, ErrorKind::Task)?;
    let named: Vec<_> = nodes.iter().map(|node| read_task(&node.object()?)).collect();
    let named = problems_or(named.into_iter().collect::<Option<Vec<_>>>(), problems, ErrorKind::Task)?;
    named.into_iter().zip(&nodes).map(|(task, node)| task.resolve(&node.pointer)).collect()
}

fn read_task<'a>(object: &Object<'a>) -> Option<NamedTask<'a>> {
    let kind = object.required("kind").and_then(|node| match node.text()? {
        kind if kind.eq_ignore_ascii_case(ProjectKind::NAME) => Some(()),
        kind => node
            .fail(format!("this server has the task kind {} alone, {kind:?} was given", ProjectKind::NAME)),
    });
    // Another kind has other parameters; asking for ours would only confuse.
    kind?;
    let parameters = object.required("parameters")?.object()?;
    let name = |key| {
        parameters.required(key).and_then(|node| match node.text()? {
            "" => node.fail(format!("{key} must not be empty")),
            name => Some(name),
        })
    };
    let (project, deployment) = (name("projectName"), name("deploymentName"));
    let unit = match parameters.optional("stringIndexType") {
        Some(node) => parse_string_index_type(node.text()?)
            .or_else(|| node.fail("stringIndexType is TextElements_v8, UnicodeCodePoint or Utf16CodeUnit")),
        None => Some(StringIndexType::default()),
    };
    let task_name = match object.optional("taskName") {
        Some(node) => Some(node.text()?),
        None => None,
    };
    let logging_opt_out = parameters.optional("loggingOptOut").map_or(Some(false), |node| node.boolean());
    Some(NamedTask {
        task_name,
        project: project?,
        deployment: deployment?,
        logging_opt_out: logging_opt_out?,
        string_index_type: unit?,
    })
}
