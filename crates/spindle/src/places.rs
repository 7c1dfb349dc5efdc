//! Where the parts of a server lie: beside the program, in the project it was built in, in the user's cache.

use crate::encoders;
use crate::servers::{EncoderArguments, HostArguments};
use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "spin.toml";
const ENCODER: &str = "build/encoders/all-MiniLM-L6-v2";

/// Proves that the parts can be found that `arguments` name or leave to be found, before anything is started.
pub(crate) fn check(
    arguments: &HostArguments,
    encoders: &EncoderArguments,
    data: Option<&Path>,
) -> Result<()> {
    manifest(arguments)?;
    compile_cache(arguments)?;
    encoder(encoders, data).map(drop)
}

/// The explicit manifest, else the first one upwards from the program or from the working folder.
pub(crate) fn manifest(arguments: &HostArguments) -> Result<PathBuf> {
    if let Some(path) = &arguments.manifest {
        return Ok(path.clone());
    }
    let tried: Vec<PathBuf> = roots().into_iter().map(|root| root.join(MANIFEST)).collect();
    let found = tried.iter().find(|path| path.exists()).cloned();
    found.with_context(|| {
        let list: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
        format!("no {MANIFEST} found; name it with --manifest. Looked at: {}", list.join(", "))
    })
}

/// Where compiled components are kept.
pub(crate) fn compile_cache(arguments: &HostArguments) -> Result<PathBuf> {
    arguments.cache.clone().map_or_else(user_cache, Ok)
}

/// The encoder to train with, by its folder or by the name it has in the `data` folder; `None` when none is installed: then
/// there is the lexical recipe alone.
pub(crate) fn encoder(arguments: &EncoderArguments, data: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(named) = &arguments.encoder {
        return encoders::resolve(named, data).map(Some);
    }
    Ok(roots().into_iter().map(|root| root.join(ENCODER)).find(|folder| folder.join("config.json").exists()))
}

/// The program's folder and those above it (a built project has the program in `target/release`), then the working folder.
pub(crate) fn roots() -> Vec<PathBuf> {
    let program = env::current_exe().ok();
    let mut roots: Vec<PathBuf> = program
        .iter()
        .flat_map(|program| program.ancestors().skip(1).take(4))
        .map(Path::to_path_buf)
        .collect();
    roots.extend(env::current_dir());
    roots
}

fn user_cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    Ok(base
        .context("neither XDG_CACHE_HOME nor HOME is set; name a folder with --cache")?
        .join("spindle/components"))
}
