//! The epoch clock: it ticks while requests run and sleeps otherwise, so an idle host makes no wake-ups.

use crate::engine::EPOCH;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;
use wasmtime::Engine;

/// Ticks go on this long after the last request began. What may take longer computes in short pieces, of which none needs an
/// interruption.
const LINGER: Duration = Duration::from_secs(120);

/// Advances an engine's epoch from a thread of its own.
pub(crate) struct EpochClock {
    /// Ticks left before the clock sleeps.
    ticks: Arc<AtomicU64>,
    thread: Thread,
    _handle: JoinHandle<()>,
}

impl EpochClock {
    /// A sleeping clock for `engine`; it ends when the engine's other owners are gone.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let ticks = Arc::new(AtomicU64::new(0));
        let left = Arc::clone(&ticks);
        let engine = engine.weak();
        let handle = thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            loop {
                if left.load(Ordering::Acquire) == 0 {
                    thread::park();
                    continue;
                }
                thread::sleep(EPOCH);
                left.fetch_sub(1, Ordering::AcqRel);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { ticks, thread: handle.thread().clone(), _handle: handle })
    }

    /// Keeps the clock ticking for the request that begins now.
    pub(crate) fn wake(&self) {
        let ticks = (LINGER.as_millis() / EPOCH.as_millis()) as u64;
        if self.ticks.swap(ticks, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
    }
}
