//! The sparse part's data: which word has which feature, and which weights there are.
//!
//! A weight exists for a feature and a tag that were seen together (as in CRFsuite): most features speak of one or
//! two tags, so this is close to the smallest set that can explain the data.

mod lists;
mod numbering;

use crate::parallel::runs;
use lists::{Lists, NONE};
use model::Entry;
use ner::tags::Tag;
pub(crate) use numbering::Numbering;
use numbering::Settled;
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;

/// Features by word, and the layout of weights.
#[derive(Default)]
pub(crate) struct SparseData {
    /// Number of tags.
    tags: usize,
    /// The hashes of each feature, most frequent features first: those on the same words are one feature, since nothing could
    /// tell their weights apart.
    hashes: Vec<u64>,
    hash_offsets: Vec<u32>,
    /// On how many words each feature is.
    counts: Vec<u32>,
    /// Borders of each feature's weights.
    weight_offsets: Vec<u32>,
    /// The tag of each weight, with [`LAST`] where it is its feature's last.
    weight_tags: Vec<u16>,
    /// What a weight is multiplied with for all hashes of its feature together: the square root of their number, so that it
    /// is learned as they would be, each by itself, under the same terms.
    scales: Vec<f32>,
    /// The first weight of each feature of a group. What a group says is computed once in a pass for all its words.
    groups: Lists,
    /// The groups that each feature is in.
    groups_with: Lists,
    /// Each word's groups.
    groups_of: Lists,
    /// The first weight of each of a word's features that are in none of its groups.
    singles: Lists,
}

/// Marks the last weight of a feature; far more tags than there can be.
const LAST: u16 = 1 << 15;

/// Most scores of groups: they are kept once for a pass, and their slopes for each of its parts.
const GROUP_SCORES_MAX: usize = 1 << 24;

/// Blocks of features whose slopes are added up beside each other.
const BLOCKS: usize = 64;

/// A weight with all that a pass reads and writes of it side by side: where they lie decides how long a pass takes.
#[derive(Clone, Copy)]
pub(crate) struct Weight {
    value: f32,
    /// Derivative of the loss.
    pub(crate) slope: f32,
    /// As in [`SparseData::weight_tags`].
    tag: u16,
}

impl SparseData {
    /// Leaves features on fewer than `min_count` words out; `gold` has the tag of every word, one of `tags`.
    pub(crate) fn new(numbering: Numbering, gold: &[Tag], tags: usize, min_count: u32) -> Self {
        let settled = numbering.settle(min_count, GROUP_SCORES_MAX / tags.max(1));
        let mut seen = Seen::new(settled.groups.len());
        seen.see_rows(&settled.groups_of, gold);
        let of_groups = seen.pairs();
        let mut seen = Seen::new(settled.counts.len());
        seen.see_rows(&settled.singles, gold);
        for (group, tag) in of_groups {
            seen.see_all(settled.groups.row(group as usize), tag);
        }
        let (weight_offsets, weight_tags) = layout(&seen.pairs(), settled.counts.len());
        Self::laid_out(settled, tags, weight_offsets, weight_tags)
    }

    fn laid_out(settled: Settled, tags: usize, weight_offsets: Vec<u32>, weight_tags: Vec<u16>) -> Self {
        let Settled { hashes, hash_offsets, counts, groups, groups_of, singles } = settled;
        let groups_with = groups.transposed(counts.len());
        let [groups, singles] = [groups, singles].map(|lists| lists.renumbered(&weight_offsets));
        let borders = hash_offsets.windows(2).zip(weight_offsets.windows(2));
        let scales = borders.flat_map(|(hashes, weights)| {
            let scale = ((hashes[1] - hashes[0]) as f32).sqrt();
            std::iter::repeat_n(scale, (weights[1] - weights[0]) as usize)
        });
        Self {
            tags,
            scales: scales.collect(),
            hashes,
            hash_offsets,
            counts,
            weight_offsets,
            weight_tags,
            groups,
            groups_with,
            groups_of,
            singles,
        }
    }

    /// What weights are multiplied with to be what they add to scores.
    pub(crate) fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// How many features, the most frequent ones, can have a weight at all under an L1 term: a feature's gradient is
    /// at most the number of its words, and a weight stays at zero while its gradient is no larger than the term.
    pub(crate) fn reachable(&self, l1: f32) -> usize {
        self.counts.iter().take_while(|&&count| count as f32 > l1).count()
    }

    /// Number of weights of the first `features` features.
    pub(crate) fn weights(&self, features: usize) -> usize {
        self.weight_offsets[features] as usize
    }

    /// Bytes of the scores of all groups, or of their slopes.
    pub(crate) fn group_bytes(&self) -> usize {
        self.groups.len() * self.tags * size_of::<f32>()
    }

    /// Adds to a word's scores what the first features add, `scaled`.
    pub(crate) fn add_scores(&self, scaled: &[f32], word: usize, scores: &mut [f32]) {
        let groups = self.groups_of.row(word).iter().map(|&group| self.groups.row(group as usize));
        for firsts in groups.chain([self.singles.row(word)]) {
            self.add_weights(firsts, scaled, scores);
        }
    }

