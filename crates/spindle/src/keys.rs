//! `spindle key`: who may call the API. Works on the catalog itself, so that it needs no key; a running server heeds
//! every change at once.

use crate::access::{Secrets, random};
use crate::database::Database;
use crate::print::{self, Align, Paint, Table};
use crate::servers::database_address;
use anyhow::{Result, bail};
use catalog::driver::Native;
use catalog::{AccessKey, Catalog, Role};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use language_api::WholeSeconds;
use serde_json::json;
use std::path::PathBuf;

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

/// The catalog that a command works on.
#[derive(Args)]
pub(crate) struct Place {
    /// The server's data folder
    #[arg(long, env = "SPINDLE_DATA", default_value = "spindle-data")]
    data: PathBuf,
    /// The server's PostgreSQL database, where it was started with one
    #[arg(long, env = "SPINDLE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Place {
    /// Opens it beside the server that may be using it.
    pub(crate) async fn open(&self) -> Result<Catalog<Native>> {
        Database::choose(&self.data, database_address(self.database.as_deref())?.as_deref())?.visit().await
    }
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
        KeyCommand::Add { name, role, place } => add(&name, role.into(), &place).await,
        KeyCommand::List { place } => list(&place).await,
        KeyCommand::Remove { name, place } => remove(&name, &place).await,
    }
}

async fn add(name: &str, role: Role, place: &Place) -> Result<()> {
    if !can_be_typed(name) {
        bail!("a key needs a name, by which it is removed later, without blanks around it");
    }
    let key = random();
    place.open().await?.add_access_key(&key, name, role, Timestamp::now()).await?;
    if place.json {
        return Ok(print::out(&json!({ "name": name, "role": role.to_string(), "key": key }).to_string())?);
    }
    print::note(&format!("key {name} is valid from now on; it is shown this once:"));
    Ok(print::out(&key)?)
}

/// Whether people can name it again and lists of names stay readable.
pub(crate) fn can_be_typed(name: &str) -> bool {
    name.trim() == name && !name.is_empty() && !name.chars().any(char::is_control)
}

async fn list(place: &Place) -> Result<()> {
    let keys = place.open().await?.access_keys().await?;
    if place.json {
        let keys: Vec<_> = keys.iter().map(wire).collect();
        return Ok(print::out(&json!({ "value": keys }).to_string())?);
    }
    Ok(print::out(&table(&keys, Paint::stdout()))?)
}

async fn remove(name: &str, place: &Place) -> Result<()> {
    let catalog = place.open().await?;
    if let Some(secrets) = Secrets::load(&place.data)? {
        let own = catalog.verify_access_key(&secrets.key).await?;
        if own.is_some_and(|own| own.name == name) {
            bail!(
                "{name:?} is the server's own key, which `spindle up` makes valid at every start; to replace it, \
                 change \"key\" in {}, start the server again, then remove the old one",
                Secrets::file(&place.data).display()
            );
        }
    }
    catalog.revoke_access_key(name).await?;
    if place.json {
        return Ok(print::out(&json!({ "name": name, "removed": true }).to_string())?);
    }
    print::note(&format!("key {name} is no longer valid"));
    Ok(())
}

fn wire(key: &AccessKey) -> serde_json::Value {
    json!({ "name": key.name, "role": key.role.to_string(), "createdDateTime": WholeSeconds(key.created_at) })
}

fn table(keys: &[AccessKey], paint: Paint) -> String {
    let mut table = Table::new([("key", Align::Left), ("role", Align::Left), ("since", Align::Left)]);
    for key in keys {
        table.row([key.name.clone(), key.role.to_string(), print::moment(WholeSeconds(key.created_at))]);
    }
    table.text(paint, 0)
}
