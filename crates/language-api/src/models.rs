//! Models on the wire (contract: authoring 11).

use crate::ids::ModelLabel;
use crate::timestamps::{Day, WholeSeconds};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A trained model as answered; every field is required.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Where the model comes from; of a single model alone. Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<ModelLineage>,
}

/// Where a model comes from: enough to make it again, and to tell whether two are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelLineage {
    /// SHA-256 over everything the model says, without its id: the same data, recipe, seed, code and class of machine give
    /// the same.
    pub bundle_digest: String,
    /// SHA-256 over the training documents and their labels.
    pub data_digest: String,
    /// Version of the code that trained.
    pub code_version: String,
    /// The complete description of the run.
    pub recipe: Value,
    /// The encoder it was trained over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<LineageEncoder>,
    /// Seed of every random choice.
    pub seed: u64,
    /// How the documents were divided.
    pub split: LineageSplit,
    /// Labels learned from.
    pub labels: u64,
    /// Labels whose borders are no word borders; each was widened to whole words.
    pub labels_widened: u64,
    /// Labels that could not be learned from.
    pub labels_left_out: u64,
    /// Scores of the run by name.
    pub scores: BTreeMap<String, f64>,
}

/// An encoder in a lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageEncoder {
    /// What people call it.
    pub name: String,
    /// SHA-256 over its weights and settings.
    pub digest: String,
}

/// A division of documents in a lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageSplit {
    /// Share scored on in per cent; absent when the documents were divided by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub testing_percentage: Option<u32>,
    /// How many documents were learned from.
    pub training_documents: usize,
    /// How many were scored on.
    pub test_documents: usize,
}

impl ModelLineage {
    /// From a bundle's manifest, JSON.
    ///
    /// # Errors
    /// The manifest is none.
    pub fn of_manifest(json: &str) -> Result<Self, serde_json::Error> {
        let Stored { digest, recipe, encoder, lineage } = serde_json::from_str(json)?;
        Ok(Self {
            bundle_digest: digest,
            data_digest: lineage.data_digest,
            code_version: lineage.code_version,
            recipe,
            encoder,
            seed: lineage.seed,
            split: LineageSplit {
                testing_percentage: lineage.split.testing_percentage,
                training_documents: lineage.training_documents.len(),
                test_documents: lineage.split.test_documents.len(),
            },
            labels: lineage.labels,
            labels_widened: lineage.labels_widened,
            labels_left_out: lineage.labels_left_out,
            scores: lineage.scores,
        })
    }
}

/// The parts of a manifest that are shown.
#[derive(Deserialize)]
struct Stored {
    digest: String,
    recipe: Value,
    encoder: Option<LineageEncoder>,
    lineage: StoredLineage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredLineage {
    seed: u64,
    data_digest: String,
    code_version: String,
    split: StoredSplit,
    training_documents: Vec<IgnoredAny>,
    labels: u64,
    labels_widened: u64,
    labels_left_out: u64,
    scores: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredSplit {
    testing_percentage: Option<u32>,
    test_documents: Vec<IgnoredAny>,
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
