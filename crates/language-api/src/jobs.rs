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

/// One job in the list of all of a project's jobs. Ours, the contract lists trainings alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectJob {
    /// Id.
    pub job_id: String,
    /// What it does: `import`, `train`, `deploy`, `automate`, `extractDocument` and so on.
    pub kind: String,
    /// The model, deployment or document it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When it was asked for.
    pub created_date_time: WholeSeconds,
    /// Last change of this state.
    pub last_updated_date_time: WholeSeconds,
    /// When its details go.
    pub expiration_date_time: WholeSeconds,
    /// Where it stands.
    pub status: JobStatus,
    /// What came of it, for people, where its kind says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What people should know.
    pub warnings: Vec<JobWarning>,
    /// Why it failed.
    pub errors: Vec<ErrorBody>,
}

/// The fields all authoring jobs share. Deployment, swap, deletion and load-snapshot have no others.
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

/// What an import says about its work: our extension of the contract's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportProgress {
    /// Share of the documents that were read and proved, 0 to 100.
    pub percent_complete: u8,
    /// Of imports in another tool's format: what became of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
}

/// What a file in another tool's format became on its way into a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// Name of the format.
    pub format: String,
    /// Documents that were read.
    pub documents: u64,
    /// Labels that came along.
    pub labels: u64,
    /// What is otherwise than in the file, by kind; empty when everything came along unchanged.
    pub changes: Vec<ConversionChange>,
}

/// All differences of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionChange {
    /// The kind, a word for programs: `overlappingLabel`.
    pub change: String,
    /// What became of them: `dropped`, `merged`, `shifted`, `renamed` or `noted`.
    pub effect: String,
    /// The kind in words.
    pub message: String,
    /// How many.
    pub count: u64,
    /// The first of them.
    pub cases: Vec<ConversionCase>,
}

/// One difference; never holds document text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionCase {
    /// The document, or the file where it has no name yet.
    pub document: String,
    /// Line, pointer or offset.
    pub place: String,
    /// Category, key or reason.
    pub detail: String,
}

/// State of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportJobState {
    /// The work.
    #[serde(flatten)]
    pub progress: ImportProgress,
    /// The shared fields.
    #[serde(flatten)]
    pub job: JobState,
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
    fn an_import_adds_how_far_it_is() {
        let progress = ImportProgress { percent_complete: 42, conversion: None };
        let import = ImportJobState { progress, job: state(JobStatus::Running) };
        let text = serde_json::to_string(&import).unwrap();
        assert!(text.starts_with(r#"{"percentComplete":42,"jobId":"#), "{text}");
        assert_eq!(serde_json::from_str::<ImportJobState>(&text).unwrap(), import);
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
