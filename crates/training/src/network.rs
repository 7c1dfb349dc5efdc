//! Learning the dense part: a member network over the encoder's vectors, by Adam on the chain's loss.
//!
//! A member computes what `model::Network` computes (see its formula), with units and inputs switched off at random.

use crate::chain::{self, Chain, Part};
use crate::owlqn::Stop;
use crate::parallel::runs;
use crate::random::Random;
use crate::vectors::Vectors;
use model::product::{self, Matrix};
use model::{ContextualRecipe, Layout};
use ner::tags::Tag;
use std::io;
use std::ops::{ControlFlow, Range};

/// What members learn from.
#[derive(Clone, Copy)]
pub(crate) struct Material<'a> {
    pub(crate) layout: Layout,
    pub(crate) vectors: &'a Vectors,
    pub(crate) gold: &'a [Tag],
}

/// A member's parameters in one row: M, b, O as in `model::Layout`, then a bias per tag, then the lattice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) layout: Layout,
    pub(crate) parameters: Vec<f32>,
}

/// Borders of a member's parts in its row.
struct Parts {
    inner: Range<usize>,
    inner_bias: Range<usize>,
    outer: Range<usize>,
    bias: Range<usize>,
    lattice: Range<usize>,
}

impl Parts {
    fn new(layout: Layout) -> Self {
        let [_, _, inner, inner_bias, outer] = layout.lengths();
        let mut at = 0;
        let mut part = |length| {
            at += length;
            at - length..at
        };
        Self {
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
        let scale = |inputs: usize| (3.0 / inputs.max(1) as f32).sqrt();
        let columns = layout.tags + layout.hidden;
        for row in parameters[parts.inner].chunks_exact_mut(columns) {
            row[layout.tags..].iter_mut().for_each(|value| *value = scale(layout.width) * random.symmetric());
        }
        let outer = &mut parameters[parts.outer];
        outer.iter_mut().for_each(|value| *value = scale(layout.around()) * random.symmetric());
        Self { layout, parameters }
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
    pub(crate) fn emissions(
        &self,
        material: &Material<'_>,
        examples: &[Range<usize>],
    ) -> io::Result<Vec<f32>> {
        let mut pass = Pass::default();
        pass.forward(self, material, examples, None)?;
        Ok(pass.scores)
    }

    /// Loss over `examples`, summed, and its derivative by every parameter, written to `gradient`.
    fn gradient(
        &self,
        material: &Material<'_>,
        examples: &[Range<usize>],
        pass: &mut Pass,
        drop: Option<Drop<'_>>,
        gradient: &mut [f32],
    ) -> io::Result<f64> {
        pass.forward(self, material, examples, drop)?;
        let tags = self.layout.tags;
        let lattice_scores = &self.parameters[Parts::new(self.layout).lattice];
        let lattice = chain::lattice(tags, lattice_scores, 1.0);
        let mut part = Part::new(&lattice);
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
        Ok(part.loss)
    }
}

/// What is switched off at random in a pass of learning.
struct Drop<'a> {
    random: &'a mut Random,
    inputs: f32,
    units: f32,
}

/// Intermediate rows of one pass over a batch, kept for the way back.
#[derive(Default)]
struct Pass {
    bytes: Vec<u8>,
    inputs: Vec<f32>,
    /// Rows of M's product: what the linear map says, then hidden units before their bias.
    both: Vec<f32>,
    /// Hidden units after ReLU and dropping; `kept` holds the factor of each (0 where it was off).
    units: Vec<f32>,
    kept: Vec<f32>,
    /// Units of each word and its neighbours side by side.
    around: Vec<f32>,
    scores: Vec<f32>,
}

impl Pass {
    fn forward(
        &mut self,
        member: &Member,
        material: &Material<'_>,
        examples: &[Range<usize>],
        mut drop: Option<Drop<'_>>,
    ) -> io::Result<()> {
        let Layout { width, hidden, reach, pooled, tags } = member.layout;
        self.inputs.clear();
        for words in examples {
            material.vectors.read(words, &mut self.bytes, &mut self.inputs)?;
        }
        if let Some(drop) = &mut drop {
            drop.random.drop(&mut self.inputs, drop.inputs);
        }
        let words = self.inputs.len() / width;
        self.both.clear();
        self.both.resize(words * (tags + hidden), 0.0);
        product::add(
            &mut self.both,
            Matrix::new(&self.inputs, width),
            Matrix::new(member.inner(), tags + hidden),
        );
        self.scores.clear();
        self.units.clear();
        for both in self.both.chunks_exact(tags + hidden) {
            let (linear, unit) = both.split_at(tags);
            self.scores.extend(linear.iter().zip(member.bias()).map(|(score, bias)| score + bias));
            self.units.extend(unit.iter().zip(member.inner_bias()).map(|(unit, bias)| unit + bias));
        }
        if hidden == 0 {
            return Ok(());
        }
        self.kept.clear();
        self.kept.extend(self.units.iter().map(|&unit| f32::from(u8::from(unit > 0.0))));
        if let Some(drop) = &mut drop {
            drop.random.drop(&mut self.kept, drop.units);
        }
        self.units.iter_mut().zip(&self.kept).for_each(|(unit, kept)| *unit *= kept);
        let wide = member.layout.around();
        self.around.clear();
        self.around.resize(words * wide, 0.0);
        let (units, around) = (&self.units, &mut self.around);
        neighbours(examples, reach, |word, place, neighbour| {
            let to = word * wide + place * hidden;
            around[to..to + hidden].copy_from_slice(&units[neighbour * hidden..(neighbour + 1) * hidden]);
        });
        if pooled {
            means(examples, units.chunks_exact(hidden), |words, mean| {
                let rows = around[words.start * wide..words.end * wide].chunks_exact_mut(wide);
                rows.for_each(|row| row[wide - hidden..].copy_from_slice(mean));
            });
        }
        product::add(&mut self.scores, Matrix::new(&self.around, wide), Matrix::new(member.outer(), tags));
        Ok(())
    }

