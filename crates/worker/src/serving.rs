//! Stored models, ready to compute; those that jobs extract with are opened once.

use crate::failure::Failure;
use crate::run::Services;
use language_api::ErrorKind;
use model::{Emissions, Graph, Manifest, Prepared, ServingModel};
use ner::Entity;
use std::sync::{Arc, Mutex, PoisonError};

/// What a first caller may send: one word, and more pieces than a window has, since OpenVINO prepares itself for each length.
const WARM_UP: [(&str, usize); 2] = [("a", 1), ("a letter ", 200)];
/// Models kept: automations extract with one each, and one is a few megabytes.
const MODELS_MAX: usize = 16;

/// A model with its graph.
pub(crate) struct OpenModel {
    pub(crate) serving: ServingModel,
    pub(crate) graph: Arc<dyn Graph + Send + Sync>,
}

/// Models in use by id, the one used last at the end. A training makes a new id, so none is ever out of date.
#[derive(Default)]
pub struct Serving(Mutex<Vec<(String, Arc<OpenModel>)>>);

impl Serving {
    fn get(&self, id: &str) -> Option<Arc<OpenModel>> {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = models.iter().position(|(known, _)| known == id)?;
        models[at..].rotate_left(1);
        models.last().map(|(_, model)| Arc::clone(model))
    }

    fn put(&self, id: &str, model: Arc<OpenModel>) {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.retain(|(known, _)| known != id);
        if models.len() >= MODELS_MAX {
            models.remove(0);
        }
        models.push((id.to_owned(), model));
    }
}

/// The model `id` as it serves.
pub(crate) async fn open(services: &Services, id: &str) -> Result<Arc<OpenModel>, Failure> {
    if let Some(model) = services.serving.get(id) {
        return Ok(model);
    }
    let model = Arc::new(OpenModel::load(services, id, |reason| unusable(id, &reason)).await?);
    services.serving.put(id, Arc::clone(&model));
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
        for (text, times) in WARM_UP {
            let prepared = self.serving.prepare(&[&text.repeat(times)]).map_err(|error| error.to_string())?;
            let emissions = self.graph.compute(&prepared.inputs).map_err(|error| error.to_string())?;
            self.serving.decode(&prepared, &emissions).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The entities of one text.
    pub(crate) fn entities(&self, text: &str) -> Result<Vec<Entity>, Failure> {
        let id = &self.serving.manifest().model_id;
        let prepared: Prepared = self.serving.prepare(&[text]).map_err(|error| unusable(id, &error))?;
        // A text of blanks alone has no words, and encoders refuse batches of nothing.
        if prepared.inputs.words() == 0 {
            return Ok(vec![]);
        }
        let emissions: Emissions =
            self.graph.compute(&prepared.inputs).map_err(|error| unusable(id, &error))?;
        let found = self.serving.decode(&prepared, &emissions).map_err(|error| unusable(id, &error))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }
}

fn unusable(id: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::refused(ErrorKind::Unavailable, format!("model {id} can't be used: {error}"))
}
