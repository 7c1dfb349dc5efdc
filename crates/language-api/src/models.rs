//! Models on the wire (contract: authoring 11).

use crate::ids::ModelLabel;
use crate::timestamps::{Day, WholeSeconds};
use serde::{Deserialize, Serialize};

/// A trained model as answered; every field is required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelSummary {
    /// Label.
    pub label: ModelLabel,
    /// New on every training; see [`crate::ids::model_id`].
    pub model_id: String,
    /// When training ended.
    pub last_trained_date_time: WholeSeconds,
    /// How long it took.
    pub last_training_duration_in_seconds: u64,
    /// When it stops working; far ahead here.
    pub model_expiration_date: Day,
    /// The resolved version it was made with.
    pub model_training_config_version: String,
    /// Whether the labels it was trained on can be loaded back.
    pub has_snapshot: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_answers_as_the_contract_prints() {
        let text = r#"{"label":"claims-v1","modelId":"claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627","lastTrainedDateTime":"2024-05-06T09:31:15Z","lastTrainingDurationInSeconds":267,"modelExpirationDate":"2024-10-28","modelTrainingConfigVersion":"2022-05-01","hasSnapshot":true}"#;
        let model: ModelSummary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&model).unwrap(), text);
    }
}
