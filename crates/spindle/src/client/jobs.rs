//! Long operations: their state, and waiting for their end.

use super::{Answer, Client, ClientError, JobAddress};
use language_api::ErrorBody;
use language_api::jobs::{JobStatus, JobWarning};
use language_api::training::TrainingResult;
use serde::Deserialize;
use std::time::Duration;

/// First pause between polls of a job; it doubles up to [`POLL_MAX`].
const POLL_MIN: Duration = Duration::from_millis(50);
const POLL_MAX: Duration = Duration::from_millis(1_000);
/// Pause when the server asks for one without saying how long.
const BUSY: Duration = Duration::from_secs(5);

/// What all jobs say of themselves, trainings and predictions included.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobView {
    /// Where it stands.
    pub(crate) status: JobStatus,
    /// Why it failed.
    #[serde(default)]
    pub(crate) errors: Vec<ErrorBody>,
    /// What people should know.
    #[serde(default)]
    pub(crate) warnings: Option<Vec<JobWarning>>,
    /// How far a training or an evaluation is.
    #[serde(default)]
    result: Option<JobResult>,
    /// An import's progress, 0 to 100.
    #[serde(default)]
    percent_complete: Option<u8>,
}

/// The shapes of `result` in the states of jobs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum JobResult {
    /// A training's two phases.
    Training(Box<TrainingResult>),
    /// An evaluation's share.
    #[serde(rename_all = "camelCase")]
    Evaluation { percent_complete: u8 },
}

impl JobView {
    /// The phases of a training.
    pub(crate) fn training(&self) -> Option<&TrainingResult> {
        match &self.result {
            Some(JobResult::Training(training)) => Some(training),
            _ => None,
        }
    }

    /// How far an import or an evaluation is, 0 to 100.
    pub(crate) fn percent(&self) -> Option<u8> {
        match &self.result {
            Some(JobResult::Evaluation { percent_complete }) => Some(*percent_complete),
            _ => self.percent_complete,
        }
    }
}

impl Client {
    /// Polls a job until it ends, however it ends; `watch` sees every state.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn ended(
        &self,
        job: &JobAddress,
        mut watch: impl FnMut(&JobView),
    ) -> Result<(Answer, JobView), ClientError> {
        let mut pause = POLL_MIN;
        loop {
            match self.get(job.path()).await {
                Ok(answer) => {
                    let view: JobView = answer.read()?;
                    watch(&view);
                    if view.status.is_terminal() {
                        return Ok((answer, view));
                    }
                }
                // The job does not suffer from too many questions about it.
                Err(ClientError::Refused(refusal)) if refusal.status == 429 => {
                    let seconds = refusal.retry_after_seconds.map(u64::from);
                    tokio::time::sleep(seconds.map_or(BUSY, Duration::from_secs)).await;
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    /// Polls a job until it has succeeded.
    ///
    /// # Errors
    /// [`ClientError::JobEnded`] when it ended otherwise.
    pub(crate) async fn succeeded(
        &self,
        job: &JobAddress,
        watch: impl FnMut(&JobView),
    ) -> Result<(Answer, JobView), ClientError> {
        let (answer, view) = self.ended(job, watch).await?;
        match view.status {
            JobStatus::Succeeded => Ok((answer, view)),
            status => Err(ClientError::JobEnded { status, errors: view.errors }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_every_kind_of_job_are_read() {
        let read = |text: &str| serde_json::from_str::<JobView>(text).unwrap();
        let import = read(r#"{"jobId":"x","status":"succeeded","warnings":[{"code":"c","message":"m"}]}"#);
        assert_eq!(import.warnings.map(|warnings| warnings.len()), Some(1));
        let prediction =
            read(r#"{"jobId":"x","status":"failed","errors":[{"code":"c","message":"m"}],"tasks":{}}"#);
        assert_eq!((prediction.status, prediction.errors.len()), (JobStatus::Failed, 1));
        let training = read(
            r#"{"status":"running","result":{"modelLabel":"a","trainingConfigVersion":"lexical","trainingStatus":{"percentComplete":42,"status":"running"}}}"#,
        );
        assert_eq!(training.training().map(|result| result.training_status.percent_complete), Some(42));
        let evaluation = read(r#"{"status":"running","result":{"modelLabel":"a","percentComplete":40}}"#);
        assert_eq!((evaluation.percent(), evaluation.training()), (Some(40), None));
        let import = read(r#"{"status":"running","percentComplete":7}"#);
        assert_eq!(import.percent(), Some(7));
    }
}
