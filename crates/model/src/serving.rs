//! A model in use: texts to graph inputs, emissions to entities.

use crate::features::{Groups, extract};
use crate::{
    ContextualRecipe, Emissions, Familiarity, GraphError, Inputs, Manifest, ManifestError, PieceTokenizer,
    Recipe, SequenceBreak, TokenizerError, inputs::invalid,
};
use ner::Entity;
use ner::decoding::{Lattice, Posterior, Scores};
use ner::segmentation::{Gap, Segmentation, Settings};
use ner::tags::TagSet;
use std::sync::Arc;
use thiserror::Error;

/// Text to inputs, as a recipe says. The same in training and serving.
#[derive(Clone, Debug)]
pub struct Preparation {
    recipe: Recipe,
    tokenizer: Option<Arc<PieceTokenizer>>,
}

/// Inputs and what is needed to read the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// For the graph.
    pub inputs: Inputs,
    /// How many of each word's features come together.
    pub groups: Vec<Groups>,
    /// Each document's words; their words and sequences stand in `inputs` one document after the other.
    pub documents: Vec<Segmentation>,
}

/// A model ready to serve, without its graph.
#[derive(Clone, Debug)]
pub struct ServingModel {
    manifest: Manifest,
    tags: TagSet,
    /// Bold and at temperature 1, for the best reading, and at the manifest's, for confidences.
    lattice: Lattice,
    tempered: Lattice,
    preparation: Preparation,
}

/// Why a model cannot serve. The operator can restore the bundle or the encoder's files.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServingError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A contextual model without the encoder's tokenizer, or with another one's.
    #[error("the encoder's tokenizer is {0}")]
    WrongTokenizer(String),
    /// The recipe names features this version does not know.
    #[error("feature set {0} is not known, this version knows {known}", known = crate::FEATURE_SET)]
    FeatureSet(u32),
}

impl Preparation {
    /// Prepares as `recipe` says; contextual recipes need the encoder's `tokenizer.json`.
    ///
    /// # Errors
    /// [`ServingError`] when the recipe needs what is not there.
    pub fn new(recipe: &Recipe, tokenizer_json: Option<&[u8]>) -> Result<Self, ServingError> {
        let needed = tokenizer_json.filter(|_| recipe.contextual.is_some());
        let tokenizer = needed.map(PieceTokenizer::from_json).transpose()?;
        Self::with_tokenizer(recipe, tokenizer.map(Arc::new))
    }

    /// Like [`Preparation::new`] with a tokenizer that is read already and perhaps shared.
    ///
    /// # Errors
    /// As [`Preparation::new`].
    pub fn with_tokenizer(
        recipe: &Recipe,
        tokenizer: Option<Arc<PieceTokenizer>>,
    ) -> Result<Self, ServingError> {
        if recipe.lexical.feature_set != crate::FEATURE_SET {
            return Err(ServingError::FeatureSet(recipe.lexical.feature_set));
        }
        let tokenizer = match (&recipe.contextual, tokenizer) {
            (None, _) => None,
            (Some(_), None) => return Err(ServingError::WrongTokenizer("missing".into())),
            (Some(_), tokenizer) => tokenizer,
        };
        Ok(Self { recipe: recipe.clone(), tokenizer })
    }

    /// How the recipe cuts text.
    pub fn segmentation(recipe: &Recipe) -> Settings {
        let ends_at = match recipe.sequence_break {
            SequenceBreak::Line => Some(Gap::Line),
            SequenceBreak::Paragraph => Some(Gap::Paragraph),
            SequenceBreak::Document => None,
        };
        Settings { ends_at, words_max: recipe.sequence_words as usize }
    }

    /// Inputs for `texts`.
    ///
    /// # Errors
    /// [`TokenizerError`] when the encoder's tokenizer fails.
    pub fn prepare(&self, texts: &[&str]) -> Result<Prepared, TokenizerError> {
        let settings = Self::segmentation(&self.recipe);
        let documents: Vec<_> = texts.iter().map(|text| Segmentation::new(text, &settings)).collect();
        let mut inputs = Inputs { feature_offsets: vec![0], sequence_offsets: vec![0], ..Inputs::default() };
        let mut groups = Vec::new();
        for (text, document) in texts.iter().zip(&documents) {
            let features = extract(text, document, &self.recipe.lexical);
            let (first, words) = (inputs.features.len() as u32, inputs.words() as u32);
            inputs.feature_offsets.extend(features.offsets[1..].iter().map(|offset| first + offset));
            inputs
                .sequence_offsets
                .extend(document.sequence_offsets[1..].iter().map(|offset| words + offset));
            inputs.features.extend(features.hashes);
            groups.extend(features.groups);
        }
        inputs.pieces = match (&self.recipe.contextual, &self.tokenizer) {
            (Some(recipe), Some(tokenizer)) => Some(windows(tokenizer, recipe, texts, &documents)?),
            _ => None,
        };
        Ok(Prepared { inputs, groups, documents })
    }
}

