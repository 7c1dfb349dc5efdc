//! Learning the dense part: a member network over the encoder's vectors, by Adam on the chain's loss.
//!
//! A member computes what `model::Network` computes (see its formula), with units and inputs switched off at random.

use crate::chain::{self, Chain, Part};
use crate::owlqn::Stop;
use crate::parallel::runs;
use crate::random::Random;
use model::product::{self, Matrix};
use model::{ContextualRecipe, Layout};
use ner::tags::Tag;
use std::ops::{ControlFlow, Range};

/// What members learn from.
#[derive(Clone, Copy)]
pub(crate) struct Material<'a> {
    pub(crate) layout: Layout,
    /// Standardised encoder vectors, `words * width`.
    pub(crate) vectors: &'a [f32],
    pub(crate) gold: &'a [Tag],
}

/// A member's parameters in one row: L, W, b, O as in `model::Layout`, then a bias per tag, then the lattice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) layout: Layout,
    pub(crate) parameters: Vec<f32>,
}

/// Borders of a member's parts in its row.
struct Parts {
    linear: Range<usize>,
    inner: Range<usize>,
    inner_bias: Range<usize>,
    outer: Range<usize>,
    bias: Range<usize>,
    lattice: Range<usize>,
}

impl Parts {
    fn new(layout: Layout) -> Self {
        let [_, _, linear, inner, inner_bias, outer] = layout.lengths();
        let mut at = 0;
        let mut part = |length| {
            at += length;
            at - length..at
        };
        Self {
            linear: part(linear),
            inner: part(inner),
            inner_bias: part(inner_bias),
            outer: part(outer),
            bias: part(layout.tags),
            lattice: part(Chain::lattice_scores(layout.tags)),
        }
    }
}

impl Member {
    /// A member before it has learned: random hidden units (He), everything else zero.
    pub(crate) fn new(layout: Layout, random: &mut Random) -> Self {
        let parts = Parts::new(layout);
        let mut parameters = vec![0.0; parts.lattice.end];
        let mut fill = |range: Range<usize>, inputs: usize| {
            let scale = (3.0 / inputs as f32).sqrt();
            parameters[range].iter_mut().for_each(|value| *value = scale * random.symmetric());
        };
        fill(parts.inner, layout.width);
        fill(parts.outer, (2 * layout.reach + 1) * layout.hidden.max(1));
        Self { layout, parameters }
    }

    pub(crate) fn linear(&self) -> &[f32] {
        &self.parameters[Parts::new(self.layout).linear]
    }

    pub(crate) fn inner(&self) -> &[f32] {
        &self.parameters[Parts::new(self.layout).inner]
    }

    pub(crate) fn inner_bias(&self) -> &[f32] {
        &self.parameters[Parts::new(self.layout).inner_bias]
    }

    pub(crate) fn outer(&self) -> &[f32] {
        &self.parameters[Parts::new(self.layout).outer]
    }

    pub(crate) fn bias(&self) -> &[f32] {
        &self.parameters[Parts::new(self.layout).bias]
    }

    /// Emissions of `examples`, one after the other.
    pub(crate) fn emissions(&self, vectors: &[f32], examples: &[Range<usize>]) -> Vec<f32> {
        let mut pass = Pass::default();
        pass.forward(self, vectors, examples, None);
        pass.scores
    }

    /// Loss over `examples`, summed, and its derivative by every parameter, written to `gradient`.
    fn gradient(
        &self,
        material: &Material<'_>,
        examples: &[Range<usize>],
        pass: &mut Pass,
        drop: Option<(&mut Random, f32, f32)>,
        gradient: &mut [f32],
    ) -> f64 {
        pass.forward(self, material.vectors, examples, drop);
        let tags = self.layout.tags;
        let lattice_scores = &self.parameters[Parts::new(self.layout).lattice];
        let lattice = chain::lattice(tags, lattice_scores, 1.0);
        let mut part = Part::new(&lattice, examples);
        let mut at = 0;
        for words in examples {
            let length = words.len() * tags;
            part.example(&lattice, &pass.scores[at..at + length], &material.gold[words.clone()]);
            at += length;
        }
        gradient.fill(0.0);
        pass.backward(self, examples, &part.residuals, gradient);
        let of_lattice = &mut gradient[Parts::new(self.layout).lattice];
        of_lattice.iter_mut().zip(part.lattice_gradient(&lattice)).for_each(|(g, value)| *g = value as f32);
        part.loss
    }
}

