//! Which windows are computed together: only those some word needs, of equal ones one, and only such of one length.
//!
//! Rows arrive padded to the longest of a request. Computing them so would spend most of the time on padding, and would
//! make a row's last bits depend on its company: sums over more padding are rounded in another order, and 8-bit
//! arithmetic carries that on. So each row is padded to a length that follows from its own alone ([`padded`]): the same
//! window gives the same bits in training and in service, whoever else asks. Pure; no OpenVINO here.

use std::collections::{HashMap, HashSet};

use model::{GraphError, Pieces};

use crate::sharing::Input;

/// One call of the encoder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Rows of the request, in the order of the batch.
    pub(crate) rows: Vec<usize>,
    /// Row length in the batch, padding included.
    pub(crate) length: usize,
}

/// What is asked of the encoder, checked: afterwards no index can leave its tensor.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pieces: &'a Pieces,
    /// True length of each row: one past its last unmasked piece.
    lengths: Vec<usize>,
    /// The encoder's longest row.
    max_pieces: usize,
    /// Words sorted by row: `(row, column, word)`; the row is the first of those that are alike.
    words: Vec<(usize, usize, usize)>,
}

impl<'a> Request<'a> {
    /// Checks `pieces` against the encoder's vocabulary size and longest window.
    ///
    /// # Errors
    /// [`GraphError::InvalidInput`] naming the tensor, and what was expected and got.
    pub(crate) fn new(pieces: &'a Pieces, vocabulary: usize, max_pieces: usize) -> Result<Self, GraphError> {
        pieces.validate(pieces.first_pieces.len())?;
        let fits = |id: &&i32| usize::try_from(**id).is_ok_and(|id| id < vocabulary);
        if let Some(id) = pieces.input_ids.iter().find(|id| !fits(id)) {
            return Err(invalid("input_ids", format!("expected ids below {vocabulary}, got {id}")));
        }
        let lengths = true_lengths(pieces);
        if let Some(longest) = lengths.iter().copied().max().filter(|longest| *longest > max_pieces) {
            let reason = format!("expected windows of at most {max_pieces} pieces, got {longest}");
            return Err(invalid("input_ids", reason));
        }
        let firsts = first_alike(pieces, &lengths);
        let mut words: Vec<(usize, usize, usize)> = (pieces.first_pieces.iter().enumerate())
            // Validated: no place is negative, and there is none at all in rows without length.
            .map(|(word, place)| (*place as usize / pieces.length, *place as usize % pieces.length, word))
            .map(|(row, column, word)| (firsts[row], column, word))
            .collect();
        words.sort_unstable();
        Ok(Self { pieces, lengths, max_pieces, words })
    }

    /// Number of words.
    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    /// Batches that together hold each row with a word once, longest first.
    ///
    /// No batch holds more than `batch_pieces` pieces, padding included, unless a single row does; the work is spread
    /// over at least `streams` batches where it can be.
    pub(crate) fn batches(&self, batch_pieces: usize, streams: usize) -> Vec<Batch> {
        let needed: HashSet<usize> = self.words.iter().map(|(row, _, _)| *row).collect();
        let mut rows: Vec<(usize, usize)> =
            needed.into_iter().map(|row| (padded(self.lengths[row], self.max_pieces), row)).collect();
        rows.sort_unstable_by_key(|(length, row)| (std::cmp::Reverse(*length), *row));
        let total: usize = rows.iter().map(|(length, _)| length).sum();
        let pieces_max = batch_pieces.min(total.div_ceil(streams.max(1)));
        let mut batches: Vec<Batch> = Vec::new();
        for (length, row) in rows {
            match batches.last_mut() {
                Some(batch) if batch.length == length && (batch.rows.len() + 1) * length <= pieces_max => {
                    batch.rows.push(row);
                }
                _ => batches.push(Batch { rows: vec![row], length }),
            }
        }
        batches
    }

