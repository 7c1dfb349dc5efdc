//! Member networks, each blind to one part of the documents, and the one network they become.

use crate::corpus::Corpus;
use crate::folds::deal;
use crate::network::{self, Material, Member};
use crate::parallel::{map, update};
use crate::random::Random;
use crate::reporter::Shares;
use crate::request::TrainError;
use crate::surroundings::{Trail, float_bytes, floats};
use crate::vectors::Vectors;
use model::{ContextualRecipe, HeadError, Layout, Network};
use std::ops::{ControlFlow, Range};

/// Members and what they said about the words they had not learned from.
pub(crate) struct Ensemble {
    members: Vec<Member>,
    /// `words * tags`; zeros outside the examples.
    pub(crate) given: Vec<f32>,
    /// The member that is blind to each example.
    fold_of: Vec<usize>,
}

/// Learns members from all examples; those that an earlier attempt has left on the `trail` are taken from there.
pub(crate) fn learn(
    corpus: &Corpus,
    vectors: &Vectors,
    recipe: &ContextualRecipe,
    seed: u64,
    trail: &Trail<'_>,
    watch: &(dyn Fn(f32, Option<f64>) -> ControlFlow<()> + Sync),
) -> Result<Ensemble, TrainError> {
    let tags = corpus.tags.len();
    let (hidden, reach) = (recipe.hidden as usize, recipe.reach as usize);
    let layout = Layout { width: vectors.width(), hidden, reach, pooled: recipe.pooled, tags };
    let material = Material { layout, vectors, gold: &corpus.gold };
    let folds = (recipe.folds as usize).max(1);
    let all: Vec<usize> = (0..corpus.examples.len()).collect();
    let fold_of = deal(corpus, &all, folds, seed);
    let part = |keep: &dyn Fn(usize) -> bool| -> Vec<Range<usize>> {
        let pairs = corpus.examples.iter().zip(&fold_of);
        pairs.filter(|(_, fold)| keep(**fold)).map(|(range, _)| range.clone()).collect()
    };
    let shares = Shares::new(folds);
    let learned = map(folds, |fold| {
        let mut seen = part(&|other| other != fold);
        if seen.is_empty() {
            // One fold, or a single example: there is nothing to be blind to.
            seen = corpus.examples.clone();
        }
        let mut random = Random::new(seed, 16 + fold as u64);
        let watch = |done: f32, loss: Option<f64>| watch(shares.set(fold, done), loss);
        let blank = Member::new(layout, &mut Random::new(seed, 0));
        let read = |bytes: &[u8]| {
            let parameters = floats(bytes);
            let whole = parameters.len() == blank.parameters.len();
            whole.then_some(Member { layout, parameters })
        };
        let bytes = |member: &Member| float_bytes(&member.parameters);
        let learn = || Ok(network::learn(&material, &seen, recipe, &mut random, &watch)?);
        trail.resume(&format!("member-{fold}"), read, bytes, learn)
    });
    let members = learned.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut given = vec![0.0; corpus.words() * tags];
    for (fold, member) in members.iter().enumerate() {
        let blind = part(&|other| other == fold);
        let said = map(blind.len(), |at| member.emissions(&material, &blind[at..=at]));
        for (words, said) in blind.iter().zip(said) {
            given[words.start * tags..words.end * tags].copy_from_slice(&said?);
        }
    }
    Ok(Ensemble { members, given, fold_of })
}

impl Ensemble {
    /// For each member the examples it has seen and those it has not; none for a member that has seen all or nothing.
    pub(crate) fn halves(&self) -> Vec<(Vec<usize>, Vec<usize>)> {
        let halves = (0..self.members.len())
            .map(|fold| (0..self.fold_of.len()).partition(|&example| self.fold_of[example] != fold));
        halves.filter(|(seen, blind): &(Vec<_>, Vec<_>)| !seen.is_empty() && !blind.is_empty()).collect()
    }

    /// The members' mean times `factor` as one network with all their hidden units, and its bias per tag.
    pub(crate) fn network(&self, vectors: &Vectors, factor: f32) -> Result<(Network, Vec<f32>), HeadError> {
        let members = &self.members;
        let share = factor / members.len() as f32;
        let single = members[0].layout;
        let layout = Layout { hidden: single.hidden * members.len(), ..single };
        let mut weights = [vectors.mean(), vectors.scale()].concat();
        for row in 0..single.width {
            let row = row * (single.tags + single.hidden)..(row + 1) * (single.tags + single.hidden);
            let mut linear = vec![0.0; single.tags];
            for member in members {
                let said = &member.inner()[row.clone()][..single.tags];
                update(&mut linear, said, |sum, value| sum + share * value);
            }
            weights.extend(linear);
            // One member's units after the other's, here as in all that follows.
            members.iter().for_each(|member| weights.extend(&member.inner()[row.clone()][single.tags..]));
        }
        members.iter().for_each(|member| weights.extend(member.inner_bias()));
        let block = single.hidden * single.tags;
        for place in 0..single.places() {
            for member in members {
                let outer = &member.outer()[place * block..(place + 1) * block];
                weights.extend(outer.iter().map(|value| share * value));
            }
        }
        let mut bias = vec![0.0; single.tags];
        members.iter().for_each(|member| update(&mut bias, member.bias(), |sum, value| sum + share * value));
        Ok((Network::new(layout, &weights)?, bias))
    }
}
