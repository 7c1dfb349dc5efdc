//! Which windows make a step, and which of them are computed together.

use fastrand::Rng;
use training::TuningWindow;

/// Windows of one step; each part is computed by one thread, padded to its longest window.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Numbers of windows, in parts.
    pub(crate) parts: Vec<Vec<usize>>,
    /// Pieces without padding.
    pub(crate) pieces: usize,
    /// Words that are learned from.
    pub(crate) words: usize,
}

/// All windows in random order as batches of about `batch_pieces`, each in parts of at most `part_pieces` with padding,
/// unless a single window has more. Windows of similar length share a part.
pub(crate) fn batches(
    windows: &[TuningWindow],
    batch_pieces: usize,
    part_pieces: usize,
    random: &mut Rng,
) -> Vec<Batch> {
    let mut order: Vec<usize> = (0..windows.len()).collect();
    random.shuffle(&mut order);
    let mut batches = Vec::new();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let mut pieces = 0;
        let count = rest.iter().take_while(|&&at| {
            let fits = pieces < batch_pieces;
            pieces += if fits { windows[at].pieces.len() } else { 0 };
            fits
        });
        let (own, others) = rest.split_at(count.count());
        rest = others;
        let mut own = own.to_vec();
        own.sort_by_key(|&at| (windows[at].pieces.len(), at));
        let words = own.iter().map(|&at| windows[at].words.len()).sum();
        batches.push(Batch { parts: parts(windows, &own, part_pieces), pieces, words });
    }
    batches
}

/// Cuts windows in rising order of length.
fn parts(windows: &[TuningWindow], order: &[usize], part_pieces: usize) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for &at in order {
        let length = windows[at].pieces.len();
        match parts.last_mut() {
            Some(part) if (part.len() + 1) * length <= part_pieces => part.push(at),
            _ => parts.push(vec![at]),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_is_in_one_part_and_parts_are_small() {
        let lengths: Vec<usize> = (0..100).map(|at| 3 + at * 37 % 60).collect();
        let mut start = 0;
        let window = |&length: &usize| {
            start += length;
            TuningWindow { pieces: start - length..start, words: vec![(0, 0); 2] }
        };
        let windows: Vec<TuningWindow> = lengths.iter().map(window).collect();
        let found = batches(&windows, 500, 130, &mut Rng::with_seed(1));
        let mut all: Vec<usize> = found.iter().flat_map(|batch| batch.parts.concat()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        for batch in &found {
            let pieces: usize = batch.parts.concat().iter().map(|&at| lengths[at]).sum();
            assert_eq!((batch.pieces, batch.words), (pieces, 2 * batch.parts.concat().len()));
            assert!(pieces < 500 + 63, "{pieces}");
            for part in &batch.parts {
                let longest = part.iter().map(|&at| lengths[at]).max().unwrap_or(0);
                assert!(part.len() * longest <= 130, "{part:?}");
            }
        }
        assert_ne!(found, batches(&windows, 500, 130, &mut Rng::with_seed(2)), "the order is by chance");
    }
}
