//! Keys of an installation, and the file that tells scripts where it answers.

use anyhow::{Context, Result};
use blobs::{BlobConfig, Blobs};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What scripts and operators read; written when everything answers, and not before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Base address of the API.
    pub(crate) endpoint: String,
    /// `Ocp-Apim-Subscription-Key`.
    pub(crate) key: String,
    /// The object storage.
    pub(crate) s3: S3Access,
    /// The server's process.
    pub(crate) pid: u32,
}

/// Address and keys of the object storage.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct S3Access {
    pub(crate) endpoint: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) region: String,
}

impl S3Access {
    /// The storage as its clients use it; nothing is sent yet.
    pub(crate) fn open(&self) -> Result<Blobs, blobs::Error> {
        Blobs::new(&BlobConfig {
            endpoint: Some(self.endpoint.clone()),
            region: self.region.clone(),
            access_key: self.access_key_id.clone(),
            secret_key: self.secret_access_key.clone(),
            path_style: true,
        })
    }
}

/// Made at first start, kept in the data folder.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Secrets {
    pub(crate) key: String,
    pub(crate) internal_secret: String,
    pub(crate) events_secret: String,
    pub(crate) s3_access_key_id: String,
    pub(crate) s3_secret_access_key: String,
}

impl Secrets {
    /// Where a data folder keeps its secrets.
    pub(crate) fn file(data: &Path) -> PathBuf {
        data.join("secrets.json")
    }

    /// The data folder's secrets, made now when there are none.
    pub(crate) fn load_or_make(data: &Path) -> Result<Self> {
        if let Some(secrets) = Self::load(data)? {
            return Ok(secrets);
        }
        let secrets = Self {
            key: random(),
            internal_secret: random(),
            events_secret: random(),
            s3_access_key_id: random()[..20].to_uppercase(),
            s3_secret_access_key: random(),
        };
        write_private(&Self::file(data), &serde_json::to_vec_pretty(&secrets)?)?;
        Ok(secrets)
    }

    /// The data folder's secrets; `None` where no server has run yet.
    pub(crate) fn load(data: &Path) -> Result<Option<Self>> {
        let path = Self::file(data);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!("{} is not readable; restore it, or delete it to get new keys", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// 122 random bits and more from the operating system, as 32 hexadecimal digits.
pub(crate) fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Writes a file only its owner can read, whole or not at all, and durable.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        match fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
