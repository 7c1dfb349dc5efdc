//! An encoder's layers as weights: what tuning changes, and nothing else of an encoder.

use crate::{Encoder, GraphError};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The tensors of one transformer layer (Devlin et al. 2019) by name, in the order of [`LayerWeights`].
pub const LAYER_TENSORS: [&str; 16] = [
    "attention.self.query.weight",
    "attention.self.query.bias",
    "attention.self.key.weight",
    "attention.self.key.bias",
    "attention.self.value.weight",
    "attention.self.value.bias",
    "attention.output.dense.weight",
    "attention.output.dense.bias",
    "attention.output.LayerNorm.weight",
    "attention.output.LayerNorm.bias",
    "intermediate.dense.weight",
    "intermediate.dense.bias",
    "output.dense.weight",
    "output.dense.bias",
    "output.LayerNorm.weight",
    "output.LayerNorm.bias",
];

/// The non-linearity of a layer's feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * Φ(x)` with the error function.
    Gelu,
    /// Its approximation with the hyperbolic tangent.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// What all layers of an encoder have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerShape {
    /// Values of a piece's hidden state.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Values between the two matrices of the feed-forward part.
    pub inner: usize,
    /// Added to the variance by normalisation.
    pub epsilon: f64,
    /// Between the two matrices of the feed-forward part.
    pub activation: Activation,
    /// The layers whose mean the encoder gives, counted from 1, rising; the last one is its highest layer.
    pub output: Vec<usize>,
}

/// The weights of one layer: a tensor for each of [`LAYER_TENSORS`], row after row, matrices as `[outputs, inputs]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights(pub Vec<Vec<f32>>);

impl LayerShape {
    /// The highest layer.
    pub fn layers(&self) -> usize {
        self.output.last().copied().unwrap_or(0)
    }

    /// Shapes of the tensors, in the order of [`LAYER_TENSORS`].
    pub fn tensors(&self) -> [Vec<usize>; 16] {
        let (width, inner) = (self.width, self.inner);
        let square = || vec![width, width];
        let row = || vec![width];
        let attention = [square(), row(), square(), row(), square(), row(), square(), row()];
        let [a, b, c, d, e, f, g, h] = attention;
        let forward = (vec![inner, width], vec![inner], vec![width, inner]);
        [a, b, c, d, e, f, g, h, row(), row(), forward.0, forward.1, forward.2, row(), row(), row()]
    }
}

/// An encoder whose layers can be read and replaced.
///
/// Implemented by `inference` over an encoder's package; used by training alone.
pub trait TunableEncoder: Send + Sync {
    /// What its layers have in common.
    fn shape(&self) -> &LayerShape;

    /// The weights of some layers, counted from 1, as 32-bit floats.
    ///
    /// # Errors
    /// [`GraphError::Failed`] when the package cannot be read.
    fn layers(&self, numbers: RangeInclusive<usize>) -> Result<Vec<LayerWeights>, GraphError>;

    /// The encoder up to what layer `number` reads: its vectors are the hidden states below that layer, of any pieces.
    ///
    /// # Errors
    /// [`GraphError::Failed`] when the machine cannot open it.
    fn below(&self, number: usize) -> Result<Arc<dyn Encoder>, GraphError>;

    /// The file [`crate::LAYERS_FILE`] that puts `layers` in the places of layer `first` and those after it.
    ///
    /// # Errors
    /// [`GraphError::Failed`] when a weight is no number, or a layer has not the encoder's shape.
    fn pack(&self, first: usize, layers: &[LayerWeights]) -> Result<Vec<u8>, GraphError>;

    /// The same encoder with the layers in `file`.
    ///
    /// # Errors
    /// [`GraphError::Failed`] when `file` is not of this encoder, or the machine cannot open it.
    fn with(&self, file: &[u8]) -> Result<Arc<dyn Encoder>, GraphError>;
}
