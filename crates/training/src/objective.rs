//! The loss of a sparse part and its lattice, and how it changes with each of their parameters.

use crate::chain::Chain;
use crate::corpus::Corpus;
use crate::parallel::{sum, update};
use crate::sparse::{SparseData, Weight};
use rayon::prelude::*;
use std::ops::Range;

/// The objective as a function of one row of parameters: sparse weights, lattice, factor of the given emissions.
pub(crate) struct Objective<'a> {
    pub(crate) chain: Chain<'a>,
    data: &'a SparseData,
    /// The features that have weights are the first of all.
    features: usize,
    /// `words * tags`, from a network.
    given: Option<&'a [f32]>,
    tags: usize,
    l2: f32,
    /// One for each of the chain's parts.
    sums: Vec<Sums>,
}

/// What one part of the examples reads, and what it adds to the gradient.
#[derive(Clone, Default)]
struct Sums {
    weights: Vec<Weight>,
    /// Slopes of groups, `groups * tags`.
    groups: Vec<f32>,
    scale: f64,
}

/// Parts that examples are summed in, each apart, in an order that does not depend on threads: more of them would keep more
/// threads busy and take more memory.
const PARTS_MAX: usize = 8;

/// Words that are worth a part.
const PART_WORDS: usize = 4_096;

/// Bytes of all parts' sums together, as far as [`PARTS_MIN`] allows.
const PARTS_BYTES: usize = 400 << 20;
const PARTS_MIN: usize = 2;

/// Bytes of a part's sums for a gradient of `weights`.
fn part_bytes(data: &SparseData, weights: usize) -> usize {
    weights * size_of::<Weight>() + data.group_bytes()
}

/// Parts for `words` when each has so many bytes.
fn parts(words: usize, part_bytes: usize) -> usize {
    let most = (PARTS_BYTES / part_bytes.max(1)).clamp(PARTS_MIN, PARTS_MAX);
    words.div_ceil(PART_WORDS).clamp(1, most)
}

impl<'a> Objective<'a> {
    pub(crate) fn new(
        corpus: &'a Corpus,
        data: &'a SparseData,
        examples: &'a [Range<usize>],
        features: usize,
        given: Option<&'a [f32]>,
        l2: f32,
    ) -> Self {
        let tags = corpus.tags.len();
        let words = examples.iter().map(Range::len).sum();
        let chain =
            Chain::new(tags, &corpus.gold, examples, parts(words, part_bytes(data, data.weights(features))));
        Self { chain, data, features, given, tags, l2, sums: Vec::new() }
    }

    /// Number of weights of features.
    pub(crate) fn weights(&self) -> usize {
        self.data.weights(self.features)
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.weights() + Chain::lattice_scores(self.tags) + usize::from(self.given.is_some())
    }

    /// The features, of those that have weights, that matter at `x`: a weight is not zero, or its gradient is more than
    /// `nearly` of what moves it.
    pub(crate) fn active(&mut self, x: &[f32], l1: f32, nearly: f32) -> Vec<u32> {
        let mut gradient = vec![0.0; x.len()];
        self.evaluate(x, &mut gradient);
        let penalties = self.penalties(l1);
        let moves = |weight: usize| gradient[weight].abs() > nearly * penalties[weight];
        let matters = |weight: usize| x[weight] != 0.0 || moves(weight);
        let features = 0..self.features;
        let active = features.filter(|&feature| self.data.weight_range(feature).any(matters));
        active.map(|feature| feature as u32).collect()
    }

    /// Where to begin: zero, and the given emissions as they are.
    pub(crate) fn start(&self) -> Vec<f32> {
        let mut x = vec![0.0; self.parameters()];
        if self.given.is_some() {
            x[self.parameters() - 1] = 1.0;
        }
        x
    }

    /// The L1 term of each parameter.
    pub(crate) fn penalties(&self, l1: f32) -> Vec<f32> {
        let of_weights = self.data.scales()[..self.weights()].iter().map(|scale| l1 * scale);
        let mut penalties: Vec<f32> = of_weights.collect();
        penalties.resize(self.parameters(), l1);
        penalties
    }

