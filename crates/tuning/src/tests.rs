#[path = "../../inference/tests/openvino/located.rs"]
mod located;

use crate::layers::{Dropout, Padded, output, parameters, weights};
use crate::learn::BurnTuner;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_tensor::Tensor;
use fastrand::Rng;
use inference::{Conversion, EncoderPackage, OpenVinoEncoder, Settings, TunablePackage, Weights};
use model::{
    Activation, Encoder, LAYER_TENSORS, LayerShape, LayerWeights, Pieces, TunableEncoder, TuningRecipe,
};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use training::{Tuner, TunerError, TuningDevice, TuningTask, TuningWindow};

/// Largest difference of one number between 32-bit computations in different orders.
const TOLERANCE: f32 = 2e-4;

/// The only tensor whose gradient is nothing: softmax does not see what is added to all scores of a row alike.
const WITHOUT_GRADIENT: &str = "attention.self.key.bias";

const TAGS: usize = 3;

fn none() -> Dropout {
    Dropout { rate: 0.0, random: Rng::with_seed(0) }
}

#[test]
fn layers_compute_what_openvino_computes() {
    let Some(library) = located::library() else { return };
    let settings = Settings { library: Some(library), ..Settings::default() };
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inference/tests/golden/xlm-roberta-tiny");
    let published = [Some(tiny), located::published()];
    for published in published.into_iter().flatten() {
        let store = tempfile::tempdir().expect("a temporary folder");
        let conversion = Conversion { weights: Weights::F32, ..Conversion::default() };
        let package = EncoderPackage::convert(&published, store.path(), &conversion).expect("it converts");
        let tunable = TunablePackage::new(package.clone(), settings.clone()).expect("it can be read");
        let whole = OpenVinoEncoder::compile(package, &settings).expect("it opens");
        let ids: Vec<i32> = (0..18).map(|at| 3 + at * 7 % 250).collect();
        let pieces = Pieces {
            windows: 2,
            length: 9,
            input_ids: ids,
            attention_mask: [[1; 9], [1, 1, 1, 1, 1, 0, 0, 0, 0]].concat(),
            first_pieces: (0..14).collect(),
        };
        let expected = whole.encode(&pieces).expect("sound pieces");
        let shape = tunable.shape();
        // The mean needs the lowest of its layers, or the states below it.
        for first in 1..=shape.output[0] + 1 {
            let states = tunable.below(first).expect("it opens").encode(&pieces).expect("sound pieces");
            let (long, short) = states.split_at(9 * shape.width);
            let windows = [long.to_vec(), short.to_vec()];
            let windows = Padded::<Flex>::new(&windows, shape.width, &Default::default());
            let layers = tunable.layers(first..=shape.layers()).expect("readable");
            let found = parameters::<Flex>(shape, &layers, &Default::default());
            assert_eq!(weights(&found).expect("floats"), layers, "weights come back as they went");
            let found = output(shape, first, &found, &windows, &mut none());
            let found = found.into_data().into_vec::<f32>().expect("floats");
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert!(
                    (found - expected).abs() <= TOLERANCE,
                    "{first}: value {at}: {found}, not {expected}"
                );
            }
        }
    }
}

/// A task that only neighbours can solve: a piece's tag is what the piece before it holds.
struct Toy {
    shape: LayerShape,
    layers: Vec<LayerWeights>,
    states: Vec<f32>,
    windows: Vec<TuningWindow>,
    recipe: TuningRecipe,
}

impl Toy {
    fn new() -> Self {
        let shape = LayerShape {
            width: 16,
            heads: 2,
            inner: 32,
            epsilon: 1e-12,
            activation: Activation::Gelu,
            output: vec![1, 2, 3],
        };
        let mut random = Rng::with_seed(5);
        let mut chance = |count: usize, size: f32| -> Vec<f32> {
            (0..count).map(|_| (random.f32() - 0.5) * size).collect()
        };
        let layer = |chance: &mut dyn FnMut(usize, f32) -> Vec<f32>| {
            let tensors = shape.tensors().into_iter().zip(LAYER_TENSORS);
            let tensor = tensors.map(|(dims, name)| match name.contains("LayerNorm.weight") {
                true => vec![1.0; dims[0]],
                false => chance(dims.iter().product(), 0.4),
            });
            LayerWeights(tensor.collect())
        };
        let layers = vec![layer(&mut chance), layer(&mut chance)];
        let (mut states, mut windows) = (Vec::new(), Vec::new());
        for at in 0..60 {
            let (start, length) = (states.len() / 16, 4 + at * 5 % 7);
            let kinds: Vec<usize> =
                (0..length).map(|piece| (at * 7 + piece * piece * 3 + piece) % TAGS).collect();
            for kind in &kinds {
                let mut state = chance(16, 0.5);
                state[*kind] += 3.0;
                states.extend(state);
            }
            let words = (1..length).map(|piece| (piece as u32, kinds[piece - 1] as u32)).collect();
            windows.push(TuningWindow { pieces: start..start + length, words });
        }
        let recipe = TuningRecipe {
            epochs: 30,
            batch_pieces: 64,
            learning_rate: 5e-3,
            head_learning_rate: 1e-2,
            ..TuningRecipe::default()
        };
        Self { shape, layers, states, windows, recipe }
    }

