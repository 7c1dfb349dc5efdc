//! The XLM-RoBERTa family: positions that begin after the padding row, no segments, SentencePiece pieces. A tiny encoder
//! with random weights stands for it; what it says was recorded with the reference implementation.

use std::fs;
use std::path::{Path, PathBuf};

use inference::{Conversion, EncoderPackage, OpenVinoEncoder, PackageError, Weights};
use model::{ContextualRecipe, Encoder, PieceTokenizer};
use ner::segmentation::{Segmentation, Settings};
use serde::Deserialize;

use crate::support::settings;

/// Largest difference of one number between 32-bit computations in different orders.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    windows: Vec<Window>,
}

#[derive(Deserialize)]
struct Window {
    text: String,
    input_ids: Vec<i32>,
    /// Of every piece.
    vectors: Vec<Vec<f32>>,
}

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/xlm-roberta-tiny")
}

fn golden() -> Golden {
    serde_json::from_slice(&fs::read(tiny().join("golden.json")).expect("a file")).expect("a golden file")
}

fn convert(folder: &Path, store: &Path) -> Result<EncoderPackage, PackageError> {
    let conversion = Conversion { layers: Some(vec![1, 2]), weights: Weights::F32, ..Conversion::default() };
    EncoderPackage::convert(folder, store, &conversion)
}

#[test]
fn vectors_equal_the_recorded_ones() {
    let Some(settings) = settings() else { return };
    let store = tempfile::tempdir().expect("a temporary folder");
    let package = convert(&tiny(), store.path()).expect("the encoder converts");
    let manifest = &package.manifest;
    assert_eq!(
        (manifest.architecture.as_str(), manifest.max_pieces, manifest.lowercase),
        ("roberta", 64, false)
    );
    assert!(!manifest.is_multilingual(), "a vocabulary of 300 pieces is not that of many languages");
    let encoder = OpenVinoEncoder::open(&package.folder, settings).expect("the package opens");
    let tokenizer = fs::read(package.folder.join(inference::TOKENIZER_FILE)).expect("a file");
    let tokenizer = PieceTokenizer::from_json(&tokenizer).expect("a tokenizer");
    for window in golden().windows {
        let segmentation = Segmentation::new(&window.text, &Settings { ends_at: None, words_max: 100 });
        let recipe = ContextualRecipe { window_pieces: 64, ..ContextualRecipe::default() };
        let pieces = tokenizer.windows(&[(&window.text, &segmentation)], &recipe).expect("windows");
        assert_eq!(pieces.input_ids, window.input_ids, "{}", window.text);
        let vectors = encoder.encode(&pieces).expect("sound pieces");
        assert_eq!(vectors.len(), segmentation.words.len() * encoder.width());
        for (place, vector) in pieces.first_pieces.iter().zip(vectors.chunks_exact(encoder.width())) {
            for (found, expected) in vector.iter().zip(&window.vectors[*place as usize]) {
                assert!(
                    (found - expected).abs() <= TOLERANCE,
                    "{found} instead of {expected} in {}",
                    window.text
                );
            }
        }
    }
}

#[test]
fn what_can_not_be_converted_is_named_and_leaves_nothing() {
    let store = tempfile::tempdir().expect("a temporary folder");
    for (file, change, word) in [
        ("config.json", Some(("xlm-roberta", "deberta-v2")), "deberta-v2"),
        ("config.json", Some(("\"hidden_size\": 16", "\"hidden_size\": 18")), "word_embeddings"),
        ("config.json", None, "config.json"),
        ("model.safetensors", None, "model.safetensors"),
        ("tokenizer.json", None, "tokenizer.json"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for entry in fs::read_dir(tiny()).expect("the fixture").flatten() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
        }
        let path = folder.path().join(file);
        match change {
            Some((from, to)) => {
                let text = fs::read_to_string(&path).expect("text");
                assert!(text.contains(from), "{text}");
                fs::write(&path, text.replace(from, to)).expect("a file");
            }
            None => fs::remove_file(&path).expect("a file"),
        }
        let error = convert(folder.path(), store.path()).expect_err("must be refused").to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(fs::read_dir(store.path()).expect("the store").count(), 0, "{error}");
    }
}

#[test]
fn a_damaged_package_is_made_again() {
    let store = tempfile::tempdir().expect("a temporary folder");
    let package = convert(&tiny(), store.path()).expect("the encoder converts");
    fs::write(package.folder.join(inference::BIN_FILE), b"half").expect("a file");
    assert!(EncoderPackage::open(&package.folder).is_err());
    assert_eq!(convert(&tiny(), store.path()).expect("the encoder converts"), package);
}
