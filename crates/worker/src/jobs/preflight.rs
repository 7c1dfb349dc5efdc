//! What will hurt a training, told before it begins. Never a wall: the training goes on.

use crate::failure::Failure;
use crate::run::Run;
use language_api::guidance::Guidance;
use ner::guidance::LabelCounts;
use ner::preflight::Preflight;
use ner::{EntityCategory, LabeledDocument};
use std::collections::BTreeMap;

/// Guidance from labels and texts of the documents learned from and scored on; `labels` counts those of both.
pub(crate) fn preflight(
    run: &Run,
    labels: &BTreeMap<EntityCategory, LabelCounts>,
    [learn, test]: [&[LabeledDocument]; 2],
) -> Result<Vec<Guidance>, Failure> {
    let mut preflight = Preflight::default();
    let documents = || learn.iter().chain(test);
    for document in documents() {
        run.stop.check()?;
        preflight.labels(document);
    }
    for document in documents() {
        run.stop.check()?;
        preflight.text(document);
    }
    Ok(preflight.advice(labels).iter().map(Guidance::from).collect())
}
