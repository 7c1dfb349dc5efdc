//! Runs that tune the encoder: who learns from what, and what is asked of whom.

use crate::{Bits, category, contextual, corpus, go, reference, request, tokenizer};
use model::{
    Activation, Encoder, GraphError, LAYERS_FILE, LayerShape, LayerWeights, Pieces, Recipe, RecipeKind,
    TunableEncoder, TuningRecipe,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::{Arc, Mutex};
use training::{
    Checkpoints, Progress, RecipeChoice, Stage, TrainError, TrainRequest, TrainingEncoder, Tuner, TunerError,
    Tuning, TuningDevice, TuningTask, train,
};

/// A window by its pieces.
type Ids = Vec<i32>;

/// What the tuner says that it needs for a layer; far more than a run needs besides.
const LAYER_BYTES: u64 = 1 << 40;

/// Windows by what they were told to or asked of.
type Notes = Arc<Mutex<BTreeMap<u32, BTreeSet<Ids>>>>;

/// An encoder whose only layer is one number, which everything it says holds; it notes what it is asked.
struct Noting {
    mark: u32,
    asked: Notes,
}

impl Encoder for Noting {
    fn width(&self) -> usize {
        8
    }

    fn encode(&self, pieces: &Pieces) -> Result<Vec<f32>, GraphError> {
        let rows = pieces
            .input_ids
            .chunks_exact(pieces.length)
            .zip(pieces.attention_mask.chunks_exact(pieces.length));
        let rows =
            rows.map(|(ids, mask)| ids.iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| *id));
        let rows: Vec<Ids> = rows.map(Iterator::collect).collect();
        self.asked.lock().expect("no panic").entry(self.mark).or_default().extend(rows);
        Bits.encode(pieces)
    }
}

/// What it says below its layer is each piece's own number.
struct Numbers;

impl Encoder for Numbers {
    fn width(&self) -> usize {
        8
    }

    fn encode(&self, pieces: &Pieces) -> Result<Vec<f32>, GraphError> {
        let ids = pieces.first_pieces.iter().map(|&place| pieces.input_ids[place as usize] as f32);
        Ok(ids.flat_map(|id| [id; 8]).collect())
    }
}

struct Tunable {
    shape: LayerShape,
    asked: Notes,
}

impl TunableEncoder for Tunable {
    fn shape(&self) -> &LayerShape {
        &self.shape
    }

    fn layers(&self, numbers: RangeInclusive<usize>) -> Result<Vec<LayerWeights>, GraphError> {
        Ok(numbers.map(|_| LayerWeights(vec![vec![0.0]])).collect())
    }

    fn below(&self, _: usize) -> Result<Arc<dyn Encoder>, GraphError> {
        Ok(Arc::new(Numbers))
    }

    fn pack(&self, _: usize, layers: &[LayerWeights]) -> Result<Vec<u8>, GraphError> {
        Ok(layers[0].0[0][0].to_le_bytes().to_vec())
    }

    fn with(&self, file: &[u8]) -> Result<Arc<dyn Encoder>, GraphError> {
        let mark = file.try_into().map(u32::from_le_bytes).map_err(|_| GraphError::Failed("file".into()))?;
        Ok(Arc::new(Noting { mark, asked: Arc::clone(&self.asked) }))
    }
}

/// Notes what it learns from; what it learns is a number that follows from that.
struct NotingTuner {
    seen: Notes,
    device: TuningDevice,
}

impl Tuner for NotingTuner {
    fn device(&self) -> TuningDevice {
        self.device
    }

    fn bytes(&self, _: &LayerShape, layers: usize, _: &TuningRecipe) -> u64 {
        LAYER_BYTES * layers as u64
    }

    fn tune(&self, task: &TuningTask<'_>) -> Result<Vec<LayerWeights>, TunerError> {
        let mut seen = BTreeSet::new();
        for window in task.windows {
            let mut states = Vec::new();
            (task.states)(window.pieces.clone(), &mut states)?;
            seen.insert(states.chunks_exact(8).map(|state| state[0] as i32).collect::<Ids>());
            assert!(
                window.words.iter().all(|&(column, tag)| (column as usize) < window.pieces.len() && tag < 9)
            );
        }
        if (task.watch)(0.5, Some(1.0)).is_break() {
            return Err(TunerError::Stopped);
        }
        // A float whose bits are a whole number below 2^16 is a number, too.
        let mark = seen.iter().flatten().fold(seen.len() as u32, |sum, &id| (sum * 31 + id as u32) % 65_521);
        self.seen.lock().expect("no panic").insert(mark, seen);
        Ok(task.layers.iter().map(|_| LayerWeights(vec![vec![f32::from_bits(mark)]])).collect())
    }
}

struct Scene {
    tunable: Tunable,
    tuner: NotingTuner,
    tokenizer: Vec<u8>,
}

impl Scene {
    fn new(device: TuningDevice) -> Self {
        let shape = LayerShape {
            width: 8,
            heads: 1,
            inner: 8,
            epsilon: 0.0,
            activation: Activation::Relu,
            output: vec![2, 3],
        };
        let tunable = Tunable { shape, asked: Notes::default() };
        Self { tunable, tuner: NotingTuner { seen: Notes::default(), device }, tokenizer: tokenizer() }
    }

    fn fill<'a>(&'a self, request: &mut TrainRequest<'a>) {
        request.encoder = Some(TrainingEncoder {
            encoder: &Bits,
            reference: reference(&self.tokenizer, 8),
            tokenizer_json: &self.tokenizer,
            tuning: Some(Tuning { encoder: &self.tunable, tuner: &self.tuner }),
        });
    }

    fn seen(&self) -> BTreeMap<u32, BTreeSet<Ids>> {
        self.tuner.seen.lock().expect("no panic").clone()
    }
}