    /// Loss with its L2 term, and the gradient.
    pub(crate) fn evaluate(&mut self, x: &[f32], gradient: &mut [f32]) -> f64 {
        let (tags, data, given) = (self.tags, self.data, self.given);
        let (weights, rest) = x.split_at(self.weights());
        let (lattice, scale) = rest.split_at(Chain::lattice_scores(tags));
        let groups = self.begin(weights);
        let scores_of = |sums: &Sums, word: usize, row: &mut [f32]| {
            if let Some(given) = given {
                let given = &given[word * tags..(word + 1) * tags];
                row.iter_mut().zip(given).for_each(|(score, given)| *score = scale[0] * given);
            }
            data.add_scores_laid_out(&groups, &sums.weights, word, row);
        };
        let absorb = |sums: &mut Sums, words: Range<usize>, residuals: &[f32]| {
            if let Some(given) = given {
                let pairs = residuals.iter().zip(&given[words.start * tags..]);
                sums.scale +=
                    pairs.map(|(&residual, &given)| f64::from(residual) * f64::from(given)).sum::<f64>();
            }
            for (word, residuals) in words.zip(residuals.chunks_exact(tags)) {
                data.add_slopes(residuals, word, &mut sums.groups, &mut sums.weights);
            }
        };
        let evaluation = self.chain.evaluate(lattice, scores_of, &mut self.sums, absorb);
        if evaluation.loss.is_nan() {
            return evaluation.loss;
        }
        let penalised = x.len() - scale.len();
        let (slopes, of_lattice) = gradient[..penalised].split_at_mut(weights.len());
        self.slopes(slopes);
        of_lattice.iter_mut().zip(&evaluation.lattice).for_each(|(slope, value)| *slope = *value as f32);
        let l2 = self.l2;
        update(&mut gradient[..penalised], &x[..penalised], |slope, x| slope + l2 * x);
        if let [of_scale] = &mut gradient[penalised..] {
            // The factor is one number learned from every word: it needs no penalty.
            *of_scale = self.sums.iter().map(|sums| sums.scale).sum::<f64>() as f32;
        }
        let norm = sum(penalised, |range| x[range].iter().map(|&x| f64::from(x).powi(2)).sum());
        evaluation.loss + 0.5 * f64::from(l2) * norm
    }

    /// Puts `weights` where parts read them, with no slopes yet. Returns what they add to the scores of groups.
    fn begin(&mut self, weights: &[f32]) -> Vec<f32> {
        let data = self.data;
        let pairs = weights.par_iter().zip(data.scales());
        let scaled: Vec<f32> = pairs.map(|(weight, scale)| weight * scale).collect();
        let groups = data.group_scores(&scaled);
        self.sums.resize(self.chain.parts(), Sums::default());
        self.sums.par_iter_mut().for_each(|sums| {
            data.lay_out(&scaled, &mut sums.weights);
            sums.groups.clear();
            sums.groups.resize(groups.len(), 0.0);
            sums.scale = 0.0;
        });
        groups
    }

    /// What all parts say about the weights.
    fn slopes(&mut self, slopes: &mut [f32]) {
        slopes.fill(0.0);
        if let Some((first, others)) = self.sums.split_first_mut() {
            others.iter().for_each(|sums| update(&mut first.groups, &sums.groups, |sum, slope| sum + slope));
            self.data.add_group_slopes(&first.groups, slopes);
        }
        for sums in &self.sums {
            slopes.par_iter_mut().zip(&sums.weights).for_each(|(slope, weight)| *slope += weight.slope);
        }
        slopes.par_iter_mut().zip(self.data.scales()).for_each(|(slope, scale)| *slope *= scale);
    }

    /// Gives the memory of the parts back until the next evaluation.
    pub(crate) fn rest(&mut self) {
        self.sums = Vec::new();
    }

    /// Bytes that evaluations take for a gradient of `weights`.
    pub(crate) fn bytes(corpus: &Corpus, weights: usize) -> usize {
        let part_bytes = part_bytes(&corpus.features, weights);
        corpus.features.group_bytes() + parts(corpus.words(), part_bytes) * part_bytes
    }
}
