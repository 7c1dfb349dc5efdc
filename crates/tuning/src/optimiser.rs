//! AdamW (Loshchilov and Hutter 2019, "Decoupled weight decay regularization").

use burn_tensor::Tensor;
use burn_tensor::backend::Backend;
use rayon::prelude::*;

const MEAN: f32 = 0.9;
const SQUARE: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Moving averages of gradients and of their squares.
pub(crate) struct AdamW<B: Backend> {
    moments: Vec<(Tensor<B, 2>, Tensor<B, 2>)>,
    steps: i32,
}

/// How far a parameter moves.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) length: f32,
    /// Decay of matrices; vectors (biases and normalisation) do not decay.
    pub(crate) decay: f32,
}

impl<B: Backend> AdamW<B> {
    pub(crate) fn new(parameters: &[Tensor<B, 2>]) -> Self {
        let moments = parameters.iter().map(|parameter| (parameter.zeros_like(), parameter.zeros_like()));
        Self { moments: moments.collect(), steps: 0 }
    }

    /// Moves each parameter against its gradient; `rate` gives the rate of each by its number.
    pub(crate) fn step(
        &mut self,
        parameters: &mut [Tensor<B, 2>],
        gradients: Vec<Tensor<B, 2>>,
        rate: impl Fn(usize) -> Rate + Sync,
    ) {
        self.steps += 1;
        let unbiased = [MEAN, SQUARE].map(|kept| 1.0 / (1.0 - kept.powi(self.steps)));
        let all = parameters.par_iter_mut().zip(&mut self.moments).zip(gradients).enumerate();
        all.for_each(|(number, ((parameter, (mean, square)), gradient))| {
            let Rate { length, decay } = rate(number);
            *mean = mean.clone() * MEAN + gradient.clone() * (1.0 - MEAN);
            *square = square.clone() * SQUARE + gradient.clone() * gradient * (1.0 - SQUARE);
            let deviation = (square.clone() * unbiased[1]).sqrt() + EPSILON;
            let update = mean.clone() / deviation * (unbiased[0] * length);
            let [rows, _] = parameter.dims();
            let kept = if rows > 1 { 1.0 - length * decay } else { 1.0 };
            *parameter = parameter.clone() * kept - update;
        });
    }
}
