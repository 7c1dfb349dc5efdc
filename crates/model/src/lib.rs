//! The model bundle: manifest, recipe, text to graph inputs, graph outputs to entities.
//!
//! Pure, and the same code in training, evaluation and serving (train = serve). It must not know where bundles are
//! stored, nor which machine computes a graph.

mod bundle;
pub mod features;
mod graph;
mod head;
mod inputs;
mod layers;
mod manifest;
pub mod product;
mod recipe;
mod serving;
mod tensors;
mod windows;
mod word_pieces;

pub use bundle::{Bundle, BundleError, hex, sha256_hex};
pub use graph::{Emissions, Encoder, Graph, GraphError, Inputs, Pieces};
pub use head::{Entry, Head, HeadError, Layout, Network, Sparse};
pub use layers::{Activation, LAYER_TENSORS, LayerShape, LayerWeights, TunableEncoder};
pub use manifest::{
    EncoderRef, FORMAT, FileRef, HEAD_FILE, LAYERS_FILE, Lattice, Lineage, MANIFEST_FILE, Manifest,
    ManifestError, Split,
};
pub use recipe::{ContextualRecipe, LexicalRecipe, Recipe, RecipeKind, SequenceBreak, TuningRecipe};
pub use serving::{Preparation, Prepared, ServingError, ServingModel};
pub use tensors::{NamedTensor, TensorType};
pub use windows::{Familiarity, PieceTokenizer, TokenizerError};

/// Version of the lexical feature set that this code extracts.
pub const FEATURE_SET: u32 = 3;
