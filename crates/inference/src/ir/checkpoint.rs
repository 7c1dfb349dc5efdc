//! A pretrained encoder as published: `config.json`, `model.safetensors`, `tokenizer.json`.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use model::Activation;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::IrError;

/// The encoder families whose forward pass can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// Positions count from 0.
    Bert,
    /// Positions count from `pad_token_id + 1` (XLM-RoBERTa, RoBERTa, CamemBERT: fairseq's convention).
    Roberta,
}

/// The part of `config.json` that decides the computation.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    model_type: String,
    pub(crate) hidden_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) vocab_size: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) type_vocab_size: usize,
    pub(crate) layer_norm_eps: f64,
    hidden_act: String,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    pad_token_id: Option<usize>,
}

impl Config {
    /// Reads and checks a `config.json`.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, IrError> {
        let value: serde_json::Value = serde_json::from_slice(json).map_err(config_error)?;
        let family = value.get("model_type").and_then(|family| family.as_str()).unwrap_or("no model_type");
        architecture(family)?;
        let config: Self = serde_json::from_value(value).map_err(config_error)?;
        config.activation()?;
        config.check()?;
        Ok(config)
    }

    pub(crate) fn architecture(&self) -> Result<Architecture, IrError> {
        architecture(&self.model_type)
    }

    pub(crate) fn activation(&self) -> Result<Activation, IrError> {
        match self.hidden_act.as_str() {
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            other => Err(IrError::Unsupported(format!("hidden_act {other:?} of config.json"))),
        }
    }

    /// Row of the position table that the first piece of a window reads.
    pub(crate) fn first_position(&self) -> Result<usize, IrError> {
        Ok(match self.architecture()? {
            Architecture::Bert => 0,
            // 1 is the padding id of every published member of the family.
            Architecture::Roberta => self.pad_token_id.unwrap_or(1) + 1,
        })
    }

    /// Longest window in pieces, special ones included.
    pub(crate) fn max_pieces(&self) -> Result<usize, IrError> {
        Ok(self.max_position_embeddings.saturating_sub(self.first_position()?))
    }

    fn check(&self) -> Result<(), IrError> {
        let unsupported = |what: String| Err(IrError::Unsupported(what));
        if let Some(kind) = self.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
            return unsupported(format!("position_embedding_type {kind:?} of config.json"));
        }
        if self.num_attention_heads == 0 || !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
            return unsupported(format!("hidden_size {hidden} does not divide into {heads} attention heads"));
        }
        if self.num_hidden_layers == 0 || self.type_vocab_size == 0 || self.max_pieces()? < 3 {
            return unsupported(
                "config.json describes an encoder without layers, segments or positions".into(),
            );
        }
        if !(self.layer_norm_eps.is_finite() && self.layer_norm_eps >= 0.0) {
            return unsupported(format!("layer_norm_eps {} of config.json", self.layer_norm_eps));
        }
        Ok(())
    }
}

fn architecture(model_type: &str) -> Result<Architecture, IrError> {
    match model_type {
        "bert" => Ok(Architecture::Bert),
        "xlm-roberta" | "roberta" | "camembert" => Ok(Architecture::Roberta),
        other => Err(IrError::Unsupported(format!("model_type {other:?} of config.json"))),
    }
}

fn config_error(error: serde_json::Error) -> IrError {
    IrError::Unreadable { file: "config.json".into(), reason: error.to_string() }
}

/// Configuration and weights, the weights mapped rather than read.
pub(crate) struct Checkpoint {
    pub(crate) config: Config,
    weights: Mmap,
}

impl Checkpoint {
    /// Opens an encoder folder.
    pub(crate) fn open(folder: &Path) -> Result<Self, IrError> {
        let config_file = folder.join("config.json");
        let json = std::fs::read(&config_file).map_err(|error| unreadable(&config_file, error))?;
        let config = Config::parse(&json)?;
        let weights_file = folder.join("model.safetensors");
        let file = File::open(&weights_file).map_err(|error| unreadable(&weights_file, error))?;
        // SAFETY: the file is a published checkpoint that nothing rewrites in place; shrinking it under the map is
        // outside what this process can guard against.
        #[allow(unsafe_code)]
        let weights = unsafe { Mmap::map(&file) }.map_err(|error| unreadable(&weights_file, error))?;
        Ok(Self { config, weights })
    }

    /// SHA-256 of the weights file.
    pub(crate) fn weights_sha256(&self) -> String {
        model::sha256_hex(&self.weights)
    }

