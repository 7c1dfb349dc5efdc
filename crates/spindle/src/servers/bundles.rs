//! Bundles and encoders from the object storage, copied to this machine when first needed.

use blobs::Blobs;
use inference::{CachedSource, Engine, SourceError};
use model::{Graph, GraphError};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Largest file of a bundle or encoder; a guard against a container that holds something else.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// The engine's files: local copies below `cache` of what `container` holds. Call inside the runtime that stays.
pub(crate) fn stored_bundles(
    blobs: Blobs,
    container: String,
    cache: PathBuf,
) -> CachedSource<impl Fn(&str, &mut File) -> Result<(), SourceError> + Send + Sync> {
    let runtime = Handle::current();
    CachedSource::new(cache, move |path: &str, file: &mut File| {
        let failed = |reason: String| SourceError::Failed { path: path.to_owned(), reason };
        match wait(&runtime, blobs.get(&container, path, FILE_BYTES_MAX)) {
            Ok(object) => file.write_all(&object.bytes).map_err(|error| failed(error.to_string())),
            Err(blobs::Error::NotFound { .. }) => Err(SourceError::NotFound(path.to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    })
}

/// Waits for `work` from a thread of the engine, whether it is one of the runtime's or not.
fn wait<T: Send>(runtime: &Handle, work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime.block_on(work));
        match waiting.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The engine as the host's models.
pub(crate) struct EngineModels(pub(crate) Arc<Engine>);

impl host::Models for EngineModels {
    fn open(&self, name: &str) -> Result<Arc<dyn Graph + Send + Sync>, GraphError> {
        self.0.open(name)
    }
}
