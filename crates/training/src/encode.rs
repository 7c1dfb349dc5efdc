//! What the encoder says about every word of a corpus, computed once.

use crate::TrainError;
use crate::request::TrainingEncoder;
use crate::surroundings::Trail;
use crate::vectors::{Vectors, rounded};
use model::{Encoder, Pieces};
use sha2::{Digest, Sha256};
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

/// Windows of one checkpoint.
const WINDOWS: usize = 256;

/// Windows given to the encoder at first.
const STEP_WINDOWS: usize = 16;

/// A call of the encoder takes about this long, so that a wish to stop is heard soon, whatever encoder and machine.
const STEP: Duration = Duration::from_millis(400);

/// An encoder that is asked, and its name for errors.
pub(crate) struct Voice<'a> {
    pub(crate) encoder: &'a dyn Encoder,
    pub(crate) name: &'a str,
}

/// Asks encoders, a few windows at a time.
pub(crate) struct Reader {
    /// Windows that are asked about at once.
    step: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self { step: STEP_WINDOWS }
    }
}

/// Vectors of all words; those that an earlier attempt has left on the `trail` are taken from there. `watch` hears which
/// part is done.
pub(crate) fn encode(
    documents: &[Pieces],
    encoder: &TrainingEncoder<'_>,
    trail: &Trail<'_>,
    watch: impl FnMut(f32) -> ControlFlow<()>,
) -> Result<Vectors, TrainError> {
    let words = documents.iter().map(|pieces| pieces.first_pieces.len()).sum();
    let mut vectors = Vectors::new(encoder.encoder.width(), words)?;
    let documents: Vec<&Pieces> = documents.iter().collect();
    let voice = Voice { encoder: encoder.encoder, name: &encoder.reference.name };
    let keep = |said: &[u16]| vectors.extend(said);
    Reader::default().all(&documents, &voice, &encoder.reference.digest, trail, watch, keep)?;
    Ok(vectors)
}

