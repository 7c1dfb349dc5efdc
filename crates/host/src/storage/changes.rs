//! What the embedded server tells about its objects, in the form of S3's notifications.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::UnboundedSender;

/// What of a key is encoded in a notification: all but letters, digits and these signs.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'*').remove(b'/');

/// One change of an object, told when it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChange {
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// What happened, as S3 calls it: `ObjectCreated:Put`.
    pub name: &'static str,
    /// The entity tag of what was written, without quotes.
    pub etag: Option<String>,
    /// Grows with every change of any object.
    pub sequencer: u64,
}

impl ObjectChange {
    /// The change as one of a notification's `Records`.
    pub fn record(&self) -> Value {
        let mut object =
            json!({ "key": encoded(&self.key), "sequencer": format!("{:016X}", self.sequencer) });
        if let Some(etag) = &self.etag {
            object["eTag"] = json!(etag);
        }
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": self.name,
            "s3": { "s3SchemaVersion": "1.0", "bucket": { "name": self.bucket, "arn": format!("arn:aws:s3:::{}", self.bucket) }, "object": object },
        })
    }
}

/// Where changes are told, when somebody listens.
#[derive(Debug, Default)]
pub(super) struct Changes {
    listener: Option<UnboundedSender<ObjectChange>>,
    last: AtomicU64,
}

impl Changes {
    pub(super) fn new(listener: Option<UnboundedSender<ObjectChange>>) -> Self {
        Self { listener, last: AtomicU64::new(0) }
    }

    pub(super) fn tell(&self, bucket: &str, key: &str, name: &'static str, etag: Option<String>) {
        let Some(listener) = &self.listener else { return };
        // Folders are no objects.
        if key.ends_with('/') {
            return;
        }
        let (bucket, key) = (bucket.to_owned(), key.trim_start_matches('/').to_owned());
        // Nobody listens any more while the program ends.
        let _ = listener.send(ObjectChange { bucket, key, name, etag, sequencer: self.next() });
    }

    /// The time in nanoseconds, or one more than the last number where the clock did not move on.
    fn next(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let next = |last: u64| Some(now.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).unwrap_or(now);
        now.max(last.saturating_add(1))
    }
}

/// Puts the object and its name on the disk: the file system's own server leaves both to the system.
pub(super) fn keep(root: &Path, bucket: &str, key: &str) -> io::Result<()> {
    let path = root.join(bucket).join(key.trim_start_matches('/'));
    if key.ends_with('/') {
        return Ok(());
    }
    File::open(&path)?.sync_all()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// A key as notifications and encoded listings carry it: as a form's value, slashes as they are.
pub(super) fn encoded(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string().replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_does() {
        for (key, expected) in [
            ("in/a b+c.txt", "in/a+b%2Bc.txt"),
            ("50%.txt", "50%25.txt"),
            ("Jürgen & 日.txt", "J%C3%BCrgen+%26+%E6%97%A5.txt"),
        ] {
            assert_eq!(encoded(key), expected);
        }
    }

    #[test]
    fn every_change_has_a_greater_number() {
        let (listener, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let changes = Changes::new(Some(listener));
        for _ in 0..1_000 {
            changes.tell("letters", "/a.txt", "ObjectCreated:Put", Some("e".to_owned()));
        }
        changes.tell("letters", "folder/", "ObjectCreated:Put", None);
        drop(changes);
        let (mut last, mut count) = (0, 0);
        while let Ok(change) = heard.try_recv() {
            assert!(change.sequencer > last && change.key == "a.txt");
            (last, count) = (change.sequencer, count + 1);
        }
        assert_eq!(count, 1_000);
    }
}
