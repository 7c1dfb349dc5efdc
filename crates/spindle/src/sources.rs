//! `spindle source`: who may send storage events. Works on the catalog itself, as `spindle key` does.

use crate::access::random;
use crate::keys::{Place, can_be_typed};
use crate::print;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

/// Add, list and remove senders of storage events
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle source add minio\n  spindle source list\n  spindle source remove minio\n\nA sender posts to <ENDPOINT>/events/storage with the header \"Authorization: Bearer <SECRET>\"; one that can't set headers\nadds ?secret=<SECRET> to the address."
)]
pub(crate) struct SourceArguments {
    #[command(subcommand)]
    command: SourceCommand,
}

#[derive(Subcommand)]
enum SourceCommand {
    /// Make a secret for a sender and print it, this once: the server keeps its digest alone
    #[command(after_help = "Example:\n  spindle source add minio")]
    Add {
        /// What people call the sender
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// All senders by name
    #[command(after_help = "Example:\n  spindle source list")]
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Take no more events from a sender
    #[command(after_help = "Example:\n  spindle source remove minio")]
    Remove {
        /// Name of the sender
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Runs the subcommand.
pub(crate) async fn source(arguments: SourceArguments) -> Result<()> {
    match arguments.command {
        SourceCommand::Add { name, place } => add(&name, &place).await,
        SourceCommand::List { place } => list(&place).await,
        SourceCommand::Remove { name, place } => {
            place.open().await?.remove_event_source(&name).await?;
            if place.json {
                return Ok(print::out(&json!({ "name": name, "removed": true }).to_string())?);
            }
            print::note(&format!("no more events are taken from {name}"));
            Ok(())
        }
    }
}

async fn add(name: &str, place: &Place) -> Result<()> {
    if !can_be_typed(name) {
        bail!("a sender needs a name, under which its events are shown, without blanks around it");
    }
    let secret = random();
    place.open().await?.add_event_source(name, &secret, Timestamp::now()).await?;
    if place.json {
        return Ok(print::out(&json!({ "name": name, "secret": secret }).to_string())?);
    }
    print::note(&format!("events of {name} are taken from now on; its secret is shown this once:"));
    Ok(print::out(&secret)?)
}

async fn list(place: &Place) -> Result<()> {
    let names = place.open().await?.event_sources().await?;
    if place.json {
        return Ok(print::out(&json!({ "value": names }).to_string())?);
    }
    if names.is_empty() {
        print::note("no senders but the server's own storage");
        return Ok(());
    }
    Ok(print::out(&names.join("\n"))?)
}
