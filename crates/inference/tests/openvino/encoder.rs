//! What the converted encoder says, and that batching does not change it.

use std::fs;

use inference::{
    BIN_FILE, Conversion, EncoderPackage, Library, OpenError, OpenVinoEncoder, PROCESSOR, PackageError,
    Precision, Settings, Weights,
};
use model::{Encoder, GraphError, Pieces};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Deserialize;

use crate::located::published;
use crate::support::{as_published, encoder, package, settings};

/// Largest difference of one number between 32-bit computations in different orders.
const TOLERANCE_F32: f32 = 1e-4;

/// Least cosine between vectors of the reference and of bf16 or 8-bit integers: both keep 8 significant bits.
const COSINE_HALF: f32 = 0.995;

#[derive(Deserialize)]
struct Golden {
    windows: Vec<GoldenWindow>,
}

#[derive(Deserialize)]
struct GoldenWindow {
    input_ids: Vec<i32>,
    words: Vec<GoldenWord>,
}

#[derive(Deserialize)]
struct GoldenWord {
    column: usize,
    first: Vec<f32>,
    sum: f32,
    norm: f32,
}

/// Windows padded to `length`; `words` are `(row, column)`.
fn pieces(windows: &[Vec<i32>], length: usize, words: &[(usize, usize)]) -> Pieces {
    let mut pieces = Pieces { windows: windows.len(), length, ..Pieces::default() };
    for window in windows {
        // Padding holds arbitrary ids: only the mask may decide.
        pieces.input_ids.extend((0..length).map(|column| window.get(column).copied().unwrap_or(7)));
        pieces.attention_mask.extend((0..length).map(|column| i32::from(column < window.len())));
    }
    pieces.first_pieces = words.iter().map(|(row, column)| (row * length + column) as i32).collect();
    pieces
}

fn assert_close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= TOLERANCE_F32, "value {index}: {got} instead of {expected}");
    }
}

#[test]
fn vectors_equal_an_independent_reference() {
    let Some(encoder) = encoder() else { return };
    let golden: Golden =
        serde_json::from_str(include_str!("../golden/all-MiniLM-L6-v2.json")).expect("a golden file");
    let windows: Vec<Vec<i32>> = golden.windows.iter().map(|window| window.input_ids.clone()).collect();
    let words: Vec<(usize, &GoldenWord)> = golden
        .windows
        .iter()
        .enumerate()
        .flat_map(|(row, window)| window.words.iter().map(move |word| (row, word)))
        .collect();
    let places: Vec<(usize, usize)> = words.iter().map(|(row, word)| (*row, word.column)).collect();
    let vectors = encoder.encode(&pieces(&windows, 60, &places)).expect("sound pieces");
    for ((_, word), vector) in words.iter().zip(vectors.chunks_exact(encoder.width())) {
        assert_close(&vector[..word.first.len()], &word.first);
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((norm - word.norm).abs() <= 1e-3, "norm {norm} instead of {}", word.norm);
        let sum: f32 = vector.iter().sum();
        assert!((sum - word.sum).abs() <= 5e-3, "sum {sum} instead of {}", word.sum);
    }
}

#[test]
fn grouping_and_padding_do_not_change_vectors() {
    let Some(encoder) = encoder() else { return };
    let window = prop::collection::vec(1000i32..30_000, 1..40);
    let strategy = (prop::collection::vec(window, 1..12), 0usize..30, any::<u64>());
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(16) });
    runner
        .run(&strategy, |(windows, extra, order)| {
            let longest = windows.iter().map(Vec::len).max().unwrap_or(0);
            let mut words: Vec<(usize, usize)> = (0..windows.len())
                .flat_map(|row| (0..windows[row].len()).map(move |column| (row, column)))
                .collect();
            words.sort_by_key(|(row, column)| (row * 64 + column) as u64 ^ (order & 0xff));
            let together = encoder.encode(&pieces(&windows, longest + extra, &words)).expect("sound pieces");
            for (index, (row, column)) in words.iter().enumerate().step_by(5) {
                let alone = std::slice::from_ref(&windows[*row]);
                let single = encoder.encode(&pieces(alone, windows[*row].len(), &[(0, *column)]));
                let width = encoder.width();
                assert_eq!(together[index * width..][..width], single.expect("sound pieces"));
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn many_threads_get_their_own_answers() {
    let Some(encoder) = encoder() else { return };
    let windows: Vec<Vec<i32>> =
        (0..8).map(|row| (0..20 + row).map(|i| 2000 + 31 * i + 97 * row).collect()).collect();
    let alone: Vec<Vec<f32>> = windows
        .iter()
        .map(|window| {
            encoder.encode(&pieces(std::slice::from_ref(window), 30, &[(0, 3)])).expect("sound pieces")
        })
        .collect();
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let (windows, alone) = (&windows, &alone);
            scope.spawn(move || {
                for turn in 0..6 {
                    let row = (caller + turn) % windows.len();
                    let all = encoder.encode(&pieces(windows, 30, &[(row, 3)])).expect("sound pieces");
                    assert_eq!(all, alone[row]);
                }
            });
        }
    });
}

