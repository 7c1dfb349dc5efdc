//! The forward pass of BERT's layers (Devlin et al. 2019) in burn's tensors, as `inference` writes it for OpenVINO.
//!
//! All parameters are matrices, matrices as `[inputs, outputs]` and vectors as one row, so that one list holds them.

use burn_tensor::activation::{gelu, gelu_approximate, relu, softmax};
use burn_tensor::backend::Backend;
use burn_tensor::{Tensor, TensorData};
use fastrand::Rng;
use model::{Activation, LAYER_TENSORS, LayerShape, LayerWeights};

/// Added to the attention scores of padding: far below any score, and finite so that a row of padding stays a number.
const MASKED: f32 = -1e9;

/// Windows padded to one length.
pub(crate) struct Padded<B: Backend> {
    pub(crate) rows: usize,
    pub(crate) length: usize,
    /// `[rows * length, width]`: the hidden states below the lowest layer.
    pub(crate) states: Tensor<B, 2>,
    /// `[rows, 1, 1, length]`: zero, or [`MASKED`].
    pub(crate) mask: Tensor<B, 4>,
}

impl<B: Backend> Padded<B> {
    /// Pads `windows`, hidden states of `width` one after another, to the longest.
    pub(crate) fn new(windows: &[Vec<f32>], width: usize, device: &B::Device) -> Self {
        let pieces = |window: &Vec<f32>| window.len() / width.max(1);
        let (rows, length) = (windows.len(), windows.iter().map(pieces).max().unwrap_or(0));
        let mut states = Vec::with_capacity(rows * length * width);
        let mut mask = Vec::with_capacity(rows * length);
        for window in windows {
            states.extend_from_slice(window);
            states.resize(states.len() + (length - pieces(window)) * width, 0.0);
            mask.resize(mask.len() + pieces(window), 0.0);
            mask.resize(mask.len() + length - pieces(window), MASKED);
        }
        let states = Tensor::from_data(TensorData::new(states, [rows * length, width]), device);
        let mask = Tensor::from_data(TensorData::new(mask, [rows, 1, 1, length]), device);
        Self { rows, length, states, mask }
    }
}

/// Switches values off by chance and makes up for it in the others.
pub(crate) struct Dropout {
    pub(crate) rate: f32,
    pub(crate) random: Rng,
}

impl Dropout {
    pub(crate) fn apply<B: Backend>(&mut self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        if self.rate <= 0.0 {
            return values;
        }
        let (limit, factor) = ((self.rate * 65_536.0) as u64, 1.0 / (1.0 - self.rate));
        let [rows, columns] = values.dims();
        let mut mask = vec![factor; rows * columns];
        for four in mask.chunks_mut(4) {
            let mut bits = self.random.u64(..);
            for value in four {
                if bits & 0xffff < limit {
                    *value = 0.0;
                }
                bits >>= 16;
            }
        }
        let device = values.device();
        values * Tensor::from_data(TensorData::new(mask, [rows, columns]), &device)
    }
}

/// The mean of the states that the encoder gives, as far as they are here: those of `parameters`' layers, of which the
/// lowest is `first`, and the states below them. `[rows * length, width]`.
pub(crate) fn output<B: Backend>(
    shape: &LayerShape,
    first: usize,
    parameters: &[Tensor<B, 2>],
    windows: &Padded<B>,
    dropout: &mut Dropout,
) -> Tensor<B, 2> {
    let mut hidden = windows.states.clone();
    let mut heard = Vec::new();
    let mut hear = |number: usize, hidden: &Tensor<B, 2>| {
        if shape.output.contains(&number) {
            heard.push(hidden.clone());
        }
    };
    hear(first - 1, &hidden);
    for (layer, number) in parameters.chunks_exact(LAYER_TENSORS.len()).zip(first..) {
        hidden = self::layer(shape, layer, hidden, windows, dropout);
        hear(number, &hidden);
    }
    let scale = 1.0 / heard.len().max(1) as f32;
    heard.into_iter().reduce(|sum, state| sum + state).unwrap_or(hidden) * scale
}

/// One layer over `[rows * length, width]`.
fn layer<B: Backend>(
    shape: &LayerShape,
    parameters: &[Tensor<B, 2>],
    hidden: Tensor<B, 2>,
    windows: &Padded<B>,
    dropout: &mut Dropout,
) -> Tensor<B, 2> {
    let dense =
        |at: usize, input: Tensor<B, 2>| input.matmul(parameters[at].clone()) + parameters[at + 1].clone();
    let normal = |at: usize, input: Tensor<B, 2>| {
        normalised(input, shape.epsilon) * parameters[at].clone() + parameters[at + 1].clone()
    };
    let (rows, length, heads) = (windows.rows, windows.length, shape.heads);
    let split = |projected: Tensor<B, 2>| {
        projected.reshape([rows, length, heads, shape.width / heads]).swap_dims(1, 2)
    };
    let query = split(dense(0, hidden.clone()));
    let key = split(dense(2, hidden.clone()));
    let value = split(dense(4, hidden.clone()));
    let scale = 1.0 / ((shape.width / heads) as f32).sqrt();
    let scores = query.matmul(key.swap_dims(2, 3)) * scale + windows.mask.clone();
    let context = softmax(scores, 3).matmul(value);
    let context = context.swap_dims(1, 2).reshape([rows * length, shape.width]);
    let attended = normal(8, dropout.apply(dense(6, context)) + hidden);
    let wide = dense(10, attended.clone());
    let wide = match shape.activation {
        Activation::Gelu => gelu(wide),
        Activation::GeluTanh => gelu_approximate(wide),
        Activation::Relu => relu(wide),
    };
    normal(14, dropout.apply(dense(12, wide)) + attended)
}

/// Each row with mean 0 and deviation 1.
fn normalised<B: Backend>(input: Tensor<B, 2>, epsilon: f64) -> Tensor<B, 2> {
    let centred = input.clone() - input.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    centred / (variance + epsilon).sqrt()
}

/// Layers as parameters.
pub(crate) fn parameters<B: Backend>(
    shape: &LayerShape,
    layers: &[LayerWeights],
    device: &B::Device,
) -> Vec<Tensor<B, 2>> {
    let shapes = shape.tensors();
    let tensors = layers.iter().flat_map(|layer| layer.0.iter().zip(&shapes));
    let tensor = |(values, shape): (&Vec<f32>, &Vec<usize>)| match shape[..] {
        [outputs, inputs] => (transposed(values, outputs, inputs), [inputs, outputs]),
        _ => (values.clone(), [1, values.len()]),
    };
    tensors
        .map(tensor)
        .map(|(values, dims)| Tensor::from_data(TensorData::new(values, dims), device))
        .collect()
}

/// The reverse of [`parameters`]; `None` where the device gives no floats back.
pub(crate) fn weights<B: Backend>(parameters: &[Tensor<B, 2>]) -> Option<Vec<LayerWeights>> {
    let tensor = |parameter: &Tensor<B, 2>| {
        let [inputs, outputs] = parameter.dims();
        let values = parameter.to_data().into_vec::<f32>().ok()?;
        Some(if inputs > 1 { transposed(&values, inputs, outputs) } else { values })
    };
    let layers = parameters.chunks_exact(LAYER_TENSORS.len());
    layers.map(|layer| layer.iter().map(tensor).collect::<Option<_>>().map(LayerWeights)).collect()
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}
