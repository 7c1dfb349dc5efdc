//! Exported models on the wire (contract: authoring 14).

use crate::error::{ApiError, ErrorKind};
use crate::ids::{ExportedModelName, ModelLabel};
use crate::read::object_of;
use crate::timestamps::{Day, WholeSeconds};
use serde::{Deserialize, Serialize};

/// The body of `PUT /{projectName}/exported-models/{exportedModelName}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportModelRequest {
    /// Label of the model to export.
    pub trained_model_label: ModelLabel,
}

/// An exported model as answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedModelSummary {
    /// Name.
    pub exported_model_name: ExportedModelName,
    /// Id of the model that it is a copy of, which a later training under the same label does not change.
    pub model_id: String,
    /// When the model's training ended.
    pub last_trained_date_time: WholeSeconds,
    /// When it was exported.
    pub last_exported_model_date_time: WholeSeconds,
    /// When it stops working; far ahead here.
    pub model_expiration_date: Day,
    /// The resolved version the model was made with.
    pub model_training_config_version: String,
}

/// The answer to `GET /{projectName}/exported-models/{exportedModelName}/manifest`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedModelManifest {
    /// Everything the model is made of.
    pub model_files: Vec<ModelFile>,
}

/// One file of an exported model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFile {
    /// Its name inside the model's folder.
    pub name: String,
    /// Where it can be fetched, with a key.
    pub content_uri: String,
}

impl ExportModelRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 when the label is missing or invalid.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        object_of(body, ErrorKind::Field, |object| {
            let label = object.required("trainedModelLabel")?.parsed(ModelLabel::new)?;
            Some(Self { trained_model_label: label })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_names_of_the_contract() {
        let text = r#"{"exportedModelName":"e","modelId":"claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627","lastTrainedDateTime":"2024-05-06T09:31:15Z","lastExportedModelDateTime":"2024-05-06T09:40:02Z","modelExpirationDate":"2025-10-28","modelTrainingConfigVersion":"2022-05-01"}"#;
        let model: ExportedModelSummary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&model).unwrap(), text);
        let text = r#"{"modelFiles":[{"name":"head.bin","contentUri":"https://ner.example.org/x"}]}"#;
        let manifest: ExportedModelManifest = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&manifest).unwrap(), text);
    }

    #[test]
    fn the_model_must_be_named() {
        let target = |body: &[u8]| ExportModelRequest::parse(body).map_err(|error| error.target).unwrap_err();
        assert_eq!(target(b"{}").as_deref(), Some("trainedModelLabel"));
        assert_eq!(target(br#"{"trainedModelLabel":"a/b"}"#).as_deref(), Some("trainedModelLabel"));
    }
}
