//! Runs a Spin application: reads `spin.toml`, gives each component exactly the interfaces its entry grants, serves its
//! routes. Also holds the embedded S3 server.
//!
//! It knows nothing of entities, projects or jobs. What it can't provide it refuses at start-up, by name.

mod admission;
mod clock;
mod component;
mod engine;
mod health;
mod interfaces;
mod manifest;
mod observed;
mod router;
mod server;
mod state;
pub mod storage;
mod tls;

pub use engine::EngineError;
pub use health::{Health, Readiness};
pub use interfaces::nn::Models;
pub use interfaces::outbound::OutboundHostError;
pub use interfaces::sqlite::SqliteDatabase;
pub use manifest::{Manifest, ManifestError};
pub use router::RouteError;
pub use server::{Host, HostError, HostSettings};
pub use tls::{Tls, TlsError};
