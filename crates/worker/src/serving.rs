//! Stored models, ready to compute; those that jobs extract with are opened once.

use crate::failure::Failure;
use crate::services::Services;
use extraction::Recent;
use language_api::ErrorKind;
use model::{Graph, Manifest, ServingModel};
use ner::Entity;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a first caller may send: one word, and more pieces than a window has, since OpenVINO prepares itself for each length.
const WARM_UP: [(&str, usize); 2] = [("a", 1), ("a letter ", 200)];
/// Models kept: automations extract with one each, and one is a few megabytes.
const MODELS_MAX: usize = 16;

/// A model with its graph.
pub(crate) struct OpenModel {
    pub(crate) serving: ServingModel,
    pub(crate) graph: Arc<dyn Graph + Send + Sync>,
}

/// Models in use by id. A training makes a new id, so none is ever out of date.
#[derive(Default)]
pub struct Serving(Mutex<Recent<Arc<OpenModel>>>);

impl Serving {
    fn models(&self) -> MutexGuard<'_, Recent<Arc<OpenModel>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model `id` as it serves.
pub(crate) async fn open(services: &Services, id: &str) -> Result<Arc<OpenModel>, Failure> {
    if let Some(model) = services.serving.models().get(id) {
        return Ok(model);
    }
    let model = Arc::new(OpenModel::load(services, id, |reason| unusable(id, &reason)).await?);
    services.serving.models().put(id, Arc::clone(&model), MODELS_MAX);
    Ok(model)
}

impl OpenModel {
    /// Opens the bundle `id`, whatever is kept; `refused` makes a failure of what is wrong with it.
    pub(crate) async fn load(
        services: &Services,
        id: &str,
        refused: impl Fn(String) -> Failure,
    ) -> Result<Self, Failure> {
        let manifest = services.catalog.bundle_manifest(id).await?;
        let manifest =
            Manifest::from_json(manifest.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let tokenizer = match &manifest.encoder {
            Some(encoder) => Some(services.catalog.encoder(&encoder.digest).await?.tokenizer),
            None => None,
        };
        let serving =
            ServingModel::new(manifest, tokenizer.as_deref()).map_err(|error| refused(error.to_string()))?;
        let graph = services.engine.open(id).map_err(|error| refused(error.to_string()))?;
        Ok(Self { serving, graph })
    }

    /// Has the model compute, so that its first caller finds everything prepared; says why it can't.
    pub(crate) fn warm_up(&self) -> Result<(), String> {
        let computed =
            |(text, times): (&str, usize)| predict(&self.serving, &*self.graph, &[&text.repeat(times)]);
        WARM_UP.into_iter().try_for_each(|first| computed(first).map(drop))
    }

    /// The entities of one text.
    pub(crate) fn entities(&self, text: &str) -> Result<Vec<Entity>, Failure> {
        let found = predict(&self.serving, &*self.graph, &[text]);
        let found = found.map_err(|error| unusable(&self.serving.manifest().model_id, &error))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }
}

/// The entities of each text, or why the model can't tell.
pub(crate) fn predict(
    serving: &ServingModel,
    graph: &dyn Graph,
    texts: &[&str],
) -> Result<Vec<Vec<Entity>>, String> {
    let prepared = serving.prepare(texts).map_err(|error| error.to_string())?;
    // Texts of blanks alone have no words, and encoders refuse batches of nothing.
    if prepared.inputs.words() == 0 {
        return Ok(vec![vec![]; texts.len()]);
    }
    let emissions = graph.compute(&prepared.inputs).map_err(|error| error.to_string())?;
    serving.decode(&prepared, &emissions).map_err(|error| error.to_string())
}

fn unusable(id: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::refused(ErrorKind::Unavailable, format!("model {id} can't be used: {error}"))
}