    fn add_weights(&self, firsts: &[u32], scaled: &[f32], scores: &mut [f32]) {
        visit(firsts, scaled.len(), |at| {
            let tag = self.weight_tags[at];
            scores[usize::from(tag & !LAST)] += scaled[at];
            tag
        });
    }

    /// What the first features add to the scores of each group, `groups * tags`.
    pub(crate) fn group_scores(&self, scaled: &[f32]) -> Vec<f32> {
        let mut scores = vec![0.0; self.groups.len() * self.tags];
        let rows = scores.par_chunks_mut(self.tags).enumerate().with_min_len(BLOCKS);
        rows.for_each(|(group, row)| self.add_weights(self.groups.row(group), scaled, row));
        scores
    }

    /// Puts what the first features add to scores `into` a row of its own, with no slope yet.
    pub(crate) fn lay_out(&self, scaled: &[f32], into: &mut Vec<Weight>) {
        into.clear();
        let pairs = scaled.iter().zip(&self.weight_tags);
        into.extend(pairs.map(|(&value, &tag)| Weight { value, slope: 0.0, tag }));
    }

    /// [`Self::add_scores`] from scores of groups and from weights that are laid out.
    pub(crate) fn add_scores_laid_out(
        &self,
        groups: &[f32],
        weights: &[Weight],
        word: usize,
        scores: &mut [f32],
    ) {
        for &group in self.groups_of.row(word) {
            let row = &groups[group as usize * self.tags..][..self.tags];
            scores.iter_mut().zip(row).for_each(|(score, said)| *score += said);
        }
        visit(self.singles.row(word), weights.len(), |at| {
            let Weight { value, tag, .. } = weights[at];
            scores[usize::from(tag & !LAST)] += value;
            tag
        });
    }

    /// Adds what a word's `residuals` (a tag's probability minus truth) say to the slopes of its groups and weights.
    pub(crate) fn add_slopes(
        &self,
        residuals: &[f32],
        word: usize,
        groups: &mut [f32],
        weights: &mut [Weight],
    ) {
        for &group in self.groups_of.row(word) {
            let row = &mut groups[group as usize * self.tags..][..self.tags];
            row.iter_mut().zip(residuals).for_each(|(slope, residual)| *slope += residual);
        }
        visit(self.singles.row(word), weights.len(), |at| {
            let weight = &mut weights[at];
            weight.slope += residuals[usize::from(weight.tag & !LAST)];
            weight.tag
        });
    }

    /// Adds the slopes of groups (`groups * tags`) to those of the weights of the first features.
    pub(crate) fn add_group_slopes(&self, groups: &[f32], slopes: &mut [f32]) {
        let features = self.features(slopes.len());
        let work = |feature| 1 + self.groups_with.row(feature).len() * self.weight_range(feature).len();
        let all: usize = (0..features).map(work).sum();
        let mut rest = slopes;
        let mut blocks = Vec::new();
        for block in runs((0..features).map(work), all.div_ceil(BLOCKS)) {
            let weights = self.weight_offsets[block.end] - self.weight_offsets[block.start];
            let (slopes, after) = std::mem::take(&mut rest).split_at_mut(weights as usize);
            blocks.push((block, slopes));
            rest = after;
        }
        blocks.into_par_iter().for_each(|(block, mut slopes)| {
            for feature in block {
                let tags = &self.weight_tags[self.weight_range(feature)];
                let (of_feature, after) = std::mem::take(&mut slopes).split_at_mut(tags.len());
                for &group in self.groups_with.row(feature) {
                    let row = &groups[group as usize * self.tags..][..self.tags];
                    let pairs = of_feature.iter_mut().zip(tags);
                    pairs.for_each(|(slope, tag)| *slope += row[usize::from(tag & !LAST)]);
                }
                slopes = after;
            }
        });
    }

    /// How many features have so many weights.
    fn features(&self, weights: usize) -> usize {
        self.weight_offsets.partition_point(|&end| end as usize <= weights) - 1
    }

    /// What the first features add to scores, as a table for the head; weights smaller than `prune_below` are left out.
    pub(crate) fn table(&self, scaled: &[f32], prune_below: f32) -> Result<model::Sparse, model::HeadError> {
        let features = 0..self.features(scaled.len());
        let mut order: Vec<(u64, u32)> = features
            .flat_map(|feature| self.hashes_of(feature).iter().map(move |&hash| (hash, feature as u32)))
            .collect();
        order.sort_unstable();
        let (mut hashes, mut offsets, mut entries) = (Vec::new(), vec![0], Vec::new());
        for (hash, feature) in order {
            let range = self.weight_range(feature as usize);
            let share = 1.0 / self.hashes_of(feature as usize).len() as f32;
            let row = self.weight_tags[range.clone()].iter().zip(&scaled[range]);
            let row = row.map(|(&tag, &weight)| Entry { tag: tag & !LAST, weight: share * weight });
            entries.extend(row.filter(|entry| entry.weight.abs() > 0.0 && entry.weight.abs() >= prune_below));
            if entries.len() > offsets[offsets.len() - 1] as usize {
                hashes.push(hash);
                offsets.push(entries.len() as u32);
            }
        }
        model::Sparse::new(hashes, offsets, entries)
    }

