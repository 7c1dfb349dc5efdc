//! `cargo xtask`: set-up, component build, demo, tests, benches and tidy. The only script language of the project.

mod bench;
mod components;
mod demo;
mod pins;
mod run;
mod setup;
mod test;
mod tidy;
mod training;
mod wasm;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Build, try and check Spindle.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    after_help = "Examples:\n  cargo xtask demo\n  cargo xtask test\n  cargo xtask test catalog\n  cargo xtask bench"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get what is missing (wasm target, OpenVINO, encoder) and build everything; safe to run again
    Setup,
    /// Build the components to wasm
    Components,
    /// Set up, start a server with a fresh data folder and walk through a project's life
    Demo {
        /// Arguments passed on to `spindle demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Set up and run the whole test suite, or the tests whose names hold FILTER
    Test {
        /// Part of a test's name
        filter: Option<String>,
    },
    /// Set up and print the benches' figures
    Bench {
        /// One bench; all when absent
        #[arg(value_enum)]
        which: Option<bench::Bench>,
        /// Of the training bench: the labeled set to learn, or small or large; all when absent
        set: Option<String>,
        /// Documents of the import; 100000 when absent
        #[arg(long)]
        documents: Option<u32>,
        /// Of the extraction and training benches: a Python with the packages of the systems to compare with
        #[arg(long)]
        peers: Option<PathBuf>,
        /// Of the training bench: lexical, contextual, tuned or latest, several after commas; latest when absent
        #[arg(long)]
        recipe: Option<String>,
    },
    /// Build the program so that it tunes encoders on NVIDIA's GPUs, and run the tuning tests on this machine's GPU
    Gpu,
    /// Check the house rules: dependency direction, file length, no machine paths
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Setup => setup::everything(),
        Command::Components => components::build(),
        Command::Demo { arguments } => demo::demo(&arguments),
        Command::Test { filter } => test::test(filter.as_deref()),
        Command::Bench { which, set, documents, peers, recipe } => {
            let (set, peers, recipe) = (set.as_deref(), peers.as_deref(), recipe.as_deref());
            bench::bench(which, documents, &training::Choice { set, peers, recipe })
        }
        Command::Gpu => test::gpu(),
        Command::Tidy => tidy::tidy(),
    }
}
