//! The forward pass of BERT-style encoders (Devlin et al. 2019) as an OpenVINO graph.

use std::io::Write;

use model::Activation;

use super::checkpoint::{Checkpoint, Config, Tensors};
use super::graph::{GraphWriter, Port, Precision};
use super::{IrError, Weights};

/// Added to the attention scores of padding: far below any score, and finite so that a row of padding stays a number.
const MASKED: f32 = -1e9;

pub(super) const BROADCAST: (&str, &str) = ("auto_broadcast", "numpy");

/// Writes the graph of `checkpoint` up to the highest of `layers`; constants go to `bin`, the XML is returned.
///
/// Inputs `input_ids` and `attention_mask`, both i32 `[batch, length]`; output `hidden`, f32 `[batch, length,
/// hidden_size]`: the mean of the hidden states after `layers`, counted from 1.
pub(crate) fn write_encoder<W: Write>(
    checkpoint: &Checkpoint,
    layers: &[usize],
    weights: Weights,
    bin: W,
) -> Result<(String, W), IrError> {
    let config = &checkpoint.config;
    let highest = layers.iter().copied().max().unwrap_or(0);
    if layers.contains(&0) || highest == 0 || highest > config.num_hidden_layers {
        return Err(IrError::Layers { asked: layers.to_vec(), layers: config.num_hidden_layers });
    }
    let tensors = checkpoint.tensors()?;
    let mut encoder = EncoderWriter { graph: GraphWriter::new(bin), tensors, config, weights };
    let ids = encoder.graph.input("input_ids");
    let mask = encoder.graph.input("attention_mask");
    let mask = encoder.additive_mask(mask)?;
    let mut hidden = encoder.embeddings(ids)?;
    let mut chosen = Vec::with_capacity(layers.len());
    for layer in 1..=highest {
        hidden = encoder.layer(layer - 1, hidden, mask)?;
        if layers.contains(&layer) {
            chosen.push(hidden);
        }
    }
    encoder.mean(&chosen)?;
    Ok(encoder.graph.finish("encoder")?)
}

struct EncoderWriter<'a, W> {
    graph: GraphWriter<W>,
    tensors: Tensors<'a>,
    config: &'a Config,
    weights: Weights,
}

