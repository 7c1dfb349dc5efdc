//! Traces and metrics over OTLP, by OpenTelemetry's own exporter.

use crate::metrics::{self, SCOPE};
use crate::settings::{Settings, SettingsError};
use crate::spans::Ids;
use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;

/// Most that the end of a process waits for a collector.
const LAST_MAX: Duration = Duration::from_secs(1);

/// Exporters at work.
pub struct Exporting {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

impl Exporting {
    /// Starts them; `http` makes the calls, on the present runtime. Metrics that were read or told before are not exported.
    ///
    /// # Errors
    /// An endpoint is no address.
    pub fn start(settings: &Settings, http: reqwest::Client) -> Result<Self, SettingsError> {
        let http = OnRuntime { http, runtime: Handle::current(), away: Arc::default() };
        let attributes = settings.resource.iter().cloned().map(|(key, value)| KeyValue::new(key, value));
        let resource = Resource::builder_empty().with_attributes(attributes).build();
        let traces = match settings.traces {
            None => None,
            Some(_) => {
                let exporter = SpanExporter::builder().with_http().with_http_client(http.clone()).build()?;
                let traces = SdkTracerProvider::builder().with_batch_exporter(exporter);
                let traces = traces.with_id_generator(Ids::default()).with_resource(resource.clone());
                Some(traces.build())
            }
        };
        let metrics = match settings.metrics {
            None => None,
            Some(_) => {
                let exporter = MetricExporter::builder().with_http().with_http_client(http).build()?;
                Some(metrics::export(resource, exporter))
            }
        };
        Ok(Self { traces, metrics })
    }

    pub(crate) fn tracer(&self) -> Option<SdkTracer> {
        self.traces.as_ref().map(|traces| traces.tracer(SCOPE))
    }

    /// Sends what is left, unless the collector takes its time. Blocks; the runtime must still run.
    pub fn finish(self) {
        let (done, finished) = channel();
        thread::spawn(move || {
            // What can't be sent was told in the log.
            let _ = self.traces.map(|traces| traces.shutdown());
            let _ = self.metrics.map(|metrics| metrics.shutdown());
            // Whoever waited may be gone.
            let _ = done.send(());
        });
        let _ = finished.recv_timeout(LAST_MAX);
    }
}

/// Makes calls on the program's runtime: the exporters' threads have none, and `reqwest` needs one.
#[derive(Clone, Debug)]
struct OnRuntime {
    http: reqwest::Client,
    runtime: Handle,
    /// Whether the collector could not be reached the last time.
    away: Arc<AtomicBool>,
}

impl OnRuntime {
    /// Tells why the collector can't be reached, which the exporters keep to themselves, once until it can be again.
    fn told(&self, answer: Result<Response<Bytes>, HttpError>) -> Result<Response<Bytes>, HttpError> {
        let was_away = self.away.swap(answer.is_err(), Ordering::Relaxed);
        answer.map_err(|error| match error.downcast::<reqwest::Error>() {
            Ok(error) => {
                // The address may hold a secret.
                let error = error.without_url();
                if !was_away {
                    let reason = error.source().map_or_else(|| error.to_string(), root);
                    tracing::warn!(reason, "the OTLP collector can't be reached");
                }
                error.into()
            }
            Err(error) => error,
        })
    }
}

/// What began a chain of errors: the outer ones say no more than that a request failed.
fn root(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let answer = self.runtime.spawn(async move { http.send_bytes(request).await }).await?;
        self.told(answer)
    }
}
