//! Bucket notifications in the S3 form, which AWS, MinIO and RustFS share:
//! `{"Records": [{"eventName", "eventTime", "s3": {"bucket": {"name"}, "object": {"key", "eTag", "sequencer"}}}]}`.

use crate::event::{order, unquoted};
use crate::place::{Malformed, Place};
use crate::{Change, StorageEvent};
use percent_encoding::percent_decode_str;

/// The events of `{"Records": […]}`.
pub(crate) fn records(body: &Place<'_>) -> Result<Vec<StorageEvent>, Malformed> {
    body.field("Records")?.items()?.filter_map(|record| self::record(&record).transpose()).collect()
}

/// One record; `None` when it tells of something else than an object's writing or deletion.
pub(crate) fn record(record: &Place<'_>) -> Result<Option<StorageEvent>, Malformed> {
    let name = record.field("eventName")?.text()?;
    let time = record.optional_text("eventTime");
    event(name, time, &record.field("s3")?)
}

/// An event called `name` of the object that `s3` names.
pub(crate) fn event(
    name: &str,
    time: Option<&str>,
    s3: &Place<'_>,
) -> Result<Option<StorageEvent>, Malformed> {
    let Some(change) = change(name) else { return Ok(None) };
    let object = s3.field("object")?;
    let key = object.field("key")?;
    Ok(Some(StorageEvent {
        container: s3.field("bucket")?.field("name")?.text()?.to_owned(),
        location: decode(key.text()?).ok_or_else(|| key.wrong("the key is no UTF-8 text"))?,
        change,
        etag: unquoted(object.optional_text("eTag")),
        version: object.optional_text("versionId").filter(|id| !id.is_empty()).map(str::to_owned),
        order: order(object.optional_text("sequencer"), time),
    }))
}

/// What happened to the object; `None` for every other event. MinIO and RustFS write `s3:` in front.
fn change(event_name: &str) -> Option<Change> {
    let name = event_name.strip_prefix("s3:").unwrap_or(event_name);
    match name.split(':').next() {
        Some("ObjectCreated") => Some(Change::Written),
        Some("ObjectRemoved" | "LifecycleExpiration") => Some(Change::Removed),
        _ => None,
    }
}

/// Keys come encoded like a form's values, once: a plus sign is a blank.
fn decode(key: &str) -> Option<String> {
    let blanks = key.replace('+', " ");
    percent_decode_str(&blanks).decode_utf8().ok().map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn body(name: &str, key: &str) -> Value {
        json!({ "Records": [ {
            "eventVersion": "2.1", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2024-05-06T09:41:10.221Z",
            "eventName": name, "userIdentity": { "principalId": "desk" },
            "s3": { "s3SchemaVersion": "1.0", "configurationId": "Config",
                "bucket": { "name": "letters", "ownerIdentity": {}, "arn": "arn:aws:s3:::letters" },
                "object": { "key": key, "size": 77, "eTag": "0cc175b9c0f1b6a831c399e269772661", "sequencer": "1" } }
        } ] })
    }

    fn one(name: &str, key: &str) -> Option<StorageEvent> {
        let mut events = records(&Place::root(&body(name, key))).expect("well-formed");
        assert!(events.len() < 2);
        events.pop()
    }

    #[test]
    fn both_spellings_of_event_names_are_read() {
        for name in ["ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Copy"] {
            let event = one(name, "in/claim+1%2B2.txt").expect("an event");
            assert_eq!((event.container.as_str(), event.location.as_str()), ("letters", "in/claim 1+2.txt"));
            assert_eq!(event.change, Change::Written);
            assert_eq!(event.etag.as_deref(), Some("0cc175b9c0f1b6a831c399e269772661"));
        }
        for name in ["ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"] {
            assert_eq!(one(name, "a.txt").map(|event| event.change), Some(Change::Removed));
        }
        for name in ["s3:ObjectAccessed:Get", "s3:TestEvent", "ObjectTagging:Put"] {
            assert_eq!(one(name, "a.txt"), None, "{name}");
        }
    }

    #[test]
    fn a_key_is_decoded_once() {
        let location = |key| one("ObjectCreated:Put", key).map(|event| event.location);
        assert_eq!(location("50%2525.txt").as_deref(), Some("50%25.txt"));
        assert_eq!(location("%E6%97%A5%E6%9C%AC.txt").as_deref(), Some("日本.txt"));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        let target = |value: Value| records(&Place::root(&value)).map_err(|error| error.target).err();
        for (body, place) in [
            (json!({}), "#/Records"),
            (json!({ "Records": {} }), "#/Records"),
            (json!({ "Records": [{}] }), "#/Records/0/eventName"),
            (json!({ "Records": [{ "eventName": 1 }] }), "#/Records/0/eventName"),
            (json!({ "Records": [{ "eventName": "ObjectCreated:Put" }] }), "#/Records/0/s3"),
            (body("ObjectCreated:Put", "%FF.txt"), "#/Records/0/s3/object/key"),
            (body("ObjectCreated:Put", ""), "#/Records/0/s3/object/key"),
        ] {
            assert_eq!(target(body).as_deref(), Some(place));
        }
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in "\\PC{1,20}") {
            let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(one("ObjectCreated:Put", &encoded).map(|event| event.location), Some(key.clone()));
            let blanks = encoded.replace("%20", "+");
            prop_assert_eq!(one("ObjectCreated:Put", &blanks).map(|event| event.location), Some(key));
        }
    }
}
