//! What jobs carry from the use-case that starts them to the worker that runs them.

use language_api::TrainRequest;
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
    pub evaluation_options: language_api::EvaluationOptions,
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

/// Payload of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportPayload {
    /// The model whose training labels are exported; the project's present ones when absent.
    pub model_label: Option<String>,
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