/// Intermediate rows of one pass over a batch, kept for the way back.
#[derive(Default)]
struct Pass {
    inputs: Vec<f32>,
    /// Hidden units after ReLU and dropping; `kept` holds the factor of each (0 where it was off).
    units: Vec<f32>,
    kept: Vec<f32>,
    /// Units of each word and its neighbours side by side.
    around: Vec<f32>,
    scores: Vec<f32>,
}

impl Pass {
    /// `drop`: random numbers and the rates for inputs and units.
    fn forward(
        &mut self,
        member: &Member,
        vectors: &[f32],
        examples: &[Range<usize>],
        mut drop: Option<(&mut Random, f32, f32)>,
    ) {
        let Layout { width, hidden, reach, tags } = member.layout;
        self.inputs.clear();
        for words in examples {
            self.inputs.extend_from_slice(&vectors[words.start * width..words.end * width]);
        }
        if let Some((random, rate, _)) = &mut drop {
            random.drop(&mut self.inputs, *rate);
        }
        let words = self.inputs.len() / width;
        self.scores = member.bias().iter().copied().cycle().take(words * tags).collect();
        product::add(&mut self.scores, Matrix::new(&self.inputs, width), Matrix::new(member.linear(), tags));
        if hidden == 0 {
            return;
        }
        self.units = member.inner_bias().iter().copied().cycle().take(words * hidden).collect();
        product::add(&mut self.units, Matrix::new(&self.inputs, width), Matrix::new(member.inner(), hidden));
        self.kept.clear();
        self.kept.extend(self.units.iter().map(|&unit| f32::from(u8::from(unit > 0.0))));
        if let Some((random, _, rate)) = &mut drop {
            random.drop(&mut self.kept, *rate);
        }
        self.units.iter_mut().zip(&self.kept).for_each(|(unit, kept)| *unit *= kept);
        let wide = (2 * reach + 1) * hidden;
        self.around.clear();
        self.around.resize(words * wide, 0.0);
        let (units, around) = (&self.units, &mut self.around);
        neighbours(examples, reach, |word, place, neighbour| {
            let to = word * wide + place * hidden;
            around[to..to + hidden].copy_from_slice(&units[neighbour * hidden..(neighbour + 1) * hidden]);
        });
        product::add(&mut self.scores, Matrix::new(&self.around, wide), Matrix::new(member.outer(), tags));
    }

    /// Adds the derivative by every parameter but the lattice's; `residuals` are those by the scores.
    fn backward(&self, member: &Member, examples: &[Range<usize>], residuals: &[f32], gradient: &mut [f32]) {
        let Layout { width, hidden, reach, tags } = member.layout;
        let parts = Parts::new(member.layout);
        let residual_rows = Matrix::new(residuals, tags);
        let inputs = Matrix::new(&self.inputs, width).transposed();
        product::add(&mut gradient[parts.linear], inputs, residual_rows);
        add_columns(&mut gradient[parts.bias], residuals);
        if hidden == 0 {
            return;
        }
        let wide = (2 * reach + 1) * hidden;
        let around = Matrix::new(&self.around, wide).transposed();
        product::add(&mut gradient[parts.outer.clone()], around, residual_rows);
        let mut by_around = vec![0.0; self.around.len()];
        product::add(&mut by_around, residual_rows, Matrix::new(member.outer(), tags).transposed());
        let mut by_units = vec![0.0; self.units.len()];
        neighbours(examples, reach, |word, place, neighbour| {
            let from = &by_around[word * wide + place * hidden..][..hidden];
            let to = &mut by_units[neighbour * hidden..(neighbour + 1) * hidden];
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        });
        by_units.iter_mut().zip(&self.kept).for_each(|(value, kept)| *value *= kept);
        product::add(&mut gradient[parts.inner], inputs, Matrix::new(&by_units, hidden));
        add_columns(&mut gradient[parts.inner_bias], &by_units);
    }
}

