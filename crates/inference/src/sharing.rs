//! Batches of all callers at the same time, computed together.
//!
//! Whoever calls works: a caller puts its batches into a queue and, until its own are done, takes the oldest batch there
//! with everything that fits beside it whenever the device has a free place. So an idle device starts at once, a busy
//! one gets fuller batches the more callers wait, and nobody ever waits for company. Only rows of one length meet, so
//! that company changes nothing in an answer (see [`crate::batches`]). Pure; no OpenVINO here.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use model::GraphError;

use crate::batches::Request;

/// What computes batches, several at a time.
pub(crate) trait Device: Sync {
    /// A batch being computed.
    type Running<'a>
    where
        Self: 'a;

    /// Hands `rows * length` vocabulary ids and their mask over without waiting. `company` says whether other batches
    /// compute or wait.
    fn start(&self, input: &Input, company: bool) -> Result<Self::Running<'_>, GraphError>;

    /// Waits, and shows `values` numbers of output, `rows * length * width`, to `read`.
    fn finish(
        &self,
        running: Self::Running<'_>,
        values: usize,
        read: &mut dyn FnMut(&[f32]),
    ) -> Result<(), GraphError>;
}

/// Input of one computation: rows of one length.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) rows: usize,
    pub(crate) length: usize,
    pub(crate) ids: Vec<i32>,
    pub(crate) mask: Vec<i32>,
}

/// The queue before one device.
pub(crate) struct Sharing<D> {
    device: D,
    width: usize,
    batch_pieces: usize,
    /// Batches a lone caller spreads its work over.
    streams: usize,
    /// Batches given to the device at the same time.
    places: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Oldest first.
    waiting: VecDeque<Parcel>,
    running: usize,
}

/// One caller's batch.
struct Parcel {
    input: Input,
    /// Pieces of words in the batch, and the words: `(row * length + column, word)`.
    words: Vec<(usize, usize)>,
    reply: Arc<Reply>,
}

/// What a caller waits for.
struct Reply {
    state: Mutex<ReplyState>,
}

struct ReplyState {
    vectors: Vec<f32>,
    /// Batches still to come.
    left: usize,
    failure: Option<GraphError>,
}

/// Parcels computed together, one below the other.
struct Together {
    parcels: Vec<Parcel>,
    input: Input,
    answered: bool,
}

impl<D: Device> Sharing<D> {
    /// A queue before `device`, which computes `places` batches of at most `batch_pieces` pieces at a time and
    /// returns `width` numbers per piece.
    pub(crate) fn new(device: D, width: usize, batch_pieces: usize, streams: usize, places: usize) -> Self {
        let places = places.max(1);
        let (queue, changed) = (Mutex::default(), Condvar::new());
        Self { device, width, batch_pieces, streams, places, queue, changed }
    }

    /// One vector per word of `request`; blocks until all are there.
    pub(crate) fn encode(&self, request: &Request<'_>) -> Result<Vec<f32>, GraphError> {
        let batches = request.batches(self.batch_pieces, self.streams);
        let reply = Arc::new(Reply::new(request.words() * self.width, batches.len()));
        let parcels = batches.iter().map(|batch| {
            let (input, words) = request.take(batch);
            Parcel { input, words, reply: Arc::clone(&reply) }
        });
        let parcels: Vec<Parcel> = parcels.collect();
        self.queue().waiting.extend(parcels);
        let mut own = VecDeque::new();
        loop {
            let ended = self.fill(&reply, &mut own);
            match own.pop_front() {
                Some((together, running)) => self.finish(together, running),
                None if ended => break,
                None => {}
            }
        }
        reply.take()
    }

    /// Starts batches while there are free places, waiting for one if this caller has none running; returns whether the
    /// caller has nothing to wait for any more.
    fn fill<'a>(&'a self, reply: &Arc<Reply>, own: &mut VecDeque<(Together, Place<'a, D>)>) -> bool {
        let mut queue = self.queue();
        loop {
            if reply.is_done() {
                // After a failure nobody needs the rest.
                queue.waiting.retain(|parcel| !Arc::ptr_eq(&parcel.reply, reply));
                return true;
            }
            if queue.running < self.places
                && let Some(together) = queue.next(self.batch_pieces)
            {
                let company = queue.running > 0 || !queue.waiting.is_empty();
                queue.running += 1;
                drop(queue);
                self.start(together, company, own);
                queue = self.queue();
            } else if own.is_empty() {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            } else {
                return false;
            }
        }
    }

