//! Storage events on the wire: what the inbox took, and what came of it. Ours, the contract has none.

use crate::timestamps::WholeSeconds;
use serde::{Deserialize, Serialize};

/// Longest key of an object in bytes, as everywhere in S3.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Documents are objects with this ending.
pub const DOCUMENT_SUFFIX: &str = ".txt";

/// What a message of a storage service came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedEvents {
    /// Events that were not known before.
    pub accepted: u64,
    /// Events that had come already.
    pub repeated: u64,
    /// Messages of SNS that a job looks at first: it fetches their certificate, or confirms a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<u64>,
}

/// One event in the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageEventState {
    /// The same for every delivery of one event.
    pub event_id: String,
    /// Who told it.
    pub source: String,
    /// The container.
    pub container_name: String,
    /// The object's key.
    pub location: String,
    /// `written` or `removed`.
    pub change: String,
    /// `waiting`, `done`, `ignored`, `refused` or `superseded`.
    pub state: String,
    /// When it was accepted.
    pub received_date_time: WholeSeconds,
    /// When it came to something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_date_time: Option<WholeSeconds>,
    /// What it came to, for each project whose container it is.
    pub outcomes: Vec<EventOutcome>,
}

/// What an event came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventOutcome {
    /// The project, where it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// What happened and why, for people.
    pub message: String,
    /// The job that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
}

/// Whether an object of this key is a document. Upper case endings count, too.
pub fn is_document(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let stem = name.len().checked_sub(DOCUMENT_SUFFIX.len()).filter(|stem| *stem > 0);
    stem.and_then(|stem| name.get(stem..)).is_some_and(|end| end.eq_ignore_ascii_case(DOCUMENT_SUFFIX))
}

/// Why no document and no label file can have this key, for the person who keeps the container; `None` when one can.
pub fn key_refusal(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("the key is empty");
    }
    if key.len() > KEY_BYTES_MAX {
        return Some("the key has more than 1,024 bytes");
    }
    if key.chars().any(char::is_control) {
        return Some("the key holds a control character");
    }
    if key.split('/').any(|part| part == "." || part == "..") {
        return Some("the key holds a part of dots alone, which would lead to another folder");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_text_files() {
        for key in ["a.txt", "A.TXT", "in/a.txt", "日本.txt", "in/.a.txt"] {
            assert!(is_document(key), "{key}");
        }
        for key in ["a.json", ".txt", "in/.txt", "a.txt/", "日本", "", "a.entities.json"] {
            assert!(!is_document(key), "{key}");
        }
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        for key in ["a.txt", "in/a b.txt", "日本/履歴.txt", "a..txt", "...", "+.txt"] {
            assert_eq!(key_refusal(key), None, "{key}");
        }
        let long = "a".repeat(KEY_BYTES_MAX + 1);
        for key in ["", "../a.txt", "in/../../a.txt", "in/.", "a\n.txt", "a\0", &long] {
            assert!(key_refusal(key).is_some(), "{key}");
        }
    }
}
