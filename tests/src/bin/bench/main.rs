//! Figures of the real program beside OpenVINO alone: start, latency, training, extraction, soak; the import of a large
//! project; storage events; the queue of jobs, and more hosts than one.
//!
//! ```text
//! cargo xtask bench [start|latency|training|extraction|soak|import [DOCUMENTS]|events|queue]
//! ```

mod caller;
mod events;
mod extraction;
mod import;
mod load;
mod peers;
mod process;
mod project;
mod queue;
mod raw;
mod soak;
mod start;
mod table;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let which = std::env::args().nth(1);
    match which.as_deref() {
        None => {
            start::start()?;
            project::project(true, true)?;
            extraction::extraction()?;
            import::import(import::DOCUMENTS)?;
            events::events()?;
            queue::queue()
        }
        Some("start") => start::start(),
        Some("latency") => project::project(true, false),
        Some("extraction") => extraction::extraction(),
        Some("soak") => soak::soak(),
        Some("events") => events::events(),
        Some("queue") => queue::queue(),
        Some("training") => project::project(false, true),
        Some("import") => import::import(match std::env::args().nth(2) {
            None => import::DOCUMENTS,
            Some(number) => {
                number.parse().with_context(|| format!("{number:?} is no number of documents"))?
            }
        }),
        Some(other) => bail!(
            "there is no bench {other:?}; there are start, latency, training, extraction, soak, import, events and queue"
        ),
    }
}
