//! Figures of the real program beside OpenVINO alone: start, latency, training.
//!
//! ```text
//! cargo xtask bench [start|latency|training]
//! ```

mod process;
mod project;
mod raw;
mod start;
mod table;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let which = std::env::args().nth(1);
    match which.as_deref() {
        None => {
            start::start()?;
            project::project(true, true)
        }
        Some("start") => start::start(),
        Some("latency") => project::project(true, false),
        Some("training") => project::project(false, true),
        Some(other) => bail!("there is no bench {other:?}; there are start, latency and training"),
    }
}
