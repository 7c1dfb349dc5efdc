//! Tells the caller how far a run is, from any thread, and hears whether to stop.

use crate::owlqn::Stop;
use crate::request::{Progress, Stage};
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, PoisonError};

type Listener<'a> = &'a mut (dyn FnMut(Progress) -> ControlFlow<()> + Send);

/// The caller's ear.
pub(crate) struct Reporter<'a> {
    state: Mutex<State<'a>>,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

struct State<'a> {
    listener: Listener<'a>,
    /// The fraction said last: threads finish in any order, and progress never falls.
    fraction: f32,
    /// The best score so far on what was held out.
    validation_f1: Option<f32>,
    stopped: bool,
}

impl<'a> Reporter<'a> {
    /// `stop` is asked where a listener is heard too seldom.
    pub(crate) fn new(listener: Listener<'a>, stop: Option<&'a (dyn Fn() -> bool + Sync)>) -> Self {
        let state = State { listener, fraction: 0.0, validation_f1: None, stopped: false };
        Self { state: Mutex::new(state), stop }
    }

    /// Says that `done` (0 to 1) of a stage is done, which is `part` of the whole run.
    pub(crate) fn watch(
        &self,
        stage: Stage,
        part: Range<f32>,
        done: f32,
        loss: Option<f64>,
    ) -> ControlFlow<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.stopped {
            state.fraction = state.fraction.max(part.start + done * (part.end - part.start));
            let State { fraction, validation_f1, .. } = *state;
            state.stopped = (state.listener)(Progress { stage, fraction, loss, validation_f1 }).is_break();
            state.stopped |= self.stop.is_some_and(|stop| stop());
        }
        if state.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// As [`Reporter::watch`], with the wish to stop as an error.
    pub(crate) fn part(
        &self,
        stage: Stage,
        part: Range<f32>,
        done: f32,
        loss: Option<f64>,
    ) -> Result<(), Stop> {
        if self.watch(stage, part, done, loss).is_break() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// A score on what was held out; the best one is told from now on.
    pub(crate) fn judged(&self, f1: f64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.validation_f1 = Some(state.validation_f1.map_or(f1 as f32, |best| best.max(f1 as f32)));
    }
}

/// How far each of several pieces of work is that go on beside each other.
pub(crate) struct Shares(Mutex<Vec<f32>>);

impl Shares {
    /// `count` pieces that have not begun.
    pub(crate) fn new(count: usize) -> Self {
        Self(Mutex::new(vec![0.0; count.max(1)]))
    }

    /// Piece `at` has come to `done` (0 to 1); returns how far all are.
    pub(crate) fn set(&self, at: usize, done: f32) -> f32 {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shares[at] = done;
        shares.iter().sum::<f32>() / shares.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_beside_each_other_are_all_waited_for() {
        let shares = Shares::new(4);
        assert_eq!((shares.set(2, 1.0), shares.set(0, 0.5), shares.set(2, 1.0)), (0.25, 0.375, 0.375));
    }

    #[test]
    fn the_best_score_is_told_and_a_wish_to_stop_is_heard() {
        let mut heard = Vec::new();
        let stop = std::sync::atomic::AtomicBool::new(false);
        let asked = || stop.load(std::sync::atomic::Ordering::Relaxed);
        let mut listener = |progress: Progress| {
            heard.push(progress.validation_f1);
            ControlFlow::Continue(())
        };
        let reporter = Reporter::new(&mut listener, Some(&asked));
        let watch = || reporter.watch(Stage::Learn, 0.0..1.0, 0.5, None).is_break();
        assert!(!watch());
        reporter.judged(0.75);
        reporter.judged(0.5);
        assert!(!watch());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(watch());
        assert_eq!(heard, [None, Some(0.75), Some(0.75)]);
    }
}
