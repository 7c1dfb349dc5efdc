//! Learning the sparse part and the lattice, on top of what a network may say already.

use crate::chain::Chain;
use crate::corpus::Corpus;
use crate::objective::Objective;
use crate::owlqn::{self, Outcome, Stop};
use crate::surroundings::{float_bytes, floats};
use model::{HeadError, LexicalRecipe, Sparse};
use std::ops::{ControlFlow, Range};

/// A corpus with what members say beside its sparse part: what every fit shares.
pub(crate) struct Ground<'a> {
    corpus: &'a Corpus,
    given: Option<&'a [f32]>,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

/// What was learned.
#[derive(Clone)]
pub(crate) struct Fitted {
    /// What the weights of the first features add to scores.
    weights: Vec<f32>,
    /// The lattice's scores: transitions, start, end.
    lattice: Vec<f32>,
    /// Factor of the given emissions; 0 where none were given.
    scale: f32,
    pub(crate) outcome: Outcome,
}

impl Fitted {
    /// What the weights of the first features add to scores.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The lattice's scores: transitions, start, end.
    pub(crate) fn lattice(&self) -> &[f32] {
        &self.lattice
    }

    /// As bytes, for the attempt after this one.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.outcome.objective.to_le_bytes().to_vec();
        for number in [self.outcome.iterations, self.weights.len(), self.lattice.len()] {
            bytes.extend((number as u64).to_le_bytes());
        }
        for values in [&self.weights, &self.lattice, &vec![self.scale]] {
            bytes.extend(float_bytes(values));
        }
        bytes
    }

    /// The reverse of [`Fitted::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, parameters) = bytes.split_at_checked(32)?;
        let [objective, rest @ ..] = head.as_chunks::<8>().0 else { return None };
        let [iterations, weights, lattice] = rest else { return None };
        let number = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).ok();
        let outcome = Outcome { objective: f64::from_le_bytes(*objective), iterations: number(iterations)? };
        let parameters = floats(parameters);
        let (weights, rest) = parameters.split_at_checked(number(weights)?)?;
        let (lattice, rest) = rest.split_at_checked(number(lattice)?)?;
        let [scale] = rest else { return None };
        Some(Self { weights: weights.to_vec(), lattice: lattice.to_vec(), scale: *scale, outcome })
    }

    /// Factor of the given emissions.
    pub(crate) fn scale(&self) -> f32 {
        self.scale
    }

    /// `self` and `other` in one, `share` of it the other's: scores are linear in all parameters, so it says the
    /// weighted mean of what they say (a logarithmic opinion pool of chains, Smith, Cohn and Osborne 2005).
    pub(crate) fn mixed(&self, other: &Self, share: f32) -> Self {
        let mix = |a: &[f32], b: &[f32]| -> Vec<f32> {
            let value = |row: &[f32], at: usize| row.get(at).copied().unwrap_or(0.0);
            let mixed = |at| (1.0 - share) * value(a, at) + share * value(b, at);
            (0..a.len().max(b.len())).map(mixed).collect()
        };
        Self {
            weights: mix(&self.weights, &other.weights),
            lattice: mix(&self.lattice, &other.lattice),
            scale: (1.0 - share) * self.scale + share * other.scale,
            outcome: self.outcome.clone(),
        }
    }
}

/// Passes over all features, before and after those over the ones that matter: under an L1 term most weights stay at
/// zero, and which ones is soon clear. The last passes find those that matter after all.
#[derive(Clone, Copy)]
struct Legs {
    first: usize,
    last: usize,
}

/// From nothing.
const LEGS: Legs = Legs { first: 12, last: 5 };

/// From a sample.
const LEGS_AFTER_SAMPLE: Legs = Legs { first: 5, last: 3 };

/// Words of a sample that larger sets of examples are learned from first, when they have [`SAMPLE_OF`] times as many.
const SAMPLE_WORDS: usize = 150_000;
const SAMPLE_OF: usize = 3;

/// Passes over all examples after those over a sample.
const PASSES_AFTER_SAMPLE: u32 = 24;

/// Part of the L1 term from which a gradient may soon move its weight.
const NEARLY: f32 = 0.7;

/// A search in several legs.
struct Search<'a, W> {
    recipe: &'a LexicalRecipe,
    /// Passes so far.
    done: usize,
    watch: W,
}

impl<W: FnMut(usize, f64) -> ControlFlow<()>> Search<'_, W> {
    /// At most `passes` more.
    fn go(
        &mut self,
        objective: &mut Objective<'_>,
        x: &mut Vec<f32>,
        passes: usize,
    ) -> Result<Outcome, Stop> {
        let left = (self.recipe.max_iterations as usize).saturating_sub(self.done);
        let settings =
            owlqn::Settings { max_iterations: passes.min(left), tolerance: f64::from(self.recipe.tolerance) };
        let (penalties, done) = (objective.penalties(self.recipe.l1), self.done);
        let watch = |pass, objective| (self.watch)(done + pass, objective);
        let outcome =
            owlqn::minimise(x, &penalties, &settings, |x, gradient| objective.evaluate(x, gradient), watch)?;
        self.done += outcome.iterations;
        Ok(outcome)
    }
}

impl<'a> Ground<'a> {
    /// `given` are emissions, `words * tags`.
    pub(crate) fn new(corpus: &'a Corpus, given: Option<&'a [f32]>) -> Self {
        Self { corpus, given, stop: None }
    }

