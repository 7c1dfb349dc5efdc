//! `spindle check`: whether this machine can run a server, without starting one.

use crate::places::Places;
use crate::up::ServerArguments;
use anyhow::Result;
use clap::Args;
use host::Manifest;
use inference::Library;

/// Check that the parts of a server are there: manifest, OpenVINO, encoder
#[derive(Args)]
#[command(after_help = "Example:\n  spindle check")]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    server: ServerArguments,
}

/// Prints what was found; fails with what is missing.
pub(crate) fn check(arguments: &CheckArguments) -> Result<()> {
    let places = Places::find(&arguments.server, None)?;
    let manifest = Manifest::read(&places.manifest)?;
    println!("manifest  {} ({} components)", places.manifest.display(), manifest.components.len());
    let library = Library::load(arguments.server.openvino.as_deref())?;
    library.check_device(&arguments.server.device)?;
    println!("OpenVINO  {} ({})", library.version(), library.path().display());
    println!("device    {}", arguments.server.device);
    match &places.encoder {
        Some(folder) => println!("encoder   {}", folder.display()),
        None => {
            println!("encoder   none: trainings use the lexical recipe; `cargo xtask setup` installs one")
        }
    }
    Ok(())
}
