//! Logs of this process.

use crate::export::Exporting;
use crate::spans;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// What is logged when nothing else is asked for.
pub const DEFAULT_FILTER: &str = "warn,spindle=info";

/// This project's crates, whose logs are shown at every level. Other libraries log at debug what they send: statements with
/// their values, headers, bodies. Of them warnings and errors are shown.
const OWN: [&str; 16] = [
    "authoring",
    "blobs",
    "catalog",
    "extraction",
    "host",
    "inference",
    "label_formats",
    "language_api",
    "model",
    "ner",
    "spindle",
    "storage_events",
    "telemetry",
    "training",
    "tuning",
    "worker",
];

/// Starts the log to standard error, as `SPINDLE_LOG` and `SPINDLE_LOG_FORMAT` want it, and hands spans to `exporting`.
pub fn start_log(exporting: Option<&Exporting>) {
    let asked = EnvFilter::try_from_env("SPINDLE_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if std::env::var("SPINDLE_LOG_FORMAT").is_ok_and(|format| format == "json") {
        lines.json().boxed()
    } else {
        lines.boxed()
    };
    let lines = lines.with_filter(asked.and(filter_fn(may_be_shown)));
    let spans = exporting.and_then(Exporting::tracer).map(spans::layer);
    // Fails where a log was started before, which then goes on.
    let _ = tracing_subscriber::registry().with(lines).with(spans).try_init();
    // Libraries that log by `log` are foreign ones. The wasm engine says a hundred things a request at trace, which the
    // filter would have to look at one by one.
    log::set_max_level(log::max_level().min(log::LevelFilter::Warn));
}

fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    OWN.contains(&library) || *metadata.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn own_crates_are_all_crates() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found: Vec<String> = fs::read_dir(crates)
            .expect("the crates lie beside this one")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().replace('-', "_"))
            .collect();
        found.sort();
        assert_eq!(found, OWN);
    }
}
