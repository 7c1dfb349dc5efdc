//! One message of a notifier: which form it has, and what is in it.

use crate::place::{Malformed, Place};
use crate::sns::{self, SnsMessage};
use crate::{StorageEvent, cloud_events, event_bridge, event_grid, s3};
use serde_json::Value;

/// A message as it came.
pub struct Delivery<'a> {
    /// The value of a header by its name in lower case.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The body.
    pub body: &'a [u8],
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Objects were written or deleted. Events about anything else are left out, so the list may be empty.
    Events(Vec<StorageEvent>),
    /// Event Grid asks whether it may deliver here, and wants to hear this code.
    Validation(String),
    /// A message of SNS, to be verified.
    Sns(Box<SnsMessage>),
}

impl Delivery<'_> {
    /// Reads the message: S3 records of AWS, MinIO or RustFS; EventBridge's form or its `detail` alone; Event Grid's
    /// list; CloudEvents 1.0 as one JSON object, as a list of them or with the attributes in headers; an envelope of SNS.
    ///
    /// # Errors
    /// [`Malformed`] with the place of what has none of these forms. Nothing of such a message counts, so that its
    /// sender repeats all of it.
    pub fn read(&self) -> Result<Received, Malformed> {
        let value: Value = serde_json::from_slice(self.body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Malformed::new("#", format!("it is not JSON: it breaks off or errs at {place}"))
        })?;
        if cloud_events::is_binary(self) {
            let event = cloud_events::from_binary(self, value)?;
            return cloud_events::events(&Place::root(&event)).map(Received::Events);
        }
        let body = Place::root(&value);
        match &value {
            Value::Array(_) => list(&body),
            envelope if sns::is_one(envelope) => SnsMessage::read(&body).map(Box::new).map(Received::Sns),
            _ => object(&body).map(Received::Events),
        }
    }
}

fn list(body: &Place<'_>) -> Result<Received, Malformed> {
    if let Some(code) = event_grid::validation_code(body)? {
        return Ok(Received::Validation(code));
    }
    let is_batch = body.items()?.next().is_some_and(|first| first.optional("specversion").is_some());
    if !is_batch {
        return event_grid::events(body).map(Received::Events);
    }
    let each = body.items()?.map(|event| cloud_events::events(&event)).collect::<Result<Vec<_>, _>>()?;
    Ok(Received::Events(each.into_iter().flatten().collect()))
}

fn object(body: &Place<'_>) -> Result<Vec<StorageEvent>, Malformed> {
    let one = |event: Result<Option<StorageEvent>, Malformed>| event.map(|event| event.into_iter().collect());
    if body.optional("specversion").is_some() {
        return cloud_events::events(body);
    }
    if body.optional("Records").is_some() {
        return s3::records(body);
    }
    if body.optional("s3").is_some() {
        return one(s3::record(body));
    }
    if event_bridge::is_one(body) {
        return one(event_bridge::event(body));
    }
    if body.optional_text("Event") == Some("s3:TestEvent") {
        return Ok(vec![]);
    }
    if !body.value.is_object() {
        return Err(body.wrong("must be an object or a list"));
    }
    Err(Malformed::new("#/Records", "Records is missing, and no other known form of notification fits"))
}
