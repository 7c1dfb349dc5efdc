//! Training on the wire (contract: authoring 10 and 13.2).

use crate::error::{ApiError, ErrorKind};
use crate::guidance::Guidance;
use crate::ids::ModelLabel;
use crate::jobs::{JobState, JobStatus};
use crate::read::{Node, Object, Problems, TargetStyle, json};
use crate::timestamps::{Day, SevenDigits, WholeSeconds};
use serde::{Deserialize, Serialize};

/// The training configuration version that lets the trainer choose.
pub const CONFIG_LATEST: &str = "latest";

/// How documents are divided into those learned from and those scored on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EvaluationOptions {
    /// At random by share; the two sum to 100.
    Percentage {
        /// Share learned from, 1 to 100.
        training_split_percentage: u32,
        /// Share scored on, 0 to 99.
        testing_split_percentage: u32,
    },
    /// By the dataset every document was put into.
    Manual,
}

const TRAINING_PERCENTAGE_DEFAULT: u32 = 80;
const TESTING_PERCENTAGE_DEFAULT: u32 = 20;

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self::Percentage {
            training_split_percentage: TRAINING_PERCENTAGE_DEFAULT,
            testing_split_percentage: TESTING_PERCENTAGE_DEFAULT,
        }
    }
}

/// The body of `POST /{projectName}/:train`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainRequest {
    /// Label of the model that is made or overwritten.
    pub model_label: ModelLabel,
    /// [`CONFIG_LATEST`] or the name of a version; whether it exists is not checked here.
    pub training_config_version: String,
    /// How to divide the documents.
    pub evaluation_options: EvaluationOptions,
}

impl TrainRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 with every field that is missing, of the wrong type or out of range.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let value = json(body)?;
        let problems = Problems::default();
        let request = Node::root(&value, &problems).object().and_then(|object| Self::read(&object));
        problems.finish(request, ErrorKind::Field, TargetStyle::Dotted)
    }

    pub(crate) fn read(object: &Object<'_>) -> Option<Self> {
        let label = object.required("modelLabel").and_then(|node| node.parsed(ModelLabel::new));
        let version = object.required("trainingConfigVersion").and_then(|node| match node.text()? {
            "" => node.fail("trainingConfigVersion must not be empty; \"latest\" is always possible"),
            version => Some(version.to_owned()),
        });
        let options = match object.optional("evaluationOptions") {
            Some(node) => node.object().and_then(|object| read_options(&object)),
            None => Some(EvaluationOptions::default()),
        };
        let generation = object.optional("dataGenerationSettings");
        refuse_generation(generation.and_then(|node| node.object()));
        Some(Self { model_label: label?, training_config_version: version?, evaluation_options: options? })
    }
}

impl EvaluationOptions {
    /// Reads the body of `POST …/:evaluate`.
    ///
    /// # Errors
    /// 400 with every field that is of the wrong type or out of range.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let value = json(body)?;
        let problems = Problems::default();
        let options = Node::root(&value, &problems).object().and_then(|object| read_options(&object));
        problems.finish(options, ErrorKind::Field, TargetStyle::Dotted)
    }
}

fn read_options(object: &Object<'_>) -> Option<EvaluationOptions> {
    let kind = object.optional("kind");
    let manual = match &kind {
        None => false,
        Some(node) => match node.text()? {
            text if text.eq_ignore_ascii_case("manual") => true,
            text if text.eq_ignore_ascii_case("percentage") => false,
            text => return node.fail(format!("kind is percentage or manual, {text:?} was given")),
        },
    };
    if manual {
        return Some(EvaluationOptions::Manual);
    }
    let share = |key, default| object.optional(key).map_or(Some(default), |node| node.integer(0..=100));
    let training = share("trainingSplitPercentage", TRAINING_PERCENTAGE_DEFAULT)?;
    let testing = share("testingSplitPercentage", TESTING_PERCENTAGE_DEFAULT)?;
    if training + testing != 100 {
        let sum = "trainingSplitPercentage and testingSplitPercentage must sum to 100";
        return object.fail(format!("{sum}; {training} and {testing} were given"));
    }
    if training == 0 {
        return object.fail("trainingSplitPercentage must be at least 1: nothing would be learned from");
    }
    Some(EvaluationOptions::Percentage {
        training_split_percentage: training,
        testing_split_percentage: testing,
    })
}

