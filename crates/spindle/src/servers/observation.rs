//! What operators see of a process beside its requests and jobs, which tell of themselves.

use anyhow::{Context, Result};
use catalog::Catalog;
use catalog::driver::Native;
use inference::{Engine, Held};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{Exporting, Models, Queue, Settings};

/// Between two looks at the queue.
const LOOK: Duration = Duration::from_secs(5);

/// Starts the log of one of the program's processes, and sends what comes up to a collector, if there is one. Call inside the
/// runtime that stays.
///
/// # Errors
/// OpenTelemetry's variables can't be followed, or TLS can't be set up.
pub(crate) fn start(process: &'static str) -> Result<Option<Exporting>> {
    let settings = Settings::from_environment(env!("CARGO_PKG_VERSION"), process)?;
    let exporting = settings.as_ref().map(export).transpose()?;
    telemetry::start_log(exporting.as_ref());
    telemetry::build(env!("CARGO_PKG_VERSION"), process);
    Ok(exporting)
}

fn export(settings: &Settings) -> Result<Exporting> {
    let trusted = if settings.needs_tls() { worker::certificate_authorities() } else { vec![] };
    let http = reqwest::Client::builder().tls_certs_only(trusted).timeout(settings.timeout()).build();
    Ok(Exporting::start(settings, http.context("cannot call the OTLP collector")?)?)
}

/// Tells from now on what `engine` holds and what was computed.
pub(super) fn observe_engine(engine: &Arc<Engine>) {
    let engine = Arc::downgrade(engine);
    telemetry::observe_engine(move || {
        let [heads, encoders] = engine.upgrade()?.held().map(|Held { count, bytes }| Models { count, bytes });
        let (batches, windows) = inference::computed();
        Some(telemetry::Engine { heads, encoders, batches, windows })
    });
}

/// Tells how long the queue is, again and again; never ends.
pub(super) async fn watch_queue(catalog: Catalog<Native>) {
    loop {
        match catalog.queue_lengths(Timestamp::now()).await {
            Ok(lengths) => {
                let each = lengths.into_iter().map(|length| Queue {
                    kind: length.kind.word(),
                    due: length.due,
                    running: length.running,
                    later: length.later,
                });
                telemetry::queue(each.collect());
            }
            // Whoever needs the database says so.
            Err(error) => tracing::debug!(%error, "the queue's length is not known"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
