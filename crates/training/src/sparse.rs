//! The sparse part's data: which word has which feature, in both directions, and which weights there are.
//!
//! A weight exists for a feature and a tag that were seen together (as in CRFsuite): most features speak of one or
//! two tags, so this is close to the smallest set that can explain the data.

use crate::corpus::Corpus;
use crate::parallel::{map, runs};
use model::Entry;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

/// Feature occurrences per piece of parallel work.
const PIECE: usize = 1 << 17;

/// Features by word and by feature, and the layout of weights.
pub(crate) struct SparseData {
    /// The features' hashes by number: most frequent first, then in order of first occurrence.
    hashes: Vec<u64>,
    /// Borders of each word's part of `of_word`.
    word_offsets: Vec<u32>,
    of_word: Vec<u32>,
    /// Borders of each feature's part of `words`.
    feature_offsets: Vec<u32>,
    words: Vec<u32>,
    /// Borders of each feature's weights.
    weight_offsets: Vec<u32>,
    /// The tag of each weight.
    weight_tags: Vec<u16>,
    /// Ranges of features for parallel work on weights.
    feature_runs: Vec<Range<usize>>,
}

impl SparseData {
    /// Numbers the features of `examples`; features on fewer than `min_count` words are left out.
    pub(crate) fn new(corpus: &Corpus, examples: &[Range<usize>], min_count: u32) -> Self {
        let (hashes, word_offsets, of_word, counts) = number(corpus, examples);
        let mut order: Vec<u32> = (0..hashes.len() as u32).collect();
        order.retain(|&feature| counts[feature as usize] >= min_count);
        order.sort_by_key(|&feature| Reverse(counts[feature as usize]));
        let (word_offsets, of_word) = renumber(&word_offsets, &of_word, &order, hashes.len());
        let hashes: Vec<u64> = order.iter().map(|&feature| hashes[feature as usize]).collect();
        let (feature_offsets, words) = transpose(hashes.len(), &word_offsets, &of_word);
        let (weight_offsets, weight_tags) = weights(corpus, &feature_offsets, &words);
        let lengths = feature_offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
        let feature_runs = runs(lengths, PIECE);
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
        for &feature in &self.of_word[self.word_offsets[word] as usize..self.word_offsets[word + 1] as usize]
        {
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

    fn weight_range(&self, feature: usize) -> Range<usize> {
        self.weight_offsets[feature] as usize..self.weight_offsets[feature + 1] as usize
    }

    fn words_of(&self, feature: usize) -> &[u32] {
        &self.words[self.feature_offsets[feature] as usize..self.feature_offsets[feature + 1] as usize]
    }
}

/// Features in order of first occurrence, their numbers by word, and on how many words each is.
fn number(corpus: &Corpus, examples: &[Range<usize>]) -> (Vec<u64>, Vec<u32>, Vec<u32>, Vec<u32>) {
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let (mut hashes, mut counts) = (Vec::new(), Vec::<u32>::new());
    let mut of_word = Vec::with_capacity(corpus.inputs.features.len());
    let mut word_offsets = vec![0u32; corpus.words() + 1];
    let mut next_word = 0;
    for words in examples {
        word_offsets[next_word..=words.start].fill(of_word.len() as u32);
        for word in words.clone() {
            let borders = &corpus.inputs.feature_offsets[word..];
            for &hash in &corpus.inputs.features[borders[0] as usize..borders[1] as usize] {
                let number = *numbers.entry(hash).or_insert_with(|| {
                    hashes.push(hash);
                    counts.push(0);
                    hashes.len() as u32 - 1
                });
                counts[number as usize] += 1;
                of_word.push(number);
            }
            word_offsets[word + 1] = of_word.len() as u32;
        }
        next_word = words.end + 1;
    }
    if next_word < word_offsets.len() {
        word_offsets[next_word..].fill(of_word.len() as u32);
    }
    (hashes, word_offsets, of_word, counts)
}

/// Features by word under new numbers: `order` holds the old ones of those that are kept, of `features` in all.
fn renumber(word_offsets: &[u32], of_word: &[u32], order: &[u32], features: usize) -> (Vec<u32>, Vec<u32>) {
    let mut new = vec![u32::MAX; features];
    order.iter().zip(0..).for_each(|(&old, number)| new[old as usize] = number);
    let mut offsets = vec![0];
    let mut numbers = Vec::with_capacity(of_word.len());
    for borders in word_offsets.windows(2) {
        let start = numbers.len();
        let row = &of_word[borders[0] as usize..borders[1] as usize];
        numbers.extend(row.iter().map(|&old| new[old as usize]).filter(|&number| number != u32::MAX));
        numbers[start..].sort_unstable();
        offsets.push(numbers.len() as u32);
    }
    (offsets, numbers)
}

fn transpose(features: usize, word_offsets: &[u32], of_word: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0u32; features + 1];
    of_word.iter().for_each(|&feature| offsets[feature as usize + 1] += 1);
    for feature in 0..features {
        offsets[feature + 1] += offsets[feature];
    }
    let mut next = offsets.clone();
    let mut words = vec![0; of_word.len()];
    for (word, borders) in word_offsets.windows(2).enumerate() {
        for &feature in &of_word[borders[0] as usize..borders[1] as usize] {
            let at = &mut next[feature as usize];
            words[*at as usize] = word as u32;
            *at += 1;
        }
    }
    (offsets, words)
}

/// Which tags each feature was seen with, rising.
fn weights(corpus: &Corpus, feature_offsets: &[u32], words: &[u32]) -> (Vec<u32>, Vec<u16>) {
    let (mut offsets, mut tags) = (vec![0], Vec::new());
    let mut row: Vec<u16> = Vec::new();
    for borders in feature_offsets.windows(2) {
        row.clear();
        for &word in &words[borders[0] as usize..borders[1] as usize] {
            let tag = corpus.gold[word as usize];
            if let Err(at) = row.binary_search(&tag) {
                row.insert(at, tag);
            }
        }
        tags.extend_from_slice(&row);
        offsets.push(tags.len() as u32);
    }
    (offsets, tags)
}
