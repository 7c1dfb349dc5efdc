//! Evaluation: the test documents through the serving code, scored as the contract says (contract: evaluation).

use crate::failure::Failure;
use crate::jobs::corpus::SEED;
use crate::serving::predict;
use catalog::EvaluationDocument;
use language_api::evaluation::{EntityEvaluation, EvaluatedDocument, EvaluationSummary};
use language_api::guidance::Guidance;
use language_api::{ErrorKind, EvaluationOptions, ProjectKind};
use model::{Graph, ServingModel};
use ner::guidance::{LabelCounts, advise};
use ner::{ConfusionMatrix, Entity, EntityCategory, LabeledDocument, Scores};
use std::collections::BTreeMap;

/// Bytes of text predicted in one call of the graph, as near as whole documents allow: enough to keep the machine busy,
/// little enough to stop soon when cancelled.
const BATCH_BYTES: usize = 20_000;

/// What an evaluation leaves behind.
pub(crate) struct Evaluation {
    pub(crate) summary: EvaluationSummary,
    pub(crate) documents: Vec<EvaluationDocument>,
}

/// What a model is scored on.
pub(crate) struct TestSet {
    /// The documents.
    pub(crate) documents: Vec<LabeledDocument>,
    /// Labels by category in this set and in the training set, for advice.
    pub(crate) labels: BTreeMap<EntityCategory, LabelCounts>,
}

/// Predicts and scores the test set. `step` hears the fraction done and may stop.
pub(crate) fn evaluate(
    serving: &ServingModel,
    graph: &dyn Graph,
    test: &TestSet,
    language: &str,
    options: EvaluationOptions,
    mut step: impl FnMut(f32) -> Result<(), Failure>,
) -> Result<Evaluation, Failure> {
    let documents = &test.documents;
    let mut predicted: Vec<Vec<Entity>> = Vec::with_capacity(documents.len());
    for batch in batches(documents) {
        let texts: Vec<&str> = batch.iter().map(|document| document.document.text.as_str()).collect();
        let found = predict(serving, graph, &texts)
            .map_err(|error| Failure::refused(ErrorKind::Internal, format!("prediction failed: {error}")))?;
        predicted.extend(found);
        #[expect(clippy::cast_precision_loss, reason = "a fraction for people")]
        step(predicted.len() as f32 / documents.len() as f32)?;
    }
    let scores = Scores::of(
        documents
            .iter()
            .zip(&predicted)
            .map(|(document, found)| (document.regions.as_slice(), found.as_slice())),
    );
    let matrix = ConfusionMatrix::of(documents.iter().zip(&predicted).map(|(document, found)| {
        (document.document.text.as_str(), document.regions.as_slice(), found.as_slice())
    }));
    let results =
        documents.iter().zip(&predicted).map(|(document, found)| document_result(document, found, language));
    Ok(Evaluation {
        summary: EvaluationSummary {
            project_kind: ProjectKind::CustomEntityRecognition,
            custom_entity_recognition_evaluation: EntityEvaluation::new(&scores, &matrix),
            evaluation_options: options,
            seed: matches!(options, EvaluationOptions::Percentage { .. }).then_some(SEED),
            guidance: advise(&test.labels, &matrix).iter().map(Guidance::from).collect(),
        },
        documents: results.collect::<Result<_, _>>()?,
    })
}

/// Runs of whole documents of about [`BATCH_BYTES`].
fn batches(documents: &[LabeledDocument]) -> impl Iterator<Item = &[LabeledDocument]> {
    let mut bytes = 0;
    documents.chunk_by(move |document, _| {
        bytes += document.document.text.len();
        let goes_on = bytes < BATCH_BYTES;
        if !goes_on {
            bytes = 0;
        }
        goes_on
    })
}

fn document_result(
    document: &LabeledDocument,
    found: &[Entity],
    language: &str,
) -> Result<EvaluationDocument, Failure> {
    let result = serde_json::to_string(&EvaluatedDocument::new(document, found, language))?;
    Ok(EvaluationDocument { location: document.document.location.clone(), result })
}
