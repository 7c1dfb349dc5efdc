//! What is told of each request: a span, a metric and a line of the log. Of what callers wrote, nothing but the method.

use crate::router::Match;
use http::{Request, Response};
use std::time::Instant;
use telemetry::SPANS;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// The header by which components name an answer.
const REQUEST_ID: &str = "apim-request-id";
/// Of paths that no route covers.
const NONE: &str = "none";

/// Has `answer` answer, and tells how it went.
pub(crate) async fn observed<A, B, F: Future<Output = Response<B>>>(
    request: Request<A>,
    found: Option<&Match<'_>>,
    answer: impl FnOnce(Request<A>) -> F,
) -> Response<B> {
    let begun = Instant::now();
    let (component, route) = found.map_or((NONE, NONE), |found| (found.component, found.pattern));
    let method = telemetry::known_method(request.method().as_str());
    let span = span(&request, method, component, route);
    let response = answer(request).instrument(span.clone()).await;
    let (status, took) = (response.status(), begun.elapsed());
    telemetry::request(component, route, method, status.as_u16(), took);
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "error");
    }
    let id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    span.record("request.id", id);
    let (status, milliseconds) = (status.as_u16(), took.as_secs_f64() * 1e3);
    if response.status().is_server_error() {
        tracing::warn!(id, component, route, method, status, milliseconds, "request failed");
    } else {
        tracing::debug!(id, component, route, method, status, milliseconds, "request answered");
    }
    response
}

fn span<A>(request: &Request<A>, method: &str, component: &str, route: &str) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        component,
        http.response.status_code = Empty,
        request.id = Empty,
    );
    telemetry::follow(&span, request.headers());
    span
}
