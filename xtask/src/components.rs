//! Builds the components to wasm and puts them where `spin.toml` looks for them.

use crate::run::{root, run, say};
use crate::wasm;
use anyhow::{Context, Result};
use std::fs;

/// Component id in `spin.toml` = folder in `components/`.
pub(crate) const COMPONENTS: [&str; 4] = ["authoring", "extraction", "storage-events", "studio"];

/// Builds all components.
pub(crate) fn build() -> Result<()> {
    let toolchain = wasm::toolchain()?;
    say("building the components");
    let mut command = toolchain.build();
    for component in COMPONENTS {
        command.args(["--package", &format!("{component}-component")]);
    }
    run(&mut command)?;
    let target = root().join("target/components");
    for component in COMPONENTS {
        let built = wasm::artifacts().join(format!("{}_component.wasm", component.replace('-', "_")));
        let place = target.join(format!("{component}.wasm"));
        fs::copy(&built, &place).with_context(|| format!("{} was not built", built.display()))?;
    }
    Ok(())
}
