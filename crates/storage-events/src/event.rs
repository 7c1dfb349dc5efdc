//! What happened to one object, whoever told it.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Length to which order marks are filled up. Those of the services have 16 to 48 digits.
const ORDER_DIGITS: usize = 64;

/// What happened to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageEvent {
    /// The bucket or container.
    pub container: String,
    /// The object's key, decoded.
    pub location: String,
    /// What happened.
    pub change: Change,
    /// The entity tag of what was written, without quotes; services leave it out of deletions.
    pub etag: Option<String>,
    /// The object's version where the container keeps versions.
    pub version: Option<String>,
    /// Of two events of one object the one with the greater text happened later; empty when the service does not say.
    pub order: String,
}

/// What can happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was written.
    Written,
    /// It was deleted.
    Removed,
}

impl StorageEvent {
    /// The same for every delivery of one event and different for any two events: hexadecimal digits.
    pub fn id(&self) -> String {
        let change = match self.change {
            Change::Written => "written",
            Change::Removed => "removed",
        };
        let content = self.version.as_deref().or(self.etag.as_deref()).unwrap_or_default();
        let mut digest = Sha256::new();
        for part in [&self.container, &self.location, change, content, &self.order] {
            // Lengths keep a border between two parts from moving.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// An order mark from a service's sequencer, which is hexadecimal and is compared from its left end; else from the
/// time of the event. Marks of one kind alone can be compared.
pub(crate) fn order(sequencer: Option<&str>, time: Option<&str>) -> String {
    let sequencer = sequencer.filter(|mark| !mark.is_empty()).map(str::to_ascii_uppercase);
    let mark = sequencer.or_else(|| {
        let nanoseconds = time?.parse::<Timestamp>().ok()?.as_nanosecond();
        Some(format!("{:016X}", u64::try_from(nanoseconds).ok()?))
    });
    mark.map(|mark| format!("{mark:0<ORDER_DIGITS$}")).unwrap_or_default()
}

/// The entity tag as it stands in no header: without quotes, and none when empty.
pub(crate) fn unquoted(etag: Option<&str>) -> Option<String> {
    etag.map(|etag| etag.trim_matches('"').to_owned()).filter(|etag| !etag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(parts: [&str; 5], change: Change) -> StorageEvent {
        let [container, location, etag, version, order] = parts.map(str::to_owned);
        let some = |text: String| (!text.is_empty()).then_some(text);
        StorageEvent { container, location, change, etag: some(etag), version: some(version), order }
    }

    #[test]
    fn order_marks_compare_as_the_services_say() {
        let of = |mark| order(Some(mark), None);
        // Shorter ones are filled up at their right end (AWS).
        assert!(of("0055AED6DCD90281E5") < of("0055AED6DCD90281E51"));
        assert!(of("0055AED6DCD9") < of("0055aed6dcda"));
        assert!(of("00000000000004420000000000028963") < of("00000000000004420000000000028964"));
        let at = |time| order(None, Some(time));
        assert!(at("2026-01-05T10:00:00.000Z") < at("2026-01-05T10:00:00.001Z"));
        assert_eq!((order(None, None), order(Some(""), Some("yesterday"))), (String::new(), String::new()));
    }

    proptest! {
        #[test]
        fn different_events_have_different_ids(
            one in prop::array::uniform5("[ab/]{0,3}"),
            other in prop::array::uniform5("[ab/]{0,3}"),
        ) {
            let parts = |texts: &[String; 5]| {
                let [a, b, c, d, e] = texts.each_ref().map(String::as_str);
                // A version stands for the content where there is one.
                [a, b, if d.is_empty() { c } else { "" }, d, e].map(str::to_owned)
            };
            let (one, other) = (parts(&one), parts(&other));
            let ids = [&one, &other].map(|texts| event(texts.each_ref().map(String::as_str), Change::Written).id());
            let content = |texts: &[String; 5]| {
                (texts[0].clone(), texts[1].clone(), format!("{}{}", texts[2], texts[3]), texts[4].clone())
            };
            prop_assert_eq!(ids[0] == ids[1], content(&one) == content(&other));
            let removed = event(one.each_ref().map(String::as_str), Change::Removed).id();
            prop_assert_ne!(&removed, &ids[0]);
        }
    }
}
