//! Builds the components to wasm and puts them where `spin.toml` looks for them.

use crate::run::{root, run, say};
use crate::wasm;
use anyhow::{Context, Result};
use std::fs;

/// Component id in `spin.toml` = folder in `components/`.
pub(crate) const COMPONENTS: [&str; 4] = ["authoring", "extraction", "storage-events", "studio"];

/// Guests that only tests run = folder in `tests/guests/`.
const TEST_GUESTS: [&str; 1] = ["probe"];

/// Builds all components.
pub(crate) fn build() -> Result<()> {
    say("building the components");
    build_these(&COMPONENTS)
}

/// Builds the guests of the tests.
pub(crate) fn build_test_guests() -> Result<()> {
    say("building the tests' guests");
    build_these(&TEST_GUESTS)
}

fn build_these(components: &[&str]) -> Result<()> {
    let mut command = wasm::toolchain()?.build();
    for component in components {
        command.args(["--package", &format!("{component}-component")]);
    }
    run(&mut command)?;
    let target = root().join("target/components");
    for component in components {
        let built = wasm::artifacts().join(format!("{}_component.wasm", component.replace('-', "_")));
        let place = target.join(format!("{component}.wasm"));
        fs::copy(&built, &place).with_context(|| format!("{} was not built", built.display()))?;
    }
    Ok(())
}
