//! A model without encoder needs no OpenVINO: nothing is looked for, nothing is loaded.
//!
//! Its own program, because a library once loaded stays loaded.

mod bundles;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use inference::{BundleSource, Engine, EngineLimits, FolderSource, Library, Settings, SourceError};
use model::{EncoderRef, GraphError, HEAD_FILE, MANIFEST_FILE};

/// Settings with which OpenVINO cannot be loaded.
fn no_openvino() -> Settings {
    Settings { library: Some(PathBuf::from("/nowhere/libopenvino_c.so")), ..Settings::default() }
}

fn engine(folder: &tempfile::TempDir) -> Engine {
    Engine::new(FolderSource::new(folder.path()), no_openvino(), EngineLimits::default())
}

#[test]
fn a_lexical_model_computes_without_openvino() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    bundles::write(folder.path(), "lexical", None);
    let graph = engine(&folder).open("lexical").expect("the model opens");
    let emissions = graph.compute(&bundles::inputs(&[&[bundles::FEATURE], &[1]])).expect("sound inputs");
    let mut expected = vec![0.0; 2 * emissions.tags];
    expected[1] = bundles::WEIGHT;
    assert_eq!(emissions.scores, expected);
    assert!(Library::loaded().is_none());
    let mut with_pieces = bundles::inputs(&[&[1]]);
    with_pieces.pieces = Some(model::Pieces {
        windows: 1,
        length: 1,
        input_ids: vec![5],
        attention_mask: vec![1],
        first_pieces: vec![0],
    });
    assert!(
        matches!(graph.compute(&with_pieces), Err(GraphError::InvalidInput { name, .. }) if name == "pieces")
    );
}

#[test]
fn a_model_that_needs_openvino_says_how_to_get_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let reference = EncoderRef {
        name: "absent".into(),
        digest: "0".repeat(64),
        tokenizer_digest: String::new(),
        width: 4,
        max_pieces: 8,
    };
    bundles::write(folder.path(), "contextual", Some(reference));
    match engine(&folder).open("contextual").err() {
        Some(GraphError::Damaged { model, reason }) => {
            assert!(model == "contextual" && reason.contains("encoders/000"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let error = Library::load(no_openvino().library.as_deref()).err().expect("there is none");
    assert!(error.to_string().contains("cargo xtask setup"), "{error}");
}

#[test]
fn unknown_names_and_tricks_are_not_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    bundles::write(folder.path(), "model", None);
    let engine = engine(&folder);
    for name in ["other", "", "../models/model", "model/../model", ".", "model/manifest.json"] {
        assert_eq!(engine.open(name).err(), Some(GraphError::NotFound(name.into())), "{name:?}");
    }
}

#[test]
fn a_model_that_was_not_there_is_found_once_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(&folder);
    assert!(engine.open("late").is_err());
    bundles::write(folder.path(), "late", None);
    assert!(engine.open("late").is_ok());
    fs::remove_dir_all(folder.path()).expect("the folder");
    assert!(engine.open("late").is_ok(), "it is loaded");
    engine.forget("late");
    assert_eq!(engine.open("late").err(), Some(GraphError::NotFound("late".into())));
}

#[test]
fn damage_names_the_file_and_both_digests() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = bundles::write(folder.path(), "model", None);
    let head = folder.path().join("models/model").join(HEAD_FILE);
    let sound = fs::read(&head).expect("the head");
    let altered: Vec<u8> = sound.iter().map(|byte| byte ^ 1).collect();
    let reason = |engine: Engine| match engine.open("model").err() {
        Some(GraphError::Damaged { model, reason }) if model == "model" => reason,
        other => panic!("{other:?}"),
    };
    fs::write(&head, &altered).expect("the head");
    let text = reason(engine(&folder));
    for part in [HEAD_FILE, &manifest.files[HEAD_FILE].sha256, &model::sha256_hex(&altered)] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    fs::remove_file(&head).expect("the head");
    let text = reason(engine(&folder));
    assert!(text.contains("models/model/head.bin is missing"), "{text}");
    fs::write(folder.path().join("models/model").join(MANIFEST_FILE), b"{}").expect("the manifest");
    assert!(reason(engine(&folder)).contains("manifest"));
}

#[test]
fn a_bundle_under_another_name_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    bundles::write(folder.path(), "model", None);
    fs::rename(folder.path().join("models/model"), folder.path().join("models/other")).expect("the folder");
    assert!(matches!(engine(&folder).open("other").err(), Some(GraphError::Damaged { .. })));
}

/// Counts fetches of heads, and holds a damaged local copy until it is told.
struct FlakySource {
    folder: FolderSource,
    damaged: PathBuf,
    fetches: Arc<AtomicUsize>,
    discards: Arc<AtomicUsize>,
}

impl BundleSource for FlakySource {
    fn fetch(&self, path: &str) -> Result<PathBuf, SourceError> {
        if path.ends_with(HEAD_FILE) && self.fetches.fetch_add(1, Ordering::Relaxed) == 0 {
            return Ok(self.damaged.clone());
        }
        self.folder.fetch(path)
    }

    fn discard(&self, _path: &str) {
        self.discards.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn many_opens_at_once_load_once_and_replace_a_damaged_copy() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    bundles::write(folder.path(), "model", None);
    let damaged = folder.path().join("half");
    fs::write(&damaged, b"half a head").expect("a file");
    let (fetches, discards) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let source = FlakySource {
        folder: FolderSource::new(folder.path()),
        damaged,
        fetches: Arc::clone(&fetches),
        discards: Arc::clone(&discards),
    };
    let engine = Engine::new(source, no_openvino(), EngineLimits::default());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let graph = engine.open("model").expect("the model opens");
                graph.compute(&bundles::inputs(&[&[1]])).expect("sound inputs");
            });
        }
    });
    assert_eq!((fetches.load(Ordering::Relaxed), discards.load(Ordering::Relaxed)), (2, 1));
}
