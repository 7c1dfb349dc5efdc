//! Where the parts of a server lie: beside the program, in the project it was built in, in the user's cache.

use crate::encoders;
use crate::up::ServerArguments;
use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "spin.toml";
const ENCODER: &str = "build/encoders/all-MiniLM-L6-v2";

/// The found parts.
pub(crate) struct Places {
    pub(crate) manifest: PathBuf,
    pub(crate) compile_cache: PathBuf,
    /// Absent when none is installed: then there is the lexical recipe alone.
    pub(crate) encoder: Option<PathBuf>,
}

impl Places {
    /// The parts that `arguments` name or leave to be found; encoders also by the name they have in the `data` folder.
    pub(crate) fn find(arguments: &ServerArguments, data: Option<&Path>) -> Result<Self> {
        Ok(Self {
            manifest: manifest(arguments.manifest.as_deref())?,
            compile_cache: arguments.cache.clone().map_or_else(user_cache, Ok)?,
            encoder: encoder(arguments.encoder.as_deref(), data)?,
        })
    }
}

/// The explicit manifest, else the first one upwards from the program or from the working folder.
fn manifest(explicit: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = explicit {
        return Ok(path.to_path_buf());
    }
    let tried: Vec<PathBuf> = roots().into_iter().map(|root| root.join(MANIFEST)).collect();
    let found = tried.iter().find(|path| path.exists()).cloned();
    found.with_context(|| {
        let list: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
        format!("no {MANIFEST} found; name it with --manifest. Looked at: {}", list.join(", "))
    })
}

fn encoder(explicit: Option<&Path>, data: Option<&Path>) -> Result<Option<PathBuf>> {
    if let Some(named) = explicit {
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
