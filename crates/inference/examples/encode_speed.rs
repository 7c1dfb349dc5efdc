//! Word pieces per second of an encoder, regrouped as in service, beside one padded batch as OpenVINO alone would be
//! given it.
//!
//! ```text
//! cargo run --release -p inference --example encode_speed -- [encoder folder] [f32|bf16|auto] [batch pieces]
//! ```

use std::time::Instant;

use anyhow::Context;
use inference::{EncoderPackage, OpenVinoEncoder, Precision, Settings};
use model::{Encoder, Pieces};

/// Rounds per measurement; the best counts, since other programs only ever slow one down.
const ROUNDS: usize = 5;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let published = arguments.next().unwrap_or_else(|| "build/encoders/all-MiniLM-L6-v2".into());
    let precision = match arguments.next().as_deref() {
        None | Some("f32") => Precision::F32,
        Some("bf16") => Precision::Bf16,
        Some("auto") => Precision::Auto,
        Some(other) => anyhow::bail!("{other:?} is not f32, bf16 or auto"),
    };
    let batch_pieces = arguments.next().map(|count| count.parse()).transpose().context("batch pieces")?;
    let store = std::env::temp_dir().join("spindle-encode-speed");
    let package = EncoderPackage::convert(published.as_ref(), &store, None)?;
    let settings = Settings { precision, batch_pieces, ..Settings::default() };
    let encoder = OpenVinoEncoder::open(&package.folder, &settings)?;
    // One batch and one stream of all threads: what a plain call of OpenVINO does.
    let plain = Settings { streams: Some(1), batch_pieces: Some(usize::MAX), ..settings.clone() };
    let plain = OpenVinoEncoder::open(&package.folder, &plain)?;
    println!(
        "{} threads, {} streams, {} pieces per batch",
        settings.threads(),
        settings.streams(),
        settings.batch_pieces()
    );
    println!("{:<34}{:>12}{:>14}{:>8}", "windows", "pieces/s", "one batch/s", "ratio");
    for (name, lengths) in workloads() {
        // The plain batch gets padding as the longest window dictates: marked as real, so it cannot be left out.
        let (regrouped, pieces) = (batch(&lengths, false), lengths.iter().sum::<usize>() as f64);
        let ours = pieces / best_seconds(&encoder, &regrouped)?;
        let theirs = pieces / best_seconds(&plain, &batch(&lengths, true))?;
        println!("{name:<34}{ours:>12.0}{theirs:>14.0}{:>8.2}", ours / theirs);
    }
    Ok(())
}

/// Named lists of window lengths.
fn workloads() -> Vec<(&'static str, Vec<usize>)> {
    // Lengths of sentences spread widely; this sequence does so without chance.
    let mixed = |count: usize, longest: usize| (0..count).map(|i| 8 + (i * 37) % (longest - 8)).collect();
    vec![
        ("1 x 16", vec![16]),
        ("1 x 40", vec![40]),
        ("1 x 128", vec![128]),
        ("16 x 32", vec![32; 16]),
        ("16 x 128", vec![128; 16]),
        ("64 x 128", vec![128; 64]),
        ("8 x 512", vec![512; 8]),
        ("64 mixed, 8 to 128", mixed(64, 128)),
        ("512 mixed, 8 to 128", mixed(512, 128)),
        ("64 mixed, 8 to 512", mixed(64, 512)),
    ]
}

/// Windows of these lengths with a word at every second piece.
fn batch(lengths: &[usize], padding_counts: bool) -> Pieces {
    let length = lengths.iter().copied().max().unwrap_or(0);
    let mut pieces = Pieces { windows: lengths.len(), length, ..Pieces::default() };
    for (row, real) in lengths.iter().enumerate() {
        let counted = if padding_counts { length } else { *real };
        pieces
            .input_ids
            .extend((0..length).map(|column| (1000 + (row * 7919 + column * 104_729) % 28_000) as i32));
        pieces.attention_mask.extend((0..length).map(|column| i32::from(column < counted)));
        pieces.first_pieces.extend((0..*real).step_by(2).map(|column| (row * length + column) as i32));
    }
    pieces
}

fn best_seconds(encoder: &OpenVinoEncoder, pieces: &Pieces) -> anyhow::Result<f64> {
    encoder.encode(pieces)?;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        encoder.encode(pieces)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
