//! Where OpenVINO and the default encoder are; `None` after printing why a test is skipped. The tests of `tuning` read this
//! file, too.

use std::path::{Path, PathBuf};

use inference::{LIBRARY_VARIABLE, PROJECT_FOLDER};

/// OpenVINO's library.
pub(crate) fn library() -> Option<PathBuf> {
    located(LIBRARY_VARIABLE, PROJECT_FOLDER)
}

/// The default encoder's folder as published, or another that the variable names.
pub(crate) fn published() -> Option<PathBuf> {
    located("SPINDLE_ENCODER", "build/encoders/all-MiniLM-L6-v2")
}

fn located(variable: &str, project: &str) -> Option<PathBuf> {
    let place = std::env::var_os(variable)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(project), PathBuf::from);
    if place.exists() {
        return Some(place);
    }
    let line = format!("{} is absent; run `cargo xtask setup` or set {variable}", place.display());
    assert!(std::env::var_os("CI").is_none(), "{line}");
    println!("skipped: {line}");
    None
}
