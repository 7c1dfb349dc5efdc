//! Judging a model on examples it has not learned from: its score, and how sure it should be.

use crate::chain::lattice;
use crate::corpus::Corpus;
use crate::parallel::map;
use model::{GraphError, Head};
use ner::decoding::Posterior;
use ner::tags::TagSet;
use std::ops::Range;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Exact-span micro F1, 0 to 1.
    pub(crate) f1: f64,
    /// What scores are divided by so that the right readings are likeliest.
    pub(crate) temperature: f64,
}

/// Judges `head` with the lattice's scores on `examples`. `vectors` are the encoder's for all words.
pub(crate) fn judge(
    corpus: &Corpus,
    examples: &[Range<usize>],
    vectors: Option<&[f32]>,
    head: &Head,
    lattice_scores: &[f32],
) -> Result<Judgement, GraphError> {
    let tags = corpus.tags.len();
    let inputs = corpus.inputs_of(examples);
    let vectors = vectors.map(|vectors| {
        let width = vectors.len() / corpus.words().max(1);
        let rows = examples.iter().map(|words| &vectors[words.start * width..words.end * width]);
        rows.collect::<Vec<_>>().concat()
    });
    let scores = head.emissions(&inputs, vectors.as_deref())?.scores;
    let cases: Vec<(&[f32], &[ner::tags::Tag])> = inputs
        .sequence_offsets
        .windows(2)
        .zip(examples)
        .map(|(borders, words)| {
            (&scores[borders[0] as usize * tags..borders[1] as usize * tags], &corpus.gold[words.clone()])
        })
        .collect();
    let cold = lattice(tags, lattice_scores, 1.0);
    let counts = map(cases.len(), |case| {
        let (scores, gold) = cases[case];
        let (found, right) = (TagSet::decode(&cold.best(scores)), TagSet::decode(gold));
        (found.iter().filter(|span| right.contains(span)).count(), found.len() + right.len())
    });
    let (hits, all) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let loss = |temperature: f64| {
        let lattice = lattice(tags, lattice_scores, temperature);
        let parts = map(cases.len(), |case| {
            let mut posterior = Posterior::default();
            posterior.run(&lattice, cases[case].0);
            posterior.log_partition() - lattice.score(cases[case].0, cases[case].1)
        });
        parts.iter().sum()
    };
    let f1 = if all == 0 { 0.0 } else { 2.0 * hits as f64 / all as f64 };
    Ok(Judgement { f1, temperature: lowest(loss) })
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
    fn the_lowest_point_is_found() {
        for target in [0.6f64, 1.0, 1.7, 4.0] {
            let found = lowest(|temperature| (temperature.ln() - target.ln()).powi(2));
            assert!((found / target - 1.0).abs() < 0.01, "{found} {target}");
        }
    }
}
