//! Evaluation on the wire (contract: evaluation 2.3, 3 and 5).
//!
//! Ratios are single-precision. Serialize these types straight to text: a detour over
//! [`serde_json::Value`] widens them and prints other digits.

use crate::guidance::Guidance;
use crate::projects::ProjectKind;
use crate::training::EvaluationOptions;
use ner::scoring::region_of;
use ner::{
    ConfusionMatrix, Counts, Entity, EntityCategory, LabeledDocument, OffsetTable, Scores, Span,
    StringIndexType,
};
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
    /// Ours: what the random division of the documents began with, so that it can be repeated; absent where people
    /// divided them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Ours: what the labels and the matrix suggest; absent when they suggest nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guidance: Vec<Guidance>,
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

impl From<Counts> for CategoryEvaluation {
    fn from(counts: Counts) -> Self {
        let ratios = counts.ratios();
        Self {
            f1: WidenedRatio(ratios.f1),
            precision: WidenedRatio(ratios.precision),
            recall: WidenedRatio(ratios.recall),
            true_positive_count: counts.true_positives,
            true_negative_count: 0,
            false_positive_count: counts.false_positives,
            false_negative_count: counts.false_negatives,
        }
    }
}

impl EntityEvaluation {
    /// The scores and the matrix of one evaluation on the wire.
    pub fn new(scores: &Scores, matrix: &ConfusionMatrix) -> Self {
        let name = |class: &Option<EntityCategory>| {
            class.as_ref().map_or(BACKGROUND, EntityCategory::as_str).to_owned()
        };
        let mut confusion_matrix = Matrix::new();
        for cell in matrix.cells() {
            let value = MatrixCell { normalized_value: cell.normalized as f32, raw_value: cell.raw as f32 };
            confusion_matrix.entry(name(cell.labeled)).or_default().insert(name(cell.predicted), value);
        }
        let entity = |(category, counts): (&EntityCategory, &Counts)| {
            (category.as_str().to_owned(), CategoryEvaluation::from(*counts))
        };
        let (micro, average) = (scores.micro(), scores.macro_average());
        Self {
            confusion_matrix,
            entities: scores.categories.iter().map(entity).collect(),
            micro_f1: micro.f1,
            micro_precision: micro.precision,
            micro_recall: micro.recall,
            macro_f1: average.f1,
            macro_precision: average.precision,
            macro_recall: average.recall,
        }
    }
}

impl EvaluatedDocument {
    /// Labels and predictions of one test document by region. A document without a language of its own has the
    /// project's. Predictions outside every region are not judged, so they are not shown.
    pub fn new(document: &LabeledDocument, predicted: &[Entity], project_language: &str) -> Self {
        let table = OffsetTable::new(&document.document.text, StringIndexType::Utf16CodeUnit);
        let place = |span: Span| {
            let offset = table.floor_unit(span.start);
            (offset, table.ceil_unit(span.end) - offset)
        };
        let entity = |span: Span, category: &EntityCategory| {
            let (offset, length) = place(span);
            EvaluatedEntity { category: category.as_str().to_owned(), offset, length }
        };
        let region = |(index, region): (usize, &ner::Region)| {
            let inside = predicted.iter().filter(|p| region_of(&document.regions, p.span) == Some(index));
            let mut found: Vec<_> = inside.map(|p| entity(p.span, &p.category)).collect();
            found.sort_by_key(|entity| (entity.offset, entity.length));
            let (region_offset, region_length) = place(region.span);
            EvaluatedRegion {
                expected_entities: region.labels.iter().map(|l| entity(l.span, &l.category)).collect(),
                predicted_entities: found,
                region_offset,
                region_length,
            }
        };
        Self {
            location: document.document.location.clone(),
            language: document.document.language.clone().unwrap_or_else(|| project_language.to_owned()),
            project_kind: ProjectKind::CustomEntityRecognition,
            custom_entity_recognition_result: EvaluatedRegions {
                entities: document.regions.iter().enumerate().map(region).collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ner::{Document, Label, Region};

    fn category(name: &str) -> EntityCategory {
        EntityCategory::new(name).unwrap()
    }

    /// `🙂 AB cd`: label `A` on `AB`, predictions `A` on `AB` and `B` on `cd`.
    fn evaluated() -> (LabeledDocument, Vec<Entity>) {
        let label = Label { span: Span::new(5, 7), category: category("A") };
        let entity = |name, start, end| Entity {
            span: Span::new(start, end),
            category: category(name),
            confidence: 1.0,
        };
        let document = LabeledDocument {
            document: Document { location: "a.txt".into(), language: None, text: "🙂 AB cd".into() },
            dataset: None,
            regions: vec![Region { span: Span::new(0, 10), labels: vec![label] }],
        };
        (document, vec![entity("B", 8, 10), entity("A", 5, 7)])
    }

    #[test]
    fn an_evaluation_becomes_a_summary() {
        let (document, predicted) = evaluated();
        let scores = Scores::of([(&document.regions[..], &predicted[..])]);
        let text = document.document.text.as_str();
        let matrix = ConfusionMatrix::of([(text, &document.regions[..], &predicted[..])]);
        let found = serde_json::to_string(&EntityEvaluation::new(&scores, &matrix)).unwrap();
        expect_test::expect![[r#"{"confusionMatrix":{"$none":{"$none":{"normalizedValue":50.0,"rawValue":1.0},"B":{"normalizedValue":50.0,"rawValue":1.0}},"A":{"A":{"normalizedValue":100.0,"rawValue":1.0}}},"entities":{"A":{"f1":1.0,"precision":1.0,"recall":1.0,"truePositiveCount":1,"trueNegativeCount":0,"falsePositiveCount":0,"falseNegativeCount":0},"B":{"f1":0.0,"precision":0.0,"recall":0.0,"truePositiveCount":0,"trueNegativeCount":0,"falsePositiveCount":1,"falseNegativeCount":0}},"microF1":0.6666667,"microPrecision":0.5,"microRecall":1.0,"macroF1":0.5,"macroPrecision":0.5,"macroRecall":0.5}"#]].assert_eq(&found);
    }

    #[test]
    fn a_document_is_shown_in_utf16_units_and_in_order() {
        let (document, predicted) = evaluated();
        let found = serde_json::to_string(&EvaluatedDocument::new(&document, &predicted, "en-us")).unwrap();
        expect_test::expect![[r#"{"location":"a.txt","language":"en-us","projectKind":"CustomEntityRecognition","customEntityRecognitionResult":{"entities":[{"expectedEntities":[{"category":"A","offset":3,"length":2}],"predictedEntities":[{"category":"A","offset":3,"length":2},{"category":"B","offset":6,"length":2}],"regionOffset":0,"regionLength":8}]}}"#]].assert_eq(&found);
    }

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