    fn start<'a>(
        &'a self,
        mut together: Together,
        company: bool,
        own: &mut VecDeque<(Together, Place<'a, D>)>,
    ) {
        let place = FreeOnDrop { sharing: self };
        match self.device.start(&together.input, company) {
            Ok(running) => own.push_back((together, Place { running, _free: place })),
            Err(error) => together.fail(&error),
        }
    }

    fn finish(&self, mut together: Together, place: Place<'_, D>) {
        let Place { running, _free } = place;
        let values = together.input.rows * together.input.length * self.width;
        let mut deliver = |hidden: &[f32]| together.deliver(hidden, self.width);
        if let Err(error) = self.device.finish(running, values, &mut deliver) {
            together.fail(&error);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Pushing, taking and counting leave the queue whole whatever else panicked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of the device in use.
struct Place<'a, D: Device> {
    running: D::Running<'a>,
    _free: FreeOnDrop<'a, D>,
}

/// Gives the place back and wakes who waits, also when the computation panics.
struct FreeOnDrop<'a, D: Device> {
    sharing: &'a Sharing<D>,
}

impl<D: Device> Drop for FreeOnDrop<'_, D> {
    fn drop(&mut self) {
        self.sharing.queue().running -= 1;
        self.sharing.changed.notify_all();
    }
}

impl Queue {
    /// The oldest parcel with those of its length that fit beside it.
    fn next(&mut self, batch_pieces: usize) -> Option<Together> {
        let first = self.waiting.pop_front()?;
        let (mut rows, length) = (first.input.rows, first.input.length);
        let mut parcels = vec![first];
        let mut at = 0;
        while let Some(Parcel { input, .. }) = self.waiting.get(at) {
            if input.length == length && (rows + input.rows) * length <= batch_pieces {
                rows += input.rows;
                parcels.extend(self.waiting.remove(at));
            } else {
                at += 1;
            }
        }
        Some(Together::new(parcels))
    }
}

impl Together {
    fn new(mut parcels: Vec<Parcel>) -> Self {
        let mut input = Input::default();
        for Parcel { input: part, .. } in &mut parcels {
            input.rows += part.rows;
            input.length = part.length;
            input.ids.append(&mut part.ids);
            input.mask.append(&mut part.mask);
        }
        Self { parcels, input, answered: false }
    }

    /// Hands every caller its words' vectors.
    fn deliver(&mut self, hidden: &[f32], width: usize) {
        self.answered = true;
        let mut first = 0;
        for parcel in &self.parcels {
            let mut state = parcel.reply.state();
            for (piece, word) in &parcel.words {
                let from = (first + piece) * width;
                state.vectors[word * width..][..width].copy_from_slice(&hidden[from..from + width]);
            }
            state.left -= 1;
            first += parcel.input.rows * parcel.input.length;
        }
    }

    fn fail(&mut self, error: &GraphError) {
        self.answered = true;
        for parcel in &self.parcels {
            parcel.reply.state().failure.get_or_insert_with(|| error.clone());
        }
    }
}

impl Drop for Together {
    /// Nobody waits for ever for a computation that panicked.
    fn drop(&mut self) {
        if !self.answered {
            self.fail(&GraphError::Failed("the computation was broken off".into()));
        }
    }
}

impl Reply {
    fn new(values: usize, left: usize) -> Self {
        Self { state: Mutex::new(ReplyState { vectors: vec![0.0; values], left, failure: None }) }
    }

    fn is_done(&self) -> bool {
        let state = self.state();
        state.left == 0 || state.failure.is_some()
    }

    fn take(&self) -> Result<Vec<f32>, GraphError> {
        let mut state = self.state();
        match state.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut state.vectors)),
        }
    }

    fn state(&self) -> MutexGuard<'_, ReplyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
