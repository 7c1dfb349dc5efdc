//! The sparse part's data: which word has which feature, and which weights there are.
//!
//! A weight exists for a feature and a tag that were seen together (as in CRFsuite): most features speak of one or
//! two tags, so this is close to the smallest set that can explain the data.

use model::features::HashMapOfHashes;
use model::{Entry, Inputs};
use ner::tags::Tag;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;

/// Features by word, and the layout of weights.
#[derive(Default)]
pub(crate) struct SparseData {
    /// The features' hashes by number: most frequent first, then in order of first occurrence.
    hashes: Vec<u64>,
    /// Borders of each word's part of `of_word`.
    word_offsets: Vec<usize>,
    /// The first weight of each of a word's features.
    of_word: Vec<u32>,
    /// On how many words each feature is.
    counts: Vec<u32>,
    /// Borders of each feature's weights.
    weight_offsets: Vec<u32>,
    /// The tag of each weight, with [`LAST`] where it is its feature's last.
    weight_tags: Vec<u16>,
}

/// Marks the last weight of a feature; far more tags than there can be.
const LAST: u16 = 1 << 15;

/// A weight with all that a pass reads and writes of it side by side: where they lie decides how long a pass takes.
#[derive(Clone, Copy)]
pub(crate) struct Weight {
    value: f32,
    /// Derivative of the loss.
    pub(crate) slope: f32,
    /// As in [`SparseData::weight_tags`].
    tag: u16,
}

/// Features by word while words are still being added: features are numbered in order of first occurrence.
#[derive(Default)]
pub(crate) struct Numbering {
    numbers: HashMapOfHashes<u32>,
    hashes: Vec<u64>,
    /// On how many words each feature is.
    counts: Vec<u32>,
    /// Where each word's features end.
    ends: Vec<usize>,
    of_word: Vec<u32>,
}

impl Numbering {
    /// Adds one document's words; those outside `examples` have no features.
    pub(crate) fn add(&mut self, inputs: &Inputs, examples: &[Range<usize>]) {
        let mut next_word = 0;
        for words in examples {
            self.ends.resize(self.ends.len() + words.start - next_word, self.of_word.len());
            for word in words.clone() {
                let borders = &inputs.feature_offsets[word..];
                self.add_word(&inputs.features[borders[0] as usize..borders[1] as usize]);
            }
            next_word = words.end;
        }
        self.ends.resize(self.ends.len() + inputs.words() - next_word, self.of_word.len());
    }

    fn add_word(&mut self, features: &[u64]) {
        for &hash in features {
            let number = *self.numbers.entry(hash).or_insert_with(|| {
                self.hashes.push(hash);
                self.counts.push(0);
                self.hashes.len() as u32 - 1
            });
            self.counts[number as usize] += 1;
            self.of_word.push(number);
        }
        self.ends.push(self.of_word.len());
    }

    /// Numbers again: most frequent first, those on fewer than `min_count` words left out, a word's features rising.
    /// Returns hashes and counts by number.
    fn settle(&mut self, min_count: u32) -> (Vec<u64>, Vec<u32>) {
        self.numbers = HashMapOfHashes::default();
        let mut order: Vec<u32> = (0..self.hashes.len() as u32).collect();
        order.retain(|&feature| self.counts[feature as usize] >= min_count);
        order.sort_by_key(|&feature| Reverse(self.counts[feature as usize]));
        let mut new = vec![u32::MAX; self.hashes.len()];
        order.iter().zip(0..).for_each(|(&old, number)| new[old as usize] = number);
        let (mut from, mut kept) = (0, 0);
        for end in &mut self.ends {
            let start = kept;
            for at in from..*end {
                let number = new[self.of_word[at] as usize];
                if number != u32::MAX {
                    self.of_word[kept] = number;
                    kept += 1;
                }
            }
            self.of_word[start..kept].sort_unstable();
            from = std::mem::replace(end, kept);
        }
        self.of_word.truncate(kept);
        let of = |values: &[u32]| order.iter().map(|&feature| values[feature as usize]).collect();
        (order.iter().map(|&feature| self.hashes[feature as usize]).collect(), of(&self.counts))
    }
}

