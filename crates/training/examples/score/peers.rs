//! Other systems on the same documents, by a script that trains and scores one and prints its figures as JSON.

use crate::sets::Set;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A script that runs peers, and the Python that has their packages.
pub(crate) struct Peers<'a> {
    pub(crate) python: &'a Path,
    pub(crate) script: &'a Path,
    pub(crate) encoder: Option<&'a Path>,
}

/// Each peer's packages, whose absence leaves it out.
const PEERS: [(&str, &str); 3] =
    [("crf", "pycrfsuite"), ("spacy", "spacy"), ("minilm", "torch, transformers")];

impl Peers<'_> {
    /// Trains and scores every peer whose packages are there and prints a row for each.
    pub(crate) fn print(&self, name: &str, set: &Set, seed: u64, threads: usize) -> Result<()> {
        let data = std::env::temp_dir().join(format!("spindle-score-{}-{name}.jsonl", std::process::id()));
        std::fs::write(&data, set.to_lines())?;
        let printed = PEERS.iter().try_for_each(|(peer, packages)| {
            let import = Command::new(self.python).args(["-c", &format!("import {packages}")]).output();
            if !import.with_context(|| format!("{} does not run", self.python.display()))?.status.success() {
                println!("  {peer:12} not run: its Python cannot import {packages}");
                return Ok(());
            }
            self.print_one(peer, &data, seed, threads)
        });
        std::fs::remove_file(&data)?;
        printed
    }

    fn print_one(&self, peer: &str, data: &Path, seed: u64, threads: usize) -> Result<()> {
        let mut command = Command::new(self.python);
        command.arg(self.script).args(["--peer", peer, "--data"]).arg(data);
        command.args(["--seed", &seed.to_string(), "--threads", &threads.to_string()]);
        match (peer, self.encoder) {
            ("minilm", Some(encoder)) => {
                command.arg("--model").arg(encoder).arg("--bf16");
            }
            ("minilm", None) => {
                println!("  {peer:12} not run: no encoder");
                return Ok(());
            }
            _ => {}
        }
        let output = command.output()?;
        if !output.status.success() {
            bail!("peer {peer} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let figures: Value = serde_json::from_str(said.lines().last().context("the peer said nothing")?)?;
        let number = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
        println!(
            "  {peer:12} {:5.1} {:5.1} {:5.1} {:9.1} {:9.1} {:9.0} {:9.0} {:9}",
            100.0 * number("f1"),
            100.0 * number("precision"),
            100.0 * number("recall"),
            number("wall_train_s"),
            number("cpu_train_s"),
            number("predict_chars_per_s"),
            number("peak_rss_mb"),
            "–",
        );
        Ok(())
    }
}
