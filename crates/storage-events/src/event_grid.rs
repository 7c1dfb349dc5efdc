//! Blob events of Azure Event Grid: a list of `{"eventType", "subject", "eventTime", "data": {"eTag", "sequencer"}}`.

use crate::event::{order, unquoted};
use crate::place::{Malformed, Place};
use crate::{Change, StorageEvent};

const CREATED: &str = "Microsoft.Storage.BlobCreated";
const DELETED: &str = "Microsoft.Storage.BlobDeleted";
const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";
const CONTAINERS: &str = "/blobServices/default/containers/";

/// What Event Grid sends before it delivers: the code it wants to hear back.
pub(crate) fn validation_code(body: &Place<'_>) -> Result<Option<String>, Malformed> {
    let Some(first) = body.items()?.next() else { return Ok(None) };
    if first.optional_text("eventType") != Some(VALIDATION) {
        return Ok(None);
    }
    Ok(Some(first.field("data")?.field("validationCode")?.text()?.to_owned()))
}

/// The events of a list.
pub(crate) fn events(body: &Place<'_>) -> Result<Vec<StorageEvent>, Malformed> {
    let each = body.items()?.map(|event| {
        let kind = event.field("eventType")?;
        self::event(&event, kind.text()?, event.optional_text("eventTime"))
    });
    each.filter_map(Result::transpose).collect()
}

/// An event of `kind`, in Event Grid's own form or as a CloudEvent; `None` when it is not about a blob's content.
pub(crate) fn event(
    body: &Place<'_>,
    kind: &str,
    time: Option<&str>,
) -> Result<Option<StorageEvent>, Malformed> {
    let change = match kind {
        CREATED => Change::Written,
        DELETED => Change::Removed,
        _ => return Ok(None),
    };
    let subject = body.field("subject")?;
    let named = subject.text()?.strip_prefix(CONTAINERS).and_then(|rest| rest.split_once("/blobs/"));
    let (container, location) = named
        .filter(|(container, location)| !container.is_empty() && !location.is_empty())
        .ok_or_else(|| subject.wrong(format!("must begin with {CONTAINERS}{{container}}/blobs/{{name}}")))?;
    let data = body.field("data")?;
    let sequencer = data.optional_text("sequencer");
    Ok(Some(StorageEvent {
        container: container.to_owned(),
        location: location.to_owned(),
        change,
        etag: unquoted(data.optional_text("eTag").or(data.optional_text("etag"))),
        version: None,
        order: order(sequencer, time),
    }))
}
