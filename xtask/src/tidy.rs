//! House rules that a compiler does not know: dependency direction, file length, unfinished marks, machine paths.

use crate::run::{output, root};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Our crates from the ground up; a crate may depend on lower floors, and on its own floor where listed.
const FLOORS: &[&[&str]] = &[
    &["ner", "telemetry"],
    &["language-api", "model"],
    &["label-formats", "storage-events"],
    &["catalog", "blobs", "inference", "training"],
    &["authoring", "extraction", "tuning"],
    &["host", "worker"],
    &["spindle"],
];
/// What pure crates must not name: they do no I/O and know no clock.
const IMPURE: &[&str] =
    &["std::fs", "std::net", "std::thread", "std::process", "SystemTime", "Instant::now", "tokio"];
const PURE: &[&str] = &["ner", "label-formats", "language-api", "model", "storage-events"];
const LINES_MAX: usize = 500;
const COMPONENT_LINES_MAX: usize = 300;

/// Checks the rules; prints every breach, fails when there is one.
pub(crate) fn tidy() -> Result<()> {
    let mut breaches = vec![];
    dependencies(&mut breaches)?;
    for file in tracked()? {
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        length(&file, &text, &mut breaches);
        content(&file, &text, &mut breaches);
    }
    if breaches.is_empty() {
        return Ok(());
    }
    bail!("tidy found {} breaches:\n  {}", breaches.len(), breaches.join("\n  "))
}

/// The packages that build natively: all but the components.
pub(crate) fn native_packages() -> Result<Vec<String>> {
    let mut packages = vec![];
    for folder in ["crates", "."] {
        for entry in fs::read_dir(root().join(folder))? {
            let manifest = entry?.path().join("Cargo.toml");
            if manifest.exists() {
                packages.push(package_name(&manifest)?);
            }
        }
    }
    packages.sort();
    Ok(packages)
}

fn package_name(manifest: &Path) -> Result<String> {
    let table: toml::Table = fs::read_to_string(manifest)?.parse()?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str());
    Ok(name.with_context(|| format!("{} names no package", manifest.display()))?.to_owned())
}

fn dependencies(breaches: &mut Vec<String>) -> Result<()> {
    let floor: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, names)| names.iter().map(move |name| (*name, floor)))
        .collect();
    for entry in fs::read_dir(root().join("crates"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = folder.join("Cargo.toml");
        if package_name(&manifest)? != name {
            breaches.push(format!("crates/{name}: folder and package must have one name"));
        }
        let Some(own) = floor.get(name.as_str()) else {
            breaches.push(format!("crates/{name}: has no floor in xtask/src/tidy.rs"));
            continue;
        };
        let table: toml::Table = fs::read_to_string(&manifest)?.parse()?;
        let used = table.get("dependencies").and_then(|list| list.as_table()).into_iter().flatten();
        for (used, _) in used {
            if floor.get(used.as_str()).is_some_and(|floor| floor >= own) {
                breaches.push(format!("crates/{name} depends on {used}, which is not below it"));
            }
        }
    }
    Ok(())
}

fn length(file: &Path, text: &str, breaches: &mut Vec<String>) {
    let lines_max = if file.starts_with("components") { COMPONENT_LINES_MAX } else { LINES_MAX };
    let code = file
        .extension()
        .is_some_and(|extension| ["rs", "py", "ts", "js"].iter().any(|code| extension == *code));
    let lines = text.lines().count();
    if code && lines > lines_max {
        breaches.push(format!("{}: {lines} lines, at most {lines_max}", file.display()));
    }
}

fn content(file: &Path, text: &str, breaches: &mut Vec<String>) {
    // This file holds the words it looks for.
    if file.ends_with("tidy.rs") {
        return;
    }
    let home = ["/home/", "/root/", "/work/", "/Users/"];
    let marks = ["TODO", "FIXME", "XXX"];
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    let pure = PURE.iter().any(|name| file.starts_with(format!("crates/{name}/src")));
    for (number, line) in text.lines().enumerate() {
        let mut breach = |what: &str| breaches.push(format!("{}:{}: {what}", file.display(), number + 1));
        if home.iter().any(|path| line.contains(path)) {
            breach("holds a machine path");
        }
        if is_rust && marks.iter().any(|mark| line.contains(mark)) {
            breach("holds an unfinished mark");
        }
        if is_rust && pure && IMPURE.iter().any(|word| line.contains(word)) {
            breach("a pure crate does no I/O and knows no clock");
        }
    }
}

fn tracked() -> Result<Vec<PathBuf>> {
    let files = output(Command::new("git").current_dir(root()).args(["ls-files"]));
    Ok(files.context("tidy asks git for the files")?.lines().map(PathBuf::from).collect())
}
