//! State of a long operation of authoring (contract: authoring 4).

use crate::error::ErrorBody;
use crate::ids::JobId;
use crate::timestamps::WholeSeconds;
use serde::{Deserialize, Serialize};

/// Where a job stands; the same words in authoring and prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobStatus {
    /// Waiting.
    NotStarted,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Ended with errors.
    Failed,
    /// Ended on request.
    Cancelled,
    /// About to end on request.
    Cancelling,
    /// Prediction jobs of several tasks alone: some tasks failed.
    PartiallyCompleted,
}

impl JobStatus {
    /// Whether nothing will change any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::PartiallyCompleted)
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "notStarted",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Cancelling => "cancelling",
            Self::PartiallyCompleted => "partiallyCompleted",
        }
    }
}

/// Something a finished job wants people to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobWarning {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// The fields all authoring jobs share. Import, deployment, swap, deletion and load-snapshot have no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobState {
    /// Id.
    pub job_id: JobId,
    /// When it was asked for.
    pub created_date_time: WholeSeconds,
    /// Last change of this state.
    pub last_updated_date_time: WholeSeconds,
    /// When its details go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_date_time: Option<WholeSeconds>,
    /// Where it stands.
    pub status: JobStatus,
    /// Present, perhaps empty, on a finished training; on others when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<JobWarning>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorBody>,
}

/// State of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportJobState {
    /// Absolute address of the project file, when succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_url: Option<String>,
    /// The shared fields.
    #[serde(flatten)]
    pub job: JobState,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use expect_test::expect;

    pub(crate) fn state(status: JobStatus) -> JobState {
        let moment = |text: &str| WholeSeconds(text.parse().unwrap());
        JobState {
            job_id: "a27c3e61-0752-463f-a2c6-1f206cfce8a6_638505504000000000".parse().unwrap(),
            created_date_time: moment("2024-05-06T08:20:00Z"),
            last_updated_date_time: moment("2024-05-06T08:20:03Z"),
            expiration_date_time: Some(moment("2024-05-13T08:20:00Z")),
            status,
            warnings: None,
            errors: Vec::new(),
        }
    }

    #[test]
    fn an_import_answers_as_the_contract_prints() {
        expect![[r#"{"jobId":"a27c3e61-0752-463f-a2c6-1f206cfce8a6_638505504000000000","createdDateTime":"2024-05-06T08:20:00Z","lastUpdatedDateTime":"2024-05-06T08:20:03Z","expirationDateTime":"2024-05-13T08:20:00Z","status":"succeeded"}"#]]
            .assert_eq(&serde_json::to_string(&state(JobStatus::Succeeded)).unwrap());
    }

    #[test]
    fn an_export_adds_its_result() {
        let export =
            ExportJobState { result_url: Some("https://h/r".to_owned()), job: state(JobStatus::Succeeded) };
        let text = serde_json::to_string(&export).unwrap();
        assert!(text.starts_with(r#"{"resultUrl":"https://h/r","jobId":"#), "{text}");
        assert_eq!(serde_json::from_str::<ExportJobState>(&text).unwrap(), export);
    }

    #[test]
    fn the_words_are_those_of_the_wire() {
        for status in [
            JobStatus::NotStarted,
            JobStatus::Running,
            JobStatus::Succeeded,
            JobStatus::Failed,
            JobStatus::Cancelled,
            JobStatus::Cancelling,
            JobStatus::PartiallyCompleted,
        ] {
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("{:?}", status.as_str()));
        }
        assert!(JobStatus::Cancelled.is_terminal() && !JobStatus::Cancelling.is_terminal());
    }
}
