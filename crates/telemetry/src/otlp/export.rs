//! Sends what has come up, now and then, and once more at the end.

use super::messages;
use super::settings::Settings;
use crate::families::{ALL, refresh};
use crate::spans;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// Most that the end of a process waits for a collector.
const LAST_MAX: Duration = Duration::from_secs(1);

/// The exporter at work.
pub struct Exporting {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Exporting {
    /// Starts it on the present runtime; `http` makes the calls.
    pub fn start(settings: Settings, http: reqwest::Client) -> Self {
        let (stop, stopped) = watch::channel(false);
        let exporter = Exporter { settings, http, begun: spans::now() };
        Self { stop, task: tokio::spawn(exporter.run(stopped)) }
    }

    /// Sends what is left, unless the collector takes its time.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        let _ = tokio::time::timeout(LAST_MAX, self.task).await;
    }
}

struct Exporter {
    settings: Settings,
    http: reqwest::Client,
    begun: u64,
}

impl Exporter {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let ticking = |every| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let mut traces = ticking(self.settings.traces_every);
        let mut metrics = ticking(self.settings.metrics_every);
        // The first tick comes at once, when there is nothing to tell.
        metrics.tick().await;
        loop {
            tokio::select! {
                _ = traces.tick() => self.send_traces().await,
                _ = metrics.tick() => self.send_metrics().await,
                () = told(&mut stopped) => break,
            }
        }
        self.send_traces().await;
        self.send_metrics().await;
    }

    async fn send_traces(&self) {
        let Some(address) = &self.settings.traces else { return };
        loop {
            let spans = spans::take(self.settings.batch);
            if spans.is_empty() {
                break;
            }
            self.send(address, messages::traces(&self.settings.resource, &spans)).await;
        }
        let dropped = spans::dropped();
        if dropped > 0 {
            tracing::warn!(
                spans = dropped,
                "dropped: they came faster than they were sent (OTEL_BSP_MAX_QUEUE_SIZE)"
            );
        }
    }

    async fn send_metrics(&self) {
        let Some(address) = &self.settings.metrics else { return };
        refresh();
        let body = messages::metrics(&self.settings.resource, &ALL, self.begun, spans::now());
        self.send(address, body).await;
    }

    /// Sends one message; a collector that is busy or away is asked a few times, then the message is given up.
    async fn send(&self, address: &str, body: Vec<u8>) {
        let mut reason = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            let call = self.http.post(address).timeout(self.settings.timeout);
            let call = call.header(CONTENT_TYPE, "application/x-protobuf").body(body.clone());
            let call = self.settings.headers.iter().fold(call, |call, (key, value)| call.header(key, value));
            reason = match call.send().await {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) => {
                    let status = answer.status();
                    let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY)
                        || matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
                    if !busy {
                        tracing::warn!(%status, "the OTLP collector refuses what it is sent");
                        return;
                    }
                    status.to_string()
                }
                // The address may hold a secret.
                Err(error) => error.without_url().to_string(),
            };
        }
        tracing::warn!(reason, "the OTLP collector can't be reached; what it was to hear is lost");
    }
}

/// Resolves when the process ends.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
