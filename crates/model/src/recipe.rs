//! The complete description of a training run, stored in the bundle that came out of it.
//!
//! Serving reads the part that says how text becomes inputs; training reads all of it.

use serde::{Deserialize, Serialize};

/// Everything that decides a run apart from the data, the seed and the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Recipe {
    /// Which family.
    pub kind: RecipeKind,
    /// Where one sequence ends whatever its length.
    pub sequence_break: SequenceBreak,
    /// Longest sequence in words; longer ones are cut at line ends, sentence ends, then between words.
    pub sequence_words: u32,
    /// Sparse features of the words themselves.
    pub lexical: LexicalRecipe,
    /// What a pretrained encoder says about each word; present exactly when `kind` reads one.
    pub contextual: Option<ContextualRecipe>,
    /// How the encoder itself is tuned; present exactly when `kind` is `tuned`. Not written where absent, so that the
    /// digests of models from before this part still hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningRecipe>,
}

/// The families of recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecipeKind {
    /// No encoder: words, shapes, affixes and their neighbours. Any language, tiny.
    Lexical,
    /// A frozen pretrained encoder and the lexical features.
    Contextual,
    /// As `Contextual`, over an encoder whose upper layers were tuned to the project's own labels.
    Tuned,
}

impl RecipeKind {
    /// Whether models of this family read an encoder.
    pub fn reads_encoder(self) -> bool {
        self != Self::Lexical
    }
}

/// What no entity reaches over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SequenceBreak {
    /// The end of a line: right for most texts.
    Line,
    /// An empty line: for labels that run over several lines, such as addresses.
    Paragraph,
    /// Nothing but the longest sequence: for labels that run over empty lines.
    Document,
}

/// The sparse part and how it is learned (OWL-QN: L-BFGS with an L1 term).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LexicalRecipe {
    /// Version of the feature set in `features`; a bundle is only served by code that knows its version.
    pub feature_set: u32,
    /// Whether a word's other occurrences in the document say something about it.
    pub document_context: bool,
    /// Features seen on fewer words of the training set than this are left out.
    pub min_count: u32,
    /// Weight of the L1 term, which makes the head sparse.
    pub l1: f32,
    /// Weight of the L2 term, one half of it times the squared norm.
    pub l2: f32,
    /// Most passes of the optimiser.
    pub max_iterations: u32,
    /// Stops when the objective fell by less than this part of itself over ten passes.
    pub tolerance: f32,
    /// Weights smaller than this are left out of the head.
    pub prune_below: f32,
}

/// The dense part: windows for the encoder, and the network over its vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContextualRecipe {
    /// Longest window in pieces, special pieces included; at most what the encoder takes.
    pub window_pieces: u32,
    /// Context from neighbouring sequences on each side of a window's own words, in pieces.
    pub context_pieces: u32,
    /// Units of the hidden layer of one member network; 0 for a linear map alone.
    pub hidden: u32,
    /// Neighbouring words on each side whose hidden units are read.
    pub reach: u32,
    /// Whether words read the mean of the hidden units of their sequence too. Not written where not, so that the digests of
    /// models from before this part still hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pooled: bool,
    /// Part of the encoder's values switched off in each pass.
    pub input_dropout: f32,
    /// Part of the hidden units switched off in each pass.
    pub dropout: f32,
    /// Passes over the training set.
    pub epochs: u32,
    /// Words of one optimiser step, as near as whole sequences allow.
    pub batch_words: u32,
    /// Step length of Adam at its highest, after warm-up and before the linear way down to zero.
    pub learning_rate: f32,
    /// Decay of the dense weights per step, times the step length.
    pub weight_decay: f32,
    /// Member networks, each learned without one part of the documents, averaged in the head. What each says
    /// about the part it has not seen is what the lexical part is learned on top of.
    pub folds: u32,
    /// Weights of the L1 and L2 terms of the lexical part learned on top of the members: what it learns by heart is worth
    /// less there than alone.
    pub l1: f32,
    /// See `l1`.
    pub l2: f32,
    /// Part of the head that a lexical part learned alone has, as `lexical` says, 0 to 1; chosen on documents held out
    /// when absent.
    pub lexical_share: Option<f32>,
}

/// How the encoder's upper layers are tuned, before anything else is learned over what it says (AdamW: Loshchilov and
/// Hutter 2019, "Decoupled weight decay regularization").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TuningRecipe {
    /// Layers that are tuned, from the highest one that is read downwards.
    pub layers: u32,
    /// Parts of the documents. What the rest of the model learns from is said about each part by an encoder tuned without it.
    pub folds: u32,
    /// Passes over the training set.
    pub epochs: u32,
    /// Word pieces of one optimiser step, as near as whole windows allow.
    pub batch_pieces: u32,
    /// Step length at its highest, after warm-up and before the linear way down to zero.
    pub learning_rate: f32,
    /// The same for the linear map to tags that the layers are tuned under, which is thrown away afterwards.
    pub head_learning_rate: f32,
    /// Part of the steps in which the step length grows.
    pub warm_up: f32,
    /// Decay of the matrices per step, times the step length.
    pub weight_decay: f32,
    /// Part of what each half of a layer adds switched off in each step.
    pub dropout: f32,
}

impl Recipe {
    /// The lexical recipe with its default settings.
    pub fn lexical() -> Self {
        Self {
            kind: RecipeKind::Lexical,
            sequence_break: SequenceBreak::Line,
            sequence_words: 400,
            lexical: LexicalRecipe::default(),
            contextual: None,
            tuning: None,
        }
    }

    /// The contextual recipe with its default settings.
    pub fn contextual() -> Self {
        Self {
            kind: RecipeKind::Contextual,
            contextual: Some(ContextualRecipe::default()),
            ..Self::lexical()
        }
    }

    /// The tuned recipe with its default settings.
    pub fn tuned() -> Self {
        Self { kind: RecipeKind::Tuned, tuning: Some(TuningRecipe::default()), ..Self::contextual() }
    }
}

impl Default for LexicalRecipe {
    fn default() -> Self {
        Self {
            feature_set: crate::FEATURE_SET,
            document_context: true,
            min_count: 1,
            l1: 0.1,
            l2: 0.1,
            max_iterations: 100,
            tolerance: 1e-4,
            prune_below: 1e-4,
        }
    }
}

impl Default for ContextualRecipe {
    fn default() -> Self {
        Self {
            window_pieces: 128,
            context_pieces: 16,
            hidden: 64,
            reach: 1,
            pooled: true,
            input_dropout: 0.1,
            dropout: 0.3,
            epochs: 10,
            batch_words: 512,
            learning_rate: 2e-3,
            weight_decay: 1e-2,
            folds: 4,
            l1: 16.0,
            l2: 4.0,
            lexical_share: None,
        }
    }
}

impl Default for TuningRecipe {
    fn default() -> Self {
        Self {
            layers: 2,
            folds: 2,
            epochs: 3,
            batch_pieces: 1024,
            learning_rate: 1e-4,
            head_learning_rate: 1e-3,
            warm_up: 0.1,
            weight_decay: 1e-2,
            dropout: 0.1,
        }
    }
}
