//! What operators see of a process: logs, `/metrics` for Prometheus, metrics and traces over OTLP.
//!
//! Nothing gets out that was not chosen here: metrics are the families of this crate, traces are spans of the target
//! [`SPANS`], and logs are those of this project's own crates. So no library's log of what it sends, no document, no key
//! and no query can slip into them. The exporter is small enough to be our own, which keeps that promise and costs no
//! dependency; its messages are read by OpenTelemetry's own package in the tests.

mod families;
mod logs;
mod metrics;
mod otlp;
mod prometheus;
mod spans;

pub use families::{
    Models, Queue, build, computed, job_began, job_ended, known_method, models, observe, queue, request,
};
pub use logs::{DEFAULT_FILTER, start_log};
pub use otlp::{Exporting, Settings, SettingsError};
pub use prometheus::{CONTENT_TYPE, text};
pub use spans::{SPANS, job_parent, traceparent};
