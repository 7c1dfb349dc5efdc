//! Tuning: passes over windows, each step computed in parts.

use crate::batches::{Batch, batches};
use crate::layers::{Dropout, Padded, output, parameters, weights};
use crate::optimiser::{AdamW, Rate};
use burn_tensor::activation::log_softmax;
use burn_tensor::backend::{AutodiffBackend, Backend};
use burn_tensor::{Int, Tensor, TensorData};
use fastrand::Rng;
use model::{LayerShape, LayerWeights, TuningRecipe};
use rayon::prelude::*;
use training::{Tuner, TunerError, TuningDevice, TuningTask};

/// Deviation of the linear map's first weights.
const FIRST: f32 = 0.05;

/// Copies of the layers that a task holds: weights, two averages, and what a step adds for each part of it.
const COPIES: u64 = 8;

/// Floats per piece and layer that a backward pass needs, in widths of the feed-forward part.
const ACTIVATIONS: u64 = 16;

/// A tuner over one of burn's devices.
pub(crate) struct BurnTuner<B: AutodiffBackend> {
    pub(crate) device: B::Device,
    pub(crate) kind: TuningDevice,
    /// Most pieces of a part, padding included.
    pub(crate) part_pieces: usize,
}

/// A tuning on its way.
struct Learner<'a, B: AutodiffBackend> {
    task: &'a TuningTask<'a>,
    device: &'a B::Device,
    /// The layers', then the linear map's matrix and its bias.
    parameters: Vec<Tensor<B::InnerBackend, 2>>,
}

/// What a part of a step says.
struct Said<B: Backend> {
    /// Summed over words.
    loss: f64,
    gradients: Vec<Tensor<B, 2>>,
}

impl<B: AutodiffBackend> Tuner for BurnTuner<B>
where
    B::Device: Sync,
{
    fn device(&self) -> TuningDevice {
        self.kind
    }

    fn bytes(&self, shape: &LayerShape, layers: usize, recipe: &TuningRecipe) -> u64 {
        let tensors = shape.tensors();
        let weights: usize = tensors.iter().map(|tensor| tensor.iter().product::<usize>()).sum();
        let own = COPIES * weights as u64 * layers as u64;
        let passing = ACTIVATIONS * u64::from(recipe.batch_pieces) * shape.inner as u64 * layers as u64;
        // Tasks of all folds may go on beside each other.
        4 * (own + passing) * (u64::from(recipe.folds) + 1)
    }

    fn tune(&self, task: &TuningTask<'_>) -> Result<Vec<LayerWeights>, TunerError> {
        let mut learner = Learner::<B>::new(task, &self.device);
        learner.learn(self.part_pieces)?;
        let layers = &learner.parameters[..learner.parameters.len() - 2];
        weights(layers).ok_or_else(|| TunerError::Failed("the device gave no floats back".into()))
    }
}

