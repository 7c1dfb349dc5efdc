//! Learning the sparse part and the lattice, on top of what a network may say already.

use crate::chain::Chain;
use crate::corpus::Corpus;
use crate::owlqn::{self, Outcome, Stop};
use crate::parallel::sum;
use crate::sparse::SparseData;
use model::LexicalRecipe;
use std::ops::{ControlFlow, Range};

/// What was learned.
pub(crate) struct Fitted {
    pub(crate) data: SparseData,
    pub(crate) weights: Vec<f32>,
    /// The lattice's scores: transitions, start, end.
    pub(crate) lattice: Vec<f32>,
    /// Factor of the given emissions.
    pub(crate) scale: f32,
    pub(crate) outcome: Outcome,
}

/// The objective as a function of one row of parameters: sparse weights, lattice, factor of the given emissions.
pub(crate) struct Objective<'a> {
    chain: Chain<'a>,
    data: &'a SparseData,
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
        given: Option<&'a [f32]>,
        l2: f32,
    ) -> Self {
        let tags = corpus.tags.len();
        let chain = Chain::new(tags, &corpus.gold, examples);
        Self { chain, data, given, tags, l2, residuals: vec![0.0; corpus.words() * tags], examples }
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.data.weights() + Chain::lattice_scores(self.tags) + usize::from(self.given.is_some())
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
        let (weights, rest) = x.split_at(data.weights());
        let (lattice, scale) = rest.split_at(Chain::lattice_scores(tags));
        let scores_of = |word: usize, row: &mut [f32]| {
            if let Some(given) = given {
                let given = &given[word * tags..(word + 1) * tags];
                row.iter_mut().zip(given).for_each(|(score, given)| *score = scale[0] * given);
            }
            data.add_scores(weights, word, row);
        };
        let evaluation = self.chain.evaluate(lattice, scores_of, &mut self.residuals);
        let l2 = self.l2;
        gradient.iter_mut().zip(x).for_each(|(gradient, &x)| *gradient = l2 * x);
        let penalised = x.len() - scale.len();
        let norm = sum(penalised, |range| x[range].iter().map(|&x| f64::from(x).powi(2)).sum());
        data.add_gradient(&self.residuals, tags, &mut gradient[..data.weights()]);
        let of_lattice = &mut gradient[data.weights()..penalised];
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

/// Learns from `examples`.
pub(crate) fn fit(
    corpus: &Corpus,
    examples: &[Range<usize>],
    recipe: &LexicalRecipe,
    given: Option<&[f32]>,
    watch: impl FnMut(usize, f64) -> ControlFlow<()>,
) -> Result<Fitted, Stop> {
    let data = SparseData::new(corpus, examples, recipe.min_count);
    let mut objective = Objective::new(corpus, examples, &data, given, recipe.l2);
    let settings = owlqn::Settings {
        l1: recipe.l1,
        max_iterations: recipe.max_iterations as usize,
        tolerance: f64::from(recipe.tolerance),
    };
    let mut x = objective.start();
    let outcome = owlqn::minimise(&mut x, &settings, |x, gradient| objective.evaluate(x, gradient), watch)?;
    let lattice_end = data.weights() + Chain::lattice_scores(corpus.tags.len());
    let lattice = x[data.weights()..lattice_end].to_vec();
    let scale = x.get(lattice_end).copied().unwrap_or(1.0);
    x.truncate(data.weights());
    Ok(Fitted { data, weights: x, lattice, scale, outcome })
}

#[cfg(test)]
mod tests;
