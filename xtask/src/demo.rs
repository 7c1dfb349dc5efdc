//! The walk-through: set-up, then `spindle demo`.

use crate::run::{root, run, say};
use crate::setup;
use anyhow::Result;
use std::process::Command;

/// Sets up what is missing and runs the demo of the built program.
pub(crate) fn demo(arguments: &[String]) -> Result<()> {
    setup::everything()?;
    say("starting the demo");
    let program = root().join("target/release/spindle");
    run(Command::new(program).current_dir(root()).arg("demo").args(arguments))
}
