//! OTLP's messages (opentelemetry-proto 1.x): which field has which number.

use super::protobuf::Message;
use crate::metrics::{BOUNDS, Family, Kind, Label, Value};
use crate::spans::{Attribute, Span};

const SCOPE: &str = "spindle";
/// Of what is added up since the process began.
const CUMULATIVE: u64 = 2;
const STATUS_ERROR: u64 = 2;

/// `SpanKind` by the name of the span: a request is answered, a job is taken from a queue.
fn span_kind(name: &str) -> u64 {
    match name {
        "request" => 2,
        "job" => 5,
        _ => 1,
    }
}

/// `ExportTraceServiceRequest`.
pub(super) fn traces(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    request(resource, |scope| {
        for one in spans {
            scope.message(2, |message| span(message, one));
        }
    })
}

/// `ExportMetricsServiceRequest`; `begun` is when the process began to count, both in nanoseconds since 1970.
pub(super) fn metrics(resource: &[(String, String)], families: &[&Family], begun: u64, now: u64) -> Vec<u8> {
    request(resource, |scope| {
        for family in families {
            let series = family.now();
            if !series.is_empty() {
                scope.message(2, |message| metric(message, family, &series, (begun, now)));
            }
        }
    })
}

/// Both requests have one shape: resource, scope, and what `write` puts beside the scope.
fn request(resource: &[(String, String)], write: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |message| {
            for (key, value) in resource {
                message.message(1, |pair| text_pair(pair, key, value));
            }
        });
        of_resource.message(2, |of_scope| {
            of_scope.message(1, |scope| scope.text(1, SCOPE));
            write(of_scope);
        });
    });
    request.into_bytes()
}

fn text_pair(pair: &mut Message, key: &str, value: &str) {
    pair.text(1, key);
    pair.message(2, |any| any.text(1, value));
}

fn span(message: &mut Message, span: &Span) {
    message.bytes(1, &span.trace);
    message.bytes(2, &span.id);
    if let Some(parent) = &span.parent {
        message.bytes(4, parent);
    }
    message.text(5, span.name);
    message.integer(6, span_kind(span.name));
    message.fixed(7, span.begun);
    message.fixed(8, span.ended);
    for (key, value) in &span.attributes {
        message.message(9, |pair| attribute(pair, key, value));
    }
    if span.failed {
        message.message(15, |status| status.integer(3, STATUS_ERROR));
    }
}

fn attribute(pair: &mut Message, key: &str, value: &Attribute) {
    pair.text(1, key);
    pair.message(2, |any| match value {
        Attribute::Text(text) => any.text(1, text),
        Attribute::Boolean(boolean) => any.integer(2, u64::from(*boolean)),
        Attribute::Integer(integer) => any.integer(3, integer.cast_unsigned()),
        Attribute::Double(double) => any.double(4, *double),
    });
}

fn metric(message: &mut Message, family: &Family, series: &[(Vec<Label>, Value)], times: (u64, u64)) {
    message.text(1, family.name);
    message.text(2, family.help);
    message.text(3, family.unit);
    let points = |data: &mut Message| {
        for (labels, value) in series {
            data.message(1, |message| point(message, family, labels, value, times));
        }
    };
    match family.kind {
        Kind::Gauge => message.message(5, points),
        Kind::Counter => message.message(7, |sum| {
            points(sum);
            sum.integer(2, CUMULATIVE);
            sum.integer(3, 1);
        }),
        Kind::Histogram => message.message(9, |histogram| {
            points(histogram);
            histogram.integer(2, CUMULATIVE);
        }),
    }
}

fn point(message: &mut Message, family: &Family, labels: &[Label], value: &Value, (begun, now): (u64, u64)) {
    message.fixed(2, begun);
    message.fixed(3, now);
    let pairs = family.labels.iter().zip(labels);
    match value {
        Value::Number(number) => {
            message.double(4, *number);
            pairs.for_each(|(key, value)| message.message(7, |pair| text_pair(pair, key, value)));
        }
        Value::Buckets { counts, sum } => {
            message.fixed(4, counts.iter().sum());
            message.double(5, *sum);
            message.packed(6, counts.iter().copied());
            message.packed(7, BOUNDS.iter().map(|bound| bound.to_bits()));
            pairs.for_each(|(key, value)| message.message(9, |pair| text_pair(pair, key, value)));
        }
    }
}
