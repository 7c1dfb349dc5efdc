//! Which device tunes.

use crate::learn::BurnTuner;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use thiserror::Error;
use training::{Tuner, TuningDevice};

/// Most pieces of a part on the processor: a part of two layers takes a fraction of a second, so that a wish to stop is
/// heard soon, and a step has parts for several threads.
const PART_PIECES: usize = 256;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// A GPU where there is one and the program can use it, else the processor.
    #[default]
    Auto,
    /// The processor.
    Processor,
    /// A GPU.
    Cuda,
}

/// Why the device asked for cannot be used. The operator can fix it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// This program was built without it.
    #[error(
        "this program was built without CUDA; build it with `--features cuda`, or tune on the processor (cpu)"
    )]
    NotBuilt,
    /// There is none, or no driver.
    #[error("no CUDA device can be used: {0}; install NVIDIA's driver, or tune on the processor (cpu)")]
    NoDevice(String),
}

/// The tuner for `choice`.
///
/// # Errors
/// [`DeviceError`] where CUDA was asked for by name and cannot be used.
pub fn open(choice: Choice) -> Result<Box<dyn Tuner>, DeviceError> {
    match choice {
        Choice::Processor => Ok(processor()),
        Choice::Cuda => cuda(),
        Choice::Auto => Ok(cuda().unwrap_or_else(|_| processor())),
    }
}

fn processor() -> Box<dyn Tuner> {
    Box::new(BurnTuner::<Autodiff<Flex>> {
        device: Default::default(),
        kind: TuningDevice::Processor,
        part_pieces: PART_PIECES,
    })
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Box<dyn Tuner>, DeviceError> {
    crate::cuda::open()
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Box<dyn Tuner>, DeviceError> {
    Err(DeviceError::NotBuilt)
}
