//! What tunes an encoder's layers, as a run sees it: weights and windows in, weights out.

use model::{LayerShape, LayerWeights, TunableEncoder, TuningRecipe};
use std::io;
use std::ops::{ControlFlow, Range};
use thiserror::Error;

/// Learns layers under a linear map from hidden states to tags, which it throws away.
///
/// Deterministic: the same task gives the same weights on the same class of machine, whatever the number of threads of the
/// rayon pool it is called in.
pub trait Tuner: Send + Sync {
    /// Where it computes.
    fn device(&self) -> TuningDevice;

    /// About how much memory a task over `layers` layers takes, in bytes of this machine.
    fn bytes(&self, shape: &LayerShape, layers: usize, recipe: &TuningRecipe) -> u64;

    /// The layers as they are after all passes.
    ///
    /// # Errors
    /// [`TunerError`].
    fn tune(&self, task: &TuningTask<'_>) -> Result<Vec<LayerWeights>, TunerError>;
}

/// Where layers are tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TuningDevice {
    /// The processor: the upper layers, since each more costs as much again.
    Processor,
    /// A graphics processor: all layers.
    Gpu,
}

/// What a tuner is asked for.
pub struct TuningTask<'a> {
    /// What the layers have in common.
    pub shape: &'a LayerShape,
    /// Number of the lowest layer to tune, from 1.
    pub first_layer: usize,
    /// The layers as they are, from the lowest to the encoder's highest.
    pub layers: &'a [LayerWeights],
    /// How to learn.
    pub recipe: &'a TuningRecipe,
    /// Number of tags.
    pub tags: usize,
    /// What is learned from; at least one window.
    pub windows: &'a [TuningWindow],
    /// Appends the hidden states below the lowest layer of the pieces in a range, `pieces * width`.
    pub states: &'a (dyn Fn(Range<usize>, &mut Vec<f32>) -> io::Result<()> + Sync),
    /// Seed of every random choice.
    pub seed: u64,
    /// Hears which part is done (0 to 1) and the loss per word, before each step and each part of one, from any thread.
    pub watch: &'a (dyn Fn(f32, Option<f64>) -> ControlFlow<()> + Sync),
}

/// A window to learn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TuningWindow {
    /// Its pieces, without padding, as they are numbered over all windows.
    pub pieces: Range<usize>,
    /// Column of each word's first piece, and the word's tag; at least one.
    pub words: Vec<(u32, u32)>,
}

/// Why layers could not be tuned.
#[derive(Debug, Error)]
pub enum TunerError {
    /// `watch` wished to stop.
    #[error("tuning was cancelled")]
    Stopped,
    /// The loss is no number.
    #[error("tuning diverged: the loss is no number")]
    Diverged,
    /// The hidden states could not be read.
    #[error(transparent)]
    States(#[from] io::Error),
    /// The device failed.
    #[error("{0}")]
    Failed(String),
}

/// An encoder that can be tuned, and what tunes it.
#[derive(Clone, Copy)]
pub struct Tuning<'a> {
    /// The encoder's layers.
    pub encoder: &'a dyn TunableEncoder,
    /// What tunes them.
    pub tuner: &'a dyn Tuner,
}
