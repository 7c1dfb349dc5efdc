//! The dense part: encoder vectors and forms of a word and its neighbours to scores.
//!
//! `x = (vector - mean) * scale`, `[l h] = x·M`, `h = relu(h + b)`, `score += l + Σ_d h[word + d]·O_d` for `d` in
//! `-reach..=reach` within the word's sequence.

use super::HeadError;
use crate::Inputs;
use crate::product::{self, Matrix};
use std::ops::Range;

/// Sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Width of an encoder vector.
    pub width: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Neighbours on each side.
    pub reach: usize,
    /// Tags.
    pub tags: usize,
}

/// Weights of the dense part, all matrices row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layout: Layout,
    /// Mean, scale (both `width`), M (`width * (tags + hidden)`), b (`hidden`), O (`(2 * reach + 1) * hidden * tags`), one after
    /// the other.
    weights: Vec<f32>,
}

/// Words handled at once, so that intermediate rows stay in the cache.
const BLOCK_WORDS: usize = 1_024;

impl Layout {
    /// Lengths of mean, scale, M, b and O.
    pub fn lengths(&self) -> [usize; 5] {
        let Self { width, hidden, tags, .. } = *self;
        [width, width, width * (tags + hidden), hidden, self.around() * tags]
    }

    /// Hidden units of a word and its neighbours.
    pub fn around(&self) -> usize {
        (2 * self.reach + 1) * self.hidden
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.lengths().iter().sum()
    }
}

impl Network {
    /// A network from its weights in the order mean, scale, M, b, O (see the module's formula).
    ///
    /// # Errors
    /// [`HeadError::Invalid`] when their number does not fit the layout.
    pub fn new(layout: Layout, weights: Vec<f32>) -> Result<Self, HeadError> {
        if weights.len() != layout.weights() {
            let reason = format!("{} network weights, {layout:?} needs {}", weights.len(), layout.weights());
            return Err(HeadError::Invalid(reason));
        }
        Ok(Self { layout, weights })
    }

    /// The sizes.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All weights in the order of [`Network::new`].
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub(super) fn validate(&self, tags: usize) -> Result<(), HeadError> {
        if self.layout.tags != tags || self.layout.width == 0 {
            return Err(HeadError::Invalid(format!("{:?} does not fit {tags} tags", self.layout)));
        }
        if self.weights.iter().any(|weight| !weight.is_finite()) {
            return Err(HeadError::Invalid("a network weight is no number".into()));
        }
        Ok(())
    }

    fn parts(&self) -> [&[f32]; 5] {
        let mut rest = self.weights.as_slice();
        self.layout.lengths().map(|length| {
            let (part, after) = rest.split_at(length);
            rest = after;
            part
        })
    }

    /// Adds the network's scores to `scores` (`words * tags`); `vectors` are `words * width`. Sequences are taken
    /// several at once, never apart, so neighbours are always at hand.
    pub(super) fn add(&self, inputs: &Inputs, vectors: &[f32], scores: &mut [f32]) {
        let sequences = &inputs.sequence_offsets;
        let Layout { width, tags, .. } = self.layout;
        let mut first = 0;
        while first + 1 < sequences.len() {
            let mut last = first + 1;
            while last + 1 < sequences.len()
                && (sequences[last + 1] - sequences[first]) as usize <= BLOCK_WORDS
            {
                last += 1;
            }
            let words = sequences[first] as usize..sequences[last] as usize;
            let block = &mut scores[words.start * tags..words.end * tags];
            let vectors = &vectors[words.start * width..words.end * width];
            self.add_block(words, vectors, &sequences[first..=last], block);
            first = last;
        }
    }

    fn add_block(&self, words: Range<usize>, vectors: &[f32], sequences: &[u32], scores: &mut [f32]) {
        let Layout { width, hidden, reach, tags, .. } = self.layout;
        let [mean, scale, inner, bias, outer] = self.parts();
        let mut standard = vectors.to_vec();
        for row in standard.chunks_exact_mut(width) {
            for ((value, mean), scale) in row.iter_mut().zip(mean).zip(scale) {
                *value = (*value - mean) * scale;
            }
        }
        // Apart, since the kernel takes whole registers of columns as they lie and would first have to copy all others.
        let (standard, inner) = (Matrix::new(&standard, width), Matrix::new(inner, tags + hidden));
        product::add(scores, standard, inner.columns(0..tags));
        if hidden == 0 {
            return;
        }
        let mut units = vec![0.0; words.len() * hidden];
        product::add(&mut units, standard, inner.columns(tags..tags + hidden));
        for row in units.chunks_exact_mut(hidden) {
            row.iter_mut().zip(bias).for_each(|(unit, bias)| *unit = (*unit + bias).max(0.0));
        }
        let mut said = vec![0.0; words.len() * tags];
        for (neighbour, outer) in outer.chunks_exact(hidden * tags).enumerate() {
            said.fill(0.0);
            product::add(&mut said, Matrix::new(&units, hidden), Matrix::new(outer, tags));
            for borders in sequences.windows(2) {
                let [from, to] = [0, 1].map(|border| (borders[border] as usize - words.start) * tags);
                add_shifted(&mut scores[from..to], &said[from..to], neighbour, reach, tags);
            }
        }
    }
}

/// Adds row `word + neighbour - reach` of `said` to row `word` of `scores`, where both exist.
fn add_shifted(scores: &mut [f32], said: &[f32], neighbour: usize, reach: usize, tags: usize) {
    let skip = |rows: usize| (rows * tags).min(said.len());
    let (to, from) = (skip(reach.saturating_sub(neighbour)), skip(neighbour.saturating_sub(reach)));
    scores[to..].iter_mut().zip(&said[from..]).for_each(|(score, said)| *score += said);
}
