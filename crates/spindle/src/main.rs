//! `spindle`: custom named entity recognition on your own machine. The command line composes what the crates offer.

mod access;
mod check;
mod client;
mod commands;
mod database;
mod demo;
mod encoders;
mod keys;
mod labels;
mod places;
mod print;
mod servers;
mod sources;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use commands::{deployment, evaluate, extract, inbox, job, model, project, subscriber, train};
use std::io;
use std::process::ExitCode;

/// Custom named entity recognition: label, train, evaluate, deploy, extract.
#[derive(Parser)]
#[command(
    name = "spindle",
    version,
    after_help = "Examples:\n  spindle up --data ./spindle-data --listen 127.0.0.1:8080\n  spindle project create --labels labels.json --documents documents\n  spindle train ClaimsDesk v1\n  spindle deploy ClaimsDesk v1 production\n  spindle extract ClaimsDesk production letter.txt\n\nExit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 no server; 130 Ctrl+C while a job goes on.\n\nSPINDLE_LOG sets what is logged (error, warn, info, debug), SPINDLE_LOG_FORMAT=json how. Servers answer /metrics, and send\ntraces and metrics to OTEL_EXPORTER_OTLP_ENDPOINT."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(servers::UpArguments),
    Serve(servers::ServeArguments),
    Worker(servers::WorkerArguments),
    Storage(servers::StorageArguments),
    Spin(servers::SpinArguments),
    Config(servers::ConfigArguments),
    Demo(demo::DemoArguments),
    Check(check::CheckArguments),
    Project(project::ProjectArguments),
    Train(train::TrainArguments),
    Evaluate(evaluate::EvaluateArguments),
    Model(model::ModelArguments),
    Deploy(deployment::DeployArguments),
    Deployment(deployment::DeploymentArguments),
    Extract(extract::ExtractArguments),
    Job(job::JobArguments),
    Inbox(inbox::InboxArguments),
    Encoder(encoders::EncoderArguments),
    Subscriber(subscriber::SubscriberArguments),
    Key(keys::KeyArguments),
    Source(sources::SourceArguments),
    Labels(labels::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Fails only where a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough: `spindle project list | head -1`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print::note(&print::failure(&error, print::Paint::stderr()));
            error.downcast_ref::<client::ClientError>().map_or(ExitCode::FAILURE, |e| e.exit_code().into())
        }
    }
}

/// Every command with its arguments.
fn command() -> clap::Command {
    Arguments::command()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl Command {
    /// The name of a process that goes on, which operators watch.
    fn process(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => Some("up"),
            Self::Serve(_) => Some("serve"),
            Self::Worker(_) => Some("worker"),
            Self::Storage(_) => Some("storage"),
            _ => None,
        }
    }
}

fn run(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exporting = match command.process() {
        Some(process) => {
            let _entered = runtime.enter();
            servers::start_observation(process)?
        }
        None => {
            telemetry::start_log(None);
            None
        }
    };
    let done = runtime.block_on(execute(command));
    if let Some(exporting) = exporting {
        exporting.finish();
    }
    // A blocking call that hangs must not keep the process from ending.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    done
}

async fn execute(command: Command) -> Result<()> {
    match command {
        Command::Up(arguments) => servers::up(arguments).await,
        Command::Serve(arguments) => servers::serve(arguments).await,
        Command::Worker(arguments) => servers::worker(arguments).await,
        Command::Storage(arguments) => servers::storage(arguments).await,
        Command::Spin(arguments) => servers::spin(arguments),
        Command::Config(arguments) => servers::config(&arguments),
        Command::Demo(arguments) => demo::demo(arguments).await,
        Command::Check(arguments) => check::check(&arguments),
        Command::Project(arguments) => project::project(arguments).await,
        Command::Train(arguments) => train::train(arguments).await,
        Command::Evaluate(arguments) => evaluate::evaluate(arguments).await,
        Command::Model(arguments) => model::model(arguments).await,
        Command::Deploy(arguments) => deployment::deploy(arguments).await,
        Command::Deployment(arguments) => deployment::deployment(arguments).await,
        Command::Extract(arguments) => extract::extract(arguments).await,
        Command::Job(arguments) => job::job(arguments).await,
        Command::Inbox(arguments) => inbox::inbox(arguments).await,
        Command::Encoder(arguments) => encoders::encoder(arguments),
        Command::Subscriber(arguments) => subscriber::subscriber(arguments).await,
        Command::Key(arguments) => keys::key(arguments).await,
        Command::Source(arguments) => sources::source(arguments).await,
        Command::Labels(arguments) => labels::labels(&arguments),
    }
}