    /// The tensors by name.
    pub(crate) fn tensors(&self) -> Result<Tensors<'_>, IrError> {
        let tensors = SafeTensors::deserialize(&self.weights).map_err(|error| IrError::Unreadable {
            file: "model.safetensors".into(),
            reason: error.to_string(),
        })?;
        const FIRST: &str = "embeddings.word_embeddings.weight";
        let prefix = ["", "bert.", "roberta.", "model."]
            .into_iter()
            .find(|prefix| tensors.tensor(&format!("{prefix}{FIRST}")).is_ok())
            .ok_or_else(|| IrError::Tensor { name: FIRST.into(), reason: "is absent".into() })?;
        Ok(Tensors { tensors, prefix })
    }
}

/// Weights of one checkpoint under the names of the plain encoder.
pub(crate) struct Tensors<'data> {
    tensors: SafeTensors<'data>,
    /// What checkpoints with a task head put in front of the encoder's names.
    prefix: &'static str,
}

impl<'data> Tensors<'data> {
    /// Little-endian 32-bit floats of tensor `name`, which must have `shape`.
    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Cow<'data, [u8]>, IrError> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self
            .tensors
            .tensor(&name)
            .map_err(|error| IrError::Tensor { name: name.clone(), reason: error.to_string() })?;
        if tensor.shape() != shape {
            let reason = format!("expected shape {shape:?}, got {:?}", tensor.shape());
            return Err(IrError::Tensor { name, reason });
        }
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => Ok(Cow::Borrowed(data)),
            Dtype::BF16 => Ok(Cow::Owned(data.chunks_exact(2).flat_map(|b| [0, 0, b[0], b[1]]).collect())),
            Dtype::F16 => Ok(Cow::Owned(
                data.chunks_exact(2)
                    .flat_map(|bytes| half_to_float(u16::from_le_bytes([bytes[0], bytes[1]])).to_le_bytes())
                    .collect(),
            )),
            other => Err(IrError::Tensor { name, reason: format!("element type {other:?} is not a float") }),
        }
    }
}

/// IEEE 754 binary16 to binary32; exact, since every half is a float.
fn half_to_float(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half & 0x3ff);
    let magnitude = match exponent {
        0 => return f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        0x1f => 0x7f80_0000 | (fraction << 13),
        _ => ((exponent + 112) << 23) | (fraction << 13),
    };
    f32::from_bits(sign | magnitude)
}

fn unreadable(file: &Path, error: std::io::Error) -> IrError {
    IrError::Unreadable { file: file.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINILM: &str = r#"{"model_type":"bert","hidden_size":384,"num_hidden_layers":6,"num_attention_heads":12,
        "intermediate_size":1536,"vocab_size":30522,"max_position_embeddings":512,"type_vocab_size":2,
        "layer_norm_eps":1e-12,"hidden_act":"gelu","pad_token_id":0}"#;

    #[test]
    fn bert_positions_start_at_the_first_row() {
        let config = Config::parse(MINILM.as_bytes()).expect("a supported configuration");
        assert_eq!((config.first_position().ok(), config.max_pieces().ok()), (Some(0), Some(512)));
    }

    #[test]
    fn roberta_positions_start_after_the_padding_row() {
        let json =
            MINILM.replace("\"bert\"", "\"xlm-roberta\"").replace("\"pad_token_id\":0", "\"pad_token_id\":1");
        let config = Config::parse(json.replace("512", "514").as_bytes()).expect("a supported configuration");
        assert_eq!((config.first_position().ok(), config.max_pieces().ok()), (Some(2), Some(512)));
    }

    #[test]
    fn other_architectures_and_variants_are_refused_by_name() {
        for (from, to, word) in [
            ("\"bert\"", "\"deberta-v2\"", "deberta-v2"),
            ("\"gelu\"", "\"swish\"", "swish"),
            ("\"hidden_size\":384", "\"hidden_size\":385", "385"),
            ("\"pad_token_id\":0", "\"position_embedding_type\":\"relative_key\"", "relative_key"),
        ] {
            let error = Config::parse(MINILM.replace(from, to).as_bytes()).expect_err("must be refused");
            assert!(matches!(error, IrError::Unsupported(_)) && error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn halves_become_the_floats_they_denote() {
        for (half, float) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 2f32.powi(-24)), (0x7bff, 65504.0), (0, 0.0)]
        {
            assert_eq!(half_to_float(half), float);
        }
        assert!(half_to_float(0x7e00).is_nan() && half_to_float(0xfc00) == f32::NEG_INFINITY);
    }
}
