//! `spindle key`: who may call the API. Works on the data folder, so that it needs no key itself; a running server
//! heeds every change at once.

use crate::access::random;
use crate::print::{self, Align, Paint, Table};
use anyhow::{Context, Result, bail};
use catalog::driver::NativeSqlite;
use catalog::{AccessKey, Catalog, Role};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use language_api::WholeSeconds;
use std::path::{Path, PathBuf};

/// Add, list and remove access keys
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle key add reporting --role reader\n  spindle key list\n  spindle key remove reporting"
)]
pub(crate) struct KeyArguments {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make a key and print it, this once: the server keeps its digest alone
    #[command(after_help = "Example:\n  spindle key add reporting --role reader")]
    Add {
        /// What people call the key
        name: String,
        /// What the key may do
        #[arg(long)]
        role: KeyRole,
        #[command(flatten)]
        place: Place,
    },
    /// All keys by name
    #[command(after_help = "Example:\n  spindle key list")]
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Make a key invalid
    #[command(after_help = "Example:\n  spindle key remove reporting")]
    Remove {
        /// Name of the key
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Place {
    /// The server's data folder
    #[arg(long, env = "SPINDLE_DATA", default_value = "spindle-data")]
    data: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyRole {
    /// Reads, exports and extracts
    Reader,
    /// Also edits, imports and trains
    #[value(alias = "contributor")]
    Writer,
    /// Everything: also deploys and deletes
    Owner,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Reader => Self::Reader,
            KeyRole::Writer => Self::Writer,
            KeyRole::Owner => Self::Owner,
        }
    }
}

/// Runs the subcommand.
pub(crate) async fn key(arguments: KeyArguments) -> Result<()> {
    match arguments.command {
        KeyCommand::Add { name, role, place } => {
            if name.trim().is_empty() {
                bail!("a key needs a name, by which it is removed later");
            }
            let key = random();
            open(&place.data).await?.add_access_key(&key, &name, role.into(), Timestamp::now()).await?;
            print::note(&format!("key {name} is valid from now on; it is shown this once:"));
            print::out(&key)?;
        }
        KeyCommand::List { place } => {
            print::out(&table(&open(&place.data).await?.access_keys().await?, Paint::stdout()))?;
        }
        KeyCommand::Remove { name, place } => {
            open(&place.data).await?.revoke_access_key(&name).await?;
            print::note(&format!("key {name} is no longer valid"));
        }
    }
    Ok(())
}

/// The catalog of the installation in `data`, which may be running.
async fn open(data: &Path) -> Result<Catalog<NativeSqlite>> {
    let database = data.join("spindle.sqlite");
    if !database.is_file() {
        bail!(
            "{} is no data folder of a server: it has no spindle.sqlite; name one with --data, or start one with `spindle up`",
            data.display()
        );
    }
    let driver = NativeSqlite::open(&database)?;
    Catalog::open(driver).await.with_context(|| format!("cannot open {}", database.display()))
}

fn table(keys: &[AccessKey], paint: Paint) -> String {
    let mut table = Table::new([("key", Align::Left), ("role", Align::Left), ("since", Align::Left)]);
    for key in keys {
        table.row([key.name.clone(), key.role.to_string(), print::moment(WholeSeconds(key.created_at))]);
    }
    table.text(paint, 0)
}
