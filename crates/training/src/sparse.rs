//! The sparse part's data: which word has which feature, in both directions, and which weights there are.
//!
//! A weight exists for a feature and a tag that were seen together (as in CRFsuite): most features speak of one or
//! two tags, so this is close to the smallest set that can explain the data.

use crate::parallel::{map, runs};
use model::features::HashMapOfHashes;
use model::{Entry, Inputs};
use ner::tags::Tag;
use std::cmp::Reverse;
use std::ops::Range;

/// Feature occurrences per piece of parallel work.
const PIECE: usize = 1 << 17;

/// Features by word and by feature, and the layout of weights.
#[derive(Default)]
pub(crate) struct SparseData {
    /// The features' hashes by number: most frequent first, then in order of first occurrence.
    hashes: Vec<u64>,
    /// Borders of each word's part of `of_word`.
    word_offsets: Vec<usize>,
    of_word: Vec<u32>,
    /// Borders of each feature's part of `words`.
    feature_offsets: Vec<usize>,
    words: Vec<u32>,
    /// Borders of each feature's weights.
    weight_offsets: Vec<u32>,
    /// The tag of each weight.
    weight_tags: Vec<u16>,
    /// Ranges of features for parallel work on weights.
    feature_runs: Vec<Range<usize>>,
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
    /// Returns the hashes by number.
    fn settle(&mut self, min_count: u32) -> Vec<u64> {
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
        order.iter().map(|&feature| self.hashes[feature as usize]).collect()
    }
}

impl SparseData {
    /// Leaves features on fewer than `min_count` words out; `gold` has the tag of every word.
    pub(crate) fn new(mut numbering: Numbering, gold: &[Tag], min_count: u32) -> Self {
        let hashes = numbering.settle(min_count);
        let Numbering { mut ends, mut of_word, .. } = numbering;
        of_word.shrink_to_fit();
        ends.insert(0, 0);
        Self::in_both_directions(hashes, ends, of_word, |borders, words| weights(gold, borders, words))
    }

    /// The features of words by feature too; `weights` gives the weights' borders and tags.
    fn in_both_directions(
        hashes: Vec<u64>,
        word_offsets: Vec<usize>,
        of_word: Vec<u32>,
        weights: impl FnOnce(&[usize], &[u32]) -> (Vec<u32>, Vec<u16>),
    ) -> Self {
        let (feature_offsets, words) = transpose(hashes.len(), &word_offsets, &of_word);
        let (weight_offsets, weight_tags) = weights(&feature_offsets, &words);
        let feature_runs = runs(feature_offsets.windows(2).map(|pair| pair[1] - pair[0]), PIECE);
        Self {
            hashes,
            word_offsets,
            of_word,
            feature_offsets,
            words,
            weight_offsets,
            weight_tags,
            feature_runs,
        }
    }

    /// How many features, the most frequent ones, can have a weight at all under an L1 term: a feature's gradient is
    /// at most the number of its words, and a weight stays at zero while its gradient is no larger than the term.
    pub(crate) fn reachable(&self, l1: f32) -> usize {
        let counts = self.feature_offsets.windows(2).map(|pair| pair[1] - pair[0]);
        counts.take_while(|&count| count as f32 > l1).count()
    }

    /// Number of weights of the first `features` features.
    pub(crate) fn weights(&self, features: usize) -> usize {
        self.weight_offsets[features] as usize
    }

    /// Adds a word's weights to its scores; `weights` are those of the first features.
    pub(crate) fn add_scores(&self, weights: &[f32], word: usize, scores: &mut [f32]) {
        for &feature in &self.of_word[self.word_offsets[word]..self.word_offsets[word + 1]] {
            // A word's features rise, so those without weights are its last.
            if self.weight_offsets[feature as usize + 1] as usize > weights.len() {
                break;
            }
            let range = self.weight_range(feature as usize);
            for (tag, weight) in self.weight_tags[range.clone()].iter().zip(&weights[range]) {
                scores[usize::from(*tag)] += weight;
            }
        }
    }

