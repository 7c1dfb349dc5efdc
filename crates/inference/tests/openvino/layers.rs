//! Layers taken out of a package, changed, and put in place again.

use std::fs;
use std::path::Path;

use inference::{
    Conversion, EncoderPackage, Engine, EngineLimits, FolderSource, OpenVinoEncoder, Settings,
    TunablePackage, Weights,
};
use model::{
    Encoder, FileRef, GraphError, LAYER_TENSORS, LAYERS_FILE, LayerWeights, MANIFEST_FILE, Manifest, Pieces,
    Recipe, TunableEncoder,
};

use crate::bundles;
use crate::support::settings;

struct Fixture {
    package: EncoderPackage,
    tunable: TunablePackage,
    settings: &'static Settings,
    store: tempfile::TempDir,
}

/// A tiny encoder of three layers, of which it reads two.
fn fixture(weights: Weights) -> Option<Fixture> {
    let settings = settings()?;
    let store = tempfile::tempdir().expect("a temporary folder");
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/xlm-roberta-tiny");
    let conversion = Conversion { layers: Some(vec![2, 3]), weights, ..Conversion::default() };
    let package = EncoderPackage::convert(&tiny, &store.path().join("encoders"), &conversion);
    let package = package.expect("it converts");
    let tunable = TunablePackage::new(package.clone(), settings.clone()).expect("it can be read");
    Some(Fixture { package, tunable, settings, store })
}

fn pieces() -> Pieces {
    Pieces {
        windows: 2,
        length: 6,
        input_ids: (0..12).map(|at| 4 + at * 11 % 200).collect(),
        attention_mask: [[1; 6], [1, 1, 1, 0, 0, 0]].concat(),
        first_pieces: (0..9).collect(),
    }
}

/// The highest layer with its last normalisation turned round and one row of a matrix made large.
fn changed(fixture: &Fixture) -> Vec<LayerWeights> {
    let mut layers = fixture.tunable.layers(3..=3).expect("readable");
    let tensors = &mut layers[0].0;
    tensors[14].iter_mut().for_each(|weight| *weight = -*weight);
    tensors[12][..32].fill(0.7);
    layers
}

fn says(encoder: &dyn Encoder) -> Vec<f32> {
    encoder.encode(&pieces()).expect("sound pieces")
}

/// Model `id` over the package, with `layers` in its bundle.
fn model(fixture: &Fixture, id: &str, layers: &[u8]) {
    let root = fixture.store.path();
    let mut manifest =
        bundles::write(root, id, Some(fixture.package.manifest.reference(&fixture.package.digest)));
    manifest.recipe = Recipe::tuned();
    manifest.files.insert(LAYERS_FILE.into(), FileRef::of(layers));
    let folder = root.join("models").join(id);
    fs::write(folder.join(LAYERS_FILE), layers).expect("a file");
    fs::write(folder.join(MANIFEST_FILE), Manifest::to_json(&manifest)).expect("a file");
}

fn engine(fixture: &Fixture) -> Engine {
    Engine::new(FolderSource::new(fixture.store.path()), fixture.settings.clone(), EngineLimits::default())
}

#[test]
fn layers_that_are_put_back_unchanged_change_nothing() {
    for weights in [Weights::F32, Weights::Int8] {
        let Some(fixture) = fixture(weights) else { return };
        let shape = fixture.tunable.shape();
        assert_eq!((shape.width, shape.heads, shape.inner, shape.layers()), (16, 2, 32, 3));
        let layers = fixture.tunable.layers(2..=3).expect("readable");
        for (values, (dims, name)) in layers[0].0.iter().zip(shape.tensors().iter().zip(LAYER_TENSORS)) {
            assert_eq!(values.len(), dims.iter().product::<usize>(), "{name}");
        }
        let file = fixture.tunable.pack(2, &layers).expect("they fit");
        let same = fixture.tunable.with(&file).expect("it opens");
        let own = OpenVinoEncoder::compile(fixture.package.clone(), fixture.settings).expect("it opens");
        assert_eq!(says(&*same), says(&own), "{weights:?}");
        let other = fixture.tunable.pack(3, &changed(&fixture)).expect("they fit");
        assert_ne!(says(&*fixture.tunable.with(&other).expect("it opens")), says(&own), "{weights:?}");
    }
}

#[test]
fn the_states_below_a_layer_are_those_of_an_encoder_that_ends_there() {
    let Some(fixture) = fixture(Weights::F32) else { return };
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/xlm-roberta-tiny");
    for layer in 1..=2 {
        let conversion =
            Conversion { layers: Some(vec![layer]), weights: Weights::F32, ..Conversion::default() };
        let shorter = EncoderPackage::convert(&tiny, fixture.store.path(), &conversion).expect("it converts");
        let shorter = OpenVinoEncoder::compile(shorter, fixture.settings).expect("it opens");
        let below = fixture.tunable.below(layer + 1).expect("it opens");
        for (found, expected) in says(&*below).iter().zip(says(&shorter)) {
            assert!((found - expected).abs() <= 1e-5, "{layer}: {found} instead of {expected}");
        }
    }
    assert!(fixture.tunable.below(0).is_err() && fixture.tunable.below(5).is_err());
}

