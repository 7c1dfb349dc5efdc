//! The encoder tuned to a corpus, and what it says about documents it has not seen.
//!
//! Each fold's vectors come from an encoder tuned without the fold, so that nothing learned over them takes what was
//! learned by heart for knowledge. The encoder that goes into the bundle is tuned on everything.

use crate::corpus::Corpus;
use crate::encode::{Reader, Voice, join};
use crate::folds::deal;
use crate::parallel::{map, runs};
use crate::reporter::{Reporter, Shares};
use crate::request::{Stage, TrainError, TrainingEncoder};
use crate::surroundings::Trail;
use crate::tuner::{TunerError, Tuning, TuningDevice, TuningTask, TuningWindow};
use crate::vectors::Vectors;
use model::{LayerWeights, Pieces, TuningRecipe};
use std::ops::Range;

/// Where a run with tuning stands when it begins to learn members.
pub(crate) const TUNED: f32 = 0.8;

/// Parts of the whole run: the states below the layers, tuning, and what the tuned encoders say.
const STATES: Range<f32> = 0.05..0.08;
const TUNING: Range<f32> = 0.08..0.75;
const VECTORS: Range<f32> = 0.75..TUNED;

/// Windows whose hidden states are computed at once.
const WINDOWS: usize = 256;

/// What came of tuning.
pub(crate) struct Tuned {
    /// Of each word by an encoder that was tuned without its fold.
    pub(crate) vectors: Vectors,
    /// The bundle's file of the layers tuned on everything.
    pub(crate) file: Vec<u8>,
}

/// A corpus as it is tuned on.
pub(crate) struct Workshop<'a, 'r> {
    pub(crate) corpus: &'a Corpus,
    pub(crate) encoder: &'a TrainingEncoder<'a>,
    pub(crate) tuning: Tuning<'a>,
    pub(crate) recipe: &'a TuningRecipe,
    pub(crate) seed: u64,
    pub(crate) trail: &'a Trail<'a>,
    pub(crate) reporter: &'a Reporter<'r>,
}

/// The encoder as all tunings of a run find it.
struct Untuned {
    first_layer: usize,
    layers: Vec<LayerWeights>,
    states: Vectors,
    windows: Vec<Window>,
}

/// A window with all of its words.
struct Window {
    pieces: Range<usize>,
    /// Column of the first piece, and number of the word.
    words: Vec<(u32, usize)>,
}

impl Workshop<'_, '_> {
    /// Tunes once without each fold and once on everything.
    pub(crate) fn tuned(&self) -> Result<Tuned, TrainError> {
        let folds = (self.recipe.folds as usize).max(1);
        let fold_of = self.fold_of_words(folds);
        let untuned = self.untuned()?;
        let shares = Shares::new(folds + 1);
        // Everything first: it takes longest.
        let tune = |job: usize| self.file(&untuned, &fold_of, job.checked_sub(1), &shares);
        let files: Vec<Result<Vec<u8>, TrainError>> = match self.tuning.tuner.device() {
            TuningDevice::Processor => map(folds + 1, tune),
            TuningDevice::Gpu => (0..=folds).map(tune).collect(),
        };
        let mut files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
        let blind = files.split_off(1);
        let vectors = self.vectors(&blind, &fold_of)?;
        Ok(Tuned { vectors, file: files.swap_remove(0) })
    }

    /// The fold of each word; words that nobody looked at are in none of those that are learned from.
    fn fold_of_words(&self, folds: usize) -> Vec<Option<usize>> {
        let examples = &self.corpus.examples;
        let all: Vec<usize> = (0..examples.len()).collect();
        let mut fold_of = vec![None; self.corpus.words()];
        for (words, fold) in examples.iter().zip(deal(self.corpus, &all, folds, self.seed)) {
            fold_of[words.clone()].fill(Some(fold));
        }
        fold_of
    }

