//! The dense part: encoder vectors and forms of a word and its neighbours to scores.
//!
//! `x = (vector - mean) * scale`, `[l h] = x·M`, `h = relu(h + b)`, `score += l + Σ_d h[word + d]·O_d` for `d` in
//! `-reach..=reach` within the word's sequence; a pooled network has one more `O`, for the mean of `h` over the sequence.

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
    /// Whether words read the mean of the hidden units of their sequence too.
    pub pooled: bool,
    /// Tags.
    pub tags: usize,
}

/// Weights of the dense part, all matrices row after row, in the shape that the product reads fastest: hidden units in
/// panels that are multiplied one after the other, rows filled up with zeros to whole registers. So the weights, which no
/// cache holds after an encoder has computed, are read in one go.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    layout: Layout,
    /// Of `width` values each.
    mean: Vec<f32>,
    scale: Vec<f32>,
    /// M's columns of the tags: `width` rows.
    linear: Vec<f32>,
    panels: Vec<Panel>,
}

/// Some hidden units.
#[derive(Clone, Debug, PartialEq)]
struct Panel {
    /// Of a value per unit; that of a filling is zero, so it never says anything.
    bias: Vec<f32>,
    /// M's columns of these units: `width` rows.
    inner: Vec<f32>,
    /// A row per unit: what it says of each neighbour's tags.
    outer: Vec<f32>,
}

/// Values of the widest register.
const LANES: usize = 16;
/// Units of a panel: as many columns as the product computes at a time.
const PANEL_UNITS: usize = 4 * LANES;
/// Words multiplied at once: for more, the product would first copy the weights.
const PRODUCT_WORDS: usize = 48;
/// Words handled at once, so that intermediate rows stay in the cache.
const BLOCK_WORDS: usize = 1_024;

impl Layout {
    /// Lengths of mean, scale, M, b and O.
    pub fn lengths(&self) -> [usize; 5] {
        let Self { width, hidden, tags, .. } = *self;
        [width, width, width * (tags + hidden), hidden, self.around() * tags]
    }

    /// Places whose hidden units a word reads: its neighbours' from the farthest before to the farthest after, then the
    /// mean of its sequence.
    pub fn places(&self) -> usize {
        2 * self.reach + 1 + usize::from(self.pooled)
    }

    /// Hidden units that a word reads.
    pub fn around(&self) -> usize {
        self.places() * self.hidden
    }

    /// Columns of the linear part in memory.
    fn linear_columns(&self) -> usize {
        self.tags.next_multiple_of(LANES)
    }

    /// Columns of what units say of all places in memory.
    fn outer_columns(&self) -> usize {
        (self.places() * self.tags).next_multiple_of(LANES)
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
    pub fn new(layout: Layout, weights: &[f32]) -> Result<Self, HeadError> {
        if weights.len() != layout.weights() {
            let reason = format!("{} network weights, {layout:?} needs {}", weights.len(), layout.weights());
            return Err(HeadError::Invalid(reason));
        }
        let mut rest = weights;
        let [mean, scale, inner, bias, outer] = layout.lengths().map(|length| {
            let (part, after) = rest.split_at(length);
            rest = after;
            part
        });
        let mut linear = vec![0.0; layout.width * layout.linear_columns()];
        let from = inner.chunks_exact((layout.tags + layout.hidden).max(1));
        for (to, from) in linear.chunks_exact_mut(layout.linear_columns().max(1)).zip(from) {
            to[..layout.tags].copy_from_slice(&from[..layout.tags]);
        }
        let firsts = (0..layout.hidden).step_by(PANEL_UNITS);
        let panels = firsts.map(|first| {
            let units = first..(first + PANEL_UNITS).min(layout.hidden);
            Panel::new(&layout, units, [inner, bias, outer])
        });
        let panels = panels.collect();
        Ok(Self { layout, mean: mean.to_vec(), scale: scale.to_vec(), linear, panels })
    }

    /// The sizes.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All weights in the order of [`Network::new`].
    pub fn weights(&self) -> Vec<f32> {
        let Layout { hidden, tags, .. } = self.layout;
        let (panels, columns) = (&self.panels, self.layout.outer_columns());
        let mut weights = [self.mean.as_slice(), &self.scale].concat();
        for (row, linear) in self.linear.chunks_exact(self.layout.linear_columns()).enumerate() {
            let of_row = |panel: &Panel| row * panel.units()..(row + 1) * panel.units();
            weights.extend(&linear[..tags]);
            weights.extend(panels.iter().flat_map(|panel| &panel.inner[of_row(panel)]).take(hidden));
        }
        weights.extend(panels.iter().flat_map(|panel| &panel.bias).take(hidden));
        for place in 0..self.layout.places() {
            let rows = panels.iter().flat_map(|panel| panel.outer.chunks_exact(columns)).take(hidden);
            weights.extend(rows.flat_map(|row| &row[place * tags..(place + 1) * tags]));
        }
        weights
    }

    pub(super) fn validate(&self, tags: usize) -> Result<(), HeadError> {
        if self.layout.tags != tags || self.layout.width == 0 {
            return Err(HeadError::Invalid(format!("{:?} does not fit {tags} tags", self.layout)));
        }
        let panels = self.panels.iter().flat_map(|panel| [&panel.bias, &panel.inner, &panel.outer]);
        let parts = [&self.mean, &self.scale, &self.linear].into_iter().chain(panels);
        if parts.flatten().any(|weight| !weight.is_finite()) {
            return Err(HeadError::Invalid("a network weight is no number".into()));
        }
        Ok(())
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
        let Layout { width, reach, pooled, tags, .. } = self.layout;
        let columns = self.layout.outer_columns();
        let mut said = vec![0.0; if self.panels.is_empty() { 0 } else { words.len() * columns }];
        let mut work = Work::default();
        for first in (0..words.len()).step_by(PRODUCT_WORDS) {
            let words = first..(first + PRODUCT_WORDS).min(words.len());
            work.standardize(&vectors[words.start * width..words.end * width], &self.mean, &self.scale);
            work.add_linear(&self.linear, &self.layout, &mut scores[words.start * tags..words.end * tags]);
            for panel in &self.panels {
                work.add_panel(panel, &self.layout, &mut said[words.start * columns..words.end * columns]);
            }
        }
        if said.is_empty() {
            return;
        }
        for borders in sequences.windows(2) {
            let [from, to] = [0, 1].map(|border| borders[border] as usize - words.start);
            let scores = &mut scores[from * tags..to * tags];
            let said = |place: usize| {
                let rows = said[from * columns..to * columns].chunks_exact(columns);
                rows.map(move |row| &row[place * tags..(place + 1) * tags])
            };
            for neighbour in 0..=2 * reach {
                add_shifted(scores.chunks_exact_mut(tags), said(neighbour), neighbour, reach);
            }
            if pooled {
                add_mean(scores, tags, said(2 * reach + 1));
            }
        }
    }
}

impl Panel {
    /// The panel of `units`, filled up to whole registers; `parts` are M, b and O.
    fn new(layout: &Layout, units: Range<usize>, [inner, bias, outer]: [&[f32]; 3]) -> Self {
        let &Layout { width, hidden, tags, .. } = layout;
        let (filled, columns) = (units.len().next_multiple_of(LANES), layout.outer_columns());
        let mut panel = Self {
            bias: vec![0.0; filled],
            inner: vec![0.0; width * filled],
            outer: vec![0.0; filled * columns],
        };
        panel.bias[..units.len()].copy_from_slice(&bias[units.clone()]);
        for (to, from) in panel.inner.chunks_exact_mut(filled).zip(inner.chunks_exact(tags + hidden)) {
            to[..units.len()].copy_from_slice(&from[tags..][units.clone()]);
        }
        for (to, unit) in panel.outer.chunks_exact_mut(columns).zip(units) {
            for place in 0..layout.places() {
                let from = (place * hidden + unit) * tags;
                to[place * tags..(place + 1) * tags].copy_from_slice(&outer[from..from + tags]);
            }
        }
        panel
    }