impl SparseData {
    /// Leaves features on fewer than `min_count` words out; `gold` has the tag of every word.
    pub(crate) fn new(mut numbering: Numbering, gold: &[Tag], min_count: u32) -> Self {
        let (hashes, counts) = numbering.settle(min_count);
        let Numbering { ends: mut word_offsets, mut of_word, .. } = numbering;
        of_word.shrink_to_fit();
        word_offsets.insert(0, 0);
        let (weight_offsets, weight_tags) = weights(gold, hashes.len(), &word_offsets, &of_word);
        of_word.iter_mut().for_each(|feature| *feature = weight_offsets[*feature as usize]);
        Self { hashes, word_offsets, of_word, counts, weight_offsets, weight_tags }
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

    /// Adds a word's weights to its scores; `weights` are those of the first features.
    pub(crate) fn add_scores(&self, weights: &[f32], word: usize, scores: &mut [f32]) {
        self.visit(word, weights.len(), |at| {
            let tag = self.weight_tags[at];
            scores[usize::from(tag & !LAST)] += weights[at];
            tag
        });
    }

    /// Puts the weights of the first features `into` a row of their own, with no slope yet.
    pub(crate) fn lay_out(&self, weights: &[f32], into: &mut Vec<Weight>) {
        into.clear();
        let pairs = weights.iter().zip(&self.weight_tags);
        into.extend(pairs.map(|(&value, &tag)| Weight { value, slope: 0.0, tag }));
    }

    /// [`Self::add_scores`] from weights that are laid out.
    pub(crate) fn add_scores_laid_out(&self, weights: &[Weight], word: usize, scores: &mut [f32]) {
        self.visit(word, weights.len(), |at| {
            let Weight { value, tag, .. } = weights[at];
            scores[usize::from(tag & !LAST)] += value;
            tag
        });
    }

    /// Adds to the slopes of a word's weights what its `residuals` (a tag's probability minus truth) say about them.
    pub(crate) fn add_slopes(&self, residuals: &[f32], word: usize, weights: &mut [Weight]) {
        self.visit(word, weights.len(), |at| {
            let weight = &mut weights[at];
            weight.slope += residuals[usize::from(weight.tag & !LAST)];
            weight.tag
        });
    }

    /// Goes through the weights of a word's features, as far as they are among the first `count`; `each` gives back the
    /// weight's tag, as in `weight_tags`.
    #[inline]
    fn visit(&self, word: usize, count: usize, mut each: impl FnMut(usize) -> u16) {
        for &first in &self.of_word[self.word_offsets[word]..self.word_offsets[word + 1]] {
            let mut at = first as usize;
            // A word's features rise, so those without weights are its last.
            if at >= count {
                break;
            }
            while each(at) & LAST == 0 {
                at += 1;
            }
        }
    }

    /// The weights of the first features as a table for the head; weights smaller than `prune_below` are left out.
    pub(crate) fn table(&self, weights: &[f32], prune_below: f32) -> Result<model::Sparse, model::HeadError> {
        let features = self.weight_offsets.partition_point(|&end| end as usize <= weights.len()) - 1;
        let mut order: Vec<u32> = (0..features as u32).collect();
        order.sort_unstable_by_key(|&feature| self.hashes[feature as usize]);
        let (mut hashes, mut offsets, mut entries) = (Vec::new(), vec![0], Vec::new());
        for feature in order {
            let range = self.weight_range(feature as usize);
            let row = self.weight_tags[range.clone()].iter().zip(&weights[range]);
            let row = row.filter(|(_, weight)| weight.abs() > 0.0 && weight.abs() >= prune_below);
            entries.extend(row.map(|(&tag, &weight)| Entry { tag: tag & !LAST, weight }));
            if entries.len() > offsets[offsets.len() - 1] as usize {
                hashes.push(self.hashes[feature as usize]);
                offsets.push(entries.len() as u32);
            }
        }
        model::Sparse::new(hashes, offsets, entries)
    }

    /// The same words with `features` alone, which rise.
    pub(crate) fn only(&self, features: &[u32]) -> Self {
        let (mut weight_offsets, mut weight_tags) = (vec![0], Vec::new());
        let mut new = vec![u32::MAX; self.weight_tags.len()];
        for &feature in features {
            let range = self.weight_range(feature as usize);
            new[range.start] = weight_tags.len() as u32;
            weight_tags.extend_from_slice(&self.weight_tags[range]);
            weight_offsets.push(weight_tags.len() as u32);
        }
        let (mut word_offsets, mut of_word) = (vec![0], Vec::new());
        for borders in self.word_offsets.windows(2) {
            let row = self.of_word[borders[0]..borders[1]].iter().map(|&old| new[old as usize]);
            of_word.extend(row.filter(|&first| first != u32::MAX));
            word_offsets.push(of_word.len());
        }
        let hashes = features.iter().map(|&feature| self.hashes[feature as usize]).collect();
        let counts = features.iter().map(|&feature| self.counts[feature as usize]).collect();
        Self { hashes, word_offsets, of_word, counts, weight_offsets, weight_tags }
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

/// Which tags each feature was seen with, rising.
fn weights(gold: &[Tag], features: usize, word_offsets: &[usize], of_word: &[u32]) -> (Vec<u32>, Vec<u16>) {
    const NONE: Tag = Tag::MAX;
    // Most features are seen with one tag, others with the same for many words; only what is left is looked up.
    let (mut first, mut latest) = (vec![NONE; features], vec![NONE; features]);
    let mut others: HashSet<(u32, Tag)> = HashSet::new();
    for (borders, &tag) in word_offsets.windows(2).zip(gold) {
        for &feature in &of_word[borders[0]..borders[1]] {
            let (first, latest) = (&mut first[feature as usize], &mut latest[feature as usize]);
            if *first == NONE {
                *first = tag;
            } else if *first != tag && *latest != tag {
                *latest = tag;
                others.insert((feature, tag));
            }
        }
    }
    let mut pairs: Vec<(u32, Tag)> = others.into_iter().collect();
    pairs.extend((0..).zip(first).filter(|(_, tag)| *tag != NONE));
    pairs.sort_unstable();
    let mut offsets: Vec<u32> = Vec::with_capacity(features + 1);
    offsets.extend((0..=features as u32).scan(0, |at, feature| {
        *at += pairs[*at..].iter().take_while(|pair| pair.0 < feature).count();
        Some(*at as u32)
    }));
    let mut tags: Vec<u16> = pairs.into_iter().map(|(_, tag)| tag).collect();
    offsets[1..].iter().for_each(|&end| tags[end as usize - 1] |= LAST);
    (offsets, tags)
}
