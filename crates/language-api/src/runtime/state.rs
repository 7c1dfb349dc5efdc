//! State of a prediction job (contract: runtime 3 and 7).

use super::results::TaskResults;
use crate::error::{ApiError, ErrorBody};
use crate::ids::RuntimeJobId;
use crate::jobs::JobStatus;
use crate::timestamps::{SevenDigits, WholeSeconds};
use crate::version::ApiVersion;
use serde::{Deserialize, Serialize};

/// The kind of a task's results, which every client needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskItemKind {
    /// Custom named entity recognition.
    #[default]
    CustomEntityRecognitionLROResults,
}

/// One task that is done, failed or cancelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskItem {
    /// Kind.
    pub kind: TaskItemKind,
    /// As sent; absent when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// When it ended; without a "d" on the wire.
    pub last_update_date_time: SevenDigits,
    /// How it ended.
    pub status: JobStatus,
    /// Present even when cancelled: Python reads it.
    pub results: TaskResults,
}

/// The tasks of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TasksState {
    /// Tasks that ended without failing.
    pub completed: usize,
    /// Tasks that failed.
    pub failed: usize,
    /// Tasks that have not ended.
    pub in_progress: usize,
    /// All tasks.
    pub total: usize,
    /// Those that have ended, in the order of the request.
    pub items: Vec<TaskItem>,
}

impl TasksState {
    /// The counts of a job with `total` tasks of which `items` have ended.
    pub fn new(total: usize, items: Vec<TaskItem>) -> Self {
        let failed = items.iter().filter(|item| item.status == JobStatus::Failed).count();
        Self {
            completed: items.len() - failed,
            failed,
            in_progress: total.saturating_sub(items.len()),
            total,
            items,
        }
    }
}

/// A prediction job as answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeJobState {
    /// Id: a plain GUID.
    pub job_id: RuntimeJobId,
    /// Last change.
    pub last_updated_date_time: WholeSeconds,
    /// The same under the name of old previews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_date_time: Option<WholeSeconds>,
    /// When it was sent.
    pub created_date_time: WholeSeconds,
    /// When its results go.
    pub expiration_date_time: WholeSeconds,
    /// Where it stands. Never [`JobStatus::PartiallyCompleted`] with one task: two clients would poll for ever.
    pub status: JobStatus,
    /// As sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Written even when empty; filled when failed.
    pub errors: Vec<ErrorBody>,
    /// Absolute address of the next documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
    /// The tasks.
    pub tasks: TasksState,
}

impl RuntimeJobState {
    /// Spelled as the caller's version has it.
    #[must_use]
    pub fn for_version(mut self, version: &ApiVersion) -> Self {
        self.last_update_date_time = version.spells_last_update().then_some(self.last_updated_date_time);
        self
    }
}

/// The entry of a job's `errors` for the failed task at `index`; clients find the task by its target.
pub fn task_failed(error: &ApiError, index: usize) -> ErrorBody {
    ErrorBody { target: Some(format!("#/tasks/items/{index}")), ..error.body() }
}
