//! CloudEvents 1.0 over HTTP: structured, in batches and binary, with the events of Azure, Google Cloud and S3 services
//! inside.

use crate::delivery::Delivery;
use crate::event::{order, unquoted};
use crate::place::{Malformed, Place};
use crate::{Change, StorageEvent, event_grid, s3};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Attributes that binary messages carry as headers, `ce-` in front.
const ATTRIBUTES: [&str; 6] = ["specversion", "type", "source", "id", "subject", "time"];

/// Whether the message is a binary one.
pub(crate) fn is_binary(delivery: &Delivery<'_>) -> bool {
    (delivery.header)("ce-specversion").is_some()
}

/// A binary message as a structured one.
pub(crate) fn from_binary(delivery: &Delivery<'_>, data: Value) -> Result<Value, Malformed> {
    let mut event = Map::new();
    for name in ATTRIBUTES {
        let header = format!("ce-{name}");
        if let Some(value) = (delivery.header)(&header) {
            let text = percent_decode_str(&value).decode_utf8();
            let text = text.map_err(|_| Malformed::new(header.as_str(), "the header is no UTF-8 text"))?;
            event.insert(name.to_owned(), Value::String(text.into_owned()));
        }
    }
    event.insert("data".to_owned(), data);
    Ok(Value::Object(event))
}

/// The events inside one CloudEvent; none when it is not about an object's content.
pub(crate) fn events(body: &Place<'_>) -> Result<Vec<StorageEvent>, Malformed> {
    let version = body.field("specversion")?;
    if !version.text()?.starts_with("1.") {
        return Err(version.wrong("CloudEvents of version 1 are read"));
    }
    for required in ["id", "source"] {
        body.field(required)?.text()?;
    }
    let kind = body.field("type")?.text()?;
    let time = body.optional_text("time");
    let one = |event: Result<Option<StorageEvent>, Malformed>| event.map(|event| event.into_iter().collect());
    if kind.starts_with("Microsoft.Storage.") {
        return one(event_grid::event(body, kind, time));
    }
    if let Some(name) = kind.strip_prefix("google.cloud.storage.object.v1.") {
        return one(google(name, &body.field("data")?, time));
    }
    if let Some(name) = kind.strip_prefix("com.amazonaws.s3.") {
        let data = body.field("data")?;
        return one(s3::event(name, time, &data.optional("s3").unwrap_or(data)));
    }
    match body.optional("data") {
        Some(data) if data.optional("Records").is_some() => s3::records(&data),
        _ => Ok(vec![]),
    }
}

/// An event of Google Cloud Storage. Generations grow with each write of an object.
fn google(name: &str, data: &Place<'_>, time: Option<&str>) -> Result<Option<StorageEvent>, Malformed> {
    let change = match name {
        "finalized" => Change::Written,
        "deleted" => Change::Removed,
        _ => return Ok(None),
    };
    let generation = data.optional_text("generation");
    Ok(Some(StorageEvent {
        container: data.field("bucket")?.text()?.to_owned(),
        location: data.field("name")?.text()?.to_owned(),
        change,
        etag: unquoted(data.optional_text("etag")),
        version: generation.map(str::to_owned),
        order: order(None, time),
    }))
}

/// What a sender that asks for permission (`OPTIONS`) is answered, as header names and values.
///
/// # Errors
/// [`Malformed`] when it does not say who it is.
pub fn handshake(delivery: &Delivery<'_>) -> Result<Vec<(&'static str, String)>, Malformed> {
    const ORIGIN: &str = "webhook-request-origin";
    let origin = (delivery.header)(ORIGIN).filter(|origin| !origin.is_empty());
    let origin = origin.ok_or_else(|| {
        Malformed::new(ORIGIN, "a sender that asks for permission names itself in this header")
    })?;
    let rate = (delivery.header)("webhook-request-rate").map(|_| ("webhook-allowed-rate", "*".to_owned()));
    Ok([("webhook-allowed-origin", origin)].into_iter().chain(rate).collect())
}
