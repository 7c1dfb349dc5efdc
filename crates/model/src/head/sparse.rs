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
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    /// Feature hashes, rising, and [`NEAR`] that are no feature's.
    hashes: Vec<u64>,
    /// Borders of each feature's row in `entries`, and the end of an empty row.
    offsets: Vec<u32>,
    entries: Vec<Entry>,
    /// Index of the first hash of each bucket, or behind it. Hashes are uniform, so their top bits say where they lie, and a
    /// look-up touches one cache line of this table and mostly one of `hashes`.
    buckets: Vec<u32>,
    shift: u32,
}

/// Hashes of a bucket that are compared without asking how many there are: processors guess badly what is a matter of
/// chance, and a wrong guess costs more than several comparisons.
const NEAR: usize = 4;

/// Features looked up beside each other.
const TOGETHER: usize = 32;

impl Sparse {
    /// A table from rows; `offsets` are borders in `entries`, one more than `hashes`.
    ///
    /// # Errors
    /// [`HeadError::Invalid`] when hashes do not rise, offsets do not, or their lengths do not fit.
    pub fn new(mut hashes: Vec<u64>, mut offsets: Vec<u32>, entries: Vec<Entry>) -> Result<Self, HeadError> {
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
        let rows = hashes.len();
        let bits = rows.next_power_of_two().trailing_zeros().clamp(1, 31);
        let shift = 64 - bits;
        let buckets = (0..1u64 << bits)
            .scan(0, |at: &mut usize, bucket| {
                while *at < rows && hashes[*at] >> shift < bucket {
                    *at += 1;
                }
                Some(*at as u32)
            })
            .collect();
        hashes.extend([u64::MAX; NEAR]);
        offsets.push(entries.len() as u32);
        Ok(Self { hashes, offsets, entries, buckets, shift })
    }

    /// A table without rows.
    pub fn empty() -> Self {
        Self::new(Vec::new(), vec![0], Vec::new()).expect("no rows break no rule")
    }

    /// Feature hashes, rising.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes[..self.rows()]
    }

    /// Row borders in [`Sparse::entries`], one more than hashes.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets[..=self.rows()]
    }

    /// All entries, row after row.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The row of a feature; empty for a feature never learned.
    pub fn row(&self, hash: u64) -> &[Entry] {
        self.entries_of(self.borders(hash, self.bucket(hash)))
    }

    fn rows(&self) -> usize {
        self.hashes.len() - NEAR
    }

    fn bucket(&self, hash: u64) -> u32 {
        self.buckets[(hash >> self.shift) as usize]
    }

    /// Borders of the feature's row in `entries`.
    fn borders(&self, hash: u64, bucket: u32) -> (u32, u32) {
        let from = bucket as usize;
        // Those behind the bucket are larger than any that lies in it.
        let near = &self.hashes[from..from + NEAR];
        let mut at = from + near.iter().map(|known| usize::from(*known < hash)).sum::<usize>();
        if at == from + NEAR {
            at += self.hashes[at..].iter().take_while(|known| **known < hash).count();
        }
        let row = if at < self.rows() && self.hashes[at] == hash { at } else { self.rows() };
        (self.offsets[row], self.offsets[row + 1])
    }

    fn entries_of(&self, (from, to): (u32, u32)) -> &[Entry] {
        &self.entries[from as usize..to as usize]
    }

    pub(super) fn validate(&self, tags: usize) -> Result<(), HeadError> {
        let bad = |entry: &Entry| usize::from(entry.tag) >= tags || !entry.weight.is_finite();
        match self.entries.iter().find(|entry| bad(entry)) {
            Some(entry) => Err(HeadError::Invalid(format!("{entry:?} with {tags} tags"))),
            None => Ok(()),
        }
    }

    /// Adds each word's rows to its `tags` scores. `inputs` are valid.
    ///
    /// Several features take each step of the look-up beside each other: after an encoder has computed, nothing of the
    /// table is in the nearest cache, and waiting for many lines at once takes hardly longer than for one.
    pub(super) fn add(&self, inputs: &Inputs, tags: usize, scores: &mut [f32]) {
        let (mut buckets, mut borders) = ([0; TOGETHER], [(0, 0); TOGETHER]);
        for (word, scores) in inputs.feature_offsets.windows(2).zip(scores.chunks_exact_mut(tags)) {
            for hashes in inputs.features[word[0] as usize..word[1] as usize].chunks(TOGETHER) {
                for (bucket, hash) in buckets.iter_mut().zip(hashes) {
                    *bucket = self.bucket(*hash);
                }
                for ((borders, bucket), hash) in borders.iter_mut().zip(&buckets).zip(hashes) {
                    *borders = self.borders(*hash, *bucket);
                }
                for entry in borders[..hashes.len()].iter().flat_map(|borders| self.entries_of(*borders)) {
                    scores[usize::from(entry.tag)] += entry.weight;
                }
            }
        }
    }
}