#[test]
fn a_model_is_served_over_its_own_layers_and_shares_them_with_equal_ones() {
    let Some(fixture) = fixture(Weights::Int8) else { return };
    let file = fixture.tunable.pack(3, &changed(&fixture)).expect("they fit");
    for id in ["tuned", "same"] {
        model(&fixture, id, &file);
    }
    bundles::write(
        fixture.store.path(),
        "frozen",
        Some(fixture.package.manifest.reference(&fixture.package.digest)),
    );
    let engine = engine(&fixture);
    let expected = says(&*fixture.tunable.with(&file).expect("it opens"));
    let tried = engine.tuned(&fixture.package, &file).expect("it opens");
    assert_eq!(says(&*tried), expected);
    let words: Vec<&[u64]> = vec![&[1]; 9];
    let mut inputs = bundles::inputs(&words);
    inputs.pieces = Some(pieces());
    let scores = |id: &str| {
        let emissions = engine.open(id).expect("it opens").compute(&inputs).expect("sound inputs");
        emissions.scores.chunks_exact(emissions.tags).map(|word| word[0]).collect::<Vec<f32>>()
    };
    let first: Vec<f32> = expected.chunks_exact(16).map(|vector| vector[0]).collect();
    assert_eq!(scores("tuned"), first);
    assert_eq!(scores("same"), first);
    assert_ne!(scores("frozen"), first, "the frozen encoder is another");
    assert_eq!(engine.held()[1].count, 2, "tuned once, frozen once");
}

#[test]
fn layers_that_are_altered_missing_or_of_another_encoder_are_named_and_others_served() {
    let (Some(fixture), Some(foreign)) = (fixture(Weights::Int8), fixture(Weights::F32)) else { return };
    let file = fixture.tunable.pack(3, &changed(&fixture)).expect("they fit");
    let foreign = foreign.tunable.pack(3, &changed(&foreign)).expect("they fit");
    let mut elsewhere = file.clone();
    let at = file.windows(15).position(|part| part == b"\"firstLayer\":3,").expect("a header");
    elsewhere[at + 13] = b'2';
    let cases: [(&str, &[u8], &str); 6] = [
        ("foreign", &foreign, "it is of encoder"),
        ("elsewhere", &elsewhere, "its parts are not those of the layers from 2"),
        ("short", &file[..file.len() - 1], "it ends within a layer"),
        ("long", &[file.as_slice(), &[0]].concat(), "it goes on after its last layer"),
        ("none", b"head", "it does not hold layers"),
        ("cut", &file[..20], "it ends in its header"),
    ];
    for (id, layers, _) in cases {
        model(&fixture, id, layers);
    }
    model(&fixture, "good", &file);
    model(&fixture, "altered", &file);
    model(&fixture, "missing", &file);
    let path = |id: &str| fixture.store.path().join("models").join(id).join(LAYERS_FILE);
    let mut other = file.clone();
    other[file.len() - 1] ^= 1;
    fs::write(path("altered"), other).expect("a file");
    fs::remove_file(path("missing")).expect("the file");
    let reason = |id: &str| match engine(&fixture).open(id).err() {
        Some(GraphError::Damaged { model, reason }) => {
            assert_eq!(model, id);
            reason
        }
        other => panic!("{id}: {other:?}"),
    };
    for (id, _, word) in cases {
        let reason = reason(id);
        assert!(reason.contains(LAYERS_FILE) && reason.contains(word), "{id}: {reason}");
    }
    assert!(reason("altered").contains(&FileRef::of(&file).sha256), "{}", reason("altered"));
    assert!(reason("missing").contains("layers.bin is missing"), "{}", reason("missing"));
    assert!(engine(&fixture).open("good").is_ok());
}

#[test]
fn weights_that_are_no_numbers_or_too_few_are_refused() {
    let Some(fixture) = fixture(Weights::Int8) else { return };
    let mut layers = changed(&fixture);
    layers[0].0[0][0] = f32::NAN;
    let error = fixture.tunable.pack(3, &layers).expect_err("no number").to_string();
    assert!(error.contains(LAYER_TENSORS[0]), "{error}");
    layers[0].0[0].pop();
    assert!(fixture.tunable.pack(3, &layers).is_err());
    let layers = changed(&fixture);
    assert!(fixture.tunable.pack(2, &layers).is_err(), "one layer does not fill two");
    assert!(fixture.tunable.layers(3..=4).is_err());
}
