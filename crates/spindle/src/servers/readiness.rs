//! Whether the database can be reached, asked again and again, so that work is sent to who can do it.

use crate::servers::parts::until_stopped;
use catalog::Catalog;
use catalog::driver::Native;
use host::{Health, Readiness};
use std::sync::Arc;
use std::time::Duration;

/// Between two questions to the database.
const LOOK: Duration = Duration::from_secs(1);
/// A database that does not answer so long is away.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Keeps `health` true to whether the database answers; never ends.
pub(super) async fn watch_database(catalog: Catalog<Native>, health: Arc<Health>) {
    loop {
        let answer = tokio::time::timeout(ANSWER_MAX, catalog.schema_version()).await;
        let answers = matches!(answer, Ok(Ok(_)));
        let readiness = if answers { Readiness::Ready } else { Readiness::Waiting };
        if health.readiness() == Readiness::Ready && !answers {
            tracing::warn!("the database does not answer: not ready until it does");
        }
        health.set(readiness);
        tokio::time::sleep(LOOK).await;
    }
}

/// Until the process is told to end; then nobody shall send it work any more. A second word ends it without a pause.
pub(super) async fn until_drained(health: &Health, drain: Duration) {
    until_stopped().await;
    health.set(Readiness::Draining);
    tracing::info!(seconds = drain.as_secs(), "draining");
    tokio::select! {
        () = tokio::time::sleep(drain) => {}
        () = until_stopped() => {}
    }
}
