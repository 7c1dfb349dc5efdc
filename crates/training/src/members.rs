//! Member networks, each blind to one part of the documents, and the one network they become.

use crate::corpus::Corpus;
use crate::encode::standard;
use crate::folds::deal;
use crate::network::{self, Material, Member};
use crate::owlqn::Stop;
use crate::parallel::{map, update};
use crate::random::Random;
use model::{ContextualRecipe, HeadError, Layout, Network};
use std::ops::{ControlFlow, Range};

/// Members and what they said about the words they had not learned from.
pub(crate) struct Ensemble {
    members: Vec<Member>,
    mean: Vec<f32>,
    scale: Vec<f32>,
    /// `words * tags`; zeros outside the examples.
    pub(crate) given: Vec<f32>,
}

/// Learns members from `examples` (by number). `vectors` are the encoder's, `words * width`.
pub(crate) fn learn(
    corpus: &Corpus,
    examples: &[usize],
    vectors: &[f32],
    recipe: &ContextualRecipe,
    seed: u64,
    watch: &(dyn Fn(f32, f64) -> ControlFlow<()> + Sync),
) -> Result<Ensemble, Stop> {
    let tags = corpus.tags.len();
    let width = vectors.len() / corpus.words().max(1);
    let ranges: Vec<Range<usize>> =
        examples.iter().map(|&example| corpus.examples[example].clone()).collect();
    let (mean, scale) = standard(vectors, width, &ranges);
    let standardised = standardise(vectors, width, &mean, &scale);
    let (hidden, reach) = (recipe.hidden as usize, recipe.reach as usize);
    let layout = Layout { width, hidden, reach, tags };
    let material = Material { layout, vectors: &standardised, gold: &corpus.gold };
    let folds = (recipe.folds as usize).max(1);
    let fold_of = deal(corpus, examples, folds, seed);
    let part = |keep: &dyn Fn(usize) -> bool| -> Vec<Range<usize>> {
        ranges.iter().zip(&fold_of).filter(|(_, fold)| keep(**fold)).map(|(range, _)| range.clone()).collect()
    };
    let learned = map(folds, |fold| {
        let seen = part(&|other| other != fold || folds == 1);
        let mut random = Random::new(seed, 16 + fold as u64);
        let epochs = recipe.epochs as f32;
        let watch = |epoch: u32, loss: f64| watch((epoch + 1) as f32 / epochs, loss);
        network::learn(&material, &seen, recipe, &mut random, &watch)
    });
    let members = learned.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut given = vec![0.0; corpus.words() * tags];
    for (fold, member) in members.iter().enumerate() {
        let blind = part(&|other| other == fold);
        let said = map(blind.len(), |at| member.emissions(&standardised, &blind[at..=at]));
        for (words, said) in blind.iter().zip(said) {
            given[words.start * tags..words.end * tags].copy_from_slice(&said);
        }
    }
    Ok(Ensemble { members, mean, scale, given })
}

fn standardise(vectors: &[f32], width: usize, mean: &[f32], scale: &[f32]) -> Vec<f32> {
    let mut result = vectors.to_vec();
    for row in result.chunks_exact_mut(width.max(1)) {
        row.iter_mut()
            .zip(mean)
            .zip(scale)
            .for_each(|((value, mean), scale)| *value = (*value - mean) * scale);
    }
    result
}

impl Ensemble {
    /// The members' mean times `factor` as one network with all their hidden units, and its bias per tag.
    pub(crate) fn network(&self, factor: f32) -> Result<(Network, Vec<f32>), HeadError> {
        let count = self.members.len();
        let share = factor / count as f32;
        let single = self.members[0].layout;
        let layout = Layout { hidden: single.hidden * count, ..single };
        let mean_of = |part: fn(&Member) -> &[f32]| {
            let mut sum = vec![0.0; part(&self.members[0]).len()];
            self.members
                .iter()
                .for_each(|member| update(&mut sum, part(member), |sum, value| sum + share * value));
            sum
        };
        let mut weights = [self.mean.as_slice(), &self.scale, &mean_of(Member::linear)].concat();
        // Rows of W hold one member's units after the other's.
        for row in 0..single.width {
            for member in &self.members {
                weights.extend_from_slice(&member.inner()[row * single.hidden..(row + 1) * single.hidden]);
            }
        }
        self.members.iter().for_each(|member| weights.extend_from_slice(member.inner_bias()));
        let block = single.hidden * single.tags;
        for place in 0..2 * single.reach + 1 {
            for member in &self.members {
                let outer = &member.outer()[place * block..(place + 1) * block];
                weights.extend(outer.iter().map(|value| share * value));
            }
        }
        Ok((Network::new(layout, weights)?, mean_of(Member::bias)))
    }
}
