//! Tunes an encoder's layers: `training::Tuner` over burn, one code for processor and GPU.
//!
//! Knows nothing of texts, documents or bundles, nor of how an encoder's package stores its weights.
//!
//! On the processor every part of a step is computed by one thread, and the parts' gradients are added in their order, so the
//! number of threads changes no bit. burn's own threads are left out for the same reason.

mod batches;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod layers;
mod learn;
mod optimiser;
#[cfg(test)]
mod tests;

pub use device::{Choice, DeviceError, open};
