//! What the encoder says about every word of a corpus, computed once.

use crate::TrainError;
use crate::request::TrainingEncoder;
use crate::vectors::Vectors;
use model::Pieces;
use std::ops::ControlFlow;

/// Windows given to the encoder at once: enough for it to sort by length, little enough to stop soon when cancelled.
const WINDOWS: usize = 256;

/// Vectors of all words. `watch` hears which part is done.
pub(crate) fn encode(
    documents: &[Pieces],
    encoder: &TrainingEncoder<'_>,
    mut watch: impl FnMut(f32) -> ControlFlow<()>,
) -> Result<Vectors, TrainError> {
    let width = encoder.encoder.width();
    let words: usize = documents.iter().map(|pieces| pieces.first_pieces.len()).sum();
    let mut vectors = Vectors::new(width, words)?;
    for group in crate::parallel::runs(documents.iter().map(|pieces| pieces.windows), WINDOWS) {
        let pieces = join(&documents[group.clone()]);
        let said = encoder.encoder.encode(&pieces)?;
        let mismatch = |reason| TrainError::EncoderMismatch { name: encoder.reference.name.clone(), reason };
        if said.len() != pieces.first_pieces.len() * width {
            let (found, words) = (said.len(), pieces.first_pieces.len());
            return Err(mismatch(format!("{found} values for {words} words of width {width}")));
        }
        if said.iter().any(|value| !value.is_finite()) {
            return Err(mismatch("a value is no number".into()));
        }
        vectors.extend(&said)?;
        if watch(group.end as f32 / documents.len() as f32).is_break() {
            return Err(TrainError::Cancelled);
        }
    }
    Ok(vectors)
}

/// The windows of several documents, padded to the longest.
fn join(documents: &[Pieces]) -> Pieces {
    let length = documents.iter().map(|pieces| pieces.length).max().unwrap_or(0);
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
        let joined = join(&documents);
        assert!(joined.validate(4).is_ok());
        let ids: Vec<i32> =
            joined.first_pieces.iter().map(|&place| joined.input_ids[place as usize]).collect();
        assert_eq!(ids, [11, 13, 20, 25]);
    }
}
