//! Judging a model on examples it has not learned from: its score, and how sure it should be.

use crate::chain::lattice;
use crate::corpus::Corpus;
use crate::fit::{Fitted, Ground};
use crate::parallel::map;
use ner::decoding::{Lattice, Posterior};
use ner::tags::{Tag, TagSet};
use std::ops::Range;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Judgement {
    /// Exact-span micro F1, 0 to 1, with this boldness.
    pub(crate) f1: f64,
    /// Bonus of the best reading for each entity after a word outside.
    pub(crate) boldness: f64,
    /// What scores are divided by so that the right readings are likeliest.
    pub(crate) temperature: f64,
    /// Negative log-likelihood of the right readings at this temperature, summed.
    pub(crate) loss: f64,
}

/// What is learned from and what is held out.
pub(crate) struct Trial {
    pub(crate) kept: Vec<Range<usize>>,
    pub(crate) held: Vec<Range<usize>>,
}

/// An example held out: in which trial, the scores of its words and its right tags.
struct Case<'a> {
    trial: usize,
    scores: Vec<f32>,
    gold: &'a [Tag],
}

/// Judges what was learned in each of `trials` on what it held out.
pub(crate) fn judge(corpus: &Corpus, trials: &[Trial], ground: &Ground<'_>, fits: &[Fitted]) -> Judgement {
    let tags = corpus.tags.len();
    let examples: Vec<(usize, &Range<usize>)> = trials
        .iter()
        .enumerate()
        .flat_map(|(number, trial)| trial.held.iter().map(move |words| (number, words)))
        .collect();
    let cases: Vec<Case<'_>> = map(examples.len(), |at| {
        let (trial, words) = examples[at];
        let scores = ground.emissions(&fits[trial], words.clone());
        Case { trial, scores, gold: &corpus.gold[words.clone()] }
    });
    let lattices = |temperature: f64, boldness: f64| -> Vec<Lattice> {
        let of = |fitted: &Fitted| lattice(tags, fitted.lattice(), temperature).bolder(boldness);
        fits.iter().map(of).collect()
    };
    let f1_of = |boldness: f64| {
        let lattices = lattices(1.0, boldness);
        let counts = map(cases.len(), |at| {
            let case = &cases[at];
            let lattice = &lattices[case.trial];
            let (found, right) = (TagSet::decode(&lattice.best(&case.scores)), TagSet::decode(case.gold));
            (found.iter().filter(|span| right.contains(span)).count(), found.len() + right.len())
        });
        let (hits, all) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        if all == 0 { 0.0 } else { 2.0 * hits as f64 / all as f64 }
    };
    let (f1, boldness) = boldest(f1_of);
    let loss = |temperature: f64| {
        let lattices = lattices(temperature, 0.0);
        let parts = map(cases.len(), |at| {
            let case = &cases[at];
            let lattice = &lattices[case.trial];
            let mut posterior = Posterior::default();
            posterior.run(lattice, &case.scores);
            posterior.log_partition() - lattice.score(&case.scores, case.gold)
        });
        parts.iter().sum()
    };
    let temperature = lowest(loss);
    Judgement { f1, boldness, temperature, loss: loss(temperature) }
}

/// Part of F1 that boldness may cost on what is held out: scores closer together than this say nothing, and texts to
/// come are less familiar than those held out, so that a model finds less in them.
const FLAT: f64 = 0.005;

/// The greatest boldness that does about as well as any, and its F1. The best F1 finds every entity likelier than half
/// of it (Lipton, Elkan and Naryanaswamy 2014, "Optimal thresholding of classifiers to maximize F1 measure"), so
/// boldness is never more than the log odds of that.
fn boldest(f1_of: impl Fn(f64) -> f64) -> (f64, f64) {
    const STEPS: i32 = 4;
    let plain = f1_of(0.0);
    let threshold = (plain / 2.0).clamp(0.1, 0.5);
    let most = ((1.0 - threshold) / threshold).ln();
    let bold = (1..=STEPS).map(|step| most * f64::from(step) / f64::from(STEPS));
    let tried: Vec<(f64, f64)> = bold.map(|boldness| (f1_of(boldness), boldness)).collect();
    let best = tried.iter().map(|tried| tried.0).fold(plain, f64::max);
    tried.into_iter().rev().find(|tried| tried.0 >= best - FLAT).unwrap_or((plain, 0.0))
}

/// The temperature with the lowest loss: a coarse search in steps of a fifth, then by golden section.
fn lowest(loss: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let step = 1.2f64.ln();
    let at = |point: i32| f64::from(point) * step;
    let coarse = (-4..=9).map(|point| (point, loss(at(point).exp())));
    let best = coarse.fold((0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best }).0;
    let (mut low, mut high) = (at(best - 1), at(best + 1));
    for _ in 0..12 {
        let (left, right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        if loss(left.exp()) <= loss(right.exp()) {
            high = right;
        } else {
            low = left;
        }
    }
    (0.5 * (low + high)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boldness_follows_the_score_and_stays_within_reason() {
        let peak = |at: f64| move |boldness: f64| 0.4 - (boldness - at).powi(2) / 10.0;
        assert!(boldest(peak(-1.0)).1.abs() < 1e-9);
        let (_, most) = boldest(|_| 0.4);
        assert!((most - 4f64.ln()).abs() < 1e-9, "as bold as may be where nothing speaks against it");
        let (f1, some) = boldest(peak(0.7));
        assert!((0.5..1.0).contains(&some) && f1 > 0.39, "{some} {f1}");
        assert_eq!(boldest(|_| 1.0), (1.0, 0.0));
    }

    #[test]
    fn the_lowest_point_is_found() {
        for target in [0.6f64, 1.0, 1.7, 4.0] {
            let found = lowest(|temperature| (temperature.ln() - target.ln()).powi(2));
            assert!((found / target - 1.0).abs() < 0.01, "{found} {target}");
        }
    }
}
