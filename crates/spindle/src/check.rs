//! `spindle check`: whether this machine can run a server, without starting one.

use crate::places;
use crate::servers::ServerArguments;
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
    let (host, engine) = (&arguments.server.host, &arguments.server.engine);
    let (path, encoder) =
        (places::manifest(host)?, places::encoder(&arguments.server.training.encoder, None)?);
    places::compile_cache(host)?;
    let manifest = Manifest::read(&path)?;
    println!("manifest  {} ({} components)", path.display(), manifest.components.len());
    let library = Library::load(engine.openvino.as_deref())?;
    library.check_device(&engine.device)?;
    println!("OpenVINO  {} ({})", library.version(), library.path().display());
    println!("device    {}", engine.device);
    match encoder {
        Some(folder) => println!("encoder   {}", folder.display()),
        None => {
            println!("encoder   none: trainings use the lexical recipe; `cargo xtask setup` installs one")
        }
    }
    Ok(())
}