    /// The same ground, on which fits end soon after `stop` says so.
    pub(crate) fn stopping(self, stop: Option<&'a (dyn Fn() -> bool + Sync)>) -> Self {
        Self { stop, ..self }
    }

    /// Bytes that a fit under `recipe` takes beside what is there: the optimiser's rows, the parts' sums.
    pub(crate) fn fit_bytes(&self, recipe: &LexicalRecipe) -> u64 {
        const ROWS: usize = 10 + 2 * owlqn::MEMORY;
        let data = &self.corpus.features;
        let weights = data.weights(data.reachable(recipe.l1));
        let parameters = weights + Chain::lattice_scores(self.corpus.tags.len());
        (4 * ROWS * parameters + Objective::bytes(self.corpus, weights)) as u64
    }

    /// Learns from `examples`, beginning where another fit ended, or with a sample where there are very many. `watch` hears of
    /// each pass, counted as one of the recipe's.
    pub(crate) fn fit(
        &self,
        examples: &[Range<usize>],
        recipe: &LexicalRecipe,
        from: Option<&Fitted>,
        watch: impl FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<Fitted, Stop> {
        let step = examples.iter().map(Range::len).sum::<usize>() / SAMPLE_WORDS;
        if from.is_some() || step < SAMPLE_OF || recipe.max_iterations <= PASSES_AFTER_SAMPLE {
            return self.search(examples, recipe, from, LEGS, watch);
        }
        self.fit_after_sample(examples, recipe, step, watch)
    }

    /// Learns from each `step`-th example first: what most of them say is known from few, and passes over few are quick.
    fn fit_after_sample(
        &self,
        examples: &[Range<usize>],
        recipe: &LexicalRecipe,
        step: usize,
        mut watch: impl FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<Fitted, Stop> {
        let part: Vec<Range<usize>> = examples.iter().step_by(step).cloned().collect();
        // As strong beside the sample as the terms are beside everything.
        let share = 1.0 / step as f32;
        let of_part = LexicalRecipe { l1: recipe.l1 * share, l2: recipe.l2 * share, ..recipe.clone() };
        let of_all = LexicalRecipe { max_iterations: PASSES_AFTER_SAMPLE, ..recipe.clone() };
        let most = recipe.max_iterations as f32;
        let work = share * most + PASSES_AFTER_SAMPLE as f32;
        let mut tell = |work_done: f32, objective| watch((most * work_done / work) as usize, objective);
        let first = self.search(&part, &of_part, None, LEGS, |pass, objective| {
            tell(share * pass as f32, objective * step as f64)
        })?;
        let mut fitted =
            self.search(examples, &of_all, Some(&first), LEGS_AFTER_SAMPLE, |pass, objective| {
                tell(share * most + pass as f32, objective)
            })?;
        fitted.outcome.iterations += first.outcome.iterations;
        Ok(fitted)
    }

    fn search(
        &self,
        examples: &[Range<usize>],
        recipe: &LexicalRecipe,
        from: Option<&Fitted>,
        legs: Legs,
        watch: impl FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<Fitted, Stop> {
        let data = &self.corpus.features;
        let features = data.reachable(recipe.l1);
        let mut objective = Objective::new(self.corpus, data, examples, features, self.given, recipe.l2);
        objective.chain.stop = self.stop;
        let weights = objective.weights();
        let mut x = objective.start();
        let lattice_end = weights + Chain::lattice_scores(self.corpus.tags.len());
        if let Some(from) = from {
            let known = x[..weights].iter_mut().zip(&from.weights).zip(data.scales());
            known.for_each(|((x, scaled), scale)| *x = scaled / scale);
            x[weights..lattice_end].copy_from_slice(&from.lattice);
            x[lattice_end..].fill(from.scale);
        }
        let mut search = Search { recipe, done: 0, watch };
        let mut outcome = search.go(&mut objective, &mut x, legs.first)?;
        let most = recipe.max_iterations as usize;
        if outcome.iterations == legs.first && most > legs.first + legs.last {
            let active = objective.active(&x, recipe.l1, NEARLY);
            let few = data.only(&active);
            let mut small = Objective::new(self.corpus, &few, examples, active.len(), self.given, recipe.l2);
            small.chain.stop = self.stop;
            let mut y = data.gather(&x[..weights], &active);
            y.extend(&x[weights..]);
            // Large, and not needed for a while.
            objective.rest();
            search.go(&mut small, &mut y, most - legs.first - legs.last)?;
            let known = small.weights();
            drop(small);
            data.scatter(&y[..known], &active, &mut x[..weights]);
            x[weights..].copy_from_slice(&y[known..]);
            outcome = search.go(&mut objective, &mut x, legs.last)?;
        }
        outcome.iterations = search.done;
        let scale = x.get(lattice_end).copied().unwrap_or(0.0);
        let lattice = x[weights..lattice_end].to_vec();
        x.truncate(weights);
        x.iter_mut().zip(data.scales()).for_each(|(weight, scale)| *weight *= scale);
        Ok(Fitted { weights: x, lattice, scale, outcome })
    }

    /// The weights as a table for the head.
    pub(crate) fn table(&self, fitted: &Fitted, recipe: &LexicalRecipe) -> Result<Sparse, HeadError> {
        self.corpus.features.table(fitted.weights(), recipe.prune_below)
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
            self.corpus.features.add_scores(fitted.weights(), word, row);
        }
        scores
    }
}

#[cfg(test)]
pub(crate) mod tests;
