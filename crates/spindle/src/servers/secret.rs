//! Values that nobody but this program should see: from the environment, or from a file that a variable names, as
//! container platforms hand them out.

use anyhow::{Context, Result, bail};
use std::{env, fs};

/// What comes behind a variable's name when it names a file with the value.
const FILE_SUFFIX: &str = "_FILE";

/// Such a value by its variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secret {
    /// The variable with the value.
    pub(crate) variable: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
}

/// The object storage's public half of the pair of keys.
pub(crate) const S3_ACCESS_KEY_ID: Secret =
    Secret { variable: "SPINDLE_S3_ACCESS_KEY_ID", about: "The object storage's access key id" };
/// The object storage's secret half.
pub(crate) const S3_SECRET_ACCESS_KEY: Secret =
    Secret { variable: "SPINDLE_S3_SECRET_ACCESS_KEY", about: "The object storage's secret access key" };
/// Shared by hosts and workers.
pub(crate) const INTERNAL_SECRET: Secret = Secret {
    variable: "SPINDLE_INTERNAL_SECRET",
    about: "By which hosts and workers know each other: the same for all, any long random text",
};
/// The first caller.
pub(crate) const KEY: Secret = Secret {
    variable: "SPINDLE_KEY",
    about: "An owner's API key, added when the installation does not have it; keys come from `spindle key` otherwise",
};
/// Who may send storage events.
pub(crate) const EVENTS_SECRET: Secret = Secret {
    variable: "SPINDLE_EVENTS_SECRET",
    about: "Proves storage events; senders with secrets of their own come from `spindle source`",
};

/// The variable of `--database`.
const DATABASE: Secret = Secret { variable: "SPINDLE_DATABASE", about: "" };

impl Secret {
    /// The variable that names a file with the value.
    pub(crate) fn file_variable(self) -> String {
        format!("{}{FILE_SUFFIX}", self.variable)
    }

    /// The value without the line break at its end; `None` when neither variable is set, or to nothing.
    ///
    /// # Errors
    /// Both variables are set, or the file can't be read. No message holds the value.
    pub(crate) fn read(self) -> Result<Option<String>> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let name = self.file_variable();
        let (value, file) = (set(self.variable), set(&name));
        let Some(file) = file else { return Ok(value) };
        if value.is_some() {
            bail!("{} and {name} are both set; unset one of them", self.variable);
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {file}, named by {name}"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            bail!("{file}, named by {name}, is empty");
        }
        Ok(Some(text.to_owned()))
    }
}

/// The database's address: what flag or variable gave, else what the file named by `SPINDLE_DATABASE_FILE` holds.
///
/// # Errors
/// Variable and file are both given without a flag, or the file can't be read.
pub(crate) fn database_address(given: Option<&str>) -> Result<Option<String>> {
    let given = given.filter(|address| !address.is_empty());
    let from_flag = given.filter(|address| env::var(DATABASE.variable).ok().as_deref() != Some(*address));
    match from_flag {
        Some(address) => Ok(Some(address.to_owned())),
        None => DATABASE.read(),
    }
}
