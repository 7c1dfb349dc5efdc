//! Objects that become files.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::{Blobs, Error};

impl Blobs {
    /// Writes the object `key` to the file `path`, whose folder must exist, and returns its length in bytes. The file
    /// appears whole, on disk and, when `sha256` (lower-case hex) is given, proved; or not at all. Several downloads to
    /// the same path do not disturb each other.
    ///
    /// # Errors
    /// [`Error::Digest`], [`Error::TooLarge`], [`Error::File`], else as [`Blobs::get`].
    pub async fn download(
        &self,
        container: &str,
        key: &str,
        path: &Path,
        sha256: Option<&str>,
        limit_bytes: u64,
    ) -> Result<u64, Error> {
        let mut body = self.open(container, key, limit_bytes).await?;
        let mut file = PartialFile::create(path).await?;
        let mut digest = Sha256::new();
        while let Some(piece) = body.next().await? {
            digest.update(&piece);
            file.write(&piece).await?;
        }
        if let Some(expected) = sha256 {
            let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            if found != expected {
                let (container, key, expected) = (container.to_owned(), key.to_owned(), expected.to_owned());
                return Err(Error::Digest { container, key, expected, found });
            }
        }
        file.finish(path).await?;
        Ok(body.size_bytes)
    }
}

/// A file beside the one it is to become; removed when dropped before.
struct PartialFile {
    path: PathBuf,
    file: tokio::fs::File,
    finished: bool,
}

impl PartialFile {
    async fn create(target: &Path) -> Result<Self, Error> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // The process and a number keep downloads apart, in this process and others.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{number}.part", std::process::id()));
        let path = target.with_file_name(name);
        let file = tokio::fs::File::create(&path).await.map_err(|source| failed(&path, source))?;
        Ok(Self { path, file, finished: false })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).await.map_err(|source| failed(&self.path, source))
    }

    async fn finish(mut self, target: &Path) -> Result<(), Error> {
        self.file.flush().await.map_err(|source| failed(&self.path, source))?;
        self.file.sync_all().await.map_err(|source| failed(&self.path, source))?;
        tokio::fs::rename(&self.path, target).await.map_err(|source| failed(target, source))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: a left-over has a name that nobody reads.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.to_owned(), source }
}
