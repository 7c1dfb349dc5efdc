//! The vendor's SDK for JavaScript, in a folder of its own under `build/`.

use crate::command::output;
use crate::places::root;
use anyhow::Result;
use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

/// What is wanted, and the versions of all that comes with it.
const PACKAGES: [&str; 2] = ["package.json", "package-lock.json"];
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
    let (home, own) = (root().join(FOLDER), root().join("tests/node"));
    let wanted = PACKAGES.map(|name| fs::read_to_string(own.join(name)));
    let wanted = wanted.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    // Written last, so that an interrupted installation starts over.
    let stamp = home.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    fs::create_dir_all(&home)?;
    for name in PACKAGES {
        fs::copy(own.join(name), home.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&home).args(["ci", "--silent", "--no-audit", "--no-fund"]);
    output(&mut npm)?;
    Ok(fs::write(&stamp, wanted)?)
}
