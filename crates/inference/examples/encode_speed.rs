//! Word pieces per second of an encoder, regrouped as in service, beside one padded batch as OpenVINO alone would be
//! given it.
//!
//! ```text
//! cargo run --release -p inference --example encode_speed -- [encoder folder] [f32|bf16|auto] [batch pieces] [f32|int8]
//! ```

use std::time::{Duration, Instant};

use anyhow::Context;
use inference::{Conversion, EncoderPackage, OpenVinoEncoder, Precision, Settings, Weights};
use model::{Encoder, Pieces};

/// Fewest rounds of a measurement.
const ROUNDS_MIN: u32 = 3;

/// Shortest time of a measurement.
const MEASURE: Duration = Duration::from_secs(3);

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
    let weights = match arguments.next().as_deref() {
        None | Some("int8") => Weights::Int8,
        Some("f32") => Weights::F32,
        Some(other) => anyhow::bail!("weights {other:?} are not f32 or int8"),
    };
    let store = std::env::temp_dir().join("spindle-encode-speed");
    let package = EncoderPackage::convert(
        published.as_ref(),
        &store,
        &Conversion { weights, ..Conversion::default() },
    )?;
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
    println!("{:<22}{:>34}{:>34}", "", "regrouped", "one batch");
    println!(
        "{:<22}{:>10}{:>12}{:>12}{:>10}{:>12}{:>12}{:>8}",
        "windows", "ms", "pieces/s", "per CPU s", "ms", "pieces/s", "per CPU s", "ratio"
    );
    for (name, lengths) in workloads() {
        let pieces = lengths.iter().sum::<usize>() as f64;
        // The plain batch is given its padding as if it were text, so that it cannot be left out.
        let (ours, theirs) = measure((&encoder, &batch(&lengths, false)), (&plain, &batch(&lengths, true)))?;
        let row = |cost: Cost| {
            format!("{:>10.1}{:>12.0}{:>12.0}", cost.wall * 1e3, pieces / cost.wall, pieces / cost.processor)
        };
        println!("{name:<22}{}{}{:>8.2}", row(ours), row(theirs), theirs.wall / ours.wall);
    }
    Ok(())
}

/// Seconds of one call.
#[derive(Clone, Copy)]
struct Cost {
    /// By the clock, best of all rounds: other programs only ever slow one down.
    wall: f64,
    /// Of processors, mean of all rounds: steadier than the clock on a shared machine.
    processor: f64,
}

type Case<'a> = (&'a OpenVinoEncoder, &'a Pieces);

/// Both cases by turns, so that both meet the same machine.
fn measure(ours: Case<'_>, theirs: Case<'_>) -> anyhow::Result<(Cost, Cost)> {
    let mut costs = [Cost { wall: f64::INFINITY, processor: 0.0 }; 2];
    for (encoder, pieces) in [ours, theirs] {
        encoder.encode(pieces)?;
    }
    let begin = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS_MIN || begin.elapsed() < MEASURE {
        rounds += 1;
        for (cost, (encoder, pieces)) in costs.iter_mut().zip([ours, theirs]) {
            let (start, used) = (Instant::now(), processor_seconds()?);
            encoder.encode(pieces)?;
            cost.wall = cost.wall.min(start.elapsed().as_secs_f64());
            cost.processor += processor_seconds()? - used;
        }
    }
    let [ours, theirs] = costs.map(|cost| Cost { processor: cost.processor / f64::from(rounds), ..cost });
    Ok((ours, theirs))
}

/// Processor time of all threads of this process so far, in seconds (Linux, in hundredths: proc(5), `stat`).
fn processor_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("processor times need Linux")?;
    let (_, fields) = stat.rsplit_once(')').context("no command in /proc/self/stat")?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
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
