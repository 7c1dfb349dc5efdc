//! What jobs carry from the use-case that starts them to the worker that runs them.

use language_api::training::EvaluationProgress;
use language_api::{EvaluationOptions, ModelLabel, NameError, TrainRequest};
use serde::{Deserialize, Serialize};

/// Payload of a training: what the caller asked for, with the configuration version resolved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainPayload {
    /// Label of the model.
    pub model_label: String,
    /// Resolved configuration version, never `latest`.
    pub training_config_version: String,
    /// How to divide the documents, as JSON of the wire.
    pub evaluation_options: EvaluationOptions,
}

impl TrainPayload {
    /// From a checked request.
    pub fn new(request: &TrainRequest, training_config_version: &str) -> Self {
        Self {
            model_label: request.model_label.to_string(),
            training_config_version: training_config_version.to_owned(),
            evaluation_options: request.evaluation_options,
        }
    }
}

/// Payload of an evaluation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluatePayload {
    /// How to divide the documents.
    pub evaluation_options: EvaluationOptions,
    /// The version the model was made with.
    pub training_config_version: String,
}

impl EvaluatePayload {
    /// How far the evaluation of the model `label` is.
    ///
    /// # Errors
    /// `label` is no model's label: a defect.
    pub fn progress(&self, label: &str, percent_complete: u8) -> Result<EvaluationProgress, NameError> {
        Ok(EvaluationProgress {
            evaluation_options: self.evaluation_options,
            model_label: ModelLabel::new(label)?,
            training_config_version: self.training_config_version.clone(),
            percent_complete,
        })
    }
}

/// Payload of an import in another tool's format; the contract's own file is a payload as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignPayload {
    /// The contract's label file, as JSON text.
    pub file: String,
    /// Location and text of each document, in the order of the file.
    pub texts: Vec<(String, String)>,
}

/// Payload of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportPayload {
    /// The model whose training labels are exported; the project's present ones when absent.
    pub model_label: Option<String>,
}

/// Payload of a copy; the job's target is the project that is copied.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyPayload {
    /// The container with the copy's documents.
    pub container: String,
}

/// Payload of a model's export.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportModelPayload {
    /// Label of the model whose present state is exported.
    pub model_label: String,
}

/// Payload of a deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployPayload {
    /// Label of the model whose present state is deployed.
    pub model_label: String,
}

/// Payload of a swap.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SwapPayload {
    /// One deployment.
    pub first: String,
    /// The other.
    pub second: String,
}

/// What a delivery to a subscriber carries, from its start to its end: as the job's progress, since a payload is
/// forgotten when a job ends, and an event that could not be delivered is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryProgress {
    /// The event, a CloudEvent.
    pub event: serde_json::Value,
    /// What the last attempt came to, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
