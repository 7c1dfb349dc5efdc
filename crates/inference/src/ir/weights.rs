//! Weight matrices as an IR holds them.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::IrError;
use super::bert::BROADCAST;
use super::graph::{GraphWriter, Port, Precision};

/// Largest magnitude of a quantized weight; -128 is left out, so that the range is symmetric.
const STEPS: f32 = 127.0;

/// How a package stores the matrices that take an encoder's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// As published: the reference.
    F32,
    /// 8-bit integers with one scale per output. OpenVINO then quantizes each word's activations as it goes, where the
    /// processor multiplies 8-bit integers (VNNI), and is about half as fast again; a model trained over such an
    /// encoder is served over the same one, so nothing is lost between the two.
    #[default]
    Int8,
}

/// Rows of 8-bit integers and a factor for each.
#[derive(Debug, PartialEq)]
pub(crate) struct Quantized {
    /// Signed 8-bit integers.
    pub(crate) values: Vec<u8>,
    /// Little-endian floats, one per row.
    pub(crate) scales: Vec<u8>,
}

impl Weights {
    /// Writes the matrix `[outputs, inputs]` given as little-endian floats; `name` is for errors.
    pub(super) fn write<W: Write>(
        self,
        graph: &mut GraphWriter<W>,
        name: &str,
        [outputs, inputs]: [usize; 2],
        bytes: &[u8],
    ) -> Result<Port, IrError> {
        match self {
            Self::F32 => Ok(graph.floats(&[outputs, inputs], bytes)?),
            Self::Int8 => {
                let quantized = quantize(name, inputs, bytes)?;
                let values = graph.bytes(&[outputs, inputs], &quantized.values)?;
                let values = graph.retyped("Convert", "destination_type", values, Precision::F32);
                let scales = graph.floats(&[outputs, 1], &quantized.scales)?;
                Ok(graph.op("Multiply", &[BROADCAST], &[values, scales]))
            }
        }
    }
}

/// Each row divided by its largest magnitude and rounded to whole steps.
pub(crate) fn quantize(name: &str, inputs: usize, bytes: &[u8]) -> Result<Quantized, IrError> {
    let mut quantized = Quantized { values: Vec::with_capacity(bytes.len() / 4), scales: Vec::new() };
    let mut row = Vec::with_capacity(inputs);
    for bytes in bytes.chunks_exact(inputs * 4) {
        row.clear();
        row.extend(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        if row.iter().any(|value| !value.is_finite()) {
            return Err(IrError::Tensor {
                name: name.to_owned(),
                reason: "holds a value that is no number".into(),
            });
        }
        let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        // Below the smallest normal number the quotient would lose its meaning; such a row is nothing.
        let scale = if largest / STEPS >= f32::MIN_POSITIVE { largest / STEPS } else { 1.0 };
        quantized.scales.extend(scale.to_le_bytes());
        quantized.values.extend(row.iter().map(|value| (value / scale).round() as i8 as u8));
    }
    Ok(quantized)
}

/// The floats that quantized rows stand for.
pub(crate) fn dequantize(quantized: &Quantized) -> Vec<f32> {
    let scales = quantized.scales.as_chunks::<4>().0;
    let inputs = (quantized.values.len() / scales.len().max(1)).max(1);
    let rows = quantized.values.chunks_exact(inputs).zip(scales);
    let floats = rows.flat_map(|(row, scale)| {
        let scale = f32::from_le_bytes(*scale);
        row.iter().map(move |&value| f32::from(value as i8) * scale)
    });
    floats.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    proptest! {
        #[test]
        fn no_weight_moves_by_more_than_half_a_step(
            rows in prop::collection::vec(prop::collection::vec(-1e3f32..1e3, 5), 1..6),
        ) {
            let quantized = quantize("w", 5, &bytes(&rows.concat())).expect("finite weights");
            let restored = dequantize(&quantized);
            let scales = quantized.scales.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            for ((row, restored), scale) in rows.iter().zip(restored.chunks_exact(5)).zip(scales) {
                for (weight, restored) in row.iter().zip(restored) {
                    prop_assert!((weight - restored).abs() <= scale * 0.5001, "{weight} became {restored}");
                }
            }
        }
    }

    #[test]
    fn a_row_of_nothing_stays_nothing_and_no_number_is_refused() {
        let nothing = quantize("w", 2, &bytes(&[0.0, -0.0, 1e-45, 0.0])).expect("finite weights");
        assert_eq!(nothing.values, [0; 4]);
        for bad in [f32::NAN, f32::INFINITY] {
            let refused = quantize("w", 2, &bytes(&[1.0, bad])).expect_err("no number");
            assert!(matches!(refused, IrError::Tensor { name, .. } if name == "w"));
        }
    }
}
