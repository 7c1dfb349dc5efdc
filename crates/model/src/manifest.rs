//! The manifest: what a model is, as JSON beside its files.

use crate::{Recipe, RecipeKind};
use ner::EntityCategory;
use ner::tags::TagSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Version of the manifest and of the bundle's layout. Readers refuse any other.
pub const FORMAT: u32 = 1;

/// Name of the head's file in a bundle.
pub const HEAD_FILE: &str = "head.bin";

/// Name of the file with the encoder's tuned layers in a bundle; present exactly for tuned recipes.
pub const LAYERS_FILE: &str = "layers.bin";

/// Name of the manifest's file in a stored bundle.
pub const MANIFEST_FILE: &str = "manifest.json";

/// What a model is: everything serving needs apart from the large files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The name a graph is loaded by.
    pub model_id: String,
    /// How it was trained, and how text becomes its inputs.
    pub recipe: Recipe,
    /// BCP-47 language of the project.
    pub language: String,
    /// Entity categories in tag order.
    pub categories: Vec<String>,
    /// Scores between neighbouring tags.
    pub lattice: Lattice,
    /// What the lattice's scores are divided by before confidences are read from them.
    pub temperature: f32,
    /// Bonus of the best reading, not of confidences, for each entity after a word outside: at the best F1, an entity
    /// that is less likely than not may be worth finding.
    pub boldness: f32,
    /// The encoder the head was trained over; present exactly for recipes that read one.
    pub encoder: Option<EncoderRef>,
    /// The bundle's other files by name.
    pub files: BTreeMap<String, FileRef>,
    /// Where the model comes from.
    pub lineage: Lineage,
    /// SHA-256 over the manifest without this and without the model's id, lower-case hexadecimal, so over everything the
    /// model says; empty until it is sealed. The same data, recipe, seed, code and class of machine give the same.
    #[serde(default)]
    pub digest: String,
}

/// Log potentials of tags beside tags; transitions that no reading allows are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lattice {
    /// `tags * tags`, row = the earlier tag.
    pub transitions: Vec<f32>,
    /// `tags`: beginning a sequence with a tag.
    pub start: Vec<f32>,
    /// `tags`: ending a sequence with a tag.
    pub end: Vec<f32>,
}

/// Which encoder, precisely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EncoderRef {
    /// What people call it.
    pub name: String,
    /// SHA-256 over the encoder's weights and settings, lower-case hexadecimal: its identity.
    pub digest: String,
    /// SHA-256 of its `tokenizer.json`, lower-case hexadecimal.
    pub tokenizer_digest: String,
    /// Width of one word's vector.
    pub width: u32,
    /// Longest window in pieces, special pieces included.
    pub max_pieces: u32,
}

/// A file's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileRef {
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// Where a model comes from: enough to train it again, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lineage {
    /// Seed of every random choice.
    pub seed: u64,
    /// SHA-256 over the training documents and labels in canonical order.
    pub data_digest: String,
    /// Version of the code that trained.
    pub code_version: String,
    /// What was kept to score on.
    #[serde(default)]
    pub split: Split,
    /// Locations of the documents learned from, sorted.
    pub training_documents: Vec<String>,
    /// Words inside regions.
    pub words: u64,
    /// Labels inside regions.
    pub labels: u64,
    /// Labels whose borders are no word borders; each was widened to whole words.
    pub labels_widened: u64,
    /// Labels that no tags can say (they reach over a sequence's end or share a word with another); the sequences
    /// they touch were not learned from.
    pub labels_left_out: u64,
    /// Scores of the run by name: losses, passes, validation figures, and what the test documents say (`test.*`).
    pub scores: BTreeMap<String, f64>,
}

/// How documents were divided into those learned from and those scored on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Split {
    /// Share scored on in per cent, 0 to 99; absent when the documents were divided by hand.
    #[serde(default)]
    pub testing_percentage: Option<u32>,
    /// Locations of the documents scored on, sorted.
    pub test_documents: Vec<String>,
}

/// Why a manifest cannot be used. The operator can restore the bundle or retrain; a newer format needs newer code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// No JSON of this shape.
    #[error("manifest is not readable: {0}")]
    Malformed(String),
    /// Written by another version of the code.
    #[error("manifest has format {found}, this version reads format {FORMAT}")]
    Format {
        /// What the manifest says.
        found: u32,
    },
    /// Parts contradict each other.
    #[error("manifest contradicts itself: {0}")]
    Inconsistent(String),
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let malformed = |error: serde_json::Error| ManifestError::Malformed(error.to_string());
        let Version { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(ManifestError::Format { found: format });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// The manifest as JSON: the same bytes for the same manifest.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a manifest has string keys only")
    }

    /// Writes the digest of everything else into the manifest.
    pub fn seal(&mut self) {
        self.digest = self.content_digest();
    }

    fn content_digest(&self) -> String {
        let bare = Self { model_id: String::new(), digest: String::new(), ..self.clone() };
        crate::sha256_hex(&bare.to_json())
    }

    /// The tags of the model.
    ///
    /// # Errors
    /// [`ManifestError::Inconsistent`] when the categories make no tag set.
    pub fn tag_set(&self) -> Result<TagSet, ManifestError> {
        let inconsistent = |error: String| ManifestError::Inconsistent(error);
        let categories = self.categories.iter().map(|name| EntityCategory::new(name));
        let categories = categories.collect::<Result<_, _>>().map_err(|e| inconsistent(e.to_string()))?;
        TagSet::new(categories).map_err(|error| inconsistent(error.to_string()))
    }

    /// Checks that the parts agree with each other.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), ManifestError> {
        let tags = self.tag_set()?.len();
        let lattice = &self.lattice;
        let tuned = self.recipe.kind == RecipeKind::Tuned;
        let scores = [&lattice.transitions, &lattice.start, &lattice.end];
        let problem = if lattice.transitions.len() != tags * tags
            || lattice.start.len() != tags
            || lattice.end.len() != tags
        {
            "the lattice does not fit the categories"
        } else if scores.iter().any(|part| part.iter().any(|score| !score.is_finite())) {
            "the lattice holds a score that is no number"
        } else if !(self.temperature.is_finite() && self.temperature > 0.0) {
            "the temperature is not positive"
        } else if !(self.boldness.is_finite() && self.boldness >= 0.0) {
            "the boldness is negative"
        } else if self.recipe.kind.reads_encoder() != self.encoder.is_some()
            || self.encoder.is_some() != self.recipe.contextual.is_some()
        {
            "recipe and encoder do not fit"
        } else if tuned != self.recipe.tuning.is_some() || tuned != self.files.contains_key(LAYERS_FILE) {
            "recipe and tuned layers do not fit"
        } else if self.recipe.sequence_words == 0 {
            "sequences must hold at least one word"
        } else if !self.files.contains_key(HEAD_FILE) {
            "the head's file is not listed"
        } else if !self.digest.is_empty() && self.digest != self.content_digest() {
            "the digest is not that of its content"
        } else {
            return Ok(());
        };
        Err(ManifestError::Inconsistent(problem.to_owned()))
    }
}