impl<'a, B: AutodiffBackend> Learner<'a, B>
where
    B::Device: Sync,
{
    fn new(task: &'a TuningTask<'a>, device: &'a B::Device) -> Self {
        let mut parameters = parameters(task.shape, task.layers, device);
        let mut random = Rng::with_seed(task.seed);
        let (width, tags) = (task.shape.width, task.tags);
        // Uniform with this deviation.
        let first = (0..width * tags).map(|_| (random.f32() - 0.5) * FIRST * 12f32.sqrt()).collect();
        parameters.push(Tensor::from_data(TensorData::new(first, [width, tags]), device));
        parameters.push(Tensor::zeros([1, tags], device));
        Self { task, device, parameters }
    }

    fn learn(&mut self, part_pieces: usize) -> Result<(), TunerError> {
        let TuningTask { recipe, windows, .. } = *self.task;
        let mut optimiser = AdamW::new(&self.parameters);
        let pass: usize = windows.iter().map(|window| window.pieces.len()).sum();
        let all = (pass * recipe.epochs as usize).max(1) as f32;
        let mut random = Rng::with_seed(self.task.seed ^ 1);
        let (mut done, mut loss) = (0, None);
        for _epoch in 0..recipe.epochs {
            for batch in batches(windows, recipe.batch_pieces as usize, part_pieces, &mut random) {
                let fraction = done as f32 / all;
                done += batch.pieces;
                let said = self.step(&batch, random.u64(..), fraction, loss)?;
                let mean = said.loss / batch.words.max(1) as f64;
                if !mean.is_finite() {
                    return Err(TunerError::Diverged);
                }
                // A step's own loss says little.
                loss = Some(loss.map_or(mean, |loss| 0.9 * loss + 0.1 * mean));
                let factor = schedule(fraction, done as f32 / all, recipe.warm_up);
                let layers = self.parameters.len() - 2;
                optimiser.step(&mut self.parameters, said.gradients, |number| {
                    let head = number >= layers;
                    let length = if head { recipe.head_learning_rate } else { recipe.learning_rate };
                    Rate { length: length * factor, decay: recipe.weight_decay }
                });
            }
        }
        Ok(())
    }

    /// Loss and gradients of a batch: its parts' in their order, whoever computes them when.
    fn step(
        &self,
        batch: &Batch,
        seed: u64,
        fraction: f32,
        loss: Option<f64>,
    ) -> Result<Said<B::InnerBackend>, TunerError> {
        let parts = batch.parts.par_iter().enumerate();
        let said = parts.map(|(number, part)| {
            if (self.task.watch)(fraction, loss).is_break() {
                return Err(TunerError::Stopped);
            }
            let random = Rng::with_seed(seed.wrapping_add(number as u64));
            self.part(part, batch.words, Dropout { rate: self.task.recipe.dropout, random })
        });
        let said = said.collect::<Result<Vec<_>, _>>()?;
        let sum = said.into_iter().reduce(|mut sum, part| {
            sum.loss += part.loss;
            let pairs = sum.gradients.into_iter().zip(part.gradients);
            sum.gradients = pairs.map(|(sum, gradient)| sum + gradient).collect();
            sum
        });
        sum.ok_or_else(|| TunerError::Failed("a step without windows".into()))
    }

    /// Loss and gradients of one part, as a share of a batch with `words` words.
    fn part(
        &self,
        part: &[usize],
        words: usize,
        mut dropout: Dropout,
    ) -> Result<Said<B::InnerBackend>, TunerError> {
        let task = self.task;
        let mut states = Vec::with_capacity(part.len());
        for &at in part {
            let mut rows = Vec::new();
            (task.states)(task.windows[at].pieces.clone(), &mut rows)?;
            states.push(rows);
        }
        // Leaves of their own: graphs that share a node could not be computed beside each other.
        let leaf = |parameter: &Tensor<B::InnerBackend, 2>| {
            Tensor::<B, 2>::from_inner(parameter.clone()).require_grad()
        };
        let parameters: Vec<Tensor<B, 2>> = self.parameters.iter().map(leaf).collect();
        let windows = Padded::new(&states, task.shape.width, self.device);
        let (layers, map) = parameters.split_at(parameters.len() - 2);
        let hidden = output(task.shape, task.first_layer, layers, &windows, &mut dropout);
        let (places, right) = self.words(part, windows.length);
        let hidden = dropout.apply(hidden.select(0, places));
        let scores = hidden.matmul(map[0].clone()) + map[1].clone();
        let loss = (log_softmax(scores, 1) * right).sum().neg();
        let mut found = (loss.clone() / words.max(1) as f32).backward();
        let gradients = parameters.iter().map(|parameter| parameter.grad_remove(&mut found));
        let gradients: Option<Vec<_>> = gradients.collect();
        let loss = loss.into_data().into_vec::<f32>().ok().and_then(|loss| loss.first().copied());
        match (gradients, loss) {
            (Some(gradients), Some(loss)) => Ok(Said { loss: f64::from(loss), gradients }),
            _ => Err(TunerError::Failed("a parameter has no gradient".into())),
        }
    }

    /// Where the part's words are among its padded pieces, and a one at each word's tag.
    fn words(&self, part: &[usize], length: usize) -> (Tensor<B, 1, Int>, Tensor<B, 2>) {
        let tags = self.task.tags;
        let (mut places, mut right) = (Vec::new(), Vec::new());
        for (row, &at) in part.iter().enumerate() {
            for &(column, tag) in &self.task.windows[at].words {
                places.push((row * length) as i32 + column as i32);
                right.extend((0..tags as u32).map(|other| f32::from(u8::from(other == tag))));
            }
        }
        let count = places.len();
        let places = Tensor::from_data(TensorData::new(places, [count]), self.device);
        let right = Tensor::from_data(TensorData::new(right, [count, tags]), self.device);
        (places, right)
    }
}

/// Which part of the highest step length a step from `before` to `after` of the way has: up in a line, then down.
fn schedule(before: f32, after: f32, warm_up: f32) -> f32 {
    (after / warm_up).min((1.0 - before) / (1.0 - warm_up).max(f32::EPSILON)).min(1.0)
}