/// Visits every word's neighbours within its example: row of the word, place of the neighbour (0 is the farthest
/// before), row of the neighbour. Rows number the words of `examples` one after the other.
fn neighbours(examples: &[Range<usize>], reach: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let mut start = 0;
    for words in examples {
        let end = start + words.len();
        for word in start..end {
            for place in 0..=2 * reach {
                let neighbour = (word + place).wrapping_sub(reach);
                if (start..end).contains(&neighbour) {
                    visit(word, place, neighbour);
                }
            }
        }
        start = end;
    }
}

fn add_columns(sums: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(sums.len().max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    step: i32,
}

impl Adam {
    fn step(&mut self, x: &mut [f32], gradient: &[f32], rate: f32, decay: f32) {
        const KEEP: [f32; 2] = [0.9, 0.999];
        self.step += 1;
        let correct = KEEP.map(|keep| 1.0 - keep.powi(self.step));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((x, &gradient), (first, second)) in x.iter_mut().zip(gradient).zip(moments) {
            *first = KEEP[0] * *first + (1.0 - KEEP[0]) * gradient;
            *second = KEEP[1] * *second + (1.0 - KEEP[1]) * gradient * gradient;
            let change = (*first / correct[0]) / ((*second / correct[1]).sqrt() + 1e-8);
            *x -= rate * (change + decay * *x);
        }
    }
}

/// Part of the steps in which the step length rises.
const WARM_UP: f32 = 0.1;

/// Learns one member from `examples`. `watch` hears of each pass: its number and its mean loss per word.
pub(crate) fn learn(
    material: &Material<'_>,
    examples: &[Range<usize>],
    recipe: &ContextualRecipe,
    random: &mut Random,
    watch: &(dyn Fn(u32, f64) -> ControlFlow<()> + Sync),
) -> Result<Member, Stop> {
    let mut member = Member::new(material.layout, random);
    let size = member.parameters.len();
    let mut adam = Adam { first: vec![0.0; size], second: vec![0.0; size], step: 0 };
    let mut gradient = vec![0.0; size];
    let mut pass = Pass::default();
    let mut order = examples.to_vec();
    let words: usize = examples.iter().map(Range::len).sum();
    let batch_words = (recipe.batch_words as usize).max(1);
    let total = (recipe.epochs as usize * words.div_ceil(batch_words)).max(1) as f32;
    for epoch in 0..recipe.epochs {
        random.shuffle(&mut order);
        let mut loss = 0.0;
        for batch in runs(order.iter().map(Range::len), batch_words) {
            let batch = &order[batch];
            let count: usize = batch.iter().map(Range::len).sum();
            let drop = Some((&mut *random, recipe.input_dropout, recipe.dropout));
            loss += member.gradient(material, batch, &mut pass, drop, &mut gradient);
            gradient.iter_mut().for_each(|value| *value /= count as f32);
            let done = (adam.step as f32 + 0.5) / total;
            let rate = recipe.learning_rate * (done / WARM_UP).min((1.0 - done) / (1.0 - WARM_UP)).max(0.0);
            adam.step(&mut member.parameters, &gradient, rate, recipe.weight_decay);
        }
        if !loss.is_finite() {
            return Err(Stop::NotFinite);
        }
        if watch(epoch, loss / words.max(1) as f64).is_break() {
            return Err(Stop::Cancelled);
        }
    }
    Ok(member)
}

#[cfg(test)]
mod tests;
