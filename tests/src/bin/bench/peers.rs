//! Usual tools on the same documents, where a Python that has them is named.

use crate::load::{Figures, Load, WARMING};
use crate::table::{Table, quantile};
use anyhow::{Context, Result};
use spindle_tests::Example;
use spindle_tests::places::root;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Names a Python with spaCy or transformers (and torch).
const VARIABLE: &str = "SPINDLE_PEERS";
/// The encoder of our contextual models.
const ENCODER: &str = "build/encoders/all-MiniLM-L6-v2";

/// Peers and ours are measured by turns.
const TURNS: usize = 3;
const TURN: Duration = Duration::from_secs(2);

/// Peers and our own figures beside them.
pub(crate) struct Peers {
    python: PathBuf,
    table: Table,
}

impl Peers {
    /// The peers of the named Python; says so when none is named.
    pub(crate) fn named() -> Option<Self> {
        let Some(python) = std::env::var_os(VARIABLE) else {
            println!("no peers beside: name a Python that has spacy, transformers and torch with --peers");
            return None;
        };
        let table = Table::new(
            "Peers on the same documents, in one process; beside them our contextual recipe by HTTP + wasm",
            &[
                "peer, document",
                "p50 ms",
                "ours",
                "words/s alone",
                "ours",
                "ratio",
                "in 32s",
                "ours",
                "ratio",
            ],
        );
        Some(Self { python: python.into(), table })
    }

    /// Measures them on `texts`, of `words` words each, by turns with ours: `alone` has one caller, `together` many.
    pub(crate) fn measure(
        &mut self,
        example: &Example,
        words: usize,
        texts: &[String],
        [alone, together]: [&Load<'_>; 2],
    ) -> Result<()> {
        let mut asked = Asked::start(&self.python, example, texts)?;
        let names: Vec<String> = serde_json::from_str(&asked.answer()?)?;
        for (peer, name) in names.iter().enumerate() {
            let mut row = vec![format!("{name}, {words} words")];
            for (how, ours) in [("alone", alone), ("batched", together)] {
                let [theirs, ours] = compare(&mut asked, &format!("{peer} {how}"), ours)?;
                let ratio = ours.words_per_second / theirs.words_per_second;
                if how == "alone" {
                    row.extend([&theirs, &ours].map(|figures| format!("{:.1}", p50(figures))));
                }
                row.extend([&theirs, &ours].map(|figures| format!("{:.0}", figures.words_per_second)));
                row.push(format!("{ratio:.1}"));
            }
            self.table.row(row);
        }
        Ok(())
    }

    pub(crate) fn print(&self) {
        self.table.print();
    }
}

/// A peer's figures and ours.
fn compare(asked: &mut Asked, question: &str, load: &Load<'_>) -> Result<[Figures; 2]> {
    load.measure(WARMING)?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        writeln!(asked.questions, "{question} {}", TURN.as_secs_f64())?;
        theirs.push(serde_json::from_str(&asked.answer()?)?);
        ours.push(load.measure(TURN)?);
    }
    Ok([theirs, ours].map(Figures::of_turns))
}

/// The peers, which measure when they are asked and are idle otherwise.
struct Asked {
    program: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Asked {
    fn start(python: &Path, example: &Example, texts: &[String]) -> Result<Self> {
        let mut program = Command::new(python);
        program.current_dir(root()).arg(root().join("tests/python/peer_speed.py"));
        program.args([example.folder(), &root().join(ENCODER)]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().with_context(|| format!("{program:?} can't be run"))?;
        let mut questions = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        writeln!(questions, "{}", serde_json::to_string(texts)?)?;
        Ok(Self { program: child, questions, answers })
    }

    fn answer(&mut self) -> Result<String> {
        Ok(self.answers.next().context("the peers ended")??)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn p50(figures: &Figures) -> f64 {
    let mut sorted = figures.milliseconds.clone();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}
