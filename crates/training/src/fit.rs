//! Learning the sparse part and the lattice, on top of what a network may say already.

use crate::chain::Chain;
use crate::corpus::Corpus;
use crate::owlqn::{self, Outcome, Stop};
use crate::parallel::sum;
use crate::sparse::SparseData;
use crate::surroundings::{float_bytes, floats};
use model::{HeadError, LexicalRecipe, Sparse};
use std::ops::{ControlFlow, Range};

/// The sparse part of a corpus with what members say beside it: what every fit shares.
pub(crate) struct Ground<'a> {
    corpus: &'a Corpus,
    data: &'a SparseData,
    given: Option<&'a [f32]>,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

/// What was learned.
#[derive(Clone)]
pub(crate) struct Fitted {
    /// All parameters: sparse weights, the lattice's scores (transitions, start, end), factor of the given emissions.
    parameters: Vec<f32>,
    weights: usize,
    lattice_end: usize,
    pub(crate) outcome: Outcome,
}

impl Fitted {
    /// The sparse weights.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.parameters[..self.weights]
    }

    /// The lattice's scores: transitions, start, end.
    pub(crate) fn lattice(&self) -> &[f32] {
        &self.parameters[self.weights..self.lattice_end]
    }

    /// As bytes, for the attempt after this one.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.outcome.objective.to_le_bytes().to_vec();
        for number in [self.outcome.iterations, self.weights, self.lattice_end] {
            bytes.extend((number as u64).to_le_bytes());
        }
        bytes.extend(float_bytes(&self.parameters));
        bytes
    }

    /// The reverse of [`Fitted::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, parameters) = bytes.split_at_checked(32)?;
        let [objective, rest @ ..] = head.as_chunks::<8>().0 else { return None };
        let [iterations, weights, lattice_end] = rest else { return None };
        let number = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).ok();
        let outcome = Outcome { objective: f64::from_le_bytes(*objective), iterations: number(iterations)? };
        let (weights, lattice_end) = (number(weights)?, number(lattice_end)?);
        let parameters = floats(parameters);
        let fits = weights <= lattice_end && lattice_end <= parameters.len();
        fits.then_some(Self { parameters, weights, lattice_end, outcome })
    }

    /// Factor of the given emissions.
    pub(crate) fn scale(&self) -> f32 {
        self.parameters.get(self.lattice_end).copied().unwrap_or(1.0)
    }
}

/// The objective as a function of one row of parameters: sparse weights, lattice, factor of the given emissions.
pub(crate) struct Objective<'a> {
    chain: Chain<'a>,
    data: &'a SparseData,
    /// The features that have weights are the first of all.
    features: usize,
    /// `words * tags`, from a network.
    given: Option<&'a [f32]>,
    tags: usize,
    l2: f32,
    residuals: Vec<f32>,
    examples: &'a [Range<usize>],
}

impl<'a> Objective<'a> {
    pub(crate) fn new(
        corpus: &'a Corpus,
        examples: &'a [Range<usize>],
        data: &'a SparseData,
        features: usize,
        given: Option<&'a [f32]>,
        l2: f32,
    ) -> Self {
        let tags = corpus.tags.len();
        let chain = Chain::new(tags, &corpus.gold, examples);
        Self { chain, data, features, given, tags, l2, residuals: vec![0.0; corpus.words() * tags], examples }
    }

    fn weights(&self) -> usize {
        self.data.weights(self.features)
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.weights() + Chain::lattice_scores(self.tags) + usize::from(self.given.is_some())
    }

    /// Where to begin: zero, and the given emissions as they are.
    pub(crate) fn start(&self) -> Vec<f32> {
        let mut x = vec![0.0; self.parameters()];
        if self.given.is_some() {
            x[self.parameters() - 1] = 1.0;
        }
        x
    }

