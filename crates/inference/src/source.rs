//! Where model bundles and encoder packages come from.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// A store of immutable files under slash-separated paths:
///
/// - `models/<model id>/manifest.json`, `models/<model id>/<file>`: a model bundle;
/// - `encoders/<digest>/manifest.json`, `encoders/<digest>/<file>`: an encoder package.
///
/// Files and not bytes, because OpenVINO maps weights from files. Calls block.
pub trait BundleSource: Send + Sync {
    /// A local file with what the store holds under `path`. It stays as long as the process runs.
    ///
    /// # Errors
    /// [`SourceError::NotFound`] when the store has no such file; nothing else may be reported so.
    fn fetch(&self, path: &str) -> Result<PathBuf, SourceError>;

    /// Says that the local file of `path` is not what its digest promises. A source with local copies drops the copy,
    /// so that the next [`BundleSource::fetch`] gets it anew.
    fn discard(&self, path: &str) {
        let _ = path;
    }
}

/// Why a source gave no file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SourceError {
    /// The store has no such file.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The store or the disk failed. Trying again may help.
    #[error("cannot fetch {path}: {reason}")]
    Failed {
        /// The file asked for.
        path: String,
        /// What the store or the system said.
        reason: String,
    },
}

/// Files below one local folder.
#[derive(Clone, Debug)]
pub struct FolderSource {
    root: PathBuf,
}

impl FolderSource {
    /// Files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl BundleSource for FolderSource {
    fn fetch(&self, path: &str) -> Result<PathBuf, SourceError> {
        let file = below(&self.root, path)?;
        match fs::metadata(&file) {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(SourceError::NotFound(path.to_owned())),
            Err(error) if absent(&error) => Err(SourceError::NotFound(path.to_owned())),
            Err(error) => Err(failed(path, &error)),
        }
    }
}

/// Local copies of another store's files, made when first asked for.
pub struct CachedSource<D> {
    folder: FolderSource,
    download: D,
    drafts: AtomicU64,
}

impl<D> CachedSource<D>
where
    D: Fn(&str, &mut File) -> Result<(), SourceError> + Send + Sync,
{
    /// Copies below `folder`; `download` writes the whole file of a path to the given empty file.
    pub fn new(folder: impl Into<PathBuf>, download: D) -> Self {
        Self { folder: FolderSource::new(folder), download, drafts: AtomicU64::new(0) }
    }

    fn copy(&self, path: &str) -> Result<PathBuf, SourceError> {
        let file = below(&self.folder.root, path)?;
        let parent = file.parent().unwrap_or(&self.folder.root);
        fs::create_dir_all(parent).map_err(|error| failed(path, &error))?;
        // Others must never see half a file, nor write into this draft.
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = parent.join(format!(".draft-{}-{number}", std::process::id()));
        let written = File::create(&draft)
            .map_err(|error| failed(path, &error))
            .and_then(|mut target| (self.download)(path, &mut target))
            .and_then(|()| fs::rename(&draft, &file).map_err(|error| failed(path, &error)));
        if written.is_err() {
            // Nothing to do about a draft that cannot be removed either.
            let _ = fs::remove_file(&draft);
        }
        written.map(|()| file)
    }
}

impl<D> BundleSource for CachedSource<D>
where
    D: Fn(&str, &mut File) -> Result<(), SourceError> + Send + Sync,
{
    fn fetch(&self, path: &str) -> Result<PathBuf, SourceError> {
        match self.folder.fetch(path) {
            Err(SourceError::NotFound(_)) => self.copy(path),
            other => other,
        }
    }

    fn discard(&self, path: &str) {
        let removed = below(&self.folder.root, path).map(fs::remove_file);
        tracing::warn!(path, ?removed, "dropped a damaged local copy");
    }
}

/// `path` below `root`; a path that would lead elsewhere names nothing.
fn below(root: &Path, path: &str) -> Result<PathBuf, SourceError> {
    let plain = |component| matches!(component, Component::Normal(_));
    if path.is_empty() || path.contains(['\\', '\0']) || !Path::new(path).components().all(plain) {
        return Err(SourceError::NotFound(path.to_owned()));
    }
    Ok(root.join(path))
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn failed(path: &str, error: &io::Error) -> SourceError {
    SourceError::Failed { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        fs::write(outside.path().join("secret"), b"x").expect("a file");
        fs::create_dir(outside.path().join("root")).expect("a folder");
        let source = FolderSource::new(outside.path().join("root"));
        let absolute = outside.path().join("secret").display().to_string();
        for path in ["../secret", "a/../../secret", absolute.as_str(), "", "a\\b", "secret\0"] {
            assert_eq!(source.fetch(path), Err(SourceError::NotFound(path.to_owned())), "{path:?}");
        }
    }

    #[test]
    fn a_copy_is_made_once_and_again_after_it_was_discarded() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let downloads = AtomicU64::new(0);
        let source = CachedSource::new(folder.path(), |path: &str, file: &mut File| {
            let number = downloads.fetch_add(1, Ordering::Relaxed);
            write!(file, "{path} {number}").map_err(|error| failed(path, &error))
        });
        let read = || fs::read_to_string(source.fetch("models/m/head.bin").expect("a copy")).expect("a file");
        assert_eq!((read(), read()), ("models/m/head.bin 0".to_owned(), "models/m/head.bin 0".to_owned()));
        source.discard("models/m/head.bin");
        assert_eq!(read(), "models/m/head.bin 1");
    }

    #[test]
    fn a_broken_download_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = CachedSource::new(folder.path(), |path: &str, file: &mut File| {
            file.write_all(b"half").map_err(|error| failed(path, &error))?;
            Err(SourceError::NotFound(path.to_owned()))
        });
        assert_eq!(source.fetch("models/m/a"), Err(SourceError::NotFound("models/m/a".into())));
        assert_eq!(fs::read_dir(folder.path().join("models/m")).expect("the folder").count(), 0);
    }
}
