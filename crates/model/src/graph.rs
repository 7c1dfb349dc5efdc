//! What goes into a model's graph and what comes out, independent of who computes it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One call's inputs: all words of all sequences of a request, concatenated.
///
/// A *sequence* is what the tag lattice runs over (a sentence or a line); a *window* is what the encoder sees
/// (at most its maximum length in pieces, overlapping its neighbours so that every word has context).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Hashes of the active lexical features, word after word. Empty for a model without lexical features.
    pub features: Vec<u64>,
    /// Borders of each word's part of `features`; `words + 1` entries, first 0, never falling.
    pub feature_offsets: Vec<u32>,
    /// Borders of the sequences in words; `sequences + 1` entries, first 0, last `words`.
    pub sequence_offsets: Vec<u32>,
    /// What the encoder reads; `None` for a model without encoder.
    pub pieces: Option<Pieces>,
}

/// Encoder input: `windows` rows of `length` word pieces, padded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Number of rows.
    pub windows: usize,
    /// Row length, padding included.
    pub length: usize,
    /// `windows * length` vocabulary ids.
    pub input_ids: Vec<i32>,
    /// `windows * length` ones (piece) and zeros (padding).
    pub attention_mask: Vec<i32>,
    /// For each word, `row * length + column` of its first piece in the row where it has most context.
    pub first_pieces: Vec<i32>,
}

/// One score per word and tag, `words * tags`, row after row: unnormalised log potentials.
#[derive(Clone, Debug, PartialEq)]
pub struct Emissions {
    /// Row length.
    pub tags: usize,
    /// The scores.
    pub scores: Vec<f32>,
}

/// A model's computation behind its name: encoder and head chained, in native memory.
///
/// Implemented natively by `inference` and in components over `wasi:nn`; golden vectors prove both agree.
pub trait Graph {
    /// Emissions for `inputs`.
    ///
    /// # Errors
    /// [`GraphError`] says whether the inputs or the machine is at fault.
    fn compute(&self, inputs: &Inputs) -> Result<Emissions, GraphError>;
}

/// Why a graph gave no emissions.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum GraphError {
    /// No model of this name is known. The operator can deploy it again.
    #[error("no model named {0:?} is available")]
    NotFound(String),
    /// The inputs contradict themselves or the model. A programming error of the caller.
    #[error("invalid graph input {name}: {reason}")]
    InvalidInput {
        /// The tensor's name.
        name: String,
        /// Expected and got.
        reason: String,
    },
    /// The model's files are absent or altered. The operator can restore or retrain it.
    #[error("model {model} is damaged: {reason}")]
    Damaged {
        /// The model's name.
        model: String,
        /// Which file, which digests.
        reason: String,
    },
    /// The machine could not compute. Trying again may help.
    #[error("inference failed: {0}")]
    Failed(String),
}

impl Inputs {
    /// Number of words.
    pub fn words(&self) -> usize {
        self.feature_offsets.len().saturating_sub(1)
    }

    /// The features of a word there is.
    pub fn features_of(&self, word: usize) -> &[u64] {
        &self.features[self.feature_offsets[word] as usize..self.feature_offsets[word + 1] as usize]
    }
}

/// A pretrained encoder, frozen: what it says about each word.
///
/// Implemented by `inference` over OpenVINO; used by the head behind a [`Graph`] and, with the same code, in training.
pub trait Encoder: Send + Sync {
    /// Width of one word's vector.
    fn width(&self) -> usize;

    /// One vector per entry of `pieces.first_pieces`, `words * width`, row after row.
    ///
    /// # Errors
    /// As [`Graph::compute`].
    fn encode(&self, pieces: &Pieces) -> Result<Vec<f32>, GraphError>;
}