    fn untuned(&self) -> Result<Untuned, TrainError> {
        let shape = self.tuning.encoder.shape();
        let first_layer = shape.layers() + 1 - (self.recipe.layers as usize).clamp(1, shape.layers());
        let layers = self.tuning.encoder.layers(first_layer..=shape.layers())?;
        let below = self.tuning.encoder.below(first_layer)?;
        let voice = Voice { encoder: &*below, name: &self.encoder.reference.name };
        let documents = &self.corpus.pieces;
        let total = documents.iter().map(|pieces| pieces.windows).sum::<usize>().max(1);
        let pieces = documents.iter().map(real).sum();
        let mut states = Vectors::new(shape.width, pieces)?;
        let (mut reader, mut done) = (Reader::default(), 0);
        for group in runs(documents.iter().map(|pieces| pieces.windows), WINDOWS) {
            let pieces = everywhere(join(documents[group].iter()));
            let watch = |windows: usize| {
                let done = (done + windows) as f32 / total as f32;
                self.reporter.watch(Stage::Encode, STATES, done, None)
            };
            states.extend(&reader.say(&pieces, &voice, watch)?)?;
            done += pieces.windows;
        }
        Ok(Untuned { first_layer, layers, states, windows: windows(documents) })
    }

    /// The layers tuned without a fold, or on everything, as a file; one that an earlier attempt left is taken.
    fn file(
        &self,
        untuned: &Untuned,
        fold_of: &[Option<usize>],
        without: Option<usize>,
        shares: &Shares,
    ) -> Result<Vec<u8>, TrainError> {
        let job = without.map_or(0, |fold| fold + 1);
        let name = without.map_or("layers".to_owned(), |fold| format!("layers-{fold}"));
        let learn = || {
            let mut windows = self.windows(untuned, |word| fold_of[word].is_some_and(|f| Some(f) != without));
            if windows.is_empty() {
                // One fold, or a single example: there is nothing to be blind to.
                windows = self.windows(untuned, |word| fold_of[word].is_some());
            }
            let layers = self.tune(untuned, &windows, &|done, loss| {
                self.reporter.watch(Stage::Tune, TUNING, shares.set(job, done), loss)
            })?;
            Ok(self.tuning.encoder.pack(untuned.first_layer, &layers)?)
        };
        let file = self.trail.resume(&name, |bytes| Some(bytes.to_vec()), Vec::clone, learn)?;
        match self.reporter.watch(Stage::Tune, TUNING, shares.set(job, 1.0), None).is_break() {
            true => Err(TrainError::Cancelled),
            false => Ok(file),
        }
    }

    /// The windows with those of their words that are learned from; a piece that stands for several words stands for
    /// the first.
    fn windows(&self, untuned: &Untuned, learned: impl Fn(usize) -> bool) -> Vec<TuningWindow> {
        let window = |window: &Window| {
            let words = window.words.iter().filter(|(_, word)| learned(*word));
            let mut words: Vec<(u32, u32)> =
                words.map(|&(column, word)| (column, u32::from(self.corpus.gold[word]))).collect();
            words.dedup_by_key(|(column, _)| *column);
            (!words.is_empty()).then(|| TuningWindow { pieces: window.pieces.clone(), words })
        };
        untuned.windows.iter().filter_map(window).collect()
    }

    fn tune(
        &self,
        untuned: &Untuned,
        windows: &[TuningWindow],
        watch: &(dyn Fn(f32, Option<f64>) -> std::ops::ControlFlow<()> + Sync),
    ) -> Result<Vec<LayerWeights>, TrainError> {
        let states =
            |pieces: Range<usize>, rows: &mut Vec<f32>| untuned.states.read(&pieces, &mut Vec::new(), rows);
        let task = TuningTask {
            shape: self.tuning.encoder.shape(),
            first_layer: untuned.first_layer,
            layers: &untuned.layers,
            recipe: self.recipe,
            tags: self.corpus.tags.len(),
            windows,
            states: &states,
            seed: self.seed,
            watch,
        };
        Ok(self.tuning.tuner.tune(&task)?)
    }