/// Everything that decides what the encoder that `identity` names says.
fn identify(hash: &mut Sha256, identity: &str, pieces: &Pieces) {
    hash.update(identity);
    hash.update((pieces.length as u64).to_le_bytes());
    for values in [&pieces.input_ids, &pieces.attention_mask, &pieces.first_pieces] {
        hash.update((values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
}

impl Reader {
    /// Hands `keep` what `voice` says about all words in their order, rounded, some documents at a time.
    pub(crate) fn all(
        &mut self,
        documents: &[&Pieces],
        voice: &Voice<'_>,
        identity: &str,
        trail: &Trail<'_>,
        mut watch: impl FnMut(f32) -> ControlFlow<()>,
        mut keep: impl FnMut(&[u16]) -> std::io::Result<()>,
    ) -> Result<(), TrainError> {
        let all = documents.iter().map(|pieces| pieces.windows).sum::<usize>().max(1);
        let mut done = 0;
        for group in crate::parallel::runs(documents.iter().map(|pieces| pieces.windows), WINDOWS) {
            let pieces = join(documents[group].iter().copied());
            let said = trail.shared(
                |hash| identify(hash, identity, &pieces),
                pieces.first_pieces.len() * voice.encoder.width(),
                || self.say(&pieces, voice, |windows| watch((done + windows) as f32 / all as f32)),
            )?;
            keep(&said)?;
            done += pieces.windows;
            if watch(done as f32 / all as f32).is_break() {
                return Err(TrainError::Cancelled);
            }
        }
        Ok(())
    }

    /// What `voice` says, rounded, a few windows at a time. `watch` hears how many are done.
    pub(crate) fn say(
        &mut self,
        pieces: &Pieces,
        voice: &Voice<'_>,
        mut watch: impl FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<u16>, TrainError> {
        let width = voice.encoder.width();
        let mismatch = |reason| TrainError::EncoderMismatch { name: voice.name.to_owned(), reason };
        let mut all = Vec::with_capacity(pieces.first_pieces.len() * width);
        let mut row = 0;
        while row < pieces.windows {
            let rows = row..pieces.windows.min(row + self.step);
            row = rows.end;
            let part = cut(pieces, rows);
            let begun = Instant::now();
            let said = voice.encoder.encode(&part)?;
            match begun.elapsed() {
                fast if fast < STEP / 2 => self.step *= 2,
                slow if slow > STEP => self.step = (self.step / 2).max(1),
                _ => {}
            }
            if said.len() != part.first_pieces.len() * width {
                let (found, words) = (said.len(), part.first_pieces.len());
                return Err(mismatch(format!("{found} values for {words} words of width {width}")));
            }
            if said.iter().any(|value| !value.is_finite()) {
                return Err(mismatch("a value is no number".into()));
            }
            all.extend(said.iter().map(|&value| rounded(value)));
            if watch(row).is_break() {
                return Err(TrainError::Cancelled);
            }
        }
        Ok(all)
    }
}

/// Some of the windows with their words, which are in the windows' order.
fn cut(pieces: &Pieces, rows: Range<usize>) -> Pieces {
    let values = rows.start * pieces.length..rows.end * pieces.length;
    let word = |value: usize| pieces.first_pieces.partition_point(|&place| (place as usize) < value);
    let words = &pieces.first_pieces[word(values.start)..word(values.end)];
    Pieces {
        windows: rows.len(),
        length: pieces.length,
        input_ids: pieces.input_ids[values.clone()].to_vec(),
        attention_mask: pieces.attention_mask[values.clone()].to_vec(),
        first_pieces: words.iter().map(|&place| place - values.start as i32).collect(),
    }
}

/// The windows of several documents, padded to the longest.
pub(crate) fn join<'a>(documents: impl Iterator<Item = &'a Pieces> + Clone) -> Pieces {
    let length = documents.clone().map(|pieces| pieces.length).max().unwrap_or(0);
    let mut all = Pieces { length, ..Pieces::default() };
    for pieces in documents {
        for row in 0..pieces.windows {
            let range = row * pieces.length..(row + 1) * pieces.length;
            let padding = length - pieces.length;
            all.input_ids.extend_from_slice(&pieces.input_ids[range.clone()]);
            // Padding is masked; the last piece of a full row is as good an id as any.
            let filler = pieces.input_ids[range.end - 1];
            all.input_ids.extend(std::iter::repeat_n(filler, padding));
            all.attention_mask.extend_from_slice(&pieces.attention_mask[range]);
            all.attention_mask.extend(std::iter::repeat_n(0, padding));
        }
        let place = |place: &i32| {
            let (row, column) = (*place as usize / pieces.length, *place as usize % pieces.length);
            ((all.windows + row) * length + column) as i32
        };
        all.first_pieces.extend(pieces.first_pieces.iter().map(place));
        all.windows += pieces.windows;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_windows_keep_every_words_piece() {
        let one = |length: usize, first_pieces: Vec<i32>, base: i32| Pieces {
            windows: 2,
            length,
            input_ids: (base..base + 2 * length as i32).collect(),
            attention_mask: vec![1; 2 * length],
            first_pieces,
        };
        let documents = [one(2, vec![1, 3], 10), one(3, vec![0, 5], 20)];
        let joined = join(documents.iter());
        assert!(joined.validate(4).is_ok());
        let ids: Vec<i32> =
            joined.first_pieces.iter().map(|&place| joined.input_ids[place as usize]).collect();
        assert_eq!(ids, [11, 13, 20, 25]);
    }

    #[test]
    fn windows_are_cut_with_their_words() {
        let pieces = Pieces {
            windows: 3,
            length: 2,
            input_ids: (0..6).collect(),
            attention_mask: vec![1; 6],
            first_pieces: vec![0, 1, 2, 2, 5],
        };
        let parts: Vec<Vec<i32>> = [0..1, 1..2, 2..3]
            .map(|rows| {
                let part = cut(&pieces, rows);
                assert!(part.validate(part.first_pieces.len()).is_ok(), "{part:?}");
                part.first_pieces.iter().map(|&place| part.input_ids[place as usize]).collect()
            })
            .into();
        assert_eq!(parts, [vec![0, 1], vec![2, 2], vec![5]]);
    }
}
