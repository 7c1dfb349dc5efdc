//! Where the program and the data of the tests lie.

use anyhow::{Result, bail};
use std::env;
use std::path::{Path, PathBuf};

/// Names another program than the built one.
pub const PROGRAM_VARIABLE: &str = "SPINDLE_PROGRAM";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The program under test.
///
/// # Errors
/// It is not built; the message holds the command that does.
pub fn program() -> Result<PathBuf> {
    let program =
        env::var_os(PROGRAM_VARIABLE).map_or_else(|| root().join("target/release/spindle"), PathBuf::from);
    if !program.is_file() {
        bail!(
            "{} is not there; build it with `cargo xtask setup`, or name another with {PROGRAM_VARIABLE}",
            program.display()
        );
    }
    Ok(program)
}

/// A folder of the data sets beside the repository, when this machine has them; says so when not.
pub fn data_set(name: &str) -> Option<PathBuf> {
    let folder = root().join("../shared/data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no data set {}", folder.display());
    None
}
