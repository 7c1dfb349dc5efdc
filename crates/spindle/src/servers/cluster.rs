//! What the processes of an installation on many machines are told alike.

use crate::database::Database;
use crate::servers::parts::{MODELS_CONTAINER, REGION};
use crate::servers::secret::{
    INTERNAL_SECRET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, Secret, database_address,
};
use anyhow::{Context, Result, bail};
use blobs::{BlobConfig, Blobs};
use clap::Args;
use std::fs;
use std::path::PathBuf;

/// Where database and object storage are.
#[derive(Args, Clone)]
pub(crate) struct ClusterArguments {
    /// PostgreSQL database that all processes share, postgres://user:password@host:5432/name (12 or newer). Other users see
    /// a command's words, but not its environment; SPINDLE_DATABASE_FILE names a file that holds it
    #[arg(long, env = "SPINDLE_DATABASE", value_name = "ADDRESS", hide_env_values = true)]
    database: Option<String>,
    /// Address of the S3 service, http://host:port or https://host; AWS's own in the region when absent
    #[arg(long, env = "SPINDLE_S3_ENDPOINT", value_name = "ADDRESS")]
    s3_endpoint: Option<String>,
    /// Region that requests to the S3 service are signed for
    #[arg(long, env = "SPINDLE_S3_REGION", default_value = REGION)]
    s3_region: String,
    /// Bucket of models and encoders, made when absent
    #[arg(long, env = "SPINDLE_MODELS_CONTAINER", value_name = "BUCKET", default_value = MODELS_CONTAINER)]
    models_container: String,
    /// Folder of temporary files and copies, one process's alone; whoever loses it loses nothing but time
    #[arg(long, env = "SPINDLE_DATA", default_value = "spindle-data")]
    data: PathBuf,
}

/// What they come to.
pub(super) struct Cluster {
    pub(super) database: Database,
    s3: BlobConfig,
    pub(super) internal_secret: String,
    pub(super) models_container: String,
    pub(super) data: PathBuf,
}

/// What is needed and not given, said at once and not one after the other.
#[derive(Default)]
pub(super) struct Missing(Vec<String>);

impl Missing {
    /// The value, or a place in the list for `what`.
    pub(super) fn need<T>(&mut self, value: Option<T>, what: impl Into<String>) -> Option<T> {
        if value.is_none() {
            self.0.push(what.into());
        }
        value
    }

    fn need_secret(&mut self, secret: Secret) -> Result<Option<String>> {
        let name =
            format!("{} (or {} with a file): {}", secret.variable, secret.file_variable(), secret.about);
        Ok(self.need(secret.read()?, name))
    }

    fn end(self, process: &str) -> anyhow::Error {
        anyhow::anyhow!(
            "spindle {process} is not told everything it needs; `spindle config {process}` shows what it is told. Missing:\n  \
             {}",
            self.0.join("\n  ")
        )
    }
}

impl ClusterArguments {
    /// Arguments, environment and files together. `missing` is what `process` itself lacks.
    ///
    /// # Errors
    /// Something is missing, and then all of it is named; or it can't be used. Nothing is connected yet.
    pub(super) fn read(&self, process: &str, mut missing: Missing) -> Result<Cluster> {
        let address = database_address(self.database.as_deref())?;
        let address = missing.need(
            address,
            "--database (SPINDLE_DATABASE, or SPINDLE_DATABASE_FILE with a file): the PostgreSQL database's address",
        );
        let access_key = missing.need_secret(S3_ACCESS_KEY_ID)?;
        let secret_key = missing.need_secret(S3_SECRET_ACCESS_KEY)?;
        let internal_secret = missing.need_secret(INTERNAL_SECRET)?;
        let (Some(address), Some(access_key), Some(secret_key), Some(internal_secret)) =
            (address, access_key, secret_key, internal_secret)
        else {
            return Err(missing.end(process));
        };
        if !missing.0.is_empty() {
            return Err(missing.end(process));
        }
        let endpoint = self.s3_endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        fs::create_dir_all(&self.data).with_context(|| {
            format!("cannot make the data folder {}; choose another with --data", self.data.display())
        })?;
        Ok(Cluster {
            database: Database::choose(&self.data, Some(&address))?,
            s3: BlobConfig {
                // AWS names buckets by host, most other services by path.
                path_style: endpoint.is_some(),
                endpoint,
                region: self.s3_region.clone(),
                access_key,
                secret_key,
            },
            internal_secret,
            models_container: self.models_container.clone(),
            data: self.data.clone(),
        })
    }
}

impl Cluster {
    /// Opens the object storage and makes the models' bucket when there is none.
    pub(super) async fn blobs(&self) -> Result<Blobs> {
        let blobs = Blobs::new(&self.s3).context("cannot use the S3 service (SPINDLE_S3_…)")?;
        let made = blobs.create_container_if_absent(&self.models_container).await;
        made.with_context(|| {
            let place = self.s3.endpoint.as_deref().unwrap_or("AWS");
            format!("cannot use the bucket {} of the S3 service at {place}", self.models_container)
        })?;
        Ok(blobs)
    }
}

/// `http://host:port` or `https://host` without what follows.
pub(super) fn base_address(text: &str) -> Result<String> {
    let base = text.trim_end_matches('/');
    let host = ["http://", "https://"].iter().find_map(|scheme| base.strip_prefix(scheme));
    if host.is_none_or(|host| host.is_empty() || host.contains('/')) {
        bail!("{text:?} is no address of a server; one looks like http://spindle.internal:8080");
    }
    Ok(base.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_bases() {
        assert_eq!(base_address("http://a:8080/").unwrap(), "http://a:8080");
        for wrong in ["a:8080", "http://", "http://a/b", "ftp://a"] {
            assert!(base_address(wrong).is_err(), "{wrong}");
        }
    }
}