/// Generated training data needs a connection to another vendor's service, which this server does not make.
fn refuse_generation(settings: Option<Object<'_>>) {
    let enabled = settings.and_then(|settings| settings.optional("enableDataGeneration"));
    if let Some(node) = enabled
        && node.boolean() == Some(true)
    {
        node.fail::<()>("this server does not generate training data; leave it out or set it to false");
    }
}

/// Progress of one phase of a training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseState {
    /// 0 to 100.
    pub percent_complete: u8,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<SevenDigits>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<SevenDigits>,
    /// Where it stands.
    pub status: JobStatus,
}

/// What a training is doing: ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TrainingStage {
    /// Documents and labels are read.
    Reading,
    /// Text becomes words and features.
    Preparing,
    /// The encoder reads all documents.
    Encoding,
    /// The encoder's upper layers are tuned.
    Tuning,
    /// Weights are learned.
    Learning,
    /// Recipes are compared on documents held out.
    Validating,
    /// The model is put together and stored.
    Storing,
    /// The model is scored on the test documents.
    Evaluating,
}

impl TrainingStage {
    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Preparing => "preparing",
            Self::Encoding => "encoding",
            Self::Tuning => "tuning",
            Self::Learning => "learning",
            Self::Validating => "validating",
            Self::Storing => "storing",
            Self::Evaluating => "evaluating",
        }
    }
}

/// What a training job says about its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingResult {
    /// Label of the model.
    pub model_label: ModelLabel,
    /// The resolved version, never `latest`.
    pub training_config_version: String,
    /// Learning.
    pub training_status: PhaseState,
    /// Scoring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_status: Option<PhaseState>,
    /// Guess of the end, while running alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_end_date_time: Option<WholeSeconds>,
    /// What it is doing, while running alone. Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<TrainingStage>,
    /// The best micro F1 so far on training documents held out, 0 to 1. Ours.
    #[serde(default, rename = "validationF1", skip_serializing_if = "Option::is_none")]
    pub validation_f1: Option<f32>,
    /// What in the labels will hurt, from the moment they are read. Ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guidance: Vec<Guidance>,
}

/// State of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingJobState {
    /// The work; required in every state.
    pub result: TrainingResult,
    /// The shared fields.
    #[serde(flatten)]
    pub job: JobState,
}

/// What an evaluation's job says about its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationProgress {
    /// How the documents are divided.
    pub evaluation_options: EvaluationOptions,
    /// Label of the model.
    pub model_label: ModelLabel,
    /// The version the model was made with.
    pub training_config_version: String,
    /// 0 to 100.
    pub percent_complete: u8,
}

/// State of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationJobState {
    /// The work.
    pub result: EvaluationProgress,
    /// The shared fields.
    #[serde(flatten)]
    pub job: JobState,
}

