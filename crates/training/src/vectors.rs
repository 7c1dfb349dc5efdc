//! The encoder's vectors of a corpus: bfloat16, since they are most of a run's memory, standardised when they are read.
//! Those of a large corpus lie in a temporary file, which the system keeps in memory as far as there is some to spare.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Most bytes of vectors held in memory; more go to a file.
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// Bytes of one value.
const VALUE: usize = 2;

/// Vectors of all words.
#[derive(Debug)]
pub(crate) struct Vectors {
    width: usize,
    /// The upper halves of the floats, rounded, little-endian; `words * width`.
    store: Store,
    /// Subtracted from and multiplied with each column.
    mean: Vec<f32>,
    scale: Vec<f32>,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<u8>),
    File(File),
}

/// The nearest bfloat16, the even one of two.
pub(crate) fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn float(upper: [u8; VALUE]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(upper)) << 16)
}

impl Vectors {
    /// No vectors yet, `words` expected.
    ///
    /// # Errors
    /// When there is no room for a temporary file.
    pub(crate) fn new(width: usize, words: usize) -> io::Result<Self> {
        Self::with_memory(width, words, MEMORY_BYTES_MAX)
    }

    /// Vectors of zeros for `words`, to be filled by [`Vectors::put`].
    ///
    /// # Errors
    /// When there is no room for a temporary file.
    pub(crate) fn blank(width: usize, words: usize) -> io::Result<Self> {
        let mut vectors = Self::new(width, words)?;
        match &mut vectors.store {
            Store::Memory(all) => all.resize(words * width * VALUE, 0),
            Store::File(file) => file.set_len((words * width * VALUE) as u64)?,
        }
        Ok(vectors)
    }

    /// Writes the vector of a word, which must have a place.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(crate) fn put(&mut self, word: usize, vector: &[u16]) -> io::Result<()> {
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        let start = word * self.width * VALUE;
        match &mut self.store {
            Store::Memory(all) => all[start..start + bytes.len()].copy_from_slice(&bytes),
            Store::File(file) => file.write_all_at(&bytes, start as u64)?,
        }
        Ok(())
    }

    fn with_memory(width: usize, words: usize, bytes_max: usize) -> io::Result<Self> {
        let bytes = words * width * VALUE;
        let store = match bytes <= bytes_max {
            true => Store::Memory(Vec::with_capacity(bytes)),
            false => Store::File(tempfile::tempfile()?),
        };
        Ok(Self { width, store, mean: vec![0.0; width], scale: vec![1.0; width] })
    }

    /// Appends vectors of rounded finite values (see [`rounded`]).
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(crate) fn extend(&mut self, vectors: &[u16]) -> io::Result<()> {
        let bytes = vectors.iter().flat_map(|value| value.to_le_bytes());
        match &mut self.store {
            Store::Memory(all) => all.extend(bytes),
            Store::File(file) => file.write_all(&bytes.collect::<Vec<u8>>())?,
        }
        Ok(())
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

    /// Appends the standardised vectors of `words` to `rows`. `buffer` is kept between calls.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(crate) fn read(
        &self,
        words: &Range<usize>,
        buffer: &mut Vec<u8>,
        rows: &mut Vec<f32>,
    ) -> io::Result<()> {
        for row in self.bytes(words, buffer)?.chunks_exact((self.width * VALUE).max(1)) {
            let columns = row.as_chunks().0.iter().zip(&self.mean).zip(&self.scale);
            rows.extend(columns.map(|((&value, mean), scale)| (float(value) - mean) * scale));
        }
        Ok(())
    }

    fn bytes<'a>(&'a self, words: &Range<usize>, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let bytes = words.start * self.width * VALUE..words.end * self.width * VALUE;
        match &self.store {
            Store::Memory(all) => Ok(&all[bytes]),
            Store::File(file) => {
                buffer.resize(bytes.len(), 0);
                file.read_exact_at(buffer, bytes.start as u64)?;
                Ok(buffer)
            }
        }
    }

    /// Makes every column's mean 0 and its deviation 1 over the words of `examples`.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(crate) fn standardise(&mut self, examples: &[Range<usize>]) -> io::Result<()> {
        let width = self.width;
        let (mut sums, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
        let mut words = 0usize;
        let mut buffer = Vec::new();
        for range in examples {
            words += range.len();
            for row in self.bytes(range, &mut buffer)?.chunks_exact((width * VALUE).max(1)) {
                for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(row.as_chunks().0) {
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_standardised_over_examples_alone_in_memory_and_in_a_file() {
        for bytes_max in [1 << 10, 0] {
            let mut vectors = Vectors::with_memory(2, 3, bytes_max).expect("room");
            vectors.extend(&[1.0f32, 5.0, 3.0].map(rounded)).expect("room");
            vectors.extend(&[5.0f32, 100.0, -7.0].map(rounded)).expect("room");
            vectors.standardise(&[0..2]).expect("readable");
            assert_eq!((vectors.mean(), vectors.scale()), ([2.0, 5.0].as_slice(), [1.0, 0.0].as_slice()));
            let (mut rows, mut buffer) = (Vec::new(), Vec::new());
            vectors.read(&(1..2), &mut buffer, &mut rows).expect("readable");
            vectors.read(&(0..1), &mut buffer, &mut rows).expect("readable");
            assert_eq!(rows, [1.0, 0.0, -1.0, 0.0]);
            assert_eq!(matches!(vectors.store, Store::File(_)), bytes_max == 0);
        }
    }

    #[test]
    fn values_are_rounded_to_the_nearest() {
        for value in [0.0f32, 1.0, -3.14159, 1e-20, 7.7e8, 0.998] {
            let read = float(rounded(value).to_le_bytes());
            assert!((read - value).abs() <= value.abs() / 256.0, "{value}");
        }
    }
}
