//! What operators see of a process: logs, `/metrics` for Prometheus, metrics and traces over OTLP.
//!
//! Nothing gets out that was not chosen here: metrics are the instruments of this crate, traces are spans of the target
//! [`SPANS`], and logs are those of this project's own crates. So no library's log of what it sends, no document, no key
//! and no query can slip into them. Instruments, readers, batches and messages are OpenTelemetry's own crates.

mod export;
mod logs;
mod metrics;
mod settings;
mod spans;

pub use export::Exporting;
pub use logs::{DEFAULT_FILTER, start_log};
pub use metrics::{
    CONTENT_TYPE, Engine, Models, Queue, build, job_began, job_ended, known_method, observe_engine, queue,
    request, text,
};
pub use settings::{Settings, SettingsError};
pub use spans::{SPANS, begin_job, follow, followed};
