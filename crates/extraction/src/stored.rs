//! What jobs leave in the catalog between submission, run and answer.

use language_api::runtime::{SubmitRequest, Task, TaskResults};
use language_api::{ApiError, DeploymentName, ErrorKind, ProjectName};
use serde::{Deserialize, Serialize};

/// What a task's answer repeats whatever happens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskHeader {
    /// As sent.
    pub(crate) task_name: Option<String>,
    /// The project asked.
    pub(crate) project_name: ProjectName,
    /// The deployment asked.
    pub(crate) deployment_name: DeploymentName,
    /// The job ends itself when it is not done after this time; repeated here since the request may be gone.
    pub(crate) cancel_after_seconds: Option<u32>,
}

/// A task's results with what paging needs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredResults {
    /// Ids of all documents, erroneous ones included, in the caller's order.
    pub(crate) document_ids: Vec<String>,
    /// All results with all statistics.
    pub(crate) results: TaskResults,
}

impl TaskHeader {
    pub(crate) fn new(request: &SubmitRequest, task: &Task) -> Self {
        Self {
            task_name: task.task_name.clone(),
            project_name: task.parameters.project_name.clone(),
            deployment_name: task.parameters.deployment_name.clone(),
            cancel_after_seconds: request.cancel_after_seconds,
        }
    }
}

/// `value` as the catalog keeps it.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))
}

/// A stored text that must be readable, since this program wrote it.
pub(crate) fn from_json<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(json).map_err(|error| {
        let message = format!("the catalog holds an unreadable value: {error}");
        ApiError::new(ErrorKind::Internal, message)
    })
}
