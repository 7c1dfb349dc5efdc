//! The vendor's SDK for JavaScript, in a folder of its own under `build/`.

use crate::places::root;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output, Stdio};

const PACKAGES: &str = "tests/node/package.json";
const FOLDER: &str = "build/node";

/// Runs a script of `tests/node` and returns what it printed; `None`, and a line that says so, where Node.js is missing.
///
/// # Errors
/// The packages can't be installed; the script fails, with its output.
pub fn run<A: AsRef<OsStr>>(script: &str, arguments: &[A]) -> Result<Option<String>> {
    for program in ["node", "npm"] {
        if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("skipped: {program} is not installed, so the SDK for JavaScript is not tried");
            return Ok(None);
        }
    }
    install()?;
    let mut command = Command::new("node");
    command.env("NODE_PATH", root().join(FOLDER).join("node_modules"));
    command
        .env("NO_PROXY", "127.0.0.1,localhost")
        .arg(root().join("tests/node").join(script))
        .args(arguments);
    Ok(Some(String::from_utf8(output(&mut command)?.stdout)?))
}

fn install() -> Result<()> {
    let home = root().join(FOLDER);
    let wanted = fs::read_to_string(root().join(PACKAGES))?;
    // Written last, so that an interrupted installation starts over.
    let stamp = home.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    fs::create_dir_all(&home)?;
    fs::write(home.join("package.json"), &wanted)?;
    let mut npm = Command::new("npm");
    npm.current_dir(&home).args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]);
    output(&mut npm)?;
    Ok(fs::write(&stamp, wanted)?)
}

fn output(command: &mut Command) -> Result<Output> {
    let name = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not start {name}"))?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{name} ended with {}\n{out}{err}", output.status);
    }
    Ok(output)
}
