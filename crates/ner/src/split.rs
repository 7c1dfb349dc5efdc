//! Divides labeled documents into those learned from and those scored on (contract: authoring 10.1).
//!
//! Stratified: categories, rarest first, get their share of test documents. Deterministic: the order of the
//! documents comes from a hash of seed and location, so the same documents and seed give the same split in
//! whatever order they are listed, and a document added later moves few others.

use crate::{Dataset, EntityCategory, LabeledDocument};
use std::collections::{BTreeMap, BTreeSet};

/// What the split needs to know of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitDocument<'a> {
    /// Unique among the documents.
    pub location: &'a str,
    /// Categories with at least one label.
    pub categories: BTreeSet<&'a EntityCategory>,
}

impl<'a> From<&'a LabeledDocument> for SplitDocument<'a> {
    fn from(document: &'a LabeledDocument) -> Self {
        let categories = document.labels().map(|label| &label.category).collect();
        Self { location: &document.document.location, categories }
    }
}

/// The set of every document, in the order given.
///
/// `testing_percentage` (0 to 100) of the documents, rounded, go to the test set; at least one and never all
/// when the percentage lies between and there are two documents. A category in two or more documents is put
/// into both sets, even if that moves the percentage a little, unless other categories of the same documents leave
/// no such choice (or, in huge sets, a bounded search finds none); a category in one document stays in the
/// training set where that is no obstacle.
pub fn split(documents: &[SplitDocument<'_>], testing_percentage: u32, seed: u64) -> Vec<Dataset> {
    let percentage = testing_percentage.min(100) as usize;
    match percentage {
        0 => vec![Dataset::Train; documents.len()],
        100 => vec![Dataset::Test; documents.len()],
        _ => {
            let mut plan = Plan::new(documents, percentage, seed);
            plan.stratify();
            plan.fill();
            plan.repair(SplitMix64(seed));
            plan.resize();
            plan.sets.into_iter().map(|set| set.unwrap_or(Dataset::Train)).collect()
        }
    }
}

/// Documents of one category by set.
#[derive(Clone, Debug, Default)]
struct Stratum {
    /// Indices of documents in the order of the draw.
    documents: Vec<usize>,
    train: usize,
    test: usize,
}

impl Stratum {
    fn undecided(&self) -> usize {
        self.documents.len() - self.train - self.test
    }

    /// Whether the category is missing on `side`; one document alone belongs to training.
    fn needs(&self, side: Dataset) -> bool {
        match side {
            Dataset::Train => self.train == 0,
            Dataset::Test => self.test == 0 && self.documents.len() > 1,
        }
    }

    /// How bad it is to have `train` and `test` documents in the sets. A category that could be on both sides
    /// weighs more than any number of those that have one document.
    fn loss(&self, train: usize, test: usize) -> i64 {
        match self.documents.len() {
            1 => i64::from(train == 0),
            _ => BOTH_SIDES_POSSIBLE * (i64::from(train == 0) + i64::from(test == 0)),
        }
    }

    /// How much better it is when one document leaves `from` for the other set.
    fn gain(&self, from: Dataset) -> i64 {
        let after = |set, count: usize| if set == from { count - 1 } else { count + 1 };
        let moved = self.loss(after(Dataset::Train, self.train), after(Dataset::Test, self.test));
        self.loss(self.train, self.test) - moved
    }
}

/// Moves of the random walk, candidates compared before each, and how often (all but one in so many) the best
/// of them is taken. They bound the search in large sets and solve every small one.
const WALK_STEPS_MAX: usize = 4_000;
const WALK_SAMPLE: usize = 64;
const WALK_GREEDY_OF: usize = 2;

/// Weight of a side that a category of several documents is missing on: more than all single documents.
const BOTH_SIDES_POSSIBLE: i64 = 1 << 32;

struct Plan {
    /// Document indices in the order of the draw.
    order: Vec<usize>,
    /// Strata of every document.
    strata_of: Vec<Vec<usize>>,
    strata: Vec<Stratum>,
    sets: Vec<Option<Dataset>>,
    percentage: usize,
    test_wanted: usize,
    test: usize,
}

impl Plan {
    fn new(documents: &[SplitDocument<'_>], percentage: usize, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..documents.len()).collect();
        order.sort_by_key(|index| {
            let location = documents[*index].location;
            (draw(seed, location), location)
        });
        let mut names: BTreeMap<&EntityCategory, usize> = BTreeMap::new();
        let (mut strata, mut strata_of) = (Vec::<Stratum>::new(), vec![Vec::new(); documents.len()]);
        for index in &order {
            for category in &documents[*index].categories {
                let stratum = *names.entry(category).or_insert_with(|| {
                    strata.push(Stratum::default());
                    strata.len() - 1
                });
                strata[stratum].documents.push(*index);
                strata_of[*index].push(stratum);
            }
        }
        let count = documents.len();
        let test_wanted = share(count, percentage);
        Self { order, strata_of, strata, sets: vec![None; count], percentage, test_wanted, test: 0 }
    }

    /// Gives every category, rarest first, its share of test documents.
    fn stratify(&mut self) {
        let mut rarest: Vec<usize> = (0..self.strata.len()).collect();
        rarest.sort_by_key(|stratum| self.strata[*stratum].documents.len());
        for stratum in rarest {
            let wanted = share(self.strata[stratum].documents.len(), self.percentage);
            for index in self.strata[stratum].documents.clone() {
                if self.sets[index].is_some() {
                    continue;
                }
                let side = if self.strata[stratum].test < wanted { Dataset::Test } else { Dataset::Train };
                self.decide(index, side);
            }
        }
    }

    /// Puts a document on `side`, or on the other one when a category's last chance depends on it.
    fn decide(&mut self, index: usize, side: Dataset) {
        let other = opposite(side);
        let forced = |side| {
            let last = |stratum: &usize| {
                let stratum = &self.strata[*stratum];
                stratum.undecided() == 1 && stratum.needs(side)
            };
            self.strata_of[index].iter().any(last)
        };
        // Learning needs a category more than scoring does.
        let side = if forced(Dataset::Train) {
            Dataset::Train
        } else if forced(other) {
            other
        } else {
            side
        };
        self.put(index, side);
    }

    fn put(&mut self, index: usize, side: Dataset) {
        let before = self.sets[index].replace(side);
        let change = |count: &mut usize, set: Dataset| {
            *count += usize::from(set == side);
            *count -= usize::from(before == Some(set));
        };
        for stratum in &self.strata_of[index] {
            change(&mut self.strata[*stratum].train, Dataset::Train);
            change(&mut self.strata[*stratum].test, Dataset::Test);
        }
        change(&mut self.test, Dataset::Test);
    }

    /// Decides about documents without labels.
    fn fill(&mut self) {
        for index in self.order.clone() {
            if self.sets[index].is_none() {
                let side = if self.test < self.test_wanted { Dataset::Test } else { Dataset::Train };
                self.put(index, side);
            }
        }
    }

    /// Moves documents that no category depends on until the test set has its size.
    fn resize(&mut self) {
        for index in self.order.clone() {
            let side = match self.test.cmp(&self.test_wanted) {
                std::cmp::Ordering::Less => Dataset::Test,
                std::cmp::Ordering::Greater => Dataset::Train,
                std::cmp::Ordering::Equal => break,
            };
            if self.sets[index] != Some(side) && self.gain(index) == 0 {
                self.put(index, side);
            }
        }
    }

    /// Moves documents as long as that brings more categories to both sides.
    fn repair(&mut self, random: SplitMix64) {
        while self.move_one() {}
        self.walk(random);
    }

    /// Documents of categories that miss a side.
    fn candidates(&self) -> impl Iterator<Item = usize> {
        let open = self.strata.iter().filter(|stratum| stratum.loss(stratum.train, stratum.test) > 0);
        open.flat_map(|stratum| stratum.documents.iter().copied())
    }

    fn move_one(&mut self) -> bool {
        let found = self.candidates().find(|index| self.gain(*index) > 0);
        found.inspect(|index| self.turn(*index)).is_some()
    }

    /// Leaves a dead end of single moves by moves that cost something elsewhere, drawn at random, and keeps
    /// the best state seen.
    fn walk(&mut self, mut random: SplitMix64) {
        let (mut best, mut best_sets) = (self.loss(), self.sets.clone());
        for _ in 0..WALK_STEPS_MAX {
            let candidates: Vec<usize> = self.candidates().collect();
            // What is open for want of documents alone can't be mended.
            if best < BOTH_SIDES_POSSIBLE || candidates.is_empty() {
                break;
            }
            let mut drawn = candidates[random.below(candidates.len())];
            if random.below(WALK_GREEDY_OF) > 0 {
                let sample = candidates.iter().take(WALK_SAMPLE).copied();
                drawn = sample.max_by_key(|index| (self.gain(*index), *index == drawn)).unwrap_or(drawn);
            }
            self.turn(drawn);
            let loss = self.loss();
            if loss < best {
                (best, best_sets) = (loss, self.sets.clone());
            }
        }
        for (index, set) in best_sets.into_iter().enumerate() {
            if let Some(set) = set {
                self.put(index, set);
            }
        }
    }

    fn loss(&self) -> i64 {
        self.strata.iter().map(|stratum| stratum.loss(stratum.train, stratum.test)).sum()
    }

    /// Moves a document to the other set.
    fn turn(&mut self, index: usize) {
        self.put(index, opposite(self.sets[index].unwrap_or(Dataset::Train)));
    }

    /// Categories that a move of this document would bring into a set, less those it would take out of one.
    fn gain(&self, index: usize) -> i64 {
        let from = self.sets[index].unwrap_or(Dataset::Train);
        self.strata_of[index].iter().map(|stratum| self.strata[*stratum].gain(from)).sum()
    }
}

fn opposite(side: Dataset) -> Dataset {
    match side {
        Dataset::Train => Dataset::Test,
        Dataset::Test => Dataset::Train,
    }
}

/// `percentage` of `count`, rounded, but at least one and not all of several; none of one.
fn share(count: usize, percentage: usize) -> usize {
    if count < 2 {
        return 0;
    }
    ((count * percentage + 50) / 100).clamp(1, count - 1)
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        crate::mix(self.0)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A document's place in the draw: the FNV-1a hash of its location, mixed with the seed.
fn draw(seed: u64, location: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    SplitMix64(location.bytes().fold(0xCBF2_9CE4_8422_2325, fold) ^ SplitMix64(seed).next()).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Documents named `0`, `1`, … with the categories whose bits are set.
    fn with_documents<T>(masks: &[u8], check: impl FnOnce(&[SplitDocument<'_>]) -> T) -> T {
        let names: Vec<String> = (0..masks.len()).map(|index| index.to_string()).collect();
        let categories: Vec<_> = (0..8).map(|c| EntityCategory::new(&format!("C{c}")).unwrap()).collect();
        let named = |mask: u8| {
            let with = categories.iter().enumerate().filter(move |(c, _)| mask >> c & 1 == 1);
            with.map(|(_, category)| category).collect()
        };
        let pairs = names.iter().zip(masks);
        let documents: Vec<_> =
            pairs.map(|(name, mask)| SplitDocument { location: name, categories: named(*mask) }).collect();
        check(&documents)
    }

    /// Sides on which a category with two or more documents is missing.
    fn missing(masks: &[u8], sets: &[Dataset]) -> u32 {
        let on = |side| {
            let both = masks.iter().zip(sets).filter(|(_, set)| **set == side);
            both.fold(0u8, |seen, (mask, _)| seen | mask)
        };
        let several = (0..8u8).filter(|c| masks.iter().filter(|mask| **mask >> c & 1 == 1).count() > 1);
        let several = several.fold(0u8, |all, c| all | 1 << c);
        (several & !on(Dataset::Train)).count_ones() + (several & !on(Dataset::Test)).count_ones()
    }

    fn tests(sets: &[Dataset]) -> usize {
        sets.iter().filter(|set| **set == Dataset::Test).count()
    }

    #[test]
    fn the_percentage_is_met_where_nothing_forbids_it() {
        let sets = with_documents(&[1; 50], |documents| split(documents, 20, 7));
        assert_eq!(tests(&sets), 10);
        let none = with_documents(&[1; 5], |documents| split(documents, 0, 7));
        let all = with_documents(&[1; 5], |documents| split(documents, 100, 7));
        assert_eq!((tests(&none), tests(&all)), (0, 5));
        let two = with_documents(&[1; 2], |documents| split(documents, 1, 7));
        assert_eq!(tests(&two), 1);
    }

    #[test]
    fn a_category_in_one_document_is_learned_from() {
        for seed in 0..20 {
            let sets = with_documents(&[1, 3, 1, 1, 1], |documents| split(documents, 40, seed));
            assert_eq!(sets[1], Dataset::Train);
        }
    }

    /// The generator's published first numbers for seed 1234567.
    #[test]
    fn the_generator_is_the_published_one() {
        let mut random = SplitMix64(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_category_is_brought_to_both_sides_through_a_dead_end() {
        let masks = [3, 42, 2, 44, 17, 20];
        let sets = with_documents(&masks, |documents| split(documents, 1, 5_851_029_238_947_685_222));
        assert_eq!(missing(&masks, &sets), 0);
    }

    #[test]
    fn another_seed_draws_others() {
        let draw = |seed| with_documents(&[1; 40], |documents| split(documents, 50, seed));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(1), draw(1));
    }

    proptest! {
        /// A split that has every category on both sides is found when there is one.
        #[test]
        fn categories_are_on_both_sides(masks in prop::collection::vec(0u8..64, 2..11), percentage in 1u32..100, seed: u64) {
            let sets = with_documents(&masks, |documents| split(documents, percentage, seed));
            let every = (0u32..1 << masks.len()).map(|bits| {
                let side = |index| if bits >> index & 1 == 1 { Dataset::Test } else { Dataset::Train };
                (0..masks.len()).map(side).collect::<Vec<_>>()
            });
            let best = every.map(|sets| missing(&masks, &sets)).min();
            prop_assert_eq!(Some(missing(&masks, &sets)), best);
        }

        /// The order of the list means nothing.
        #[test]
        fn order_means_nothing(masks in prop::collection::vec(any::<u8>(), 2..30), seed: u64, turn in 0usize..30) {
            with_documents(&masks, |documents| {
                let mut turned = documents.to_vec();
                turned.rotate_left(turn % documents.len());
                let mut sets = split(&turned, 30, seed);
                sets.rotate_right(turn % documents.len());
                prop_assert_eq!(sets, split(documents, 30, seed));
                Ok(())
            })?;
        }
    }
}
