//! The benches' figures, on the built program.

use crate::run::{root, run, say};
use crate::setup;
use anyhow::Result;
use std::process::Command;

/// What can be measured alone.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Bench {
    /// From the program's start to its first answer, and what it costs when idle
    Start,
    /// One short document through `:analyze-text`, warm
    Latency,
    /// Characters learned from per second, by recipe
    Training,
}

impl Bench {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Latency => "latency",
            Self::Training => "training",
        }
    }
}

/// Sets up what is missing and prints the figures of one bench, or of all.
pub(crate) fn bench(which: Option<Bench>) -> Result<()> {
    setup::everything()?;
    say("building the benches");
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.current_dir(root()).args(arguments);
        command
    };
    // OpenVINO alone, for the figures beside ours.
    run(&mut cargo(&["build", "--release", "--package", "inference", "--example", "encode_speed"]))?;
    let mut command =
        cargo(&["run", "--release", "--quiet", "--package", "spindle-tests", "--bin", "bench", "--"]);
    run(command.args(which.map(Bench::name)))
}
