//! The model bundle: manifest, recipe, text to graph inputs, graph outputs to entities.
//!
//! Pure, and the same code in training, evaluation and serving (train = serve). It must not know where bundles are
//! stored, nor which machine computes a graph.

mod graph;

pub use graph::{Emissions, Encoder, Graph, GraphError, Inputs, Pieces};
