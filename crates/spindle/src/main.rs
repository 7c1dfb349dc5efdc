//! `spindle`: custom named entity recognition on your own machine. The command line composes what the crates offer.

mod access;
mod bundles;
mod check;
mod demo;
mod labels;
mod places;
mod up;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Custom named entity recognition: label, train, evaluate, deploy, extract.
#[derive(Parser)]
#[command(
    name = "spindle",
    version,
    after_help = "Examples:\n  spindle up --data ./spindle-data --listen 127.0.0.1:8080\n  spindle demo\n\nSPINDLE_LOG sets what is logged (error, warn, info, debug), SPINDLE_LOG_FORMAT=json how."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::UpArguments),
    Demo(demo::DemoArguments),
    Check(check::CheckArguments),
    Labels(labels::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spindle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match command {
            Command::Up(arguments) => up::up(arguments).await,
            Command::Demo(arguments) => demo::demo(arguments).await,
            Command::Check(arguments) => check::check(&arguments),
            Command::Labels(arguments) => labels::labels(&arguments),
        }
    });
    // A blocking call that hangs must not keep the process from ending.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    done
}

fn start_log() {
    let filter =
        EnvFilter::try_from_env("SPINDLE_LOG").unwrap_or_else(|_| EnvFilter::new("warn,spindle=info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var("SPINDLE_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().init();
    } else {
        log.init();
    }
}
