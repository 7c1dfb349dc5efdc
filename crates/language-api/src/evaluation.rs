//! Evaluation on the wire (contract: evaluation 2.3, 3 and 5).
//!
//! Ratios are single-precision. Serialize these types straight to text: a detour over
//! [`serde_json::Value`] widens them and prints other digits.

use crate::projects::ProjectKind;
use crate::training::EvaluationOptions;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The background class of the confusion matrix; no category can have this name.
pub const BACKGROUND: &str = "$none";

/// One cell of the confusion matrix; only cells above zero exist.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatrixCell {
    /// Per cent of the row.
    pub normalized_value: f32,
    /// Sum of segment shares.
    pub raw_value: f32,
}

/// A single-precision ratio that is printed as the 64-bit number of the same value, as the service does
/// inside `entities`: `0.6666666865348816`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct WidenedRatio(pub f32);

impl Serialize for WidenedRatio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0))
    }
}

/// Scores of one category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CategoryEvaluation {
    /// Harmonic mean of the next two.
    pub f1: WidenedRatio,
    /// Share of the predictions that are right.
    pub precision: WidenedRatio,
    /// Share of the labels that were found.
    pub recall: WidenedRatio,
    /// Labels found.
    pub true_positive_count: u64,
    /// Always 0.
    pub true_negative_count: u64,
    /// Predictions that are no label.
    pub false_positive_count: u64,
    /// Labels not found.
    pub false_negative_count: u64,
}

/// Cells by labeled category, then by predicted category.
pub type Matrix = BTreeMap<String, BTreeMap<String, MatrixCell>>;

/// Scores of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityEvaluation {
    /// Row: labeled category. Column: predicted category. Background: [`BACKGROUND`].
    pub confusion_matrix: Matrix,
    /// By category; those with neither labels nor predictions are left out.
    pub entities: BTreeMap<String, CategoryEvaluation>,
    /// Of the summed counts.
    #[serde(rename = "microF1")]
    pub micro_f1: f32,
    /// Of the summed counts.
    pub micro_precision: f32,
    /// Of the summed counts.
    pub micro_recall: f32,
    /// Average of the categories' values.
    #[serde(rename = "macroF1")]
    pub macro_f1: f32,
    /// Average of the categories' values.
    pub macro_precision: f32,
    /// Average of the categories' values.
    pub macro_recall: f32,
}

/// The answer to `GET …/evaluation/summary-result`; every field is required.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationSummary {
    /// Kind.
    pub project_kind: ProjectKind,
    /// The scores.
    pub custom_entity_recognition_evaluation: EntityEvaluation,
    /// As the training used them.
    pub evaluation_options: EvaluationOptions,
}

/// A label or prediction of an evaluation, in UTF-16 code units of the whole document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EvaluatedEntity {
    /// Category.
    pub category: String,
    /// Start.
    pub offset: usize,
    /// Length.
    pub length: usize,
}

/// Labels and predictions of one region, both sorted by offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluatedRegion {
    /// What people labeled.
    pub expected_entities: Vec<EvaluatedEntity>,
    /// What the model found.
    pub predicted_entities: Vec<EvaluatedEntity>,
    /// Start of the region in UTF-16 code units.
    pub region_offset: usize,
    /// Its length.
    pub region_length: usize,
}

/// All regions of one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluatedRegions {
    /// In order.
    pub entities: Vec<EvaluatedRegion>,
}

/// One entry of the answer to `GET …/evaluation/result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluatedDocument {
    /// The document's name in the container.
    pub location: String,
    /// Its language.
    pub language: String,
    /// Kind.
    pub project_kind: ProjectKind,
    /// Labels and predictions.
    pub custom_entity_recognition_result: EvaluatedRegions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_prints_the_digits_of_the_service() {
        let text = r#"{"projectKind":"CustomEntityRecognition","customEntityRecognitionEvaluation":{"confusionMatrix":{"$none":{"$none":{"normalizedValue":99.81485,"rawValue":51.90372},"Interest":{"normalizedValue":0.002005294,"rawValue":0.0010427529}},"Claimant":{"Claimant":{"normalizedValue":100.0,"rawValue":2.0}}},"entities":{"Claimant":{"f1":0.6666666865348816,"precision":0.6000000238418579,"recall":0.75,"truePositiveCount":2,"trueNegativeCount":0,"falsePositiveCount":0,"falseNegativeCount":0}},"microF1":0.94845366,"microPrecision":1.0,"microRecall":0.75,"macroF1":0.9513889,"macroPrecision":1.0,"macroRecall":0.75},"evaluationOptions":{"kind":"percentage","trainingSplitPercentage":80,"testingSplitPercentage":20}}"#;
        let summary: EvaluationSummary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&summary).unwrap(), text);
    }

    #[test]
    fn a_document_answers_as_the_contract_prints() {
        let text = r#"{"location":"claim-002.txt","language":"en-us","projectKind":"CustomEntityRecognition","customEntityRecognitionResult":{"entities":[{"expectedEntities":[{"category":"PolicyNumber","offset":7,"length":7},{"category":"Claimant","offset":25,"length":9}],"predictedEntities":[{"category":"Claimant","offset":25,"length":9}],"regionOffset":0,"regionLength":75}]}}"#;
        let document: EvaluatedDocument = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&document).unwrap(), text);
    }
}
