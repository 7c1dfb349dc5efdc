//! Every metric there is: OpenTelemetry's instruments, read by Prometheus and sent over OTLP alike. Labels hold kinds, routes
//! and outcomes, never names that users chose.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider, UpDownCounter};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Who measures and traces, in OpenTelemetry's words the scope.
pub(crate) const SCOPE: &str = "spindle";

/// Upper bounds of a histogram's buckets in seconds: from a cached answer to a long training.
const BOUNDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3600.0];

/// What people use in requests; anything else is one value, `_OTHER` as OpenTelemetry has it, since callers choose it.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

static METRICS: OnceLock<Metrics> = OnceLock::new();
/// The queue's length as it was told last.
static QUEUE: Mutex<Vec<Queue>> = Mutex::new(Vec::new());

/// The instruments that are told, and who reads them.
struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
    requests: Histogram<f64>,
    jobs: Histogram<f64>,
    running: UpDownCounter<i64>,
}

impl Metrics {
    fn new(resource: Resource, exporter: Option<MetricExporter>) -> Self {
        let registry = Registry::new();
        // The names are whole, and who runs is known from where they are read.
        let prometheus = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .expect("an empty registry takes a collector");
        let readers = SdkMeterProvider::builder().with_resource(resource).with_reader(prometheus);
        let provider = match exporter {
            Some(exporter) => readers.with_periodic_exporter(exporter).build(),
            None => readers.build(),
        };
        let meter = provider.meter(SCOPE);
        let requests = seconds(
            &meter,
            "spindle_http_request_duration_seconds",
            "Requests until their answer began, by component, the manifest's route, method and status class",
        );
        let jobs = seconds(
            &meter,
            "spindle_job_duration_seconds",
            "Attempts of jobs that ended in this process, by kind and outcome",
        );
        let running = meter
            .i64_up_down_counter("spindle_jobs_running")
            .with_description("Jobs that this process works on")
            .with_unit("1")
            .build();
        observe_queue(&meter);
        Self { provider, registry, requests, jobs, running }
    }
}

fn seconds(meter: &Meter, name: &'static str, help: &'static str) -> Histogram<f64> {
    let histogram = meter.f64_histogram(name).with_description(help).with_unit("s");
    histogram.with_boundaries(BOUNDS.to_vec()).build()
}

/// Where nobody started an exporter, Prometheus alone reads.
fn metrics() -> &'static Metrics {
    METRICS.get_or_init(|| Metrics::new(Resource::builder_empty().build(), None))
}

/// Has `exporter` send the metrics of `resource`; call before anything is measured, later calls change nothing.
pub(crate) fn export(resource: Resource, exporter: MetricExporter) -> SdkMeterProvider {
    METRICS.get_or_init(|| Metrics::new(resource, Some(exporter))).provider.clone()
}

/// All metrics as they are now, in Prometheus's text format 0.0.4.
pub fn text() -> String {
    TextEncoder::new().encode_to_string(&metrics().registry.gather()).unwrap_or_else(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        String::new()
    })
}

/// The method, where it is one that people use: anybody may send any.
pub fn known_method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// What runs, and as which of the program's processes.
pub fn build(version: &'static str, process: &'static str) {
    let meter = metrics().provider.meter(SCOPE);
    let gauge = meter.u64_gauge("spindle_build_info").with_description("1, with what runs").with_unit("1");
    gauge.build().record(1, &[KeyValue::new("version", version), KeyValue::new("process", process)]);
}

/// A request was answered with `status` after `took`. `component` and `route` are the manifest's words.
pub fn request(component: &str, route: &str, method: &str, status: u16, took: Duration) {
    let class = match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    let labels = [
        KeyValue::new("component", component.to_owned()),
        KeyValue::new("route", route.to_owned()),
        KeyValue::new("method", known_method(method)),
        KeyValue::new("status", class),
    ];
    metrics().requests.record(took.as_secs_f64(), &labels);
}

/// An attempt of a job began.
pub fn job_began(kind: &'static str) {
    metrics().running.add(1, &[KeyValue::new("kind", kind)]);
}

/// An attempt of a job ended.
pub fn job_ended(kind: &'static str, outcome: &'static str, took: Duration) {
    let kind = KeyValue::new("kind", kind);
    metrics().jobs.record(took.as_secs_f64(), &[kind.clone(), KeyValue::new("outcome", outcome)]);
    metrics().running.add(-1, &[kind]);
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

/// The queue's length as it is now; replaces what was told before.
pub fn queue(lengths: Vec<Queue>) {
    *QUEUE.lock().unwrap_or_else(PoisonError::into_inner) = lengths;
}

fn observe_queue(meter: &Meter) {
    meter
        .u64_observable_gauge("spindle_queue_jobs")
        .with_description("Jobs of the installation that have not ended: due, running, or later")
        .with_unit("1")
        .with_callback(|told| {
            for one in QUEUE.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                for (state, jobs) in [("due", one.due), ("running", one.running), ("later", one.later)] {
                    told.observe(jobs, &[KeyValue::new("kind", one.kind), KeyValue::new("state", state)]);
                }
            }
        })
        .build();
}

