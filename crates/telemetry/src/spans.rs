//! Spans that become traces. Only those of the target [`SPANS`] do, with the fields that they name.

use crate::otlp::Settings;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

/// Target of spans that become part of a trace. Two fields are not shown: `traceparent` is a caller's context, and `failed`
/// the span's status.
pub const SPANS: &str = "spindle::trace";

const TRACEPARENT: &str = "traceparent";
const FAILED: &str = "failed";

/// Ended spans that wait for the exporter.
static ENDED: Mutex<Option<Receiver<Span>>> = Mutex::new(None);
/// Spans that nobody took in time.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// One ended span.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: [u8; 16],
    pub(crate) id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) name: &'static str,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: Vec<(&'static str, Attribute)>,
    pub(crate) failed: bool,
    sampled: bool,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Double(f64),
}

/// A caller's place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Caller {
    trace: [u8; 16],
    id: [u8; 8],
    sampled: bool,
}

/// The value of the header `traceparent` (W3C Trace Context) for calls on behalf of attempt `attempt` of the job with the
/// UUID `job`: all its attempts are one trace. `None` when the id is no UUID.
pub fn traceparent(job: &str, attempt: u64) -> Option<String> {
    let trace = Uuid::parse_str(job).ok()?.into_bytes();
    Some(format!("00-{}-{}-01", hex(&trace), hex(&own_id(&trace, attempt))))
}

/// For the field `traceparent` of the span of an attempt of a job; the span itself is what [`traceparent`] names.
pub fn job_parent(job: &str, attempt: u64) -> Option<String> {
    traceparent(job, attempt).map(|own| format!("own {own}"))
}

fn own_id(trace: &[u8; 16], attempt: u64) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&trace[8..]);
    (u64::from_be_bytes(id) ^ attempt.rotate_right(8)).to_be_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Caller {
    fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (trace, id): ([u8; 16], [u8; 8]) = (bytes(trace)?, bytes(id)?);
        let known = version.len() == 2 && version != "ff" && trace != [0; 16] && id != [0; 8];
        let sampled = bytes::<1>(flags)?[0] & 1 == 1;
        known.then_some(Self { trace, id, sampled })
    }
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let lower = hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if hex.len() != 2 * N || !lower {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Takes the ended spans, at most `most` of them.
pub(crate) fn take(most: usize) -> Vec<Span> {
    let ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    ended.iter().flat_map(|ended| ended.try_iter().take(most)).collect()
}

/// How many were dropped since the last time.
pub(crate) fn dropped() -> u64 {
    DROPPED.swap(0, Ordering::Relaxed)
}

/// Keeps spans while they are open and hands them on when they end.
pub(crate) struct SpanLayer {
    ended: SyncSender<Span>,
    /// Share of traces that are kept, as a bound for the last eight bytes of their ids.
    sample_below: u64,
    /// Whether a caller's decision counts more.
    by_caller: bool,
}

impl SpanLayer {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (ended, receiver) = sync_channel(settings.queue);
        *ENDED.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
        Self { ended, sample_below: settings.sample_below, by_caller: settings.by_caller }
    }

    fn samples(&self, trace: &[u8; 16]) -> bool {
        let mut last = [0; 8];
        last.copy_from_slice(&trace[8..]);
        self.sample_below == u64::MAX || u64::from_be_bytes(last) < self.sample_below
    }
}

#[derive(Default)]
struct Fields {
    attributes: Vec<(&'static str, Attribute)>,
    traceparent: Option<String>,
    failed: bool,
}

impl Fields {
    fn put(&mut self, field: &Field, attribute: Attribute) {
        match (field.name(), attribute) {
            (TRACEPARENT, Attribute::Text(text)) => self.traceparent = Some(text),
            (FAILED, Attribute::Boolean(failed)) => self.failed = failed,
            (TRACEPARENT | FAILED, _) => {}
            (name, attribute) => self.attributes.push((name, attribute)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Attribute::Text(value.to_owned()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Attribute::Integer(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Attribute::Integer(i64::try_from(value).unwrap_or(i64::MAX)));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Attribute::Double(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Attribute::Boolean(value));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Attribute::Text(format!("{value:?}")));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != SPANS {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let Some(span) = context.span(id) else { return };
        let around = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            let own = extensions.get::<Span>()?;
            Some(Caller { trace: own.trace, id: own.id, sampled: own.sampled })
        });
        let given = fields.traceparent.as_deref();
        let own = given.and_then(|given| given.strip_prefix("own ")).and_then(Caller::parse);
        let caller = around.or_else(|| given.and_then(Caller::parse));
        let trace = own.or(caller).map_or_else(|| Uuid::new_v4().into_bytes(), |known| known.trace);
        let mut fresh = [0; 8];
        fresh.copy_from_slice(&Uuid::new_v4().as_bytes()[8..]);
        let by_caller = caller.filter(|_| self.by_caller || around.is_some());
        let sampled = by_caller.map_or_else(|| self.samples(&trace), |caller| caller.sampled);
        span.extensions_mut().insert(Span {
            trace,
            id: own.map_or(fresh, |own| own.id),
            parent: caller.map(|caller| caller.id),
            name: attributes.metadata().name(),
            begun: now(),
            ended: 0,
            attributes: fields.attributes,
            failed: fields.failed,
            sampled,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(own) = extensions.get_mut::<Span>() else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        own.attributes.extend(fields.attributes);
        own.failed |= fields.failed;
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(mut own) = context.span(&id).and_then(|span| span.extensions_mut().remove::<Span>()) else {
            return;
        };
        if !own.sampled {
            return;
        }
        own.ended = now();
        if self.ended.try_send(own).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_read_as_the_standard_says() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let caller = Caller::parse(header).expect("the standard's own example");
        assert_eq!((hex(&caller.trace).as_str(), caller.sampled), ("0af7651916cd43dd8448eb211c80319c", true));
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(Caller::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn attempts_of_a_job_are_one_trace() {
        let job = "0af76519-16cd-43dd-8448-eb211c80319c";
        let [first, second] =
            [1, 2].map(|attempt| Caller::parse(&traceparent(job, attempt).expect("a UUID")));
        let (first, second) = (first.expect("valid"), second.expect("valid"));
        assert_eq!(first.trace, second.trace);
        assert_ne!(first.id, second.id);
        assert_eq!(traceparent("no id", 1), None);
    }
}
