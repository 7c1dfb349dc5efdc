//! Tells the caller how far a run is, from any thread, and hears whether to stop.

use crate::owlqn::Stop;
use crate::request::{Progress, Stage};
use std::ops::{ControlFlow, Range};
use std::sync::{Mutex, PoisonError};

type Listener<'a> = &'a mut (dyn FnMut(Progress) -> ControlFlow<()> + Send);

/// The caller's ear.
pub(crate) struct Reporter<'a> {
    state: Mutex<State<'a>>,
}

struct State<'a> {
    listener: Listener<'a>,
    /// The fraction said last: threads finish in any order, and progress never falls.
    fraction: f32,
    stopped: bool,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(listener: Listener<'a>) -> Self {
        Self { state: Mutex::new(State { listener, fraction: 0.0, stopped: false }) }
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
            let progress = Progress { stage, fraction: state.fraction, loss };
            state.stopped = (state.listener)(progress).is_break();
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
}