#[test]
fn wrong_inputs_are_refused_and_leave_the_encoder_usable() {
    let Some(encoder) = encoder() else { return };
    let good = pieces(&[vec![101, 2054, 102]], 3, &[(0, 1)]);
    let mut bad = good.clone();
    bad.input_ids[1] = 30_522;
    assert!(
        matches!(encoder.encode(&bad), Err(GraphError::InvalidInput { name, .. }) if name == "input_ids")
    );
    let too_long = pieces(&[vec![2054; 513]], 513, &[(0, 1)]);
    assert!(matches!(encoder.encode(&too_long), Err(GraphError::InvalidInput { .. })));
    let longest = pieces(&[vec![2054; 512]], 512, &[(0, 511)]);
    assert_eq!(encoder.encode(&longest).map(|vectors| vectors.len()), Ok(encoder.width()));
    assert_eq!(encoder.encode(&good).map(|vectors| vectors.len()), Ok(encoder.width()));
    assert_eq!(encoder.encode(&Pieces::default()), Ok(vec![]));
}

#[test]
fn a_device_is_named_and_those_that_are_there_are_told() {
    let (Some(package), Some(settings)) = (package(), settings()) else { return };
    let library = Library::load(settings.library.as_deref()).expect("it is loaded");
    library.check_device(PROCESSOR).expect("every machine has one");
    let error = library.check_device("ABACUS").expect_err("there is none").to_string();
    assert!(error.contains("\"ABACUS\"") && error.contains(PROCESSOR), "{error}");
    let settings = Settings { device: Some("ABACUS".into()), ..settings.clone() };
    let error = OpenVinoEncoder::open(&package.folder, &settings).err().expect("refused").to_string();
    assert!(error.contains("ABACUS"), "{error}");
}

#[test]
fn half_precision_points_the_same_way() {
    let (Some(encoder), Some(package), Some(settings)) = (encoder(), package(), settings()) else { return };
    let library = Library::load(settings.library.as_deref()).expect("it is loaded");
    if !library.has_bf16() {
        println!("skipped: this processor computes no bf16");
        return;
    }
    let settings = Settings { precision: Precision::Auto, ..settings.clone() };
    let half = OpenVinoEncoder::open(&package.folder, &settings).expect("the package opens");
    let pieces = pieces(&[forty_words()], 40, &all_words());
    let (reference, half) = (encoder.encode(&pieces).expect("f32"), half.encode(&pieces).expect("bf16"));
    assert_ne!(reference, half, "bf16 must be in effect");
    assert_same_direction(&reference, &half, encoder.width());
}

#[test]
fn eight_bit_weights_point_the_same_way_alone_and_in_company() {
    let (Some(encoder), Some(published), Some(settings)) = (encoder(), published(), settings()) else {
        return;
    };
    let store = tempfile::tempdir().expect("a temporary folder");
    let package = EncoderPackage::convert(&published, store.path(), &Conversion::default());
    let package = package.expect("the encoder converts");
    assert_eq!(package.manifest.weights, Weights::Int8);
    // Batches of any size.
    let settings = Settings { batch_pieces: None, ..settings.clone() };
    let small = OpenVinoEncoder::open(&package.folder, &settings).expect("the package opens");
    let alone = pieces(&[forty_words()], 40, &all_words());
    let reference = encoder.encode(&alone).expect("f32");
    let rounded = small.encode(&alone).expect("int8");
    assert_ne!(reference, rounded, "the weights must be rounded");
    assert_same_direction(&reference, &rounded, encoder.width());
    let others = (1..70).map(|row| vec![2000 + row; 1 + row as usize]);
    let company: Vec<Vec<i32>> = std::iter::once(forty_words()).chain(others).collect();
    // A word in every row, since rows without words are not computed.
    let words = [all_words(), (1..70).map(|row| (row, 0)).collect()].concat();
    let together = small.encode(&pieces(&company, 69, &words)).expect("int8");
    assert_eq!(together[..rounded.len()], rounded, "company changes no bit");
}

fn forty_words() -> Vec<i32> {
    (0..40).map(|i| 2000 + 61 * i).collect()
}

/// Every piece of the first window.
fn all_words() -> Vec<(usize, usize)> {
    (0..40).map(|column| (0, column)).collect()
}

fn assert_same_direction(reference: &[f32], rounded: &[f32], width: usize) {
    assert_eq!(reference.len(), rounded.len());
    for (left, right) in reference.chunks_exact(width).zip(rounded.chunks_exact(width)) {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine = dot(left, right) / (dot(left, left) * dot(right, right)).sqrt();
        assert!(cosine > COSINE_HALF, "cosine {cosine}");
    }
}

#[test]
fn converting_again_gives_the_same_package() {
    let (Some(package), Some(published)) = (package(), published()) else { return };
    let store = package.folder.parent().expect("a package lies in a store");
    let again = EncoderPackage::convert(&published, store, &as_published()).expect("the encoder converts");
    assert_eq!(again, *package);
    let entries = fs::read_dir(store).expect("the store").count();
    assert_eq!(entries, 1, "no draft stays behind");
}

#[test]
fn an_altered_package_is_refused_with_both_digests() {
    let (Some(package), Some(settings)) = (package(), settings()) else { return };
    let copy = tempfile::tempdir().expect("a temporary folder");
    for entry in fs::read_dir(&package.folder).expect("the package").flatten() {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    fs::write(copy.path().join(BIN_FILE), b"other weights").expect("a file");
    match OpenVinoEncoder::open(copy.path(), settings) {
        Err(OpenError::Package(PackageError::Damaged { file, reason })) => {
            assert!(
                file.ends_with(BIN_FILE) && reason.contains(&package.manifest.files[BIN_FILE]),
                "{reason}"
            );
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("altered weights were accepted"),
    }
}
