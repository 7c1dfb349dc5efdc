//! Writes pretrained encoders as OpenVINO IR, version 11, without any other tool in between.
//!
//! An IR is two files: XML (the operations and how they connect) and BIN (the constants, one after another). Output
//! shapes are left out on purpose: OpenVINO infers them again on reading, so the writer cannot contradict it.
//! Operation names and attributes: OpenVINO documentation, "Available Operation Sets", opset 13.

mod bert;
mod checkpoint;
mod graph;
mod weights;
mod written;

pub(crate) use bert::write_encoder;
pub(crate) use checkpoint::{Architecture, Checkpoint};
pub use weights::Weights;
pub(crate) use weights::{Quantized, dequantize, quantize};
pub(crate) use written::{Place, Written};

use thiserror::Error;

/// Why a pretrained encoder could not be written as IR. The person who chose the encoder can fix it.
#[derive(Debug, Error)]
pub enum IrError {
    /// A file of the encoder folder cannot be read.
    #[error("cannot read {file}: {reason}")]
    Unreadable {
        /// The file, as looked for.
        file: String,
        /// What the system or the parser said.
        reason: String,
    },
    /// The architecture or one of its variants is not one this crate can write.
    #[error("unsupported encoder: {0}; supported are BERT and XLM-RoBERTa style encoders")]
    Unsupported(String),
    /// A weight is absent, or not of the shape that `config.json` promises.
    #[error("tensor {name} of model.safetensors: {reason}")]
    Tensor {
        /// The tensor's full name.
        name: String,
        /// Expected and got.
        reason: String,
    },
    /// The layers asked for do not exist in this encoder.
    #[error("layers {asked:?} were asked for, but the encoder has layers 1 to {layers}")]
    Layers {
        /// What was asked for.
        asked: Vec<usize>,
        /// How many there are.
        layers: usize,
    },
    /// The IR could not be written. The operator can fix the disk.
    #[error("cannot write the encoder: {0}")]
    Write(#[from] std::io::Error),
}
