//! The dense part: encoder vectors and forms of a word and its neighbours to scores.
//!
//! `x = (vector - mean) * scale`, `[l h] = x·M`, `h = relu(h + Σ E[form] + b)`, `score += l + Σ_d h[word + d]·O_d` for
//! `d` in `-reach..=reach` within the word's sequence. Forms (see [`crate::features::form`]) are what an uncased encoder
//! does not see: how words are written.

use super::HeadError;
use crate::Inputs;
use crate::features::form;
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
    /// Rows that forms share, a power of two; 0 for a network that reads no forms.
    pub forms: usize,
}

/// Weights of the dense part, all matrices row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layout: Layout,
    /// Mean, scale (both `width`), M (`width * (tags + hidden)`), b (`hidden`), O (`(2 * reach + 1) * hidden * tags`),
    /// E (`forms * hidden`), one after the other.
    weights: Vec<f32>,
}

/// Words handled at once, so that intermediate rows stay in the cache.
const BLOCK_WORDS: usize = 1_024;

impl Layout {
    /// Lengths of mean, scale, M, b, O and E.
    pub fn lengths(&self) -> [usize; 6] {
        let Self { width, hidden, tags, forms, .. } = *self;
        [width, width, width * (tags + hidden), hidden, self.around() * tags, forms * hidden]
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
    /// A network from its weights in the order mean, scale, M, b, O, E (see the module's formula).
    ///
    /// # Errors
    /// [`HeadError::Invalid`] when their number does not fit the layout or forms are no power of two.
    pub fn new(layout: Layout, weights: Vec<f32>) -> Result<Self, HeadError> {
        if weights.len() != layout.weights() {
            let reason = format!("{} network weights, {layout:?} needs {}", weights.len(), layout.weights());
            return Err(HeadError::Invalid(reason));
        }
        if layout.forms > 0 && !layout.forms.is_power_of_two() {
            return Err(HeadError::Invalid(format!("{} rows for forms are no power of two", layout.forms)));
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

    fn parts(&self) -> [&[f32]; 6] {
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
            self.add_block(inputs, words, vectors, &sequences[first..=last], block);
            first = last;
        }
    }

    fn add_block(
        &self,
        inputs: &Inputs,
        words: Range<usize>,
        vectors: &[f32],
        sequences: &[u32],
        scores: &mut [f32],
    ) {
        let Layout { width, hidden, reach, tags, .. } = self.layout;
        let [mean, scale, inner, bias, outer, _] = self.parts();
        let mut standard = vectors.to_vec();
        for row in standard.chunks_exact_mut(width) {
            for ((value, mean), scale) in row.iter_mut().zip(mean).zip(scale) {
                *value = (*value - mean) * scale;
            }
        }
        let mut both = vec![0.0; words.len() * (tags + hidden)];
        product::add(&mut both, Matrix::new(&standard, width), Matrix::new(inner, tags + hidden));
        let mut units = Vec::with_capacity(words.len() * hidden);
        for ((word, both), scores) in
            words.clone().zip(both.chunks_exact(tags + hidden)).zip(scores.chunks_exact_mut(tags))
        {
            let (linear, hidden) = both.split_at(tags);
            scores.iter_mut().zip(linear).for_each(|(score, said)| *score += said);
            let at = units.len();
            units.extend(hidden.iter().zip(bias).map(|(unit, bias)| unit + bias));
            self.add_forms(inputs, word, &mut units[at..]);
        }
        if hidden == 0 {
            return;
        }
        units.iter_mut().for_each(|unit| *unit = unit.max(0.0));
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

    /// Adds the rows of a word's forms to its hidden units.
    fn add_forms(&self, inputs: &Inputs, word: usize, units: &mut [f32]) {
        let Layout { hidden, forms, .. } = self.layout;
        let table = self.parts()[5];
        let features = inputs.feature_offsets[word] as usize..inputs.feature_offsets[word + 1] as usize;
        for row in inputs.features[features].iter().filter_map(|&feature| form(feature, forms)) {
            let row = &table[row * hidden..(row + 1) * hidden];
            units.iter_mut().zip(row).for_each(|(unit, value)| *unit += value);
        }
    }
}

/// Adds row `word + neighbour - reach` of `said` to row `word` of `scores`, where both exist.
fn add_shifted(scores: &mut [f32], said: &[f32], neighbour: usize, reach: usize, tags: usize) {
    let skip = |rows: usize| (rows * tags).min(said.len());
    let (to, from) = (skip(reach.saturating_sub(neighbour)), skip(neighbour.saturating_sub(reach)));
    scores[to..].iter_mut().zip(&said[from..]).for_each(|(score, said)| *score += said);
}
