//! Work in fixed pieces: what runs beside what may differ from run to run, what is added to what never does.

use rayon::prelude::*;
use std::ops::Range;

/// Values per piece of elementwise work.
const VALUES: usize = 1 << 14;

/// Runs `work` on every index of `0..count` and returns the results in order.
pub(crate) fn map<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    (0..count).into_par_iter().map(&work).collect()
}

/// The inner product, added up piece by piece in `f64`.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    sum(a.len(), |range| {
        let pairs = a[range.clone()].iter().zip(&b[range]);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    })
}

/// A sum over `0..length`, added up piece by piece.
pub(crate) fn sum(length: usize, part: impl Fn(Range<usize>) -> f64 + Sync) -> f64 {
    let pieces = length.div_ceil(VALUES);
    map(pieces, |piece| part(piece * VALUES..length.min((piece + 1) * VALUES))).iter().sum()
}

/// `y[i] = change(y[i], x[i])`.
pub(crate) fn update(y: &mut [f32], x: &[f32], change: impl Fn(f32, f32) -> f32 + Sync) {
    y.par_chunks_mut(VALUES).zip(x.par_chunks(VALUES)).for_each(|(y, x)| {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = change(*y, x));
    });
}

/// Cuts `lengths` into runs of whole items whose lengths add up to about `target`: ranges of items.
pub(crate) fn runs(lengths: impl Iterator<Item = usize>, target: usize) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let (mut start, mut at, mut total) = (0, 0, 0);
    for length in lengths {
        at += 1;
        total += length;
        if total >= target {
            runs.push(start..at);
            (start, total) = (at, 0);
        }
    }
    if start < at {
        runs.push(start..at);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_all_items_in_order() {
        assert_eq!(runs([3, 3, 1, 9, 2].into_iter(), 5), [0..2, 2..4, 4..5]);
        assert!(runs([].into_iter(), 5).is_empty());
    }

    #[test]
    fn sums_do_not_depend_on_threads() {
        let values: Vec<f32> = (0..100_000).map(|i| ((i * 7919) % 1013) as f32 / 7.0).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| dot(&values, &values)).to_bits()
        };
        assert_eq!(with(1), with(3));
    }
}