    /// The batch's tensors, and its words as `(row * length + column, word)`.
    pub(crate) fn take(&self, batch: &Batch) -> (Input, Vec<(usize, usize)>) {
        let length = batch.length;
        let mut input = Input { rows: batch.rows.len(), length, ..Input::default() };
        let mut words = Vec::new();
        for (slot, row) in batch.rows.iter().enumerate() {
            let (start, end) = (row * self.pieces.length, (slot + 1) * length);
            let real = start..start + self.lengths[*row];
            input.ids.extend_from_slice(&self.pieces.input_ids[real.clone()]);
            input.mask.extend_from_slice(&self.pieces.attention_mask[real]);
            input.ids.resize(end, 0);
            input.mask.resize(end, 0);
            let first = self.words.partition_point(|(other, _, _)| other < row);
            let own = self.words[first..].iter().take_while(|(other, _, _)| other == row);
            words.extend(own.map(|(_, column, word)| (slot * length + column, *word)));
        }
        (input, words)
    }
}

/// The length that a row of `length` pieces is computed with: a quarter more at most, and few different ones, so that rows
/// find company and OpenVINO need not prepare itself for every length.
fn padded(length: usize, max_pieces: usize) -> usize {
    let step = (length.next_power_of_two() / 8).max(8);
    length.next_multiple_of(step).min(max_pieces.max(length))
}

fn true_lengths(pieces: &Pieces) -> Vec<usize> {
    let length_of = |row: &[i32]| row.iter().rposition(|value| *value == 1).map_or(0, |last| last + 1);
    match pieces.length {
        0 => vec![0; pieces.windows],
        length => pieces.attention_mask.chunks_exact(length).map(length_of).collect(),
    }
}

/// For each row the first one that holds the same: texts that repeat themselves cost no more than what they repeat.
fn first_alike(pieces: &Pieces, lengths: &[usize]) -> Vec<usize> {
    let mut seen = HashMap::new();
    let rows = lengths.iter().enumerate().map(|(row, length)| {
        let real = row * pieces.length..row * pieces.length + length;
        let held = (&pieces.input_ids[real.clone()], &pieces.attention_mask[real]);
        *seen.entry(held).or_insert(row)
    });
    rows.collect()
}

