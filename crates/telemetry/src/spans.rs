//! Spans that become traces. Only those of the target [`SPANS`] do, with the fields that they name.

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracer};
use std::cell::Cell;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

/// Target of spans that become part of a trace. The fields `otel.kind` and `otel.status_code` are OpenTelemetry's, not
/// attributes; whole numbers are `i64`, since others become text.
pub const SPANS: &str = "spindle::trace";

const TRACEPARENT: &str = "traceparent";

thread_local! {
    /// The id of the trace that this thread begins next, where it is not left to chance.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Makes `span`, which has not been entered, part of the trace that a caller's `headers` name (W3C Trace Context), if they do.
pub fn follow(span: &Span, headers: &HeaderMap) {
    if headers.contains_key(TRACEPARENT) {
        // Fails where nothing is traced.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    }
}

/// Headers by which whoever is called follows the present span; none when nothing is traced.
pub fn followed() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let place = Span::current().context();
    TraceContextPropagator::new().inject_context(&place, &mut HeaderInjector(&mut headers));
    headers
}

/// Begins `span`, which has neither parent nor been entered, as part of the trace of the job with the UUID `job`: all its
/// attempts are one trace. A job whose id is no UUID begins a trace of its own.
pub fn begin_job(span: &Span, job: &str) {
    NEXT.set(Uuid::parse_str(job).ok().map(|id| TraceId::from_bytes(id.into_bytes())));
    // The span asks for its trace's id when somebody asks for its place.
    let _ = span.context();
    NEXT.set(None);
}

/// Ids as OpenTelemetry makes them, but for the traces of jobs.
#[derive(Debug, Default)]
pub(crate) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

/// Hands spans of [`SPANS`] to `tracer`, without what is logged in them.
pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(tracer: SdkTracer) -> impl Layer<S> {
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Status, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
    use std::sync::{Arc, Mutex};
    use tracing::field::Empty;
    use tracing::info_span;
    use tracing_subscriber::layer::SubscriberExt;

    const JOB: &str = "0af76519-16cd-43dd-8448-eb211c80319c";
    /// The standard's own example.
    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().expect("no test panics while it holds this").extend(batch);
            Ok(())
        }
    }

    /// The spans that `run` ended.
    fn kept(run: impl FnOnce()) -> Vec<SpanData> {
        let kept = Kept::default();
        let traces = SdkTracerProvider::builder().with_simple_exporter(kept.clone());
        let traces = traces.with_id_generator(Ids::default()).build();
        let subscriber = tracing_subscriber::registry().with(layer(traces.tracer("test")));
        tracing::subscriber::with_default(subscriber, run);
        kept.0.lock().expect("no test panics while it holds this").clone()
    }

    fn headers(traceparent: &str) -> HeaderMap {
        let value = traceparent.parse().expect("letters");
        HeaderMap::from_iter([(http::HeaderName::from_static(TRACEPARENT), value)])
    }

    #[test]
    fn attempts_of_a_job_are_one_trace_and_what_they_call_follows() {
        let spans = kept(|| {
            for _ in 0..2 {
                let job = info_span!(target: SPANS, parent: None, "job");
                begin_job(&job, JOB);
                let called = job.in_scope(followed);
                let request = info_span!(target: SPANS, parent: None, "request");
                follow(&request, &called);
            }
            let other = info_span!(target: SPANS, parent: None, "other");
            begin_job(&other, "no id");
        });
        let [request, job, request_again, job_again, other] = &spans[..] else { panic!("{spans:?}") };
        let trace = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").expect("an id");
        assert!(spans[..4].iter().all(|span| span.span_context.trace_id() == trace), "{spans:?}");
        assert_ne!(job.span_context.span_id(), job_again.span_context.span_id());
        for (request, job) in [(request, job), (request_again, job_again)] {
            assert_eq!(request.parent_span_id, job.span_context.span_id());
            assert_eq!(job.parent_span_id, SpanId::INVALID);
        }
        assert_ne!(other.span_context.trace_id(), trace);
    }

    #[test]
    fn callers_are_followed_as_the_standard_says() {
        let spans = kept(|| follow(&info_span!(target: SPANS, "request"), &headers(CALLER)));
        assert_eq!(spans[0].parent_span_id.to_string(), "b7ad6b7169203331");
        for wrong in ["", "nonsense", &CALLER[..52], &CALLER.replace("00-", "ff-")] {
            let spans = kept(|| follow(&info_span!(target: SPANS, "request"), &headers(wrong)));
            assert_eq!(spans[0].parent_span_id, SpanId::INVALID, "{wrong}");
        }
        let unsampled = format!("{}00", &CALLER[..53]);
        assert!(kept(|| follow(&info_span!(target: SPANS, "request"), &headers(&unsampled))).is_empty());
    }

    #[test]
    fn nothing_but_own_spans_and_their_fields_gets_out() {
        let spans = kept(|| {
            let span =
                info_span!(target: SPANS, "request", route = "/x", status = Empty, otel.status_code = Empty);
            let _entered = span.enter();
            let _foreign = info_span!("foreign", secret = "s3cret").entered();
            tracing::error!("s3cret");
            span.record("status", 500_i64);
            span.record("otel.status_code", "error");
        });
        let [span] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(span.status, Status::error(""));
        let attributes: Vec<_> =
            span.attributes.iter().map(|one| format!("{}={}", one.key, one.value)).collect();
        assert_eq!(attributes, ["route=/x", "status=500"]);
        assert!(!format!("{spans:?}").contains("s3cret"), "{spans:?}");
    }
}
