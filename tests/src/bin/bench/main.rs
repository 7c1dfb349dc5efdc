//! Figures of the real program beside OpenVINO alone: start, latency, training, extraction, soak.
//!
//! ```text
//! cargo xtask bench [start|latency|training|extraction|soak]
//! ```

mod extraction;
mod process;
mod project;
mod raw;
mod soak;
mod start;
mod table;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let which = std::env::args().nth(1);
    match which.as_deref() {
        None => {
            start::start()?;
            project::project(true, true)?;
            extraction::extraction()
        }
        Some("start") => start::start(),
        Some("latency") => project::project(true, false),
        Some("extraction") => extraction::extraction(),
        Some("soak") => soak::soak(),
        Some("training") => project::project(false, true),
        Some(other) => {
            bail!("there is no bench {other:?}; there are start, latency, training, extraction and soak")
        }
    }
}
