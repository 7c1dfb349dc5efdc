//! Models with an encoder, by name.

use std::fs;
use std::sync::Arc;

use inference::{BIN_FILE, EncoderPackage, Engine, EngineLimits, FolderSource, MANIFEST_FILE, Settings};
use model::{Encoder, Graph, GraphError, Pieces};

use crate::bundles;
use crate::support::{encoder, package, settings};

/// A store with the package and two models over it.
fn store(package: &EncoderPackage) -> tempfile::TempDir {
    let store = tempfile::tempdir().expect("a temporary folder");
    let folder = store.path().join("encoders").join(&package.digest);
    fs::create_dir_all(&folder).expect("a folder");
    for entry in fs::read_dir(&package.folder).expect("the package").flatten() {
        fs::copy(entry.path(), folder.join(entry.file_name())).expect("a copy");
    }
    for id in ["first", "second"] {
        bundles::write(store.path(), id, Some(package.manifest.reference(&package.digest)));
    }
    store
}

fn engine(store: &tempfile::TempDir, settings: &Settings) -> Engine {
    Engine::new(FolderSource::new(store.path()), settings.clone(), EngineLimits::default())
}

#[test]
fn encoder_and_head_are_chained_and_the_encoder_is_shared() {
    let (Some(encoder), Some(package), Some(settings)) = (encoder(), package(), settings()) else { return };
    let store = store(package);
    let engine = engine(&store, settings);
    let graphs: Vec<Arc<dyn Graph + Send + Sync>> = std::thread::scope(|scope| {
        let opened: Vec<_> = ["first", "second", "first"].map(|id| scope.spawn(|| engine.open(id))).into();
        opened.into_iter().map(|open| open.join().expect("no panic").expect("the model opens")).collect()
    });
    // With its weights gone, a second encoder could not have been compiled; the shared one still computes.
    fs::remove_dir_all(store.path().join("encoders")).expect("the package");
    bundles::write(store.path(), "third", Some(package.manifest.reference(&package.digest)));
    let third = engine.open("third").expect("its encoder is loaded");
    let mut inputs = bundles::inputs(&[&[bundles::FEATURE], &[1]]);
    let pieces = Pieces {
        windows: 1,
        length: 5,
        input_ids: vec![101, 2054, 2003, 102, 0],
        attention_mask: vec![1, 1, 1, 1, 0],
        first_pieces: vec![1, 2],
    };
    let vectors = encoder.encode(&pieces).expect("sound pieces");
    inputs.pieces = Some(pieces);
    for graph in graphs.iter().chain([&third]) {
        let emissions = graph.compute(&inputs).expect("sound inputs");
        for word in 0..2 {
            let score = emissions.scores[word * emissions.tags];
            let expected = vectors[word * encoder.width()];
            assert!((score - expected).abs() <= 1e-4, "{score} instead of {expected}");
        }
        assert_eq!(emissions.scores[1], bundles::WEIGHT);
    }
    inputs.pieces = None;
    assert!(matches!(third.compute(&inputs), Err(GraphError::InvalidInput { name, .. }) if name == "pieces"));
}

#[test]
fn a_damaged_or_missing_encoder_is_named() {
    let (Some(package), Some(settings)) = (package(), settings()) else { return };
    let store = store(package);
    let folder = store.path().join("encoders").join(&package.digest);
    let reason = || match engine(&store, settings).open("first").err() {
        Some(GraphError::Damaged { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    fs::write(folder.join(BIN_FILE), b"other weights").expect("a file");
    let text = reason();
    assert!(text.contains(BIN_FILE) && text.contains(&package.manifest.files[BIN_FILE]), "{text}");
    assert!(text.contains(&model::sha256_hex(b"other weights")), "{text}");
    fs::remove_file(folder.join(BIN_FILE)).expect("the weights");
    assert!(reason().contains("encoder.bin is missing"), "{}", reason());
    fs::write(folder.join(MANIFEST_FILE), b"{}").expect("the manifest");
    assert!(reason().contains(&package.digest), "{}", reason());
}
