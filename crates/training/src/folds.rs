//! Parts of the training documents: some held out to judge by, some to learn members without.

use crate::corpus::Corpus;
use crate::random::Random;
use std::ops::Range;

/// Part of the words held out.
const HELD_OUT: f64 = 0.15;

/// Most words held out: more than that would not make a judgement surer.
pub(crate) const HELD_OUT_WORDS_MAX: usize = 30_000;

/// Examples (by number) that belong together: those of a document, or of a run of a document where documents are few.
struct Unit {
    examples: Range<usize>,
    words: usize,
}

/// Units of examples in random order; at least `least` where there are that many examples.
fn units(corpus: &Corpus, examples: &[usize], least: usize, random: &mut Random) -> Vec<Unit> {
    let mut documents: Vec<Range<usize>> = Vec::new();
    for (at, &example) in examples.iter().enumerate() {
        match documents.last_mut() {
            Some(last) if corpus.document_of[examples[last.start]] == corpus.document_of[example] => {
                last.end = at + 1
            }
            _ => documents.push(at..at + 1),
        }
    }
    let parts = if documents.len() >= least { 1 } else { least.div_ceil(documents.len().max(1)) };
    let mut units: Vec<Unit> = documents
        .into_iter()
        .flat_map(|document| {
            let size = document.len().div_ceil(parts).max(1);
            document.clone().step_by(size).map(move |start| start..document.end.min(start + size))
        })
        .map(|part| {
            let words = part.clone().map(|at| corpus.examples[examples[at]].len()).sum();
            Unit { examples: part, words }
        })
        .collect();
    random.shuffle(&mut units);
    units
}

/// Examples to learn from and examples held out, both in order. With a single unit nothing is held out.
pub(crate) fn hold_out(corpus: &Corpus, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let all: Vec<usize> = (0..corpus.examples.len()).collect();
    let units = units(corpus, &all, 4, &mut Random::new(seed, 1));
    let words: usize = units.iter().map(|unit| unit.words).sum();
    let wanted = ((words as f64 * HELD_OUT) as usize).min(HELD_OUT_WORDS_MAX);
    let (mut held, mut held_words) = (Vec::new(), 0);
    for unit in &units {
        // A unit that would take far more than wanted stays with the others.
        if held_words < wanted && held_words + unit.words <= 3 * wanted {
            held_words += unit.words;
            held.extend(unit.examples.clone());
        }
    }
    held.sort_unstable();
    let kept = all.into_iter().filter(|example| held.binary_search(example).is_err()).collect();
    (kept, held)
}

/// Every so many-th of the examples `held` out, so that they have about `words_max` words.
pub(crate) fn thinned(corpus: &Corpus, held: &[usize], words_max: usize) -> Vec<usize> {
    let words: usize = held.iter().map(|&example| corpus.examples[example].len()).sum();
    held.iter().copied().step_by((words / words_max.max(1)).max(1)).collect()
}

/// The fold of each of `examples`, 0 to `folds - 1`: units go to the fold that has fewest words.
pub(crate) fn deal(corpus: &Corpus, examples: &[usize], folds: usize, seed: u64) -> Vec<usize> {
    let mut units = units(corpus, examples, folds, &mut Random::new(seed, 2));
    units.sort_by_key(|unit| std::cmp::Reverse(unit.words));
    let mut words = vec![0; folds];
    let mut fold_of = vec![0; examples.len()];
    for unit in units {
        let fold = (0..folds).min_by_key(|&fold| words[fold]).unwrap_or(0);
        words[fold] += unit.words;
        fold_of[unit.examples].fill(fold);
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_out_is_thinned_evenly_where_it_is_much() {
        // Lines of six, six and four words.
        let corpus = crate::fit::tests::corpus();
        assert_eq!(thinned(&corpus, &[0, 1, 2], 30), [0, 1, 2]);
        assert_eq!(thinned(&corpus, &[0, 1, 2], 7), [0, 2]);
        assert_eq!(thinned(&corpus, &[1, 2], 1), [1]);
    }
}
