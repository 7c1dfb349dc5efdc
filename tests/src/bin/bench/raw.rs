//! OpenVINO alone on the same encoder graph, and texts counted in its word pieces.

use anyhow::{Context, Result};
use spindle_tests::places::root;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const ENCODER: &str = "build/encoders/all-MiniLM-L6-v2";
/// Names another build of the example.
const VARIABLE: &str = "SPINDLE_ENCODE_SPEED";
/// Names end here in the example's table.
const NAME_COLUMNS: usize = 22;
/// Pieces per second of the plain call among a row's numbers: milliseconds, pieces per second and pieces per CPU second
/// of the encoder as served, then the same of the plain call, then their ratio.
const PLAIN_RATE: usize = 4;
/// The windows of the graph's best rate, last of the rows that are read.
const BATCH: &str = "64 x 128";
/// Start and end mark of every window.
const MARKS: usize = 2;

/// Word pieces per second of plain OpenVINO calls, by the windows of one call.
pub(crate) struct Raw {
    rates: BTreeMap<String, f64>,
    vocabulary: HashSet<String>,
}

impl Raw {
    /// Runs the example `encode_speed` of the inference crate.
    pub(crate) fn measure() -> Result<Self> {
        let program = std::env::var_os(VARIABLE)
            .map_or_else(|| root().join("target/release/examples/encode_speed"), Into::into);
        let mut child = Command::new(&program)
            .current_dir(root())
            .arg(ENCODER)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} can't be run; `cargo xtask bench` builds it", program.display()))?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let rates = rates(lines.map_while(Result::ok));
        // The rows after the last one needed take minutes.
        let _ = child.kill();
        child.wait()?;
        let vocabulary = fs::read_to_string(root().join(ENCODER).join("vocab.txt"))?;
        let raw = Self { rates, vocabulary: vocabulary.lines().map(str::to_owned).collect() };
        raw.batch_rate()?;
        Ok(raw)
    }

    /// Milliseconds for one window of `pieces`, at the rate of the nearest single window that was measured.
    pub(crate) fn window_milliseconds(&self, pieces: usize) -> Result<f64> {
        let single = |name: &str| name.strip_prefix("1 x ")?.parse::<usize>().ok();
        let windows =
            self.rates.iter().filter_map(|(name, rate)| Some((single(name)?.abs_diff(pieces), *rate)));
        let (_, rate) = windows
            .min_by_key(|(distance, _)| *distance)
            .context("encode_speed measured no single window")?;
        Ok(pieces as f64 / rate * 1e3)
    }

    /// Pieces per second in a batch of full windows: no padding, the graph's best.
    pub(crate) fn batch_rate(&self) -> Result<f64> {
        self.rates.get(BATCH).copied().with_context(|| format!("encode_speed did not measure {BATCH}"))
    }

    /// Word pieces of a text with the marks of one window, by the encoder's own vocabulary.
    pub(crate) fn pieces(&self, text: &str) -> usize {
        let text = text.to_lowercase();
        let mut count = MARKS;
        for run in text.split_whitespace() {
            for word in run.split_inclusive(|sign: char| !sign.is_alphanumeric()) {
                let end = word.trim_end_matches(|sign: char| !sign.is_alphanumeric());
                count += self.word(end) + usize::from(end.len() < word.len());
            }
        }
        count
    }

    /// Pieces of one word: longest first, or one for an unknown word.
    fn word(&self, word: &str) -> usize {
        let (mut rest, mut count) = (word, 0);
        while !rest.is_empty() {
            let mark = if count == 0 { "" } else { "##" };
            let ends = rest.char_indices().map(|(at, sign)| at + sign.len_utf8());
            let longest =
                ends.rev().find(|end| self.vocabulary.contains(&format!("{mark}{}", &rest[..*end])));
            let Some(end) = longest else { return 1 };
            rest = &rest[end..];
            count += 1;
        }
        count
    }
}

/// The column of plain calls, by the name of the windows, up to [`BATCH`].
fn rates(lines: impl Iterator<Item = String>) -> BTreeMap<String, f64> {
    let mut rates = BTreeMap::new();
    for line in lines {
        let Some((name, numbers)) = line.split_at_checked(NAME_COLUMNS) else { continue };
        let plain = numbers.split_whitespace().nth(PLAIN_RATE).and_then(|number| number.parse().ok());
        rates.extend(plain.map(|rate| (name.trim().to_owned(), rate)));
        if rates.contains_key(BATCH) {
            break;
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_table_is_read_by_its_columns() {
        let table = "2 threads, 2 streams, 1024 pieces per batch
                                               regrouped                         one batch
windows                       ms    pieces/s   per CPU s        ms    pieces/s   per CPU s   ratio
1 x 40                      10.0        5000        3463       5.6        4000        3579    0.56
";
        assert_eq!(rates(table.lines().map(str::to_owned)), BTreeMap::from([("1 x 40".to_owned(), 4000.0)]));
    }

    #[test]
    fn words_are_cut_into_the_longest_pieces() {
        let vocabulary = ["hail", "dam", "##age", ",", "pn"].map(str::to_owned).into();
        let raw = Raw { rates: BTreeMap::new(), vocabulary };
        assert_eq!(raw.pieces("Hail damage, xyz"), MARKS + 1 + 2 + 1 + 1);
    }
}
