//! Events of S3 as EventBridge delivers them: `{"detail-type", "time", "detail": {"bucket": {"name"}, "object": {"key",
//! "etag", "sequencer"}}}`, or the `detail` alone where a rule passes on nothing else. Keys are not encoded here.

use crate::event::{order, unquoted};
use crate::place::{Malformed, Place};
use crate::{Change, StorageEvent};

/// Whether `body` has this form.
pub(crate) fn is_one(body: &Place<'_>) -> bool {
    body.optional("detail").is_some()
        || (body.optional("bucket").is_some() && body.optional("object").is_some())
}

/// The event; `None` when it tells of something else than an object's writing or deletion.
pub(crate) fn event(body: &Place<'_>) -> Result<Option<StorageEvent>, Malformed> {
    let detail = body.optional("detail").unwrap_or_else(|| body.clone());
    let removed = detail.optional("deletion-type").is_some();
    let change = match body.optional_text("detail-type") {
        Some("Object Created" | "Object Restore Completed") => Change::Written,
        Some("Object Deleted") => Change::Removed,
        Some(_) => return Ok(None),
        None if removed => Change::Removed,
        None => Change::Written,
    };
    let object = detail.field("object")?;
    Ok(Some(StorageEvent {
        container: detail.field("bucket")?.field("name")?.text()?.to_owned(),
        location: object.field("key")?.text()?.to_owned(),
        change,
        etag: unquoted(object.optional_text("etag")),
        version: object.optional_text("version-id").filter(|id| !id.is_empty()).map(str::to_owned),
        order: order(object.optional_text("sequencer"), body.optional_text("time")),
    }))
}
