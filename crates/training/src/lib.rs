//! Corpus and recipe to model bundle.
//!
//! Everything a model needs is learned here from labeled documents; what text becomes before, and what emissions
//! become after, is the `model` crate's, the same as in serving. It must not know where documents or bundles are
//! stored, nor what a project or a job is. Deterministic: the same request gives the same bytes on the same class
//! of machine, whatever the number of threads.

mod chain;
mod corpus;
mod encode;
mod fit;
mod folds;
mod judge;
mod members;
mod network;
mod objective;
mod owlqn;
mod parallel;
mod random;
mod reporter;
mod request;
mod sized;
mod sparse;
mod surroundings;
mod train;
mod tune;
mod tuner;
mod vectors;

pub use request::{Progress, RecipeChoice, Stage, TrainError, TrainRequest, TrainingEncoder};
pub use surroundings::{Checkpoints, Surroundings};
pub use train::train;
pub use tuner::{Tuner, TunerError, Tuning, TuningDevice, TuningTask, TuningWindow};