/// The tuned recipe over small networks.
fn tuned() -> RecipeChoice {
    let RecipeChoice::Given(contextual) = contextual() else { unreachable!("a recipe was given") };
    let tuning = Some(TuningRecipe { layers: 9, folds: 3, ..TuningRecipe::default() });
    RecipeChoice::Given(Recipe { kind: RecipeKind::Tuned, tuning, ..contextual })
}

#[test]
fn no_encoder_speaks_of_what_it_was_tuned_on() {
    let (corpus, scene) = (corpus(), Scene::new(TuningDevice::Processor));
    let mut request = request(&corpus, tuned());
    scene.fill(&mut request);
    let bundle = train(&request, &mut go).expect("trained");
    let (seen, asked) = (scene.seen(), scene.tunable.asked.lock().expect("no panic").clone());
    let everything: BTreeSet<Ids> = seen.values().flatten().cloned().collect();
    assert_eq!((seen.len(), asked.len(), everything.len()), (4, 3, 24));
    for (mark, asked) in &asked {
        let blind: BTreeSet<Ids> = everything.difference(&seen[mark]).cloned().collect();
        assert_eq!(*asked, blind, "each is asked about its own fold alone");
    }
    assert_eq!(asked.values().flatten().count(), 24, "every window by one of them");
    let last = seen.iter().find(|(_, seen)| **seen == everything).expect("one has seen everything");
    assert_eq!(bundle.files[LAYERS_FILE], last.0.to_le_bytes());
    let recipe = &bundle.manifest.recipe;
    assert_eq!(
        (recipe.kind, recipe.tuning.as_ref().map(|tuning| tuning.layers)),
        (RecipeKind::Tuned, Some(3))
    );
    assert_eq!(bundle.manifest.encoder.as_ref().map(|encoder| encoder.name.as_str()), Some("bits"));
}

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Checkpoints for Memory {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        self.0.lock().expect("no panic").get(name).cloned()
    }

    fn save(&self, name: &str, bytes: &[u8]) {
        self.0.lock().expect("no panic").insert(name.to_owned(), bytes.to_vec());
    }
}

#[test]
fn what_was_tuned_before_a_kill_is_not_tuned_again() {
    let (corpus, memory) = (corpus(), Memory::default());
    let run = |threads: usize, listen: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send)| {
        let scene = Scene::new(TuningDevice::Processor);
        let mut request = request(&corpus, tuned());
        scene.fill(&mut request);
        request.threads = threads;
        request.surroundings.checkpoints = Some(&memory);
        let outcome = train(&request, listen);
        (outcome, scene.seen().len(), scene.tunable.asked.lock().expect("no panic").len())
    };
    let mut until_learned = |step: Progress| {
        if step.stage == Stage::Learn { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let (killed, tuned, asked) = run(2, &mut until_learned);
    assert_eq!((killed.map(|_| ()), tuned, asked), (Err(TrainError::Cancelled), 4, 3));
    let (resumed, tuned, asked) = run(1, &mut go);
    assert_eq!((tuned, asked), (0, 0), "layers and vectors are there");
    memory.0.lock().expect("no panic").clear();
    let (again, tuned, _) = run(1, &mut go);
    assert_eq!(tuned, 4);
    assert_eq!(resumed.expect("trained"), again.expect("trained"));
}

#[test]
fn a_wish_to_stop_reaches_the_tuner() {
    let (corpus, scene) = (corpus(), Scene::new(TuningDevice::Processor));
    let mut request = request(&corpus, tuned());
    scene.fill(&mut request);
    let mut until_tuned = |step: Progress| {
        if step.stage == Stage::Tune { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    assert_eq!(train(&request, &mut until_tuned).map(|_| ()), Err(TrainError::Cancelled));
    assert!(scene.seen().is_empty());
}

#[test]
fn the_device_decides_how_many_layers_are_tuned_unless_the_recipe_does() {
    let corpus = corpus();
    for (device, layers) in [(TuningDevice::Processor, 2), (TuningDevice::Gpu, 3)] {
        let scene = Scene::new(device);
        let mut request = request(&corpus, RecipeChoice::Tuned);
        scene.fill(&mut request);
        let recipe = train(&request, &mut go).expect("trained").manifest.recipe;
        assert_eq!(recipe.tuning.map(|tuning| tuning.layers), Some(layers));
    }
}

#[test]
fn a_single_document_is_tuned_on_and_too_little_memory_or_no_tuner_is_said() {
    let corpus = &corpus()[..1];
    let scene = Scene::new(TuningDevice::Processor);
    let mut request = request(corpus, tuned());
    assert_eq!(train(&request, &mut go).map(|_| ()), Err(TrainError::EncoderMissing));
    scene.fill(&mut request);
    request.categories.push(category("other"));
    assert!(train(&request, &mut go).is_ok());
    request.surroundings.memory_bytes_max = Some(LAYER_BYTES);
    let refused = TrainError::Memory { needed_bytes: 3 * LAYER_BYTES, available_bytes: LAYER_BYTES };
    assert_eq!(train(&request, &mut go).map(|_| ()), Err(refused));
    request.surroundings.memory_bytes_max = Some(u64::MAX);
    if let Some(encoder) = &mut request.encoder {
        encoder.tuning = None;
    }
    assert_eq!(train(&request, &mut go).map(|_| ()), Err(TrainError::TunerMissing));
}