    /// Units, fillings included.
    fn units(&self) -> usize {
        self.bias.len()
    }
}

/// Rows of some words on their way, kept for the next.
#[derive(Default)]
struct Work {
    standard: Vec<f32>,
    product: Vec<f32>,
}

impl Work {
    fn standardize(&mut self, vectors: &[f32], mean: &[f32], scale: &[f32]) {
        self.standard.clear();
        for row in vectors.chunks_exact(mean.len()) {
            let values = row.iter().zip(mean).zip(scale);
            self.standard.extend(values.map(|((value, mean), scale)| (value - mean) * scale));
        }
    }

    /// The standardized vectors times a matrix of so many columns.
    fn multiply(&mut self, width: usize, matrix: &[f32], columns: usize) {
        self.product.clear();
        self.product.resize(self.standard.len() / width * columns, 0.0);
        product::add(&mut self.product, Matrix::new(&self.standard, width), Matrix::new(matrix, columns));
    }

    fn add_linear(&mut self, linear: &[f32], layout: &Layout, scores: &mut [f32]) {
        let columns = layout.linear_columns();
        self.multiply(layout.width, linear, columns);
        for (scores, said) in scores.chunks_exact_mut(layout.tags).zip(self.product.chunks_exact(columns)) {
            scores.iter_mut().zip(said).for_each(|(score, said)| *score += said);
        }
    }

    fn add_panel(&mut self, panel: &Panel, layout: &Layout, said: &mut [f32]) {
        self.multiply(layout.width, &panel.inner, panel.units());
        for row in self.product.chunks_exact_mut(panel.units()) {
            row.iter_mut().zip(&panel.bias).for_each(|(unit, bias)| *unit = (*unit + bias).max(0.0));
        }
        let units = Matrix::new(&self.product, panel.units());
        product::add(said, units, Matrix::new(&panel.outer, layout.outer_columns()));
    }
}

/// Adds row `word + neighbour - reach` of `said` to row `word` of `scores`, where both exist.
fn add_shifted<'a, 'b>(
    scores: impl Iterator<Item = &'a mut [f32]>,
    said: impl Iterator<Item = &'b [f32]>,
    neighbour: usize,
    reach: usize,
) {
    let (to, from) = (reach.saturating_sub(neighbour), neighbour.saturating_sub(reach));
    for (scores, said) in scores.skip(to).zip(said.skip(from)) {
        scores.iter_mut().zip(said).for_each(|(score, said)| *score += said);
    }
}

/// Adds the mean of `said` to every row of `scores`.
fn add_mean<'a>(scores: &mut [f32], tags: usize, said: impl Iterator<Item = &'a [f32]>) {
    let mut mean = vec![0.0; tags];
    said.for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, said)| *sum += said));
    let share = tags as f32 / scores.len().max(1) as f32;
    for row in scores.chunks_exact_mut(tags) {
        row.iter_mut().zip(&mean).for_each(|(score, sum)| *score += share * sum);
    }
}
