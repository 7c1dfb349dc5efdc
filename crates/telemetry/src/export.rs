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
        let http = OnRuntime { http, runtime: Handle::current() };
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
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        self.runtime.spawn(async move { http.send_bytes(request).await }).await?
    }
}
