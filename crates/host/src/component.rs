//! Instances of one component: made on demand, re-used for many requests, limited in time and memory.

use crate::clock::EpochClock;
use crate::state::{Grants, State};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep};
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};

/// Requests one instance answers before it is replaced, which bounds what a guest may lose. Spin and `wasmtime serve` have
/// 1,024; here a new instance reads its models' tokenizer first, which takes as long as ten requests.
const REQUESTS_PER_INSTANCE_MAX: usize = 16_384;
/// Requests one instance answers at the same time.
const CONCURRENT_REQUESTS_PER_INSTANCE_MAX: usize = 16;
/// How long an instance without work keeps its memory (and what it has parsed).
const IDLE_INSTANCE: Duration = Duration::from_secs(300);
/// How long work may go on after a request's time.
const POST_RETURN: Duration = Duration::from_secs(10);

/// Makes instances of one component.
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) pre: ProxyPre<State>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) clock: Arc<EpochClock>,
    pub(crate) request_time_max: Duration,
    /// Whether every request has an instance to itself.
    pub(crate) alone: bool,
    /// Set when the host ends, so that instances it drops are not taken for failures.
    pub(crate) ending: Arc<AtomicBool>,
}

impl HandlerState for Runner {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Work;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Work>> {
        let deadline = Instant::now() + self.request_time_max;
        let mut store = Store::new(&self.engine, State::new(Arc::clone(&self.grants), deadline));
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            if Instant::now() >= context.data().deadline {
                return Err(wasmtime::Error::msg("the component computed longer than a request may take"));
            }
            Ok(UpdateDeadline::Yield(1))
        });
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Expiration { request_time_max: self.request_time_max, timer: None },
            state: Work {
                request_time_max: self.request_time_max,
                clock: Arc::clone(&self.clock),
                concurrent_max: if self.alone { 1 } else { CONCURRENT_REQUESTS_PER_INSTANCE_MAX },
                ending: Arc::clone(&self.ending),
            },
        })
    }
}

/// Per-instance decisions.
pub(crate) struct Work {
    request_time_max: Duration,
    clock: Arc<EpochClock>,
    concurrent_max: usize,
    ending: Arc<AtomicBool>,
}

impl WorkerState for Work {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= REQUESTS_PER_INSTANCE_MAX {
            ShouldAccept::Never
        } else if concurrent >= self.concurrent_max {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        (): (),
        _task: wasmtime::component::GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        store.data_mut().deadline = Instant::now() + self.request_time_max;
        self.clock.wake();
        Box::pin(sleep(self.request_time_max))
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        if let Err(error) = result
            && !self.ending.load(Ordering::Relaxed)
        {
            tracing::error!(reason = format!("{error:#}"), "a component instance ended with an error");
        }
        drop(store);
    }
}

/// Ends an instance that idles too long, or whose work outlasts its time although it was told so.
pub(crate) struct Expiration {
    request_time_max: Duration,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let allowed = match status {
            WorkerStatus::Idle => IDLE_INSTANCE,
            // The request's own timer is first; this is the second line of defence.
            WorkerStatus::Requests => self.request_time_max + POST_RETURN,
            // A response's body is written then, which is part of the request's time.
            WorkerStatus::PostReturn => self.request_time_max + POST_RETURN,
        };
        let end = start + allowed;
        if self.timer.as_ref().is_none_or(|(at, _)| *at != end) {
            self.timer = Some((end, Box::pin(tokio::time::sleep_until(end.into()))));
        }
        match &mut self.timer {
            Some((_, timer)) => timer.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}
