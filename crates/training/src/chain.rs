//! The linear chain's loss: negative log-likelihood of the right readings, and what it says about every score.

use crate::parallel::runs;
use model::Lattice as Scores;
use ner::decoding::{self, Counts, Lattice, Posterior};
use ner::tags::Tag;
use rayon::prelude::*;
use std::ops::Range;

/// The examples, in the order of their words, and their right tags.
pub(crate) struct Chain<'a> {
    tags: usize,
    gold: &'a [Tag],
    examples: &'a [Range<usize>],
    /// Runs of examples that are worked on beside each other.
    parts: Vec<Range<usize>>,
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
    /// Examples in at most so many `parts`.
    pub(crate) fn new(tags: usize, gold: &'a [Tag], examples: &'a [Range<usize>], parts: usize) -> Self {
        let words: usize = examples.iter().map(Range::len).sum();
        let parts = runs(examples.iter().map(Range::len), words.div_ceil(parts.max(1)));
        Self { tags, gold, examples, parts, stop: None }
    }

    /// Number of parts.
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
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

    /// Evaluates all examples, each part with a value of its own: `scores_of` writes the emissions of one word, `absorb` takes
    /// in an example's words and the derivatives by their emissions (`words * tags`, probability minus truth).
    pub(crate) fn evaluate<T: Send>(
        &self,
        lattice_scores: &[f32],
        scores_of: impl Fn(&T, usize, &mut [f32]) + Sync,
        into: &mut [T],
        absorb: impl Fn(&mut T, Range<usize>, &[f32]) + Sync,
    ) -> Evaluation {
        let tags = self.tags;
        let lattice = lattice(tags, lattice_scores, 1.0);
        let work = |(examples, into): (&Range<usize>, &mut T)| {
            let mut part = Part::new(&lattice);
            let mut scores = Vec::new();
            for words in &self.examples[examples.clone()] {
                if self.stop.is_some_and(|stop| stop()) {
                    part.loss = f64::NAN;
                    break;
                }
                scores.clear();
                scores.resize(words.len() * tags, 0.0);
                let rows = words.clone().zip(scores.chunks_exact_mut(tags));
                rows.for_each(|(word, row)| scores_of(into, word, row));
                part.residuals.clear();
                part.example(&lattice, &scores, &self.gold[words.clone()]);
                absorb(into, words.clone(), &part.residuals);
            }
            part
        };
        let parts: Vec<Part> = self.parts.par_iter().zip(into).map(work).collect();
        let mut total = Part::new(&lattice);
        for part in &parts {
            total.loss += part.loss;
            total.counts.add(&part.counts);
            total.observed.iter_mut().zip(&part.observed).for_each(|(sum, value)| *sum += value);
        }
        Evaluation { loss: total.loss, lattice: total.lattice_gradient(&lattice) }
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
