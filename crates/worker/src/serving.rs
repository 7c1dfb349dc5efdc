//! A stored model, ready to compute.

use crate::failure::Failure;
use crate::run::Services;
use model::{Graph, Manifest, ServingModel};
use std::sync::Arc;

/// What a first caller may send: one word, and more pieces than a window has, since OpenVINO prepares itself for each length.
const WARM_UP: [(&str, usize); 2] = [("a", 1), ("a letter ", 200)];

/// A model and its graph.
pub(crate) struct Serving {
    pub(crate) model: ServingModel,
    pub(crate) graph: Arc<dyn Graph + Send + Sync>,
}

impl Serving {
    /// Opens the bundle `model_id`; `refused` makes a failure of what is wrong with it.
    pub(crate) async fn open(
        services: &Services,
        model_id: &str,
        refused: impl Fn(String) -> Failure,
    ) -> Result<Self, Failure> {
        let manifest = services.catalog.bundle_manifest(model_id).await?;
        let manifest =
            Manifest::from_json(manifest.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let tokenizer = match &manifest.encoder {
            Some(encoder) => Some(services.catalog.encoder(&encoder.digest).await?.tokenizer),
            None => None,
        };
        let model =
            ServingModel::new(manifest, tokenizer.as_deref()).map_err(|error| refused(error.to_string()))?;
        let graph = services.engine.open(model_id).map_err(|error| refused(error.to_string()))?;
        Ok(Self { model, graph })
    }

    /// Has the model compute, so that its first caller finds everything prepared; says why it can't.
    pub(crate) fn warm_up(&self) -> Result<(), String> {
        for (text, times) in WARM_UP {
            let prepared = self.model.prepare(&[&text.repeat(times)]).map_err(|error| error.to_string())?;
            let emissions = self.graph.compute(&prepared.inputs).map_err(|error| error.to_string())?;
            self.model.decode(&prepared, &emissions).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
