//! Extraction: documents to a deployment, to its model, to entities.
//!
//! Use-cases between the wire contract, the catalog and a model's graph; the same code for jobs and for the synchronous
//! call. Where graphs are computed comes in from outside ([`Graphs`]), and so do clock and ids. It must not know how
//! a job gets to be run: a dispatcher calls [`Extraction::run_job`] with the lease it holds.

mod cancel;
mod documents;
mod error;
mod health;
mod models;
mod run;
mod status;
mod stored;
mod stream;
mod submit;

pub use error::Error;
pub use models::{Graphs, Models, Recent};
pub use stream::stream_batch;

use catalog::{CallClass, Catalog, Driver, Role};
use jiff::Timestamp;
use language_api::{ApiError, Call, Limits, Reply};

/// What every use-case answers with.
pub type Answer = Result<Reply, ApiError>;

/// All that extraction works with.
#[derive(Clone, Copy)]
pub struct Extraction<'a, D> {
    /// Projects, deployments, jobs, keys.
    pub catalog: &'a Catalog<D>,
    /// Models parsed before.
    pub models: &'a Models,
    /// Who computes.
    pub graphs: &'a dyn Graphs,
    /// What a request may hold.
    pub limits: &'a Limits,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl<D> std::fmt::Debug for Extraction<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extraction").field("models", self.models).finish_non_exhaustive()
    }
}

impl<D: Driver> Extraction<'_, D> {
    async fn authorize(&self, call: &Call) -> Result<(), ApiError> {
        // Every role may extract (contract: authoring 1).
        self.catalog.authorize(call.key.as_deref(), Role::Reader).await?;
        self.catalog.admit(CallClass::Prediction, self.limits.prediction_calls_per_minute, (self.now)()).await
    }
}
