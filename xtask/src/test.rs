//! The whole test suite, in the order in which failures are cheapest.

use crate::run::{build_dir, output, quiet, root, run, say};
use crate::{setup, tidy};
use anyhow::Result;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Vendor SDKs and S3 clients the tests drive, with their versions.
const PYTHON_REQUIREMENTS: &str = "tests/python/requirements.txt";

/// Tidy, set-up, then every test; with a filter only the tests whose names hold it.
pub(crate) fn test(filter: Option<&str>) -> Result<()> {
    if filter.is_none() {
        tidy::tidy()?;
        run(Command::new("cargo").current_dir(root()).args(["fmt", "--all", "--check"]))?;
    }
    setup::everything()?;
    let python = python()?;
    say("running the tests");
    let mut cargo = Command::new("cargo");
    // The profile of the program itself: its dependencies are built once, and the numbers run at their real speed.
    cargo.current_dir(root()).args(["test", "--release", "--no-fail-fast"]);
    for package in tidy::native_packages()? {
        cargo.args(["--package", &package]);
    }
    cargo.args(filter).env("SPINDLE_TEST_PYTHON", python);
    run(&mut cargo)
}

/// A virtual environment with the vendor's real packages, made once per content of the requirements.
fn python() -> Result<PathBuf> {
    let home = build_dir().join("python");
    let program = home.join("bin/python");
    let wanted = fs::read_to_string(root().join(PYTHON_REQUIREMENTS))?;
    let stamp = home.join("requirements.txt");
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(program);
    }
    say("installing the vendor SDKs for the tests into build/python");
    if output(Command::new("python3").args(["-c", "import ensurepip"])).is_none() {
        setup::debian(&["python3-venv"])?;
    }
    quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    let mut pip = Command::new(&program);
    pip.current_dir(root()).args(["-m", "pip", "install", "--quiet", "--pre", "--requirement", PYTHON_REQUIREMENTS]);
    quiet(&mut pip)?;
    fs::write(&stamp, wanted)?;
    Ok(program)
}
