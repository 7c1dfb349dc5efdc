//! What a word's other occurrences in the same document say about it.

use super::attributes::Attributes;
use super::hashed::HashMapOfHashes;
use std::ops::Range;

/// Occurrences looked at on each side of a word, nearest first: bounded work per word.
const NEAREST: usize = 3;

/// Where each word (in lower case) occurs.
pub(super) struct Occurrences {
    /// Word indices, those of one word together in order.
    places: Vec<u32>,
    /// For each word index, its index in `places`.
    rank: Vec<u32>,
    /// For each word index, the range of its word in `places`.
    range: Vec<(u32, u32)>,
    /// For each word index, the hashes of its neighbours on the line (0 beyond its ends).
    neighbours: Vec<(u64, u64)>,
}

/// What was found about one word.
#[derive(Default)]
pub(super) struct Others {
    count: usize,
    before: [u64; 2 * NEAREST],
    after: [u64; 2 * NEAREST],
    before_count: usize,
    after_count: usize,
    spelling: Option<u64>,
}

impl Occurrences {
    pub(super) fn new(all: &[Attributes], lines: &[Range<usize>]) -> Self {
        let mut first: HashMapOfHashes<u32> = HashMapOfHashes::default();
        let mut groups: Vec<u32> = Vec::new();
        let group_of: Vec<u32> = all
            .iter()
            .map(|word| {
                let group = *first.entry(word.lower).or_insert_with(|| {
                    groups.push(0);
                    groups.len() as u32 - 1
                });
                groups[group as usize] += 1;
                group
            })
            .collect();
        let starts: Vec<u32> =
            groups.iter().scan(0, |at, &count| Some(std::mem::replace(at, *at + count))).collect();
        let mut next = starts.clone();
        let mut places = vec![0; all.len()];
        let mut rank = Vec::with_capacity(all.len());
        for (word, &group) in group_of.iter().enumerate() {
            let at = &mut next[group as usize];
            places[*at as usize] = word as u32;
            rank.push(*at);
            *at += 1;
        }
        let range = group_of.iter().map(|&group| (starts[group as usize], next[group as usize])).collect();
        let mut neighbours = Vec::with_capacity(all.len());
        for line in lines {
            for word in line.clone() {
                let near =
                    |at: Option<usize>| at.filter(|at| line.contains(at)).map_or(0, |at| all[at].lower);
                neighbours.push((near(word.checked_sub(1)), near(Some(word + 1))));
            }
        }
        Self { places, rank, range, neighbours }
    }

    /// The nearest other occurrences of `word` on both sides.
    pub(super) fn others(&self, all: &[Attributes], word: usize) -> Others {
        let (from, to) = self.range[word];
        let (from, to, rank) = (from as usize, to as usize, self.rank[word] as usize);
        let mut others = Others { count: to - from, ..Others::default() };
        // Signs, digits and single characters repeat everywhere and say nothing by it.
        if others.count == 1 || all[word].length < 2 || all[word].kinds.is_sign_or_digits() {
            return others;
        }
        let nearest = from.max(rank.saturating_sub(NEAREST))..to.min(rank + NEAREST + 1);
        for place in nearest.filter(|&place| place != rank) {
            let other = self.places[place] as usize;
            others.see(self.neighbours[other], self.neighbours[word]);
            if all[other].word != all[word].word {
                others.spelling.get_or_insert(all[other].short_shape);
            }
        }
        others
    }
}

impl Others {
    fn see(&mut self, other: (u64, u64), own: (u64, u64)) {
        if other.0 != own.0 && !self.before[..self.before_count].contains(&other.0) {
            self.before[self.before_count] = other.0;
            self.before_count += 1;
        }
        if other.1 != own.1 && !self.after[..self.after_count].contains(&other.1) {
            self.after[self.after_count] = other.1;
            self.after_count += 1;
        }
    }

    /// How often the word occurs, in four classes.
    pub(super) fn count_class(&self) -> u64 {
        match self.count {
            0..=1 => 0,
            2..=3 => 1,
            4..=9 => 2,
            _ => 3,
        }
    }

    /// Words before other occurrences that are not the word before this one.
    pub(super) fn before(&self) -> &[u64] {
        &self.before[..self.before_count]
    }

    /// Words after other occurrences that are not the word after this one.
    pub(super) fn after(&self) -> &[u64] {
        &self.after[..self.after_count]
    }

    /// The shape of the nearest occurrence that is written otherwise.
    pub(super) fn other_spelling(&self) -> Option<u64> {
        self.spelling
    }
}