    /// What the encoders that are blind to each fold say about its documents.
    fn vectors(&self, files: &[Vec<u8>], fold_of: &[Option<usize>]) -> Result<Vectors, TrainError> {
        let documents = &self.corpus.pieces;
        let starts = starts(documents.iter().map(|pieces| pieces.first_pieces.len()));
        let words = self.corpus.words();
        let mut vectors = Vectors::blank(self.encoder.encoder.width(), words)?;
        for (fold, file) in files.iter().enumerate() {
            // Nothing is learned from words of no fold; the first encoder may speak about them.
            let own = |word: usize| fold_of[word].unwrap_or(0) == fold;
            let words_of = |at: usize| starts[at]..starts[at + 1];
            let asked: Vec<usize> = (0..documents.len()).filter(|&at| words_of(at).any(own)).collect();
            let encoder = self.tuning.encoder.with(file)?;
            let voice = Voice { encoder: &*encoder, name: &self.encoder.reference.name };
            let identity = [self.encoder.reference.digest.as_str(), &model::sha256_hex(file)].concat();
            let part = |done: f32| (fold as f32 + done) / files.len() as f32;
            let watch = |done: f32| self.reporter.watch(Stage::Encode, VECTORS, part(done), None);
            let mut words = asked.iter().flat_map(|&at| words_of(at));
            let pieces: Vec<&Pieces> = asked.iter().map(|&at| &documents[at]).collect();
            Reader::default().all(&pieces, &voice, &identity, self.trail, watch, |said| {
                for (row, word) in said.chunks_exact(voice.encoder.width().max(1)).zip(words.by_ref()) {
                    if own(word) {
                        vectors.put(word, row)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(vectors)
    }
}

/// Where each part of a whole begins, and the whole's end.
fn starts(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let ends = lengths.scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// Pieces that are no padding.
fn real(pieces: &Pieces) -> usize {
    pieces.attention_mask.iter().filter(|&&mask| mask == 1).count()
}

/// The same windows, asked about every piece.
fn everywhere(mut pieces: Pieces) -> Pieces {
    let places = pieces.attention_mask.iter().zip(0..).filter(|(mask, _)| **mask == 1);
    pieces.first_pieces = places.map(|(_, place)| place).collect();
    pieces
}

/// All windows, with pieces and words numbered over all documents. Masks are ones, then zeros.
fn windows(documents: &[Pieces]) -> Vec<Window> {
    let (mut windows, mut piece, mut word) = (Vec::new(), 0, 0);
    for pieces in documents {
        let first = windows.len();
        for row in pieces.attention_mask.chunks_exact(pieces.length.max(1)) {
            let length = row.iter().filter(|&&mask| mask == 1).count();
            windows.push(Window { pieces: piece..piece + length, words: Vec::new() });
            piece += length;
        }
        for &place in &pieces.first_pieces {
            let (row, column) = (place as usize / pieces.length, place as usize % pieces.length);
            windows[first + row].words.push((column as u32, word));
            word += 1;
        }
    }
    windows
}

impl From<TunerError> for TrainError {
    fn from(error: TunerError) -> Self {
        match error {
            TunerError::Stopped => Self::Cancelled,
            TunerError::Diverged => Self::Diverged,
            TunerError::States(error) => error.into(),
            TunerError::Failed(reason) => Self::Tuner(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_know_their_pieces_and_words_over_all_documents() {
        let one = Pieces {
            windows: 2,
            length: 3,
            input_ids: vec![0; 6],
            attention_mask: vec![1, 1, 1, 1, 1, 0],
            first_pieces: vec![1, 4],
        };
        let found = windows(&[one.clone(), one.clone()]);
        let found: Vec<_> = found.into_iter().map(|window| (window.pieces, window.words)).collect();
        let expected =
            [(0..3, vec![(1, 0)]), (3..5, vec![(1, 1)]), (5..8, vec![(1, 2)]), (8..10, vec![(1, 3)])];
        assert_eq!(found, expected);
        assert_eq!((real(&one), everywhere(one).first_pieces), (5, vec![0, 1, 2, 3, 4]));
        assert_eq!(starts([2, 0, 3].into_iter()), [0, 2, 2, 5]);
    }
}
