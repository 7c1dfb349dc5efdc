//! Every metric there is. Labels hold kinds, routes and outcomes, never names that users chose.

use crate::metrics::{Family, Kind, Label};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

static REQUESTS: Family = Family::new(
    Kind::Histogram,
    "spindle_http_request_duration_seconds",
    "Requests until their answer began, by component, the manifest's route, method and status class",
    "s",
    &["component", "route", "method", "status"],
);
static JOBS: Family = Family::new(
    Kind::Histogram,
    "spindle_job_duration_seconds",
    "Attempts of jobs that ended in this process, by kind and outcome",
    "s",
    &["kind", "outcome"],
);
static RUNNING: Family =
    Family::new(Kind::Gauge, "spindle_jobs_running", "Jobs that this process works on", "1", &["kind"]);
static QUEUE: Family = Family::new(
    Kind::Gauge,
    "spindle_queue_jobs",
    "Jobs of the installation that have not ended: due, running, or later",
    "1",
    &["kind", "state"],
);
static MODELS: Family =
    Family::new(Kind::Gauge, "spindle_models", "Models' parts in this process's memory", "1", &["part"]);
static MODEL_BYTES: Family =
    Family::new(Kind::Gauge, "spindle_model_bytes", "Size of the models' parts in memory", "By", &["part"]);
static BATCHES: Family = Family::new(
    Kind::Counter,
    "spindle_inference_batches_total",
    "Calls of an encoder, each with windows of one length",
    "1",
    &[],
);
static WINDOWS: Family =
    Family::new(Kind::Counter, "spindle_inference_windows_total", "Windows of text encoded", "1", &[]);
static BUILD: Family =
    Family::new(Kind::Gauge, "spindle_build_info", "1, with what runs", "1", &["version", "process"]);

/// All of them, in the order in which they are shown.
pub(crate) static ALL: [&Family; 9] =
    [&BUILD, &REQUESTS, &JOBS, &RUNNING, &QUEUE, &MODELS, &MODEL_BYTES, &BATCHES, &WINDOWS];

type Observer = Box<dyn Fn() + Send>;
static OBSERVERS: Mutex<Vec<Observer>> = Mutex::new(Vec::new());

/// What people use in requests; anything else is one value, `_OTHER` as OpenTelemetry has it, since callers choose it.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// The method, where it is one that people use: anybody may send any.
pub fn known_method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// What runs, and as which of the program's processes.
pub fn build(version: &'static str, process: &'static str) {
    BUILD.set(vec![version.into(), process.into()], 1.0);
}

/// A request was answered with `status` after `took`. `component` and `route` are the manifest's words.
pub fn request(component: &str, route: &str, method: &str, status: u16, took: Duration) {
    let method = known_method(method);
    let class = match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    let owned = |text: &str| Label::Owned(text.to_owned());
    REQUESTS.record(vec![owned(component), owned(route), method.into(), class.into()], took.as_secs_f64());
}

/// An attempt of a job began.
pub fn job_began(kind: &'static str) {
    RUNNING.add(vec![kind.into()], 1.0);
}

/// An attempt of a job ended.
pub fn job_ended(kind: &'static str, outcome: &'static str, took: Duration) {
    RUNNING.add(vec![kind.into()], -1.0);
    JOBS.record(vec![kind.into(), outcome.into()], took.as_secs_f64());
}

/// Jobs of one kind that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The kind's word.
    pub kind: &'static str,
    /// Nobody works on them, though somebody could.
    pub due: u64,
    /// Somebody works on them.
    pub running: u64,
    /// Their time has not come.
    pub later: u64,
}

/// The queue's length as it is now.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 jobs")]
pub fn queue(lengths: &[Queue]) {
    let states = |one: &Queue| [("due", one.due), ("running", one.running), ("later", one.later)];
    let all = lengths.iter().flat_map(|one| states(one).map(|(state, jobs)| (one.kind, state, jobs)));
    QUEUE.replace(all.map(|(kind, state, jobs)| (vec![kind.into(), state.into()], jobs as f64)));
}

/// Parts of models in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Models {
    /// How many.
    pub count: u64,
    /// Their size.
    pub bytes: u64,
}

/// The models in memory: heads, and the encoders that they share.
#[expect(clippy::cast_precision_loss, reason = "no memory has 2^53 bytes")]
pub fn models(heads: Models, encoders: Models) {
    let parts = || [("head", heads), ("encoder", encoders)].into_iter();
    MODELS.replace(parts().map(|(part, held)| (vec![part.into()], held.count as f64)));
    MODEL_BYTES.replace(parts().map(|(part, held)| (vec![part.into()], held.bytes as f64)));
}

/// What encoders have computed since the process began.
#[expect(clippy::cast_precision_loss, reason = "a process does not live for 2^53 windows")]
pub fn computed(batches: u64, windows: u64) {
    BATCHES.set(vec![], batches as f64);
    WINDOWS.set(vec![], windows as f64);
}

/// Has `observer` called whenever metrics are read, to say by this crate's functions what is known elsewhere.
pub fn observe(observer: impl Fn() + Send + 'static) {
    OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(observer));
}

/// Asks the observers.
pub(crate) fn refresh() {
    for observer in OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        observer();
    }
}