/// One entry of the answer to `GET /global/training-config-versions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingConfigVersion {
    /// Name of the version.
    pub training_config_version: String,
    /// When models made with it stop; far ahead here.
    pub model_expiration_date: Day,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn refused(body: &str) -> ApiError {
        TrainRequest::parse(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn options_have_the_documented_defaults() {
        let body = r#"{"modelLabel":"claims-v1","trainingConfigVersion":"latest"}"#;
        let request = TrainRequest::parse(body.as_bytes()).unwrap();
        expect![[r#"{"modelLabel":"claims-v1","trainingConfigVersion":"latest","evaluationOptions":{"kind":"percentage","trainingSplitPercentage":80,"testingSplitPercentage":20}}"#]]
            .assert_eq(&serde_json::to_string(&request).unwrap());
        let body = r#"{"modelLabel":"a","trainingConfigVersion":"2022-05-01","evaluationOptions":{"kind":"Manual","trainingSplitPercentage":3},
            "dataGenerationSettings":{"enableDataGeneration":false},"unknown":1}"#;
        let options = TrainRequest::parse(body.as_bytes()).unwrap().evaluation_options;
        assert_eq!(serde_json::to_string(&options).unwrap(), r#"{"kind":"manual"}"#);
    }

    #[test]
    fn shares_must_sum_to_100() {
        let error = refused(
            r#"{"modelLabel":"a","trainingConfigVersion":"latest","evaluationOptions":{"trainingSplitPercentage":70,"testingSplitPercentage":20}}"#,
        );
        assert_eq!((error.kind, error.target.as_deref()), (ErrorKind::Field, Some("evaluationOptions")));
        assert!(error.message.contains("70 and 20"), "{}", error.message);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let error = refused(
            r#"{"modelLabel":"a b","evaluationOptions":{"testingSplitPercentage":-1},"dataGenerationSettings":{"enableDataGeneration":true}}"#,
        );
        let targets: Vec<_> = error.details.iter().filter_map(|d| d.target.as_deref()).collect();
        assert_eq!(
            targets,
            [
                "modelLabel",
                "trainingConfigVersion",
                "evaluationOptions.testingSplitPercentage",
                "dataGenerationSettings.enableDataGeneration"
            ]
        );
    }

    #[test]
    fn a_finished_training_answers_as_the_contract_prints() {
        let text = r#"{"result":{"modelLabel":"claims-v1","trainingConfigVersion":"2022-05-01","trainingStatus":{"percentComplete":100,"startDateTime":"2024-05-06T09:27:01.1800311Z","endDateTime":"2024-05-06T09:31:02.7719045Z","status":"succeeded"},"evaluationStatus":{"percentComplete":100,"startDateTime":"2024-05-06T09:31:02.7802210Z","endDateTime":"2024-05-06T09:31:08.0013377Z","status":"succeeded"}},"jobId":"de258fda-6f36-4c37-8273-31560526c9c6_638505504000000000","createdDateTime":"2024-05-06T09:26:44Z","lastUpdatedDateTime":"2024-05-06T09:31:15Z","expirationDateTime":"2024-05-13T09:26:44Z","status":"succeeded","warnings":[]}"#;
        let state: TrainingJobState = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
    }

    #[test]
    fn a_running_training_may_guess_its_end() {
        let text = r#"{"result":{"modelLabel":"claims-v1","trainingConfigVersion":"2022-05-01","trainingStatus":{"percentComplete":42,"startDateTime":"2024-05-06T09:27:01.1800311Z","status":"running"},"evaluationStatus":{"percentComplete":0,"status":"notStarted"},"estimatedEndDateTime":"2024-05-06T09:31:00Z"},"jobId":"de258fda-6f36-4c37-8273-31560526c9c6_638505504000000000","createdDateTime":"2024-05-06T09:26:44Z","lastUpdatedDateTime":"2024-05-06T09:28:30Z","expirationDateTime":"2024-05-13T09:26:44Z","status":"running"}"#;
        let state: TrainingJobState = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
    }

    #[test]
    fn a_running_training_tells_its_stage_score_and_guidance() {
        let text = r#"{"modelLabel":"a","trainingConfigVersion":"lexical","trainingStatus":{"percentComplete":42,"status":"running"},"stage":"validating","validationF1":0.875,"guidance":[{"rule":"notTested","category":"A","message":"m"}]}"#;
        let result: TrainingResult = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&result).unwrap(), text);
        assert_eq!(result.stage.map(TrainingStage::as_str), Some("validating"));
    }

    #[test]
    fn an_evaluation_takes_the_options_alone() {
        let parse = |body: &str| EvaluationOptions::parse(body.as_bytes());
        assert_eq!(parse("{}"), Ok(EvaluationOptions::default()));
        assert_eq!(parse(r#"{"kind":"Manual"}"#), Ok(EvaluationOptions::Manual));
        let refused = parse(r#"{"kind":"percentage","trainingSplitPercentage":"80"}"#).unwrap_err();
        assert_eq!(refused.target.as_deref(), Some("trainingSplitPercentage"));
    }
}