    fn hashes_of(&self, feature: usize) -> &[u64] {
        &self.hashes[self.hash_offsets[feature] as usize..self.hash_offsets[feature + 1] as usize]
    }

    /// The same words with `features` alone, which rise.
    pub(crate) fn only(&self, features: &[u32]) -> Self {
        let (mut weight_offsets, mut weight_tags) = (vec![0], Vec::new());
        let (mut hash_offsets, mut hashes) = (vec![0], Vec::new());
        let mut new = vec![NONE; self.weight_tags.len()];
        for (&feature, number) in features.iter().zip(0..) {
            let range = self.weight_range(feature as usize);
            new[range.start] = number;
            weight_tags.extend_from_slice(&self.weight_tags[range]);
            weight_offsets.push(weight_tags.len() as u32);
            hashes.extend_from_slice(self.hashes_of(feature as usize));
            hash_offsets.push(hashes.len() as u32);
        }
        let [groups, singles] = [&self.groups, &self.singles].map(|lists| lists.clone().renumbered(&new));
        let (groups, places) = groups.without_empty();
        let settled = Settled {
            hashes,
            hash_offsets,
            counts: features.iter().map(|&feature| self.counts[feature as usize]).collect(),
            groups,
            groups_of: self.groups_of.clone().renumbered(&places),
            singles,
        };
        Self::laid_out(settled, self.tags, weight_offsets, weight_tags)
    }

    /// The weights of `features` out of all of them.
    pub(crate) fn gather(&self, weights: &[f32], features: &[u32]) -> Vec<f32> {
        features.iter().flat_map(|&feature| &weights[self.weight_range(feature as usize)]).copied().collect()
    }

    /// Puts the weights of `features` among all of them, the others becoming zero.
    pub(crate) fn scatter(&self, some: &[f32], features: &[u32], weights: &mut [f32]) {
        weights.fill(0.0);
        let mut rest = some;
        for &feature in features {
            let to = &mut weights[self.weight_range(feature as usize)];
            let (from, after) = rest.split_at(to.len());
            to.copy_from_slice(from);
            rest = after;
        }
    }

    pub(crate) fn weight_range(&self, feature: usize) -> Range<usize> {
        self.weight_offsets[feature] as usize..self.weight_offsets[feature + 1] as usize
    }
}

/// Goes through the weights of features that rise by their `firsts`, as far as they are among the first `count`; `each` gives
/// back the weight's tag, as in `weight_tags`.
#[inline]
fn visit(firsts: &[u32], count: usize, mut each: impl FnMut(usize) -> u16) {
    for &first in firsts {
        let mut at = first as usize;
        // Those without weights are the last.
        if at >= count {
            break;
        }
        while each(at) & LAST == 0 {
            at += 1;
        }
    }
}

/// Which tags things were seen with.
struct Seen {
    /// Most things are seen with one tag, others with the same for many words; only what is left is looked up.
    first: Vec<Tag>,
    latest: Vec<Tag>,
    others: HashSet<(u32, Tag)>,
}

impl Seen {
    const NOTHING: Tag = Tag::MAX;

    fn new(things: usize) -> Self {
        let nothing = vec![Self::NOTHING; things];
        Self { first: nothing.clone(), latest: nothing, others: HashSet::new() }
    }

    fn see_rows(&mut self, rows: &Lists, tags: &[Tag]) {
        rows.rows().zip(tags).for_each(|(row, &tag)| self.see_all(row, tag));
    }

    fn see_all(&mut self, things: &[u32], tag: Tag) {
        for &thing in things {
            let (first, latest) = (&mut self.first[thing as usize], &mut self.latest[thing as usize]);
            if *first == Self::NOTHING {
                *first = tag;
            } else if *first != tag && *latest != tag {
                *latest = tag;
                self.others.insert((thing, tag));
            }
        }
    }

    /// All pairs, rising.
    fn pairs(self) -> Vec<(u32, Tag)> {
        let mut pairs: Vec<(u32, Tag)> = self.others.into_iter().collect();
        pairs.extend((0..).zip(self.first).filter(|(_, tag)| *tag != Self::NOTHING));
        pairs.sort_unstable();
        pairs
    }
}

/// The borders of each feature's weights and the tag of each weight.
fn layout(pairs: &[(u32, Tag)], features: usize) -> (Vec<u32>, Vec<u16>) {
    let mut offsets: Vec<u32> = Vec::with_capacity(features + 1);
    offsets.extend((0..=features as u32).scan(0, |at, feature| {
        *at += pairs[*at..].iter().take_while(|pair| pair.0 < feature).count();
        Some(*at as u32)
    }));
    let mut tags: Vec<u16> = pairs.iter().map(|&(_, tag)| tag).collect();
    offsets[1..].iter().for_each(|&end| tags[end as usize - 1] |= LAST);
    (offsets, tags)
}

#[cfg(test)]
mod tests;
