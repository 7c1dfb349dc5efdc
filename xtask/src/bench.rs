//! The benches' figures, on the built program.

use crate::run::{cargo, root, run, say};
use crate::setup;
use crate::training::{self, Choice};
use anyhow::Result;
use std::process::Command;

/// What can be measured alone.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Bench {
    /// From the program's start to its first answer, and what it costs when idle
    Start,
    /// One short document through `:analyze-text`, warm
    Latency,
    /// Words per second and latency under load, beside native code and OpenVINO alone
    Extraction,
    /// Memory over 100,000 requests
    Soak,
    /// Characters learned from per second, by recipe, and scores on labeled sets (one alone by its name)
    Training,
    /// Time and memory of the import of a large project
    Import,
    /// Storage events accepted in a second, and the time from an upload to its entities
    Events,
    /// Jobs per second and from a call to its job's begin, on both engines; extraction by one and two hosts
    Queue,
}

impl Bench {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Latency => "latency",
            Self::Extraction => "extraction",
            Self::Soak => "soak",
            Self::Training => "training",
            Self::Import => "import",
            Self::Events => "events",
            Self::Queue => "queue",
        }
    }
}

/// Sets up what is missing and prints the figures of one bench, or of all. `documents` is the size of the import,
/// `choice` what the training bench learns.
pub(crate) fn bench(which: Option<Bench>, documents: Option<u32>, choice: &Choice<'_>) -> Result<()> {
    if let (Some(Bench::Training), Some(_)) = (which, choice.set) {
        return training::quality(choice);
    }
    setup::everything()?;
    say("building the benches");
    let mut build = cargo("cargo");
    build.args(["build", "--release", "--package", "spindle", "--package", "spindle-tests", "--bins"]);
    // OpenVINO alone and native code alone, for the figures beside ours.
    build.args(["--package", "inference"]);
    for example in ["encode_speed", "extract_speed", "many_heads"] {
        build.args(["--example", example]);
    }
    run(&mut build)?;
    let mut bench = Command::new(root().join("target/release/bench"));
    bench.current_dir(root()).args(which.map(Bench::name));
    if let (Some(Bench::Import), Some(documents)) = (which, documents) {
        bench.arg(documents.to_string());
    }
    if let Some(python) = choice.peers {
        bench.env("SPINDLE_PEERS", python);
    }
    run(&mut bench)?;
    match which {
        Some(Bench::Training) => training::quality(choice),
        _ => Ok(()),
    }
}
