//! Usual tools on the same documents, where a Python that has them is named.

use crate::load::{Figures, SPAN};
use crate::table::{Table, quantile};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use spindle_tests::Example;
use spindle_tests::places::root;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Names a Python with spaCy or transformers (and torch).
const VARIABLE: &str = "SPINDLE_PEERS";
/// The encoder of our contextual models.
const ENCODER: &str = "build/encoders/all-MiniLM-L6-v2";

/// What a peer reached.
#[derive(Deserialize)]
struct Peer {
    /// One text per call.
    alone: Figures,
    /// Thirty-two texts per call: its best case.
    batched: Figures,
}

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

    /// Measures them on `texts`, of `words` words each. `alone` is ours with one caller, `together` with most callers.
    pub(crate) fn measure(
        &mut self,
        example: &Example,
        words: usize,
        texts: &[String],
        alone: &Figures,
        together: &Figures,
    ) -> Result<()> {
        for (name, peer) in self.ask(example, texts)? {
            let rate = |figures: &Figures| format!("{:.0}", figures.words_per_second);
            let ratio = |ours: &Figures, theirs: &Figures| {
                format!("{:.1}", ours.words_per_second / theirs.words_per_second)
            };
            self.table.row(vec![
                format!("{name}, {words} words"),
                format!("{:.1}", p50(&peer.alone)),
                format!("{:.1}", p50(alone)),
                rate(&peer.alone),
                rate(alone),
                ratio(alone, &peer.alone),
                rate(&peer.batched),
                rate(together),
                ratio(together, &peer.batched),
            ]);
        }
        Ok(())
    }

    pub(crate) fn print(&self) {
        self.table.print();
    }

    fn ask(&self, example: &Example, texts: &[String]) -> Result<BTreeMap<String, Peer>> {
        let mut program = Command::new(&self.python);
        program.current_dir(root()).arg(root().join("tests/python/peer_speed.py"));
        program.args([example.folder(), &root().join(ENCODER)]);
        program.arg(SPAN.as_secs_f64().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().with_context(|| format!("{program:?} can't be run"))?;
        let mut input = child.stdin.take().context("no standard input")?;
        input.write_all(&serde_json::to_vec(texts)?)?;
        drop(input);
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{program:?} ended with {}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn p50(figures: &Figures) -> f64 {
    let mut sorted = figures.milliseconds.clone();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}
