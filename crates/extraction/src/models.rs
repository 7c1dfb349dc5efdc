//! Models in use, parsed once: by model id, and tokenizers by the digest of their encoder.
//!
//! A training makes a new id and a digest stands for one content, so nothing in here is ever out of date.

use crate::Error;
use catalog::{Catalog, Driver};
use model::{Emissions, GraphError, Inputs, Manifest, PieceTokenizer, ServingError, ServingModel};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Models kept: each is the manifest's lattice, a few megabytes at most.
const MODELS_MAX: usize = 64;

/// Tokenizers kept, shared by the models over one encoder: up to a hundred megabytes for a large vocabulary.
const TOKENIZERS_MAX: usize = 3;

/// Computes models by id: natively, or over `wasi:nn`.
pub trait Graphs {
    /// What the model `model_id` says of `inputs`.
    ///
    /// # Errors
    /// [`GraphError`]: unknown, damaged, or the machine's fault.
    fn compute(&self, model_id: &str, inputs: &Inputs) -> Result<Emissions, GraphError>;
}

/// Parsed models and tokenizers, those in use longest ago leaving first.
#[derive(Debug, Default)]
pub struct Models {
    models: RefCell<Recent<Rc<ServingModel>>>,
    tokenizers: RefCell<Recent<Arc<PieceTokenizer>>>,
}

impl Models {
    /// The model `model_id`, from the catalog when it is not here.
    pub(crate) async fn get<D: Driver>(
        &self,
        catalog: &Catalog<D>,
        model_id: &str,
    ) -> Result<Rc<ServingModel>, Error> {
        if let Some(model) = self.models.borrow_mut().get(model_id) {
            return Ok(model);
        }
        let serving = |reason: ServingError| Error::Serving { model: model_id.to_owned(), reason };
        let manifest = catalog.bundle_manifest(model_id).await?;
        let manifest = Manifest::from_json(manifest.as_bytes()).map_err(|error| serving(error.into()))?;
        let tokenizer = match &manifest.encoder {
            Some(encoder) => self.tokenizer(catalog, &encoder.digest, &serving).await?,
            None => None,
        };
        // Another call of this instance may have brought it while this one waited.
        if let Some(model) = self.models.borrow_mut().get(model_id) {
            return Ok(model);
        }
        let model = Rc::new(ServingModel::with_tokenizer(manifest, tokenizer).map_err(serving)?);
        self.models.borrow_mut().put(model_id, Rc::clone(&model), MODELS_MAX);
        Ok(model)
    }

    /// The tokenizer of the encoder `digest`; `None` when the catalog has none, which is for the model to judge.
    async fn tokenizer<D: Driver>(
        &self,
        catalog: &Catalog<D>,
        digest: &str,
        serving: &impl Fn(ServingError) -> Error,
    ) -> Result<Option<Arc<PieceTokenizer>>, Error> {
        if let Some(tokenizer) = self.tokenizers.borrow_mut().get(digest) {
            return Ok(Some(tokenizer));
        }
        let encoder = match catalog.encoder(digest).await {
            Err(catalog::Error::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        if let Some(tokenizer) = self.tokenizers.borrow_mut().get(digest) {
            return Ok(Some(tokenizer));
        }
        let tokenizer =
            PieceTokenizer::from_json(&encoder.tokenizer).map_err(|error| serving(error.into()))?;
        let tokenizer = Arc::new(tokenizer);
        self.tokenizers.borrow_mut().put(digest, Arc::clone(&tokenizer), TOKENIZERS_MAX);
        Ok(Some(tokenizer))
    }
}

/// A few values by name, the one used last at the end.
#[derive(Debug)]
pub struct Recent<T>(Vec<(String, T)>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Recent<T> {
    /// The value called `name`, which is the one used last from now on.
    pub fn get(&mut self, name: &str) -> Option<T> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        self.0[at..].rotate_left(1);
        self.0.last().map(|(_, value)| value.clone())
    }

    /// Keeps the value, and of those before it at most `max - 1`.
    pub fn put(&mut self, name: &str, value: T, max: usize) {
        self.0.retain(|(known, _)| known != name);
        if self.0.len() >= max {
            self.0.remove(0);
        }
        self.0.push((name.to_owned(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_leaves_first() {
        let mut recent = Recent::default();
        recent.put("a", 1, 2);
        recent.put("b", 2, 2);
        assert_eq!(recent.get("a"), Some(1));
        recent.put("c", 3, 2);
        assert_eq!((recent.get("a"), recent.get("b"), recent.get("c")), (Some(1), None, Some(3)));
    }
}
