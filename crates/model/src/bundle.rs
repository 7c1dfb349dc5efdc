//! A model as it is stored: the manifest and the files it names.

use crate::{FileRef, Head, HeadError, Manifest, ManifestError, manifest::HEAD_FILE};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use thiserror::Error;

/// A manifest with its files. Immutable once made.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// What the model is.
    pub manifest: Manifest,
    /// The files by name, exactly those of `manifest.files`.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Why files do not make the bundle their manifest describes. The operator can restore the bundle or retrain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BundleError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A named file is not there.
    #[error("file {0:?} is missing")]
    Missing(String),
    /// A file the manifest does not know.
    #[error("file {0:?} is not named by the manifest")]
    Unknown(String),
    /// A file is not the one that was written.
    #[error("file {name:?} is altered: expected {expected}, found {found}")]
    Altered {
        /// Its name.
        name: String,
        /// Digest and length in the manifest.
        expected: String,
        /// Digest and length of the bytes.
        found: String,
    },
    /// The head cannot be used.
    #[error("head: {0}")]
    Head(#[from] HeadError),
}

impl Bundle {
    /// Puts a bundle together from a manifest and stored files.
    ///
    /// # Errors
    /// [`BundleError`] when a file is missing, unknown or altered, or the manifest contradicts itself.
    pub fn new(manifest: Manifest, files: BTreeMap<String, Vec<u8>>) -> Result<Self, BundleError> {
        manifest.validate()?;
        if let Some(name) = files.keys().find(|name| !manifest.files.contains_key(*name)) {
            return Err(BundleError::Unknown(name.clone()));
        }
        for (name, expected) in &manifest.files {
            let bytes = files.get(name).ok_or_else(|| BundleError::Missing(name.clone()))?;
            expected.verify(name, bytes)?;
        }
        Ok(Self { manifest, files })
    }

    /// The head.
    ///
    /// # Errors
    /// [`BundleError::Missing`] or [`BundleError::Head`].
    pub fn head(&self) -> Result<Head, BundleError> {
        let bytes = self.files.get(HEAD_FILE).ok_or_else(|| BundleError::Missing(HEAD_FILE.into()))?;
        Ok(Head::from_bytes(bytes)?)
    }
}

impl FileRef {
    /// The identity of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: sha256_hex(bytes), bytes: bytes.len() as u64 }
    }

    /// Checks that `bytes` is the file meant.
    ///
    /// # Errors
    /// [`BundleError::Altered`].
    pub fn verify(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let found = Self::of(bytes);
        if found == *self {
            return Ok(());
        }
        let describe = |file: &Self| format!("{} ({} bytes)", file.sha256, file.bytes);
        Err(BundleError::Altered { name: name.into(), expected: describe(self), found: describe(&found) })
    }
}

/// SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
