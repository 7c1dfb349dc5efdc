//! How encoders use the machine.

use std::path::PathBuf;
use std::thread::available_parallelism;

/// Number format of the matrix products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats: the reference.
    #[default]
    F32,
    /// bfloat16: two to three times as fast where the processor has it, about two decimal digits.
    Bf16,
    /// [`Precision::Bf16`] where the processor computes it in hardware, else [`Precision::F32`].
    Auto,
}

/// Settings of every encoder a process opens.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The OpenVINO library's file or folder; `None` searches (see [`Library::load`](crate::Library::load)).
    pub library: Option<PathBuf>,
    /// Number format.
    pub precision: Precision,
    /// OpenVINO's name of the device that computes, for example `GPU.1`; `None` is [`PROCESSOR`].
    pub device: Option<String>,
    /// Processor threads for inference; `None` takes all this process may use.
    pub threads: Option<usize>,
    /// Batches computed at the same time; `None` has a lone batch computed by [`THREADS_PER_STREAM`] threads and
    /// several by one each, for which the graph is compiled twice.
    pub streams: Option<usize>,
    /// Where OpenVINO keeps compiled models between starts; `None` compiles at every start.
    pub compiled_cache: Option<PathBuf>,
    /// Most word pieces, padding included, in one batch; `None` is [`BATCH_PIECES`].
    pub batch_pieces: Option<usize>,
}

/// OpenVINO's name of the processor.
pub const PROCESSOR: &str = "CPU";

/// Threads for a batch without company when the number of streams is left open: two answer a lone caller nearly twice as
/// fast as one, and lose a tenth when there is always more work.
pub const THREADS_PER_STREAM: usize = 2;

/// Most word pieces in one batch unless set otherwise.
pub const BATCH_PIECES: usize = 1024;

impl Settings {
    /// The device in effect, by OpenVINO's name.
    pub fn device(&self) -> &str {
        self.device.as_deref().unwrap_or(PROCESSOR)
    }

    /// Threads in effect: never more than the scheduler's affinity and the control group's quota allow.
    pub fn threads(&self) -> usize {
        let allowed = available_parallelism().map_or(1, usize::from);
        self.threads.map_or(allowed, |asked| asked.clamp(1, allowed))
    }

    /// Batches computed at the same time, at most one per thread.
    pub fn streams(&self) -> usize {
        let threads = self.threads();
        self.streams.unwrap_or(threads).clamp(1, threads)
    }

    /// Streams of the graph for a batch without company, where it is another one than that for several.
    pub(crate) fn streams_alone(&self) -> Option<usize> {
        let alone = (self.threads() / THREADS_PER_STREAM).max(1);
        let open = self.streams.is_none() && self.device() == PROCESSOR;
        (open && alone < self.streams()).then_some(alone)
    }

    /// Word pieces per batch in effect.
    pub fn batch_pieces(&self) -> usize {
        self.batch_pieces.unwrap_or(BATCH_PIECES).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_exceeds_the_machine_or_falls_to_zero() {
        let allowed = available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            threads: Some(usize::MAX),
            streams: Some(usize::MAX),
            batch_pieces: Some(0),
            ..Settings::default()
        };
        assert_eq!((settings.threads(), settings.streams(), settings.batch_pieces()), (allowed, allowed, 1));
        let settings = Settings { threads: Some(0), streams: Some(0), ..Settings::default() };
        assert_eq!((settings.threads(), settings.streams(), settings.streams_alone()), (1, 1, None));
    }
}
