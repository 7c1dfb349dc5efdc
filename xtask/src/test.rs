//! The whole test suite, in the order in which failures are cheapest.

use crate::run::{cargo, output, run, say};
use crate::{components, setup, tidy};
use anyhow::Result;
use std::process::Command;

/// Tidy, set-up, then every test; with a filter only the tests whose names hold it.
pub(crate) fn test(filter: Option<&str>) -> Result<()> {
    if filter.is_none() {
        tidy::tidy()?;
        run(cargo("cargo").args(["fmt", "--all", "--check"]))?;
    }
    setup::everything()?;
    components::build_test_guests()?;
    if output(Command::new("python3").args(["-c", "import ensurepip"])).is_none() {
        // The vendor's SDKs run in virtual environments.
        setup::debian(&["python3-venv"])?;
    }
    // Tests start servers of their own from it.
    if let Err(error) = setup::debian(&["postgresql"]) {
        say(format!("PostgreSQL cannot be installed, so its tests are skipped: {error:#}"));
    }
    say("running the tests");
    let mut cargo = cargo("cargo");
    // The profile of the program itself: its dependencies are built once, and the numbers run at their real speed.
    cargo.args(["test", "--release", "--no-fail-fast"]);
    let native = tidy::native_packages()?;
    for package in &native {
        cargo.args(["--package", package]);
    }
    run(cargo.args(filter))
}
