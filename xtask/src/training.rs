//! The quality of what recipes learn: labeled sets outside the repository, ours beside other systems.

use crate::run::{build_dir, cargo, root, run, say};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Sets in `../shared/data`, with the seeds to take the mean over: a project folder has no split of its own.
const SETS: [(&str, &str); 7] = [
    ("wnut17.jsonl.gz", "1"),
    ("ncbi-disease.jsonl.gz", "1"),
    ("fin-loans.jsonl.gz", "1"),
    ("snips.jsonl.gz", "1"),
    ("lener-br.jsonl.gz", "1"),
    ("ja-wikipedia.jsonl.gz", "1"),
    ("loan-agreements", "1,2,3,4,5"),
];

/// The name of the mixture that shows time and memory, the sets it is made of and its characters.
const LARGE: (&str, [&str; 4], &str) = (
    "large",
    ["wnut17.jsonl.gz", "ncbi-disease.jsonl.gz", "fin-loans.jsonl.gz", "lener-br.jsonl.gz"],
    "12800000",
);

/// The name of a project of ten documents, and the set it is taken from.
const SMALL: (&str, &str) = ("small", "loan-agreements");

/// What to compare with what.
#[derive(Default)]
pub(crate) struct Choice<'a> {
    /// One set's name; all when absent.
    pub(crate) set: Option<&'a str>,
    /// A Python with the peers' packages.
    pub(crate) peers: Option<&'a Path>,
    /// Recipes after commas; `latest` when absent.
    pub(crate) recipe: Option<&'a str>,
}

/// Trains on the sets and prints scores, times and sizes. Sets that are not there are said to be skipped.
pub(crate) fn quality(choice: &Choice<'_>) -> Result<()> {
    let stem = |file: &str| file.split('.').next().unwrap_or_default().to_owned();
    let known = SETS.iter().map(|(file, _)| stem(file)).chain([LARGE.0, SMALL.0].map(str::to_owned));
    let known: Vec<String> = known.collect();
    if let Some(set) = choice.set.filter(|set| !known.iter().any(|name| name == set)) {
        bail!("there is no set {set:?}; there are {}", known.join(", "));
    }
    say("building the scorer");
    let mut build = cargo("cargo");
    // Together with the program, so that both use the same builds of what they share.
    build.args(["build", "--release", "--package", "spindle", "--package", "spindle-tests"]);
    run(build.args(["--package", "inference", "--package", "training", "--example", "score"]))?;
    let shared = root().join("../shared");
    for (file, seeds) in SETS.iter().filter(|(file, _)| choice.set.is_none_or(|set| stem(file) == set)) {
        let data = shared.join("data").join(file);
        if !data.exists() {
            println!("{}: skipped, {} is not there", stem(file), data.display());
            continue;
        }
        let mut score = scorer(choice);
        score.arg(&data).args(["--seeds", seeds]);
        if let Some(python) = choice.peers {
            score.arg("--peers").arg(python).arg("--peers-script").arg(shared.join("bench/peers.py"));
        }
        run(&mut score)?;
    }
    let data = shared.join("data");
    let asked = |name| choice.set.is_none_or(|set| set == name) && data.exists();
    if asked(SMALL.0) {
        run(scorer(choice).arg(data.join(SMALL.1)).args(["--documents", "10"]))?;
    }
    if asked(LARGE.0) {
        let sets = LARGE.1.map(|file| data.join(file));
        run(scorer(choice).args(sets).args(["--mixture", LARGE.2]))?;
    }
    Ok(())
}

fn scorer(choice: &Choice<'_>) -> Command {
    let mut score = Command::new(root().join("target/release/examples/score"));
    score.current_dir(root()).arg("--encoder").arg(build_dir().join("encoders/all-MiniLM-L6-v2"));
    score.args(choice.recipe.map(|recipe| format!("--recipe={recipe}")));
    score
}