    /// Adds to `gradient`, which is that of the first `features` features, what `residuals` (`words * tags`: probability
    /// minus truth) say about each weight.
    pub(crate) fn add_gradient(&self, residuals: &[f32], tags: usize, features: usize, gradient: &mut [f32]) {
        let runs = self.feature_runs.partition_point(|run| run.start < features);
        let parts = map(runs, |run| {
            let run = self.feature_runs[run].start..self.feature_runs[run].end.min(features);
            let first = self.weight_offsets[run.start] as usize;
            let mut part = vec![0.0f32; self.weight_offsets[run.end] as usize - first];
            for feature in run {
                let range = self.weight_range(feature);
                let part = &mut part[range.start - first..range.end - first];
                let feature_tags = &self.weight_tags[range];
                for &word in self.words_of(feature) {
                    let row = &residuals[word as usize * tags..][..tags];
                    part.iter_mut().zip(feature_tags).for_each(|(sum, tag)| *sum += row[usize::from(*tag)]);
                }
            }
            part
        });
        let mut at = 0;
        for part in parts {
            gradient[at..at + part.len()].iter_mut().zip(&part).for_each(|(sum, value)| *sum += value);
            at += part.len();
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
            entries.extend(row.map(|(&tag, &weight)| Entry { tag, weight }));
            if entries.len() > offsets[offsets.len() - 1] as usize {
                hashes.push(self.hashes[feature as usize]);
                offsets.push(entries.len() as u32);
            }
        }
        model::Sparse::new(hashes, offsets, entries)
    }

    /// The same words with `features` alone, which rise.
    pub(crate) fn only(&self, features: &[u32]) -> Self {
        let mut new = vec![u32::MAX; self.hashes.len()];
        features.iter().zip(0..).for_each(|(&old, number)| new[old as usize] = number);
        let (mut word_offsets, mut of_word) = (vec![0], Vec::new());
        for borders in self.word_offsets.windows(2) {
            let row = self.of_word[borders[0]..borders[1]].iter().map(|&old| new[old as usize]);
            of_word.extend(row.filter(|&number| number != u32::MAX));
            word_offsets.push(of_word.len());
        }
        let (mut weight_offsets, mut weight_tags) = (vec![0], Vec::new());
        for &feature in features {
            weight_tags.extend_from_slice(&self.weight_tags[self.weight_range(feature as usize)]);
            weight_offsets.push(weight_tags.len() as u32);
        }
        let hashes = features.iter().map(|&feature| self.hashes[feature as usize]).collect();
        Self::in_both_directions(hashes, word_offsets, of_word, |_, _| (weight_offsets, weight_tags))
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

    fn words_of(&self, feature: usize) -> &[u32] {
        &self.words[self.feature_offsets[feature]..self.feature_offsets[feature + 1]]
    }
}

fn transpose(features: usize, word_offsets: &[usize], of_word: &[u32]) -> (Vec<usize>, Vec<u32>) {
    let mut offsets = vec![0; features + 1];
    of_word.iter().for_each(|&feature| offsets[feature as usize + 1] += 1);
    for feature in 0..features {
        offsets[feature + 1] += offsets[feature];
    }
    let mut next = offsets.clone();
    let mut words = vec![0; of_word.len()];
    for (word, borders) in word_offsets.windows(2).enumerate() {
        for &feature in &of_word[borders[0]..borders[1]] {
            let at = &mut next[feature as usize];
            words[*at] = word as u32;
            *at += 1;
        }
    }
    (offsets, words)
}

/// Which tags each feature was seen with, rising.
fn weights(gold: &[Tag], feature_offsets: &[usize], words: &[u32]) -> (Vec<u32>, Vec<u16>) {
    let (mut offsets, mut tags) = (vec![0], Vec::new());
    let mut row: Vec<u16> = Vec::new();
    for borders in feature_offsets.windows(2) {
        row.clear();
        for &word in &words[borders[0]..borders[1]] {
            let tag = gold[word as usize];
            if let Err(at) = row.binary_search(&tag) {
                row.insert(at, tag);
            }
        }
        tags.extend_from_slice(&row);
        offsets.push(tags.len() as u32);
    }
    (offsets, tags)
}
