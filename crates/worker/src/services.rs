//! What jobs work with.

use crate::Catalog;
use crate::checkpoints::CheckpointFolder;
use crate::encoder::EncoderSource;
use crate::outward::Outward;
use crate::serving::Serving;
use crate::trainings::Trainings;
use blobs::Blobs;
use inference::Engine;
use language_api::Limits;
use std::sync::Arc;
use training::Tuner;

/// What jobs work with.
pub struct Services {
    /// The catalog.
    pub catalog: Catalog,
    /// Documents and bundles.
    pub blobs: Blobs,
    /// Models by name, for evaluation.
    pub engine: Arc<Engine>,
    /// The encoder to train over.
    pub encoder: EncoderSource,
    /// Container of bundles and encoders.
    pub models_container: String,
    /// The contract's limits.
    pub limits: Limits,
    /// Threads a training may use.
    pub threads: usize,
    /// Bytes of memory a training may take; what the machine has free when absent.
    pub training_bytes_max: Option<u64>,
    /// What tunes encoders.
    pub tuner: Box<dyn Tuner>,
    /// What trainings leave for the attempts after them.
    pub checkpoints: CheckpointFolder,
    /// Where extraction jobs are executed.
    pub dispatch: Dispatch,
    /// Models that documents are extracted from with.
    pub serving: Serving,
    /// Calls to servers of other people.
    pub outward: Outward,
    /// Trainings of this worker at the moment.
    pub trainings: Trainings,
}

/// The installation's own HTTP endpoints, which run extraction jobs.
#[derive(Clone)]
pub struct Dispatch {
    /// Scheme, host and port of each; the next one is asked when one does not answer.
    pub endpoints: Vec<String>,
    /// Proves that the call is ours.
    pub internal_secret: String,
    /// The client.
    pub http: reqwest::Client,
}