    /// Adds the derivative by every parameter but the lattice's; `residuals` are those by the scores.
    fn backward(
        &mut self,
        member: &Member,
        examples: &[Range<usize>],
        residuals: &[f32],
        gradient: &mut [f32],
    ) {
        let Layout { width, hidden, reach, pooled, tags } = member.layout;
        let parts = Parts::new(member.layout);
        let residual_rows = Matrix::new(residuals, tags);
        let inputs = Matrix::new(&self.inputs, width).transposed();
        add_columns(&mut gradient[parts.bias], residuals);
        if hidden == 0 {
            product::add(&mut gradient[parts.inner], inputs, residual_rows);
            return;
        }
        let wide = member.layout.around();
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
        if pooled {
            // What all words have to say about a mean comes back to each unit in equal parts.
            let by_mean = by_around.chunks_exact(wide).map(|row| &row[wide - hidden..]);
            means(examples, by_mean, |words, mean| {
                let rows = by_units[words.start * hidden..words.end * hidden].chunks_exact_mut(hidden);
                rows.for_each(|row| row.iter_mut().zip(mean).for_each(|(to, from)| *to += from));
            });
        }
        by_units.iter_mut().zip(&self.kept).for_each(|(value, kept)| *value *= kept);
        add_columns(&mut gradient[parts.inner_bias], &by_units);
        // The product's rows are no longer needed: they hold what comes back to them.
        let rows = residuals.chunks_exact(tags).zip(by_units.chunks_exact(hidden));
        for (both, (residuals, by_units)) in self.both.chunks_exact_mut(tags + hidden).zip(rows) {
            both[..tags].copy_from_slice(residuals);
            both[tags..].copy_from_slice(by_units);
        }
        product::add(&mut gradient[parts.inner], inputs, Matrix::new(&self.both, tags + hidden));
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

/// Visits every example with the mean of its `rows`, which number the words of `examples` one after the other.
fn means<'a>(
    examples: &[Range<usize>],
    mut rows: impl Iterator<Item = &'a [f32]>,
    mut visit: impl FnMut(Range<usize>, &[f32]),
) {
    let (mut start, mut mean) = (0, Vec::new());
    for words in examples {
        mean.clear();
        for row in rows.by_ref().take(words.len()) {
            mean.resize(row.len(), 0.0);
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let share = 1.0 / words.len().max(1) as f32;
        mean.iter_mut().for_each(|value| *value *= share);
        visit(start..start + words.len(), &mean);
        start += words.len();
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

/// Learns one member from `examples`. `watch` hears of each step: which part of all is done, and the mean loss per word of
/// the last whole pass.
pub(crate) fn learn(
    material: &Material<'_>,
    examples: &[Range<usize>],
    recipe: &ContextualRecipe,
    random: &mut Random,
    watch: &(dyn Fn(f32, Option<f64>) -> ControlFlow<()> + Sync),
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
    let mut said = None;
    for _ in 0..recipe.epochs {
        random.shuffle(&mut order);
        let mut loss = 0.0;
        for batch in runs(order.iter().map(Range::len), batch_words) {
            let batch = &order[batch];
            let count: usize = batch.iter().map(Range::len).sum();
            let drop = Drop { random: &mut *random, inputs: recipe.input_dropout, units: recipe.dropout };
            loss += member.gradient(material, batch, &mut pass, Some(drop), &mut gradient)?;
            gradient.iter_mut().for_each(|value| *value /= count as f32);
            let done = (adam.step as f32 + 0.5) / total;
            let rate = recipe.learning_rate * (done / WARM_UP).min((1.0 - done) / (1.0 - WARM_UP)).max(0.0);
            adam.step(&mut member.parameters, &gradient, rate, recipe.weight_decay);
            if watch(adam.step as f32 / total, said).is_break() {
                return Err(Stop::Cancelled);
            }
        }
        if !loss.is_finite() {
            return Err(Stop::NotFinite);
        }
        said = Some(loss / words.max(1) as f64);
    }
    Ok(member)
}

#[cfg(test)]
mod tests;
