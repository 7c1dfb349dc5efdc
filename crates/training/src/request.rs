//! What a training run is asked for, what it says on its way and why it fails.

use crate::owlqn::Stop;
use crate::surroundings::Surroundings;
use crate::tuner::Tuning;
use model::{BundleError, Encoder, EncoderRef, GraphError, HeadError, Recipe, ServingError, TokenizerError};
use ner::{EntityCategory, LabeledDocument};
use thiserror::Error;

/// Which recipe to train.
#[derive(Clone, Debug, PartialEq)]
pub enum RecipeChoice {
    /// The lexical recipe with its default settings.
    Lexical,
    /// The contextual recipe with its default settings.
    Contextual,
    /// The tuned recipe with its default settings for the device that tunes.
    Tuned,
    /// Whichever does better on a part of the training documents; lexical when there is no encoder, or none that can read
    /// their language.
    Auto,
    /// Exactly this one.
    Given(Recipe),
}

/// What to train, from what.
pub struct TrainRequest<'a> {
    /// The documents to learn from, and no others.
    pub corpus: &'a [LabeledDocument],
    /// Which recipe.
    pub recipe: RecipeChoice,
    /// BCP-47 language of the project.
    pub language: String,
    /// All of the project's categories, in the order the model will have them.
    pub categories: Vec<EntityCategory>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads to compute with, at least 1. Does not change the result.
    pub threads: usize,
    /// The name of the model.
    pub model_id: String,
    /// Version of the program, for the lineage.
    pub code_version: String,
    /// The encoder; contextual recipes need it.
    pub encoder: Option<TrainingEncoder<'a>>,
    /// What the run gets from where it runs.
    pub surroundings: Surroundings<'a>,
}

/// An encoder with its identity and tokenizer.
pub struct TrainingEncoder<'a> {
    /// The encoder.
    pub encoder: &'a dyn Encoder,
    /// Its identity, for the manifest.
    pub reference: EncoderRef,
    /// Its `tokenizer.json`.
    pub tokenizer_json: &'a [u8],
    /// How it can be tuned; tuned recipes need it.
    pub tuning: Option<Tuning<'a>>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Text to words, features and pieces.
    Prepare,
    /// The encoder reads all documents.
    Encode,
    /// The encoder's layers are tuned.
    Tune,
    /// Weights are learned.
    Learn,
    /// Recipes are compared and confidences calibrated on documents held out.
    Validate,
    /// The bundle is put together.
    Assemble,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Part of the whole run that is done, 0 to 1, never falling.
    pub fraction: f32,
    /// What is being minimised, where the stage minimises something.
    pub loss: Option<f64>,
    /// The best micro F1 so far on documents held out, 0 to 1.
    pub validation_f1: Option<f32>,
}

/// Why there is no bundle.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TrainError {
    /// Nothing to learn from. The person who labels can fix it.
    #[error("too few labels to learn from: {labels} in all, in documents: {documents}")]
    TooLittle {
        /// Documents with a region.
        documents: usize,
        /// Labels that could be learned from.
        labels: u64,
    },
    /// The categories make no tag set. The person who wrote the schema can fix it.
    #[error("{0}")]
    Categories(String),
    /// A label names a category that the project does not have. A programming error of the caller.
    #[error("document {location:?} has a label of category {category:?}, which is not among the categories")]
    UnknownCategory {
        /// The document.
        location: String,
        /// The category.
        category: String,
    },
    /// The recipe needs an encoder. The operator can install one.
    #[error("recipe needs an encoder and none is installed")]
    EncoderMissing,
    /// The recipe tunes the encoder and nothing here can. The operator can use a program that does.
    #[error("recipe tunes the encoder and this program cannot")]
    TunerMissing,
    /// The device that tunes the encoder failed. Trying again may help.
    #[error("tuning the encoder failed: {0}")]
    Tuner(String),
    /// The encoder is not what its description says. The operator can install it again.
    #[error("encoder {name:?} does not fit its description: {reason}")]
    EncoderMismatch {
        /// Its name.
        name: String,
        /// Expected and found.
        reason: String,
    },
    /// The recipe or the tokenizer cannot be used.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// The encoder failed. Trying again may help.
    #[error("encoder: {0}")]
    Encoder(#[from] GraphError),
    /// The loss is no number, which these data and settings should not lead to. Another recipe may help.
    #[error("training diverged: the loss is no number")]
    Diverged,
    /// There is not enough memory. The operator can give more, or the person who labels less text.
    #[error(
        "training needs about {} MiB of memory and {} MiB are free; give the server more memory, train on fewer or \
         shorter documents, or with the lexical configuration", .needed_bytes >> 20, .available_bytes >> 20
    )]
    Memory {
        /// What the next step would take.
        needed_bytes: u64,
        /// What there is.
        available_bytes: u64,
    },
    /// The threads could not be started. Trying again may help.
    #[error("could not start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// The system's words.
        reason: String,
    },
    /// The encoder's vectors of a large corpus found no room. The operator can make some in the system's temporary folder.
    #[error("temporary file in {folder} cannot be used: {reason}", folder = std::env::temp_dir().display())]
    Scratch {
        /// The system's words.
        reason: String,
    },
    /// What was learned does not make a bundle: a defect of this program.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The caller asked to stop.
    #[error("training was cancelled")]
    Cancelled,
}

impl From<TokenizerError> for TrainError {
    fn from(error: TokenizerError) -> Self {
        Self::Serving(error.into())
    }
}

impl From<HeadError> for TrainError {
    fn from(error: HeadError) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<Stop> for TrainError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::NotFinite => Self::Diverged,
            Stop::Scratch(kind) => std::io::Error::from(kind).into(),
        }
    }
}

impl From<std::io::Error> for TrainError {
    fn from(error: std::io::Error) -> Self {
        Self::Scratch { reason: error.to_string() }
    }
}