impl<W: Write> EncoderWriter<'_, W> {
    /// Ones and zeros `[batch, length]` to 0 and [`MASKED`], `[batch, 1, 1, length]`.
    fn additive_mask(&mut self, mask: Port) -> Result<Port, IrError> {
        let mask = self.graph.retyped("Convert", "destination_type", mask, Precision::F32);
        let one = self.graph.float(1.0)?;
        let away = self.graph.op("Subtract", &[BROADCAST], &[one, mask]);
        let masked = self.graph.float(MASKED)?;
        let additive = self.graph.op("Multiply", &[BROADCAST], &[away, masked]);
        let axes = self.graph.integers(&[1, 2])?;
        Ok(self.graph.op("Unsqueeze", &[], &[additive, axes]))
    }

    /// Piece, position and segment embeddings, normalised.
    fn embeddings(&mut self, ids: Port) -> Result<Port, IrError> {
        let (width, vocabulary) = (self.config.hidden_size, self.config.vocab_size);
        let words = self.tensors.floats("embeddings.word_embeddings.weight", &[vocabulary, width])?;
        let words = self.graph.floats(&[vocabulary, width], &words)?;
        let axis = self.graph.integer(0)?;
        let words = self.graph.op("Gather@opset8", &[("batch_dims", "0")], &[words, ids, axis]);
        let positions = self.positions(ids)?;
        let sum = self.graph.op("Add", &[BROADCAST], &[words, positions]);
        self.layer_norm("embeddings.LayerNorm", sum)
    }

    /// The position table's first `length` rows, with the only segment this crate feeds already added.
    fn positions(&mut self, ids: Port) -> Result<Port, IrError> {
        let width = self.config.hidden_size;
        let (rows, first) = (self.config.max_position_embeddings, self.config.first_position()?);
        let table = self.tensors.floats("embeddings.position_embeddings.weight", &[rows, width])?;
        let segments = [self.config.type_vocab_size, width];
        let segments = self.tensors.floats("embeddings.token_type_embeddings.weight", &segments)?;
        let table: Vec<u8> = table[first * width * 4..]
            .chunks_exact(4)
            .zip(segments[..width * 4].chunks_exact(4).cycle())
            .flat_map(|(position, segment)| (float(position) + float(segment)).to_le_bytes())
            .collect();
        let table = self.graph.floats(&[rows - first, width], &table)?;
        let shape = self.graph.retyped("ShapeOf@opset3", "output_type", ids, Precision::I64);
        let (one, two) = (self.graph.integers(&[1])?, self.graph.integers(&[2])?);
        let zero = self.graph.integers(&[0])?;
        let length = self.graph.op("Slice@opset8", &[], &[shape, one, two, one]);
        Ok(self.graph.op("Slice@opset8", &[], &[table, zero, length, one, zero]))
    }

    /// One transformer layer, `index` from 0 as in the checkpoint's names.
    fn layer(&mut self, index: usize, hidden: Port, mask: Port) -> Result<Port, IrError> {
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let (width, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let query = self.attention_heads(&name("attention.self.query"), hidden)?;
        let key = self.attention_heads(&name("attention.self.key"), hidden)?;
        let value = self.attention_heads(&name("attention.self.value"), hidden)?;
        let context = self.graph.op(
            "ScaledDotProductAttention@opset13",
            &[("causal", "false")],
            &[query, key, value, mask],
        );
        let order = self.graph.integers(&[0, 2, 1, 3])?;
        let context = self.graph.op("Transpose", &[], &[context, order]);
        let shape = self.graph.integers(&[0, 0, width as i64])?;
        let context = self.graph.op("Reshape", &[("special_zero", "true")], &[context, shape]);
        let attended = self.dense(&name("attention.output.dense"), context, width, width)?;
        let attended = self.graph.op("Add", &[BROADCAST], &[attended, hidden]);
        let attended = self.layer_norm(&name("attention.output.LayerNorm"), attended)?;
        let wide = self.dense(&name("intermediate.dense"), attended, width, inner)?;
        let wide = self.activation(wide)?;
        let narrow = self.dense(&name("output.dense"), wide, inner, width)?;
        let narrow = self.graph.op("Add", &[BROADCAST], &[narrow, attended]);
        self.layer_norm(&name("output.LayerNorm"), narrow)
    }

    /// A projection split into heads: `[batch, heads, length, width / heads]`.
    fn attention_heads(&mut self, name: &str, hidden: Port) -> Result<Port, IrError> {
        let (width, heads) = (self.config.hidden_size, self.config.num_attention_heads);
        let projected = self.dense(name, hidden, width, width)?;
        let shape = self.graph.integers(&[0, 0, heads as i64, (width / heads) as i64])?;
        let split = self.graph.op("Reshape", &[("special_zero", "true")], &[projected, shape]);
        let order = self.graph.integers(&[0, 2, 1, 3])?;
        Ok(self.graph.op("Transpose", &[], &[split, order]))
    }

    /// `input * weightᵀ + bias`; checkpoints store weights as `[outputs, inputs]`.
    fn dense(&mut self, name: &str, input: Port, inputs: usize, outputs: usize) -> Result<Port, IrError> {
        let weight_name = format!("{name}.weight");
        let weight = self.tensors.floats(&weight_name, &[outputs, inputs])?;
        let weight = self.weights.write(&mut self.graph, &weight_name, [outputs, inputs], &weight)?;
        let bias = self.tensors.floats(&format!("{name}.bias"), &[outputs])?;
        let bias = self.graph.floats(&[outputs], &bias)?;
        let product =
            self.graph.op("MatMul", &[("transpose_a", "false"), ("transpose_b", "true")], &[input, weight]);
        Ok(self.graph.op("Add", &[BROADCAST], &[product, bias]))
    }

    fn activation(&mut self, input: Port) -> Result<Port, IrError> {
        Ok(match self.config.activation()? {
            Activation::Gelu => self.graph.op("Gelu@opset7", &[("approximation_mode", "ERF")], &[input]),
            Activation::GeluTanh => self.graph.op("Gelu@opset7", &[("approximation_mode", "TANH")], &[input]),
            Activation::Relu => self.graph.op("ReLU", &[], &[input]),
        })
    }

    fn layer_norm(&mut self, name: &str, input: Port) -> Result<Port, IrError> {
        let width = self.config.hidden_size;
        let axes = self.graph.integers(&[-1])?;
        let epsilon = self.config.layer_norm_eps.to_string();
        let attributes =
            [("eps", epsilon.as_str()), ("normalize_variance", "true"), ("eps_mode", "inside_sqrt")];
        let normal = self.graph.op("MVN@opset6", &attributes, &[input, axes]);
        let weight = self.tensors.floats(&format!("{name}.weight"), &[width])?;
        let weight = self.graph.floats(&[width], &weight)?;
        let bias = self.tensors.floats(&format!("{name}.bias"), &[width])?;
        let bias = self.graph.floats(&[width], &bias)?;
        let scaled = self.graph.op("Multiply", &[BROADCAST], &[normal, weight]);
        Ok(self.graph.op("Add", &[BROADCAST], &[scaled, bias]))
    }

    /// The mean of `states` as the graph's output `hidden`.
    fn mean(&mut self, states: &[Port]) -> Result<(), IrError> {
        let scale = self.graph.float(1.0 / states.len() as f32)?;
        let mut sum = states[0];
        for state in &states[1..] {
            sum = self.graph.op("Add", &[BROADCAST], &[sum, *state]);
        }
        self.graph.output("hidden", "Multiply", &[BROADCAST], &[sum, scale]);
        Ok(())
    }
}

fn float(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
