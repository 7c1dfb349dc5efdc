//! Bucket notifications in the S3 form, which AWS and MinIO share:
//! `{"Records": [{"eventName", "s3": {"bucket": {"name"}, "object": {"key", "eTag"}}}]}`.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Documents are objects with this ending; other objects of a container are none of our business.
const DOCUMENT_SUFFIX: &str = ".txt";

/// What happened to one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentEvent {
    /// The bucket.
    pub container: String,
    /// The object's key, decoded.
    pub location: String,
    /// What happened.
    pub change: Change,
}

/// What can happen to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was written.
    Written {
        /// Its entity tag, without quotes.
        etag: String,
    },
    /// It was deleted.
    Removed,
}

/// Why a body is no notification. The sender can fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: String,
    /// Where.
    pub target: String,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: String,
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(rename = "eTag", default)]
    etag: String,
}

/// The events of a body that concern documents, in order; all other events of a well-formed body are left out.
///
/// # Errors
/// [`Malformed`] when the body has not this form, a key is no UTF-8 text, or a written object has no entity tag.
pub fn parse(body: &[u8]) -> Result<Vec<DocumentEvent>, Malformed> {
    let notification: Notification = serde_json::from_slice(body)
        .map_err(|error| Malformed { reason: error.to_string(), target: "#/Records".to_owned() })?;
    let events = notification.records.into_iter().enumerate();
    events.filter_map(|(index, record)| event(record, index).transpose()).collect()
}

fn event(record: Record, index: usize) -> Result<Option<DocumentEvent>, Malformed> {
    let Some(written) = is_written(&record.event_name) else { return Ok(None) };
    let malformed = |reason: &str, field: &str| Malformed {
        reason: reason.to_owned(),
        target: format!("#/Records/{index}/s3/object/{field}"),
    };
    let location =
        decode(&record.s3.object.key).ok_or_else(|| malformed("the key is no UTF-8 text", "key"))?;
    if !location.ends_with(DOCUMENT_SUFFIX) {
        return Ok(None);
    }
    let change = if written {
        let etag = record.s3.object.etag.trim_matches('"');
        if etag.is_empty() {
            return Err(malformed("without an entity tag nobody can tell whether the text changed", "eTag"));
        }
        Change::Written { etag: etag.to_owned() }
    } else {
        Change::Removed
    };
    Ok(Some(DocumentEvent { container: record.s3.bucket.name, location, change }))
}

/// Whether the object was written or, else, removed; `None` for every other event. MinIO writes `s3:` in front.
fn is_written(event_name: &str) -> Option<bool> {
    let name = event_name.strip_prefix("s3:").unwrap_or(event_name);
    match name.split(':').next() {
        Some("ObjectCreated") => Some(true),
        Some("ObjectRemoved") => Some(false),
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

    fn body(name: &str, key: &str) -> Vec<u8> {
        let records = serde_json::json!({ "Records": [ {
            "eventVersion": "2.1", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2024-05-06T09:41:10.221Z",
            "eventName": name, "userIdentity": { "principalId": "desk" },
            "s3": { "s3SchemaVersion": "1.0", "configurationId": "Config",
                "bucket": { "name": "letters", "ownerIdentity": {}, "arn": "arn:aws:s3:::letters" },
                "object": { "key": key, "size": 77, "eTag": "0cc175b9c0f1b6a831c399e269772661", "sequencer": "1" } }
        } ] });
        records.to_string().into_bytes()
    }

    fn one(name: &str, key: &str) -> Option<DocumentEvent> {
        let mut events = parse(&body(name, key)).expect("well-formed");
        assert!(events.len() < 2);
        events.pop()
    }

    #[test]
    fn both_spellings_of_both_services_are_read() {
        for name in ["ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"] {
            let event = one(name, "in/claim+1%2B2.txt").expect("a document");
            assert_eq!((event.container.as_str(), event.location.as_str()), ("letters", "in/claim 1+2.txt"));
            let etag = "0cc175b9c0f1b6a831c399e269772661".to_owned();
            assert_eq!(event.change, Change::Written { etag });
        }
        for name in ["ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"] {
            assert_eq!(one(name, "a.txt").map(|event| event.change), Some(Change::Removed));
        }
    }

    #[test]
    fn other_events_and_objects_are_left_out() {
        assert_eq!(one("s3:ObjectAccessed:Get", "a.txt"), None);
        assert_eq!(one("s3:TestEvent", "a.txt"), None);
        assert_eq!(one("ObjectCreated:Put", "labels.json"), None);
        assert_eq!(parse(br#"{"Records":[]}"#), Ok(vec![]));
    }

    #[test]
    fn a_key_is_decoded_once() {
        assert_eq!(
            one("ObjectCreated:Put", "50%2525.txt").map(|event| event.location),
            Some("50%25.txt".into())
        );
    }

    #[test]
    fn a_body_of_another_form_is_refused_with_its_place() {
        for body in
            [&b""[..], b"{", b"[]", b"{}", br#"{"Records":[{}]}"#, br#"{"Records":[{"eventName":1}]}"#]
        {
            assert_eq!(parse(body).map_err(|error| error.target), Err("#/Records".to_owned()));
        }
        let target = |body: &[u8]| parse(body).map_err(|error| error.target);
        let broken_key = body("ObjectCreated:Put", "%FF.txt");
        assert_eq!(target(&broken_key), Err("#/Records/0/s3/object/key".to_owned()));
        let untagged = String::from_utf8(body("ObjectCreated:Put", "a.txt")).expect("JSON");
        let untagged = untagged.replace("0cc175b9c0f1b6a831c399e269772661", "");
        assert_eq!(target(untagged.as_bytes()), Err("#/Records/0/s3/object/eTag".to_owned()));
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in "\\PC{0,20}") {
            let key = format!("{key}.txt");
            let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(one("ObjectCreated:Put", &encoded).map(|event| event.location), Some(key.clone()));
            let blanks = encoded.replace("%20", "+");
            prop_assert_eq!(one("ObjectCreated:Put", &blanks).map(|event| event.location), Some(key));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
