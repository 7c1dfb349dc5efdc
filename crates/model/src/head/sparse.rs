//! Sparse weights: a sorted table from feature hash to the scores it adds.

use super::HeadError;
use crate::Inputs;

/// What one feature says about one tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The tag.
    pub tag: u16,
    /// Added to the tag's score.
    pub weight: f32,
}

/// Rows of entries by feature hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    /// Feature hashes, rising.
    hashes: Vec<u64>,
    /// Borders of each feature's row in `entries`; one more than hashes.
    offsets: Vec<u32>,
    entries: Vec<Entry>,
    /// Index of the first hash of each bucket: hashes are uniform, so their top bits say where they lie, and a
    /// look-up touches one cache line of this table and mostly one of `hashes`.
    buckets: Vec<u32>,
    shift: u32,
}

impl Sparse {
    /// A table from rows; `offsets` are borders in `entries`, one more than `hashes`.
    ///
    /// # Errors
    /// [`HeadError::Invalid`] when hashes do not rise, offsets do not, or their lengths do not fit.
    pub fn new(hashes: Vec<u64>, offsets: Vec<u32>, entries: Vec<Entry>) -> Result<Self, HeadError> {
        let invalid = |reason: &str| Err(HeadError::Invalid(reason.to_owned()));
        if offsets.len() != hashes.len() + 1 || u32::try_from(hashes.len()).is_err() {
            return invalid("feature rows and hashes differ in number");
        }
        if !hashes.is_sorted_by(|a, b| a < b) {
            return invalid("feature hashes do not rise");
        }
        let ends = (offsets.first(), offsets.last().map(|&last| last as usize));
        if ends != (Some(&0), Some(entries.len())) || !offsets.is_sorted() {
            return invalid("feature rows do not cover the entries in order");
        }
        let bits = (hashes.len() / 2).max(1).next_power_of_two().trailing_zeros().clamp(1, 31);
        let shift = 64 - bits;
        let buckets = (0..=1u64 << bits)
            .scan(0, |at: &mut usize, bucket| {
                while *at < hashes.len() && hashes[*at] >> shift < bucket {
                    *at += 1;
                }
                Some(*at as u32)
            })
            .collect();
        Ok(Self { hashes, offsets, entries, buckets, shift })
    }

    /// A table without rows.
    pub fn empty() -> Self {
        Self::new(Vec::new(), vec![0], Vec::new()).expect("no rows break no rule")
    }

    /// Feature hashes, rising.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// Row borders in [`Sparse::entries`], one more than hashes.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// All entries, row after row.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The row of a feature; empty for a feature never learned.
    pub fn row(&self, hash: u64) -> &[Entry] {
        let bucket = (hash >> self.shift) as usize;
        let (from, to) = (self.buckets[bucket] as usize, self.buckets[bucket + 1] as usize);
        match self.hashes[from..to].iter().position(|&known| known >= hash) {
            Some(at) if self.hashes[from + at] == hash => {
                &self.entries[self.offsets[from + at] as usize..self.offsets[from + at + 1] as usize]
            }
            _ => &[],
        }
    }

    pub(super) fn validate(&self, tags: usize) -> Result<(), HeadError> {
        let bad = |entry: &Entry| usize::from(entry.tag) >= tags || !entry.weight.is_finite();
        match self.entries.iter().find(|entry| bad(entry)) {
            Some(entry) => Err(HeadError::Invalid(format!("{entry:?} with {tags} tags"))),
            None => Ok(()),
        }
    }

    /// Adds each word's rows to its `tags` scores. `inputs` are valid.
    pub(super) fn add(&self, inputs: &Inputs, tags: usize, scores: &mut [f32]) {
        for (borders, scores) in inputs.feature_offsets.windows(2).zip(scores.chunks_exact_mut(tags)) {
            for &hash in &inputs.features[borders[0] as usize..borders[1] as usize] {
                for entry in self.row(hash) {
                    scores[usize::from(entry.tag)] += entry.weight;
                }
            }
        }
    }
}
