//! Numbers for features and for the groups they come in, while words are still being added.

use super::lists::{Lists, NONE};
use model::Prepared;
use model::features::{Groups, HashMapOfHashes, join};
use ner::mix;
use std::cmp::Reverse;
use std::ops::Range;

/// Features by word: features and groups are numbered in order of first occurrence.
#[derive(Default)]
pub(crate) struct Numbering {
    features: Numbers,
    /// By a hash of all their features.
    known_groups: Numbers,
    /// The features of each group.
    groups: Lists,
    /// The groups of each word, and its features that are in none.
    groups_of: Lists,
    singles: Lists,
}

/// Features by word, numbered for good: most frequent features first, rows rising. Features on the same words are one with
/// several hashes: nothing could ever tell them apart.
pub(super) struct Settled {
    /// The hashes of each feature, and on how many words it is.
    pub(super) hashes: Vec<u64>,
    pub(super) hash_offsets: Vec<u32>,
    pub(super) counts: Vec<u32>,
    pub(super) groups: Lists,
    pub(super) groups_of: Lists,
    pub(super) singles: Lists,
}

/// Numbers of hashes.
#[derive(Default)]
struct Numbers {
    numbers: HashMapOfHashes<u32>,
    hashes: Vec<u64>,
}

impl Numbers {
    fn number(&mut self, hash: u64) -> u32 {
        *self.numbers.entry(hash).or_insert_with(|| {
            self.hashes.push(hash);
            self.hashes.len() as u32 - 1
        })
    }
}

impl Numbering {
    /// Adds one document's words; those outside `examples` have no features.
    pub(crate) fn add(&mut self, prepared: &Prepared, examples: &[Range<usize>]) {
        let Prepared { inputs, groups, .. } = prepared;
        let mut next_word = 0;
        for words in examples {
            self.skip(words.start - next_word);
            words.clone().for_each(|word| self.add_word(inputs.features_of(word), &groups[word]));
            next_word = words.end;
        }
        self.skip(inputs.words() - next_word);
    }

    fn skip(&mut self, words: usize) {
        self.groups_of.push_empty(words);
        self.singles.push_empty(words);
    }

    fn add_word(&mut self, features: &[u64], lengths: &Groups) {
        let (mut rest, mut of_word, mut count) = (features, [0; model::features::GROUPS], 0);
        for &length in lengths.iter().filter(|&&length| length > 0) {
            let (group, after) = rest.split_at(length.into());
            of_word[count] = self.group(group);
            (rest, count) = (after, count + 1);
        }
        self.groups_of.push(of_word[..count].iter().copied());
        self.singles.push(rest.iter().map(|&hash| self.features.number(hash)));
    }

    fn group(&mut self, features: &[u64]) -> u32 {
        let identity = features.iter().fold(0, |all, &hash| join(all, hash));
        let number = self.known_groups.number(identity);
        if number as usize == self.groups.len() {
            self.groups.push(features.iter().map(|&hash| self.features.number(hash)));
        }
        number
    }

    /// Numbers again. Features on fewer than `min_count` words are left out; groups that are on one word alone, and all but the
    /// `groups_max` most frequent, are dissolved into their features.
    pub(super) fn settle(self, min_count: u32, groups_max: usize) -> Settled {
        let Self { features, known_groups, groups, groups_of, singles } = self;
        drop((features.numbers, known_groups));
        let of_groups = groups_of.occurrences(groups.len(), |word| Occurrences::of(word as u64));
        let mut occurrences = singles.occurrences(features.hashes.len(), |word| Occurrences::of(word as u64));
        let through_groups = groups.occurrences(features.hashes.len(), |group| of_groups[group]);
        occurrences.iter_mut().zip(through_groups).for_each(|(sum, more)| sum.add(more));
        let mut order: Vec<u32> = (0..occurrences.len() as u32).collect();
        order.retain(|&feature| occurrences[feature as usize].count >= min_count);
        order.sort_by_key(|&feature| Reverse(occurrences[feature as usize].count));
        let twins = Twins::new(&order, &occurrences);
        let new = places(&twins.leaders, occurrences.len());
        let [groups, singles] = [groups, singles].map(|lists| lists.renumbered(&new));
        let mut kept: Vec<u32> = (0..groups.len() as u32).collect();
        kept.retain(|&group| of_groups[group as usize].count > 1 && !groups.row(group as usize).is_empty());
        kept.sort_by_key(|&group| Reverse(of_groups[group as usize].count));
        kept.truncate(groups_max);
        let new = places(&kept, groups.len());
        let singles = dissolved(&groups, &groups_of, &singles, &new);
        let groups_of = groups_of.renumbered(&new);
        let mut kept_groups = Lists::default();
        kept.iter().for_each(|&group| kept_groups.push(groups.row(group as usize).iter().copied()));
        Settled {
            hashes: twins.all.iter().map(|&feature| features.hashes[feature as usize]).collect(),
            hash_offsets: twins.borders,
            counts: twins.leaders.iter().map(|&feature| occurrences[feature as usize].count).collect(),
            groups: kept_groups,
            groups_of,
            singles,
        }
    }
}

/// How many words something is on, and a sum over them that tells sets of words apart.
#[derive(Clone, Copy, Default)]
pub(super) struct Occurrences {
    count: u32,
    identity: u64,
}

impl Occurrences {
    fn of(word: u64) -> Self {
        // Spread, so that the sum over some words is not that over others.
        Self { count: 1, identity: mix(word + 1) }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.identity = self.identity.wrapping_add(other.identity);
    }
}

/// Features on the same words side by side.
struct Twins {
    /// The first feature of each kind.
    leaders: Vec<u32>,
    /// All features, and the borders of each kind.
    all: Vec<u32>,
    borders: Vec<u32>,
}

impl Twins {
    /// Kinds in the order of their first features.
    fn new(order: &[u32], occurrences: &[Occurrences]) -> Self {
        let mut known = HashMapOfHashes::default();
        let mut leaders = Vec::new();
        let kind_of = |&feature: &u32| {
            let kind = *known.entry(occurrences[feature as usize].identity).or_insert_with(|| {
                leaders.push(feature);
                leaders.len() as u32 - 1
            });
            (kind, feature)
        };
        let mut pairs: Vec<(u32, u32)> = order.iter().map(kind_of).collect();
        // Stable, so that twins stay in order.
        pairs.sort_by_key(|pair| pair.0);
        let mut borders = vec![0; leaders.len() + 1];
        pairs.iter().for_each(|pair| borders[pair.0 as usize + 1] += 1);
        (1..borders.len()).for_each(|kind| borders[kind] += borders[kind - 1]);
        Self { leaders, all: pairs.into_iter().map(|pair| pair.1).collect(), borders }
    }
}

/// Where each number below `count` is in `order`, or [`NONE`].
fn places(order: &[u32], count: usize) -> Vec<u32> {
    let mut places = vec![NONE; count];
    order.iter().zip(0..).for_each(|(&number, place)| places[number as usize] = place);
    places
}

/// Each word's single features, with those of its groups that have no new number.
fn dissolved(groups: &Lists, groups_of: &Lists, singles: &Lists, new: &[u32]) -> Lists {
    let mut all = Lists::default();
    let mut row = Vec::new();
    for (singles, of_word) in singles.rows().zip(groups_of.rows()) {
        row.clear();
        row.extend_from_slice(singles);
        let gone = of_word.iter().filter(|&&group| new[group as usize] == NONE);
        gone.for_each(|&group| row.extend_from_slice(groups.row(group as usize)));
        row.sort_unstable();
        all.push(row.iter().copied());
    }
    all
}
