//! The encoder's vectors of a corpus: bfloat16, since they are most of a run's memory, standardised when they are read.

use std::ops::Range;

/// Vectors of all words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vectors {
    width: usize,
    /// The upper halves of the floats, rounded; `words * width`.
    values: Vec<u16>,
    /// Subtracted from and multiplied with each column.
    mean: Vec<f32>,
    scale: Vec<f32>,
}

/// The nearest bfloat16, the even one of two.
pub(crate) fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn float(upper: u16) -> f32 {
    f32::from_bits(u32::from(upper) << 16)
}

impl Vectors {
    /// No vectors yet, `words` expected.
    pub(crate) fn new(width: usize, words: usize) -> Self {
        Self {
            width,
            values: Vec::with_capacity(words * width),
            mean: vec![0.0; width],
            scale: vec![1.0; width],
        }
    }

    /// Appends vectors of rounded finite values (see [`rounded`]).
    pub(crate) fn extend(&mut self, vectors: &[u16]) {
        self.values.extend(vectors);
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// What is subtracted from each column.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// What each column is multiplied with.
    pub(crate) fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// Appends the standardised vectors of `words` to `rows`.
    pub(crate) fn read(&self, words: &Range<usize>, rows: &mut Vec<f32>) {
        for row in
            self.values[words.start * self.width..words.end * self.width].chunks_exact(self.width.max(1))
        {
            let columns = row.iter().zip(&self.mean).zip(&self.scale);
            rows.extend(columns.map(|((&value, mean), scale)| (float(value) - mean) * scale));
        }
    }

    /// Makes every column's mean 0 and its deviation 1 over the words of `examples`.
    pub(crate) fn standardise(&mut self, examples: &[Range<usize>]) {
        let width = self.width;
        let (mut sums, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
        let mut words = 0usize;
        for range in examples {
            words += range.len();
            for row in self.values[range.start * width..range.end * width].chunks_exact(width) {
                for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(row) {
                    let value = f64::from(float(value));
                    *sum += value;
                    *square += value * value;
                }
            }
        }
        let words = words.max(1) as f64;
        let mean: Vec<f64> = sums.iter().map(|sum| sum / words).collect();
        let variance =
            squares.iter().zip(&mean).map(|(square, mean)| (square / words - mean * mean).max(0.0));
        // A column that hardly changes says nothing; it must not be blown up.
        let scale =
            variance.map(|variance| if variance > 1e-8 { variance.sqrt().recip() as f32 } else { 0.0 });
        self.scale = scale.collect();
        self.mean = mean.into_iter().map(|mean| mean as f32).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_standardised_over_examples_alone() {
        let mut vectors = Vectors::new(2, 3);
        vectors.extend(&[1.0f32, 5.0, 3.0, 5.0, 100.0, -7.0].map(rounded));
        vectors.standardise(&[0..2]);
        assert_eq!((vectors.mean(), vectors.scale()), ([2.0, 5.0].as_slice(), [1.0, 0.0].as_slice()));
        let mut rows = Vec::new();
        vectors.read(&(0..2), &mut rows);
        assert_eq!(rows, [-1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn values_are_rounded_to_the_nearest() {
        for value in [0.0f32, 1.0, -3.14159, 1e-20, 7.7e8, 0.998] {
            assert!((float(rounded(value)) - value).abs() <= value.abs() / 256.0, "{value}");
        }
    }
}