fn invalid(name: &str, reason: String) -> GraphError {
    GraphError::InvalidInput { name: name.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows of the given true lengths, padded to `length`; the ids count up from the row's number, which is below 60, each
    /// row's first piece is a word.
    fn pieces(lengths: &[usize], length: usize) -> Pieces {
        let mut pieces = Pieces { windows: lengths.len(), length, ..Pieces::default() };
        for (row, real) in lengths.iter().enumerate() {
            pieces
                .input_ids
                .extend((0..length).map(|column| if column < *real { (row + column) as i32 } else { 0 }));
            pieces.attention_mask.extend((0..length).map(|column| i32::from(column < *real)));
            if *real > 0 {
                pieces.first_pieces.push((row * length) as i32);
            }
        }
        pieces
    }

    #[test]
    fn contradictions_are_named_before_native_code_sees_them() {
        let good = pieces(&[3, 2], 4);
        type Break = fn(&mut Pieces);
        let cases: [(&str, Break); 8] = [
            ("input_ids", |pieces| pieces.input_ids.truncate(7)),
            ("attention_mask", |pieces| pieces.attention_mask.push(0)),
            ("input_ids", |pieces| pieces.input_ids[0] = 100),
            ("input_ids", |pieces| pieces.input_ids[0] = -1),
            ("attention_mask", |pieces| pieces.attention_mask[0] = 2),
            ("first_pieces", |pieces| pieces.first_pieces[0] = -1),
            ("first_pieces", |pieces| pieces.first_pieces[0] = 8),
            ("first_pieces", |pieces| pieces.first_pieces[0] = 3),
        ];
        assert!(Request::new(&good, 100, 8).is_ok());
        for (tensor, spoil) in cases {
            let mut bad = good.clone();
            spoil(&mut bad);
            match Request::new(&bad, 100, 8) {
                Err(GraphError::InvalidInput { name, .. }) => assert_eq!(name, tensor),
                other => panic!("{tensor}: {other:?}"),
            }
        }
        assert!(matches!(Request::new(&good, 100, 2), Err(GraphError::InvalidInput { .. })));
        let overflow = Pieces { windows: usize::MAX, length: 2, ..Pieces::default() };
        assert!(matches!(Request::new(&overflow, 100, 8), Err(GraphError::InvalidInput { .. })));
    }

    #[test]
    fn rows_without_words_are_not_computed() {
        let mut pieces = pieces(&[3, 4, 2], 4);
        pieces.first_pieces.remove(1);
        let request = Request::new(&pieces, 100, 8).expect("sound pieces");
        assert_eq!(request.batches(64, 1), [Batch { rows: vec![0, 2], length: 8 }]);
    }

    #[test]
    fn rows_that_are_alike_are_computed_once() {
        let mut pieces = pieces(&[3, 3, 2, 3], 4);
        pieces.input_ids = [[1, 2, 3, 0], [5, 6, 7, 0], [1, 2, 0, 0], [1, 2, 3, 0]].concat();
        let request = Request::new(&pieces, 100, 8).expect("sound pieces");
        let batches = request.batches(64, 1);
        assert_eq!(batches, [Batch { rows: vec![0, 1, 2], length: 8 }]);
        let (_, words) = request.take(&batches[0]);
        assert_eq!(words, [(0, 0), (0, 3), (8, 1), (16, 2)]);
    }

    #[test]
    fn nothing_asked_is_nothing_computed() {
        let nothing = Pieces::default();
        let request = Request::new(&nothing, 100, 8).expect("no contradiction");
        assert!(request.batches(64, 2).is_empty() && request.words() == 0);
    }

    #[test]
    fn padding_is_little_and_within_the_encoder() {
        for length in 1..=510 {
            let padded = padded(length, 510);
            assert!(padded >= length && padded <= 510, "{length} became {padded}");
            assert!(padded - length < (length / 4).max(8), "{length} became {padded}");
        }
        let lengths: HashSet<usize> = (1..=512).map(|length| padded(length, 512)).collect();
        assert!(lengths.len() <= 24, "{} lengths", lengths.len());
    }

    #[test]
    fn work_is_spread_over_streams() {
        let pieces = pieces(&[10; 8], 10);
        let request = Request::new(&pieces, 100, 16).expect("sound pieces");
        assert_eq!(request.batches(1024, 1).len(), 1);
        assert_eq!(request.batches(1024, 2).len(), 2);
    }

    proptest! {
        #[test]
        fn batches_hold_every_row_once_with_its_own_padding(
            lengths in prop::collection::vec(0usize..40, 0..60),
            budget in 1usize..400,
            streams in 1usize..4,
        ) {
            let pieces = pieces(&lengths, 40);
            let request = Request::new(&pieces, 100, 40).expect("sound pieces");
            let batches = request.batches(budget, streams);
            let mut rows: Vec<usize> = batches.iter().flat_map(|batch| batch.rows.clone()).collect();
            rows.sort_unstable();
            let wanted: Vec<usize> = (0..lengths.len()).filter(|row| lengths[*row] > 0).collect();
            prop_assert_eq!(rows, wanted);
            for batch in &batches {
                prop_assert!(batch.rows.len() == 1 || batch.rows.len() * batch.length <= budget);
                for row in &batch.rows {
                    prop_assert_eq!(batch.length, padded(lengths[*row], 40));
                }
            }
        }

        #[test]
        fn every_word_is_taken_once_with_its_own_piece(
            lengths in prop::collection::vec(1usize..12, 1..20),
            budget in 1usize..100,
        ) {
            let mut pieces = pieces(&lengths, 12);
            // Every real piece is a word, last row first.
            pieces.first_pieces = (0..lengths.len() * 12)
                .rev()
                .filter(|place| pieces.attention_mask[*place] == 1)
                .map(|place| place as i32)
                .collect();
            let request = Request::new(&pieces, 100, 12).expect("sound pieces");
            let mut found = vec![None; request.words()];
            for batch in request.batches(budget, 1) {
                let (input, words) = request.take(&batch);
                prop_assert_eq!(input.ids.len(), input.rows * input.length);
                for (piece, word) in words {
                    prop_assert_eq!((input.mask[piece], found[word].replace(input.ids[piece])), (1, None));
                }
            }
            let expected: Vec<Option<i32>> =
                pieces.first_pieces.iter().map(|place| Some(pieces.input_ids[*place as usize])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