impl Preparation {
    /// How well the encoder can read `text`; `None` without an encoder.
    ///
    /// # Errors
    /// [`TokenizerError`] when the encoder's tokenizer fails.
    pub fn familiarity(&self, text: &str) -> Result<Option<Familiarity>, TokenizerError> {
        let segmentation = Segmentation::new(text, &Self::segmentation(&self.recipe));
        self.tokenizer.as_ref().map(|tokenizer| tokenizer.familiarity(text, &segmentation)).transpose()
    }
}

fn windows(
    tokenizer: &PieceTokenizer,
    recipe: &ContextualRecipe,
    texts: &[&str],
    documents: &[Segmentation],
) -> Result<crate::Pieces, TokenizerError> {
    let pairs: Vec<_> = texts.iter().copied().zip(documents).collect();
    tokenizer.windows(&pairs, recipe)
}

impl ServingModel {
    /// A model from its manifest; contextual models need the encoder's `tokenizer.json`.
    ///
    /// # Errors
    /// [`ServingError`].
    pub fn new(manifest: Manifest, tokenizer_json: Option<&[u8]>) -> Result<Self, ServingError> {
        let needed = tokenizer_json.filter(|_| manifest.encoder.is_some());
        let tokenizer = needed.map(PieceTokenizer::from_json).transpose()?;
        Self::with_tokenizer(manifest, tokenizer.map(Arc::new))
    }

    /// Like [`ServingModel::new`] with a tokenizer that is read already and shared by models over one encoder.
    ///
    /// # Errors
    /// As [`ServingModel::new`].
    pub fn with_tokenizer(
        manifest: Manifest,
        tokenizer: Option<Arc<PieceTokenizer>>,
    ) -> Result<Self, ServingError> {
        manifest.validate()?;
        if let (Some(encoder), Some(tokenizer)) = (&manifest.encoder, &tokenizer) {
            let found = tokenizer.digest();
            if found != encoder.tokenizer_digest {
                let reason = format!("{found}, the model was trained with {}", encoder.tokenizer_digest);
                return Err(ServingError::WrongTokenizer(reason));
            }
        }
        let preparation = Preparation::with_tokenizer(&manifest.recipe, tokenizer)?;
        let tags = manifest.tag_set()?;
        let lattice = |temperature| {
            let part = &manifest.lattice;
            let scores = Scores {
                tags: tags.len(),
                transitions: &part.transitions,
                start: &part.start,
                end: &part.end,
            };
            Lattice::new(scores, temperature)
        };
        let tempered = lattice(f64::from(manifest.temperature));
        let lattice = lattice(1.0).bolder(f64::from(manifest.boldness));
        Ok(Self { lattice, tempered, tags, preparation, manifest })
    }

    /// What the model is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model's tags.
    pub fn tags(&self) -> &TagSet {
        &self.tags
    }

    /// Inputs for `texts`, one after the other.
    ///
    /// # Errors
    /// [`TokenizerError`] when the encoder's tokenizer fails.
    pub fn prepare(&self, texts: &[&str]) -> Result<Prepared, TokenizerError> {
        self.preparation.prepare(texts)
    }

    /// Each document's entities, sorted, not overlapping.
    ///
    /// # Errors
    /// [`GraphError::InvalidInput`] when the emissions are not those of `prepared` under this model.
    pub fn decode(&self, prepared: &Prepared, emissions: &Emissions) -> Result<Vec<Vec<Entity>>, GraphError> {
        let tags = self.tags.len();
        let words = prepared.inputs.words();
        if emissions.tags != tags || emissions.scores.len() != words * tags {
            let (found, row) = (emissions.scores.len(), emissions.tags);
            let reason = format!("{found} scores in rows of {row}, expected {words} rows of {tags}");
            return Err(invalid("emissions", reason));
        }
        if emissions.scores.iter().any(|score| !score.is_finite()) {
            return Err(invalid("emissions", "a score is no number".into()));
        }
        let mut posterior = Posterior::default();
        let mut first = 0;
        let mut entities = Vec::with_capacity(prepared.documents.len());
        for document in &prepared.documents {
            let scores = &emissions.scores[first * tags..(first + document.words.len()) * tags];
            entities.push(self.decode_document(document, scores, &mut posterior));
            first += document.words.len();
        }
        Ok(entities)
    }

    fn decode_document(
        &self,
        document: &Segmentation,
        scores: &[f32],
        posterior: &mut Posterior,
    ) -> Vec<Entity> {
        let tags = self.tags.len();
        let mut entities = Vec::new();
        for words in document.sequences() {
            let scores = &scores[words.start * tags..words.end * tags];
            let found = TagSet::decode(&self.lattice.best(scores));
            if found.is_empty() {
                continue;
            }
            posterior.run(&self.tempered, scores);
            entities.extend(found.into_iter().map(|entity| {
                let confidence = posterior.probability(&self.tempered, entity.words.clone(), entity.category);
                Entity {
                    span: document.span(words.start + entity.words.start..words.start + entity.words.end),
                    category: self.tags.categories()[entity.category].clone(),
                    confidence: confidence.clamp(0.0, 1.0) as f32,
                }
            }));
        }
        entities
    }
}
