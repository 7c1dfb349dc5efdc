//! The wasmtime engine: configuration, epoch clock and the ahead-of-time compile cache.

use sha2::{Digest, Sha256};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use wasmtime::component::Component;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running guest is asked whether its time is up.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);

/// Why the engine or a component could not be made.
#[derive(Debug, Error)]
pub enum EngineError {
    /// This machine can't run wasmtime as configured.
    #[error("cannot start the wasm engine: {0}")]
    Engine(String),
    /// The wasm file is absent or unreadable. Building the components again mends it.
    #[error("cannot read component {path}: {source}; build it with `cargo xtask components`")]
    Read {
        /// The wasm file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The wasm file is not a component this engine understands.
    #[error("cannot compile component {path}: {reason}")]
    Compile {
        /// The wasm file.
        path: PathBuf,
        /// wasmtime's reason.
        reason: String,
    },
}

/// A wasmtime engine whose epoch advances every [`EPOCH`] as long as the value lives.
///
/// Requests keep it ticking; see [`crate::server`]: an idle host has no ticker running.
pub(crate) fn engine() -> Result<Engine, EngineError> {
    // The pooling allocator reserves terabytes of address space, which small or foreign machines refuse.
    match Engine::new(config().allocation_strategy(pool())) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::info!(reason = %error, "pooling allocator not available, allocating on demand");
            Engine::new(&config()).map_err(|error| EngineError::Engine(format!("{error:#}")))
        }
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true).wasm_component_model_async(true).epoch_interruption(true);
    config
}

fn pool() -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(200)
        .total_core_instances(2_000)
        .total_memories(400)
        .total_tables(800)
        .total_stacks(400)
        .max_core_instances_per_component(50)
        .max_memories_per_component(8)
        .max_tables_per_component(20)
        .max_component_instance_size(10 << 20)
        .max_core_instance_size(10 << 20)
        .table_elements(100_000)
        .max_memory_size(4 << 30);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Compiles the component at `path`, or loads what an earlier run compiled.
///
/// `cache` is a folder that belongs to this user alone: compiled code is native code, so it is only ever loaded from
/// where this program wrote it. Entries are named by content, engine and settings.
pub(crate) fn component(engine: &Engine, path: &Path, cache: &Path) -> Result<Component, EngineError> {
    let wasm = fs::read(path).map_err(|source| EngineError::Read { path: path.to_path_buf(), source })?;
    let compiled = cache.join(cache_name(engine, &wasm));
    if compiled.exists() {
        // SAFETY: the file was written below, by this program, into a folder of this user (mode 0700), under a name
        // that binds it to the wasm's digest and to this engine's version and settings.
        #[allow(unsafe_code)]
        match unsafe { Component::deserialize_file(engine, &compiled) } {
            Ok(component) => return Ok(component),
            Err(error) => tracing::warn!(file = %compiled.display(), %error, "compile cache entry ignored"),
        }
    }
    let failed = |error: wasmtime::Error| EngineError::Compile {
        path: path.to_path_buf(),
        reason: format!("{error:#}"),
    };
    tracing::info!(component = %path.display(), "compiling, once for this version");
    let component = Component::new(engine, &wasm).map_err(failed)?;
    let bytes = component.serialize().map_err(failed)?;
    if let Err(error) = store(&compiled, &bytes) {
        tracing::warn!(file = %compiled.display(), %error, "compile cache not written");
    }
    Ok(component)
}

fn cache_name(engine: &Engine, wasm: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let digest: String = Sha256::digest(wasm).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}-{:016x}.cwasm", hasher.finish())
}

/// Writes beside the place and renames, so that a reader never sees half a file.
fn store(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let part = path.with_extension(format!("part{}", std::process::id()));
    fs::write(&part, bytes)?;
    fs::rename(&part, path)
}