    /// Loss with its L2 term, and the gradient.
    pub(crate) fn evaluate(&mut self, x: &[f32], gradient: &mut [f32]) -> f64 {
        let (tags, data, given) = (self.tags, self.data, self.given);
        let count = self.weights();
        let (weights, rest) = x.split_at(count);
        let (lattice, scale) = rest.split_at(Chain::lattice_scores(tags));
        let scores_of = |word: usize, row: &mut [f32]| {
            if let Some(given) = given {
                let given = &given[word * tags..(word + 1) * tags];
                row.iter_mut().zip(given).for_each(|(score, given)| *score = scale[0] * given);
            }
            data.add_scores(weights, word, row);
        };
        let evaluation = self.chain.evaluate(lattice, scores_of, &mut self.residuals);
        if evaluation.loss.is_nan() {
            return evaluation.loss;
        }
        let l2 = self.l2;
        gradient.iter_mut().zip(x).for_each(|(gradient, &x)| *gradient = l2 * x);
        let penalised = x.len() - scale.len();
        let norm = sum(penalised, |range| x[range].iter().map(|&x| f64::from(x).powi(2)).sum());
        data.add_gradient(&self.residuals, tags, self.features, &mut gradient[..count]);
        let of_lattice = &mut gradient[count..penalised];
        of_lattice.iter_mut().zip(&evaluation.lattice).for_each(|(sum, value)| *sum += *value as f32);
        if let (Some(given), [of_scale]) = (given, &mut gradient[penalised..]) {
            let residuals = &self.residuals;
            let product = |words: &Range<usize>| -> f64 {
                let range = words.start * tags..words.end * tags;
                let pairs = residuals[range.clone()].iter().zip(&given[range]);
                pairs.map(|(&residual, &given)| f64::from(residual) * f64::from(given)).sum()
            };
            // The factor is one number learned from every word: it needs no penalty.
            *of_scale = self.examples.iter().map(product).sum::<f64>() as f32;
        }
        evaluation.loss + 0.5 * f64::from(l2) * norm
    }
}

impl<'a> Ground<'a> {
    /// `data` may cover more examples than a fit learns from; `given` are emissions, `words * tags`.
    pub(crate) fn new(corpus: &'a Corpus, data: &'a SparseData, given: Option<&'a [f32]>) -> Self {
        Self { corpus, data, given, stop: None }
    }

    /// The same ground, on which fits end soon after `stop` says so.
    pub(crate) fn stopping(self, stop: Option<&'a (dyn Fn() -> bool + Sync)>) -> Self {
        Self { stop, ..self }
    }

    /// Bytes that a fit under `recipe` takes beside what is there: the optimiser's rows, the residuals.
    pub(crate) fn fit_bytes(&self, recipe: &LexicalRecipe) -> u64 {
        const ROWS: usize = 8 + 2 * owlqn::MEMORY;
        let tags = self.corpus.tags.len();
        let parameters = self.data.weights(self.data.reachable(recipe.l1)) + Chain::lattice_scores(tags);
        4 * (ROWS * parameters + 2 * self.corpus.words() * tags) as u64
    }

    /// Learns from `examples`, beginning where another fit ended.
    pub(crate) fn fit(
        &self,
        examples: &[Range<usize>],
        recipe: &LexicalRecipe,
        from: Option<&Fitted>,
        watch: impl FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<Fitted, Stop> {
        let features = self.data.reachable(recipe.l1);
        let mut objective = Objective::new(self.corpus, examples, self.data, features, self.given, recipe.l2);
        objective.chain.stop = self.stop;
        let settings = owlqn::Settings {
            l1: recipe.l1,
            max_iterations: recipe.max_iterations as usize,
            tolerance: f64::from(recipe.tolerance),
        };
        let weights = objective.weights();
        let mut x = objective.start();
        if let Some(from) = from {
            let known = weights.min(from.weights);
            x[..known].copy_from_slice(&from.parameters[..known]);
            x[weights..].copy_from_slice(&from.parameters[from.weights..]);
        }
        let outcome =
            owlqn::minimise(&mut x, &settings, |x, gradient| objective.evaluate(x, gradient), watch)?;
        let lattice_end = weights + Chain::lattice_scores(self.corpus.tags.len());
        Ok(Fitted { parameters: x, weights, lattice_end, outcome })
    }

    /// The weights as a table for the head.
    pub(crate) fn table(&self, fitted: &Fitted, recipe: &LexicalRecipe) -> Result<Sparse, HeadError> {
        self.data.table(fitted.weights(), recipe.prune_below)
    }

    /// Scores of the words of one example, `words * tags`.
    pub(crate) fn emissions(&self, fitted: &Fitted, words: Range<usize>) -> Vec<f32> {
        let tags = self.corpus.tags.len();
        let mut scores = match self.given {
            Some(given) => given[words.start * tags..words.end * tags].to_vec(),
            None => vec![0.0; words.len() * tags],
        };
        scores.iter_mut().for_each(|score| *score *= fitted.scale());
        for (word, row) in words.zip(scores.chunks_exact_mut(tags)) {
            self.data.add_scores(fitted.weights(), word, row);
        }
        scores
    }
}

#[cfg(test)]
mod tests;
