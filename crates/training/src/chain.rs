//! The linear chain's loss: negative log-likelihood of the right readings, and what it says about every score.

use crate::parallel::runs;
use model::Lattice as Scores;
use ner::decoding::{self, Counts, Lattice, Posterior};
use ner::tags::Tag;
use rayon::prelude::*;
use std::ops::Range;

/// Words per piece of parallel work.
const PIECE: usize = 2_048;

/// The examples, in the order of their words, and their right tags.
pub(crate) struct Chain<'a> {
    tags: usize,
    gold: &'a [Tag],
    examples: &'a [Range<usize>],
    pieces: Vec<Range<usize>>,
    /// When it says so, evaluations end at once, with a value that means nothing.
    pub(crate) stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

/// Loss and gradient over all examples.
pub(crate) struct Evaluation {
    /// Sum over examples of the negative log-likelihood.
    pub(crate) loss: f64,
    /// Derivative by transitions (`tags * tags`), start and end (`tags` each), in this order.
    pub(crate) lattice: Vec<f64>,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(tags: usize, gold: &'a [Tag], examples: &'a [Range<usize>]) -> Self {
        let pieces = runs(examples.iter().map(Range::len), PIECE);
        Self { tags, gold, examples, pieces, stop: None }
    }

    /// Number of the lattice's scores: transitions, start, end.
    pub(crate) fn lattice_scores(tags: usize) -> usize {
        tags * tags + 2 * tags
    }

    /// Cuts the lattice's scores into their parts.
    pub(crate) fn split(tags: usize, scores: &[f32]) -> Scores {
        let (transitions, ends) = scores.split_at(tags * tags);
        let (start, end) = ends.split_at(tags);
        Scores { transitions: transitions.to_vec(), start: start.to_vec(), end: end.to_vec() }
    }

    /// Evaluates all examples. `scores_of` writes the emissions of one word. `residuals` (`words * tags`) receives the
    /// derivative by each emission of an example's words: probability minus truth.
    pub(crate) fn evaluate(
        &self,
        lattice_scores: &[f32],
        scores_of: impl Fn(usize, &mut [f32]) + Sync,
        residuals: &mut [f32],
    ) -> Evaluation {
        let tags = self.tags;
        let lattice = lattice(tags, lattice_scores, 1.0);
        let slices = self.slices(residuals);
        let parts: Vec<Part> = slices
            .into_par_iter()
            .zip(&self.pieces)
            .map(|((first, slice), piece)| {
                let mut part = Part::new(&lattice);
                let mut scores = Vec::new();
                for words in &self.examples[piece.clone()] {
                    if self.stop.is_some_and(|stop| stop()) {
                        part.loss = f64::NAN;
                        break;
                    }
                    scores.clear();
                    scores.resize(words.len() * tags, 0.0);
                    let rows = words.clone().zip(scores.chunks_exact_mut(tags));
                    rows.for_each(|(word, row)| scores_of(word, row));
                    part.residuals.clear();
                    part.example(&lattice, &scores, &self.gold[words.clone()]);
                    slice[(words.start - first) * tags..(words.end - first) * tags]
                        .copy_from_slice(&part.residuals);
                }
                part
            })
            .collect();
        let mut total = Part::new(&lattice);
        for part in &parts {
            total.loss += part.loss;
            total.counts.add(&part.counts);
            total.observed.iter_mut().zip(&part.observed).for_each(|(sum, value)| *sum += value);
        }
        Evaluation { loss: total.loss, lattice: total.lattice_gradient(&lattice) }
    }

    /// Each piece's first word and part of `residuals`.
    fn slices<'b>(&self, mut residuals: &'b mut [f32]) -> Vec<(usize, &'b mut [f32])> {
        let mut at = 0;
        let slice = |piece: &Range<usize>| {
            let (first, end) = (self.examples[piece.start].start, self.examples[piece.end - 1].end);
            let rest = std::mem::take(&mut residuals);
            let (slice, rest) = rest[(first - at) * self.tags..].split_at_mut((end - first) * self.tags);
            (residuals, at) = (rest, end);
            (first, slice)
        };
        self.pieces.iter().map(slice).collect()
    }
}

/// A lattice from scores in one row: transitions, start, end.
pub(crate) fn lattice(tags: usize, scores: &[f32], temperature: f64) -> Lattice {
    let (transitions, ends) = scores.split_at(tags * tags);
    let (start, end) = ends.split_at(tags);
    Lattice::new(decoding::Scores { tags, transitions, start, end }, temperature)
}

/// What some examples say.
pub(crate) struct Part {
    /// Sum of negative log-likelihoods.
    pub(crate) loss: f64,
    counts: Counts,
    observed: Vec<f64>,
    /// Derivative by each emission: probability minus truth, example after example.
    pub(crate) residuals: Vec<f32>,
    posterior: Posterior,
}

impl Part {
    /// Nothing yet.
    pub(crate) fn new(lattice: &Lattice) -> Self {
        Self {
            loss: 0.0,
            counts: Counts::new(lattice),
            observed: vec![0.0; Chain::lattice_scores(lattice.tags())],
            residuals: Vec::new(),
            posterior: Posterior::default(),
        }
    }

    /// Adds one example: its emissions (`words * tags`) and right tags.
    pub(crate) fn example(&mut self, lattice: &Lattice, scores: &[f32], gold: &[Tag]) {
        let tags = lattice.tags();
        self.posterior.run(lattice, scores);
        self.loss += self.posterior.log_partition() - lattice.score(scores, gold);
        self.posterior.count(lattice, &mut self.counts);
        let start = self.residuals.len();
        self.residuals.resize(start + scores.len(), 0.0);
        self.posterior.marginals(lattice, &mut self.residuals[start..]);
        for (&tag, row) in gold.iter().zip(self.residuals[start..].chunks_exact_mut(tags)) {
            row[usize::from(tag)] -= 1.0;
        }
        for pair in gold.windows(2) {
            self.observed[usize::from(pair[0]) * tags + usize::from(pair[1])] += 1.0;
        }
        self.observed[tags * tags + usize::from(gold[0])] += 1.0;
        self.observed[tags * tags + tags + usize::from(gold[gold.len() - 1])] += 1.0;
    }

    /// Derivative by the lattice's scores: transitions, start, end.
    pub(crate) fn lattice_gradient(&self, lattice: &Lattice) -> Vec<f64> {
        let expected = self.counts.expected(lattice);
        let expected = expected.transitions.iter().chain(&expected.start).chain(&expected.end);
        expected.zip(&self.observed).map(|(expected, observed)| expected - observed).collect()
    }
}
