//! Leases jobs and runs them.
//!
//! A worker keeps nothing between jobs that anything depends on: what it learns it writes to the catalog and to the object
//! storage, and a job whose worker dies is leased again. Every step therefore bears repetition; checkpoints of trainings
//! only spare the time.

mod announce;
mod bundles;
mod checkpoints;
mod documents;
mod encoder;
mod failure;
mod jobs;
mod memory;
mod observed;
mod outward;
mod run;
mod services;
mod serving;
mod trainings;
mod watching;
mod worker;

pub use checkpoints::CheckpointFolder;
pub use encoder::EncoderSource;
pub use failure::Failure;
pub use memory::available_bytes;
pub use outward::{Outward, certificate_authorities};
pub use services::{Dispatch, Services};
pub use serving::Serving;
pub use trainings::Trainings;
pub use worker::{Worker, WorkerSettings};

/// The catalog as workers open it.
pub type Catalog = catalog::Catalog<catalog::driver::Native>;