    fn tune(
        &self,
        watch: &(dyn Fn(f32, Option<f64>) -> ControlFlow<()> + Sync),
    ) -> Result<Vec<LayerWeights>, TunerError> {
        self.tune_on(&tuner(), watch)
    }

    fn tune_on(
        &self,
        tuner: &dyn Tuner,
        watch: &(dyn Fn(f32, Option<f64>) -> ControlFlow<()> + Sync),
    ) -> Result<Vec<LayerWeights>, TunerError> {
        let states = |pieces: Range<usize>, rows: &mut Vec<f32>| {
            rows.extend_from_slice(&self.states[pieces.start * 16..pieces.end * 16]);
            Ok(())
        };
        let task = TuningTask {
            shape: &self.shape,
            first_layer: 2,
            layers: &self.layers,
            recipe: &self.recipe,
            tags: TAGS,
            windows: &self.windows,
            states: &states,
            seed: 3,
            watch,
        };
        tuner.tune(&task)
    }
}

fn tuner() -> BurnTuner<Autodiff<Flex>> {
    BurnTuner { device: Default::default(), kind: TuningDevice::Processor, part_pieces: 24 }
}

fn go(_: f32, _: Option<f64>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn the_loss_falls_on_what_only_neighbours_tell() {
    let heard = Mutex::new(Vec::new());
    let watch = |done: f32, loss: Option<f64>| {
        heard.lock().expect("no panic").push((done, loss));
        ControlFlow::Continue(())
    };
    Toy::new().tune(&watch).expect("tuned");
    let heard = heard.into_inner().expect("no panic");
    let losses: Vec<f64> = heard.iter().filter_map(|(_, loss)| *loss).collect();
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(first > 0.9 && last < 0.3, "from {first} to {last}");
    let done: Vec<f32> = heard.iter().map(|(done, _)| *done).collect();
    assert!(done.is_sorted() && done[0] == 0.0 && done[done.len() - 1] > 0.9, "progress is true");
}

/// A GPU adds in another order, and Adam divides by what is almost nothing: weights part slowly, but they learn alike.
#[cfg(feature = "cuda")]
#[test]
fn a_gpu_learns_what_the_processor_learns() {
    let gpu = match crate::open(crate::Choice::Cuda) {
        Ok(gpu) => gpu,
        Err(error) => return println!("skipped: {error}"),
    };
    assert_eq!(gpu.device(), TuningDevice::Gpu);
    let toy = Toy::new();
    let last = |tuner: &dyn Tuner| {
        let last = Mutex::new(f64::NAN);
        let watch = |_: f32, loss: Option<f64>| {
            *last.lock().expect("no panic") = loss.unwrap_or(f64::NAN);
            ControlFlow::Continue(())
        };
        toy.tune_on(tuner, &watch).expect("tuned");
        last.into_inner().expect("no panic")
    };
    let (here, there) = (last(&tuner()), last(&*gpu));
    assert!(there < 0.3 && (here - there).abs() < 0.1, "{here} here, {there} on the GPU");
}

#[test]
fn every_weight_is_learned() {
    let mut toy = Toy::new();
    toy.recipe.epochs = 1;
    let tuned = toy.tune(&go).expect("tuned");
    for (before, after) in toy.layers.iter().zip(&tuned) {
        for ((before, after), name) in before.0.iter().zip(&after.0).zip(LAYER_TENSORS) {
            assert_eq!(before.len(), after.len());
            let still = before.iter().zip(after).filter(|(before, after)| before == after).count();
            assert!(still == 0 || name == WITHOUT_GRADIENT, "{name}: {still} of {} stay", before.len());
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let toy = Toy { recipe: TuningRecipe { epochs: 2, ..Toy::new().recipe }, ..Toy::new() };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| toy.tune(&go)).expect("tuned")
    };
    let bits = |layers: &[LayerWeights]| -> Vec<u32> {
        layers.iter().flat_map(|layer| layer.0.iter().flatten()).map(|value| value.to_bits()).collect()
    };
    let once = bits(&with(1));
    assert_eq!(once, bits(&with(2)));
    assert_eq!(once, bits(&with(3)));
}

#[test]
fn a_wish_to_stop_is_heard_within_a_step() {
    let asked = AtomicUsize::new(0);
    let watch = |_: f32, _: Option<f64>| match asked.fetch_add(1, Ordering::Relaxed) {
        5.. => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert!(matches!(Toy::new().tune(&watch), Err(TunerError::Stopped)));
    assert!(asked.load(Ordering::Relaxed) < 12, "it stops at once");
}

#[test]
fn what_is_no_number_is_said() {
    let mut toy = Toy::new();
    toy.states[0] = f32::NAN;
    assert!(matches!(toy.tune(&go), Err(TunerError::Diverged)));
}

#[test]
fn dropout_keeps_the_mean() {
    let ones = Tensor::<Flex, 2>::ones([300, 100], &Default::default());
    let mut dropout = Dropout { rate: 0.3, random: Rng::with_seed(1) };
    let values = dropout.apply(ones).into_data().into_vec::<f32>().expect("floats");
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let dropped = values.iter().filter(|&&value| value == 0.0).count();
    assert!((mean - 1.0).abs() < 0.02 && (8_500..9_500).contains(&dropped), "{mean} {dropped}");
}