/// Parts of models in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Models {
    /// How many.
    pub count: u64,
    /// Their size.
    pub bytes: u64,
}

/// What a process's engine holds, and what it has computed since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// Heads of models.
    pub heads: Models,
    /// The encoders that they share.
    pub encoders: Models,
    /// Calls of an encoder.
    pub batches: u64,
    /// Windows of text encoded.
    pub windows: u64,
}

/// Has `look` called whenever metrics are read; `None` when the engine is gone.
pub fn observe_engine(look: impl Fn() -> Option<Engine> + Send + Sync + 'static) {
    let look: Arc<dyn Fn() -> Option<Engine> + Send + Sync> = Arc::new(look);
    let meter = metrics().provider.meter(SCOPE);
    let held = |name: &'static str, help: &'static str, unit: &'static str, of: fn(Models) -> u64| {
        let look = Arc::clone(&look);
        let gauge = meter.u64_observable_gauge(name).with_description(help).with_unit(unit);
        let tell = gauge.with_callback(move |told| {
            let Some(engine) = look() else { return };
            for (part, models) in [("head", engine.heads), ("encoder", engine.encoders)] {
                told.observe(of(models), &[KeyValue::new("part", part)]);
            }
        });
        tell.build();
    };
    held("spindle_models", "Models' parts in this process's memory", "1", |models| models.count);
    held("spindle_model_bytes", "Size of the models' parts in memory", "By", |models| models.bytes);
    let computed = |name: &'static str, help: &'static str, of: fn(Engine) -> u64| {
        let look = Arc::clone(&look);
        let counter = meter.u64_observable_counter(name).with_description(help).with_unit("1");
        let tell = counter.with_callback(move |told| {
            if let Some(engine) = look() {
                told.observe(of(engine), &[]);
            }
        });
        tell.build();
    };
    let batches = "Calls of an encoder, each with windows of one length";
    computed("spindle_inference_batches_total", batches, |engine| engine.batches);
    computed("spindle_inference_windows_total", "Windows of text encoded", |engine| engine.windows);
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// The lines about metrics whose names begin with `name`; all tests of this process measure together.
    fn lines(name: &str) -> String {
        let text = text();
        let about =
            |line: &&str| line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").starts_with(name);
        text.lines().filter(about).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn instruments_are_written_as_prometheus_reads_them() {
        let kind = "he\"ad";
        for seconds in [0.0005, 0.001, 0.0011, 3600.0, 3601.0] {
            job_began(kind);
            job_ended(kind, "failed", Duration::from_secs_f64(seconds));
        }
        let text = lines("spindle_job");
        // Between the second bound and the last one nothing changes.
        let text: String = text.split_inclusive('\n').filter(|line| !line.ends_with(" 3\n")).collect();
        expect![[r#"
            # HELP spindle_job_duration_seconds Attempts of jobs that ended in this process, by kind and outcome
            # TYPE spindle_job_duration_seconds histogram
            spindle_job_duration_seconds_bucket{kind="he\"ad",outcome="failed",le="0.001"} 2
            spindle_job_duration_seconds_bucket{kind="he\"ad",outcome="failed",le="3600"} 4
            spindle_job_duration_seconds_bucket{kind="he\"ad",outcome="failed",le="+Inf"} 5
            spindle_job_duration_seconds_sum{kind="he\"ad",outcome="failed"} 7201.0026
            spindle_job_duration_seconds_count{kind="he\"ad",outcome="failed"} 5
            # HELP spindle_jobs_running Jobs that this process works on
            # TYPE spindle_jobs_running gauge
            spindle_jobs_running{kind="he\"ad"} 0
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_queue_that_is_empty_is_not_told() {
        assert_eq!(lines("spindle_queue"), "", "what has no series is not mentioned");
        queue(vec![Queue { kind: "train", due: 2, running: 1, later: 0 }]);
        expect![[r#"
            # HELP spindle_queue_jobs Jobs of the installation that have not ended: due, running, or later
            # TYPE spindle_queue_jobs gauge
            spindle_queue_jobs{kind="train",state="due"} 2
            spindle_queue_jobs{kind="train",state="later"} 0
            spindle_queue_jobs{kind="train",state="running"} 1
        "#]]
        .assert_eq(&lines("spindle_queue"));
        queue(vec![]);
        assert_eq!(lines("spindle_queue"), "", "what was told before is gone");
    }

    #[test]
    fn an_engine_is_told_while_it_lives() {
        let engine = Arc::new(Engine { heads: Models { count: 1, bytes: 7 }, ..Engine::default() });
        let held = Arc::downgrade(&engine);
        observe_engine(move || held.upgrade().map(|engine| *engine));
        assert!(lines("spindle_models").contains("spindle_models{part=\"head\"} 1\n"));
        assert!(lines("spindle_inference").contains("spindle_inference_batches_total 0\n"));
        drop(engine);
        assert_eq!(lines("spindle_models"), "");
    }
}
