//! What both SQLite drivers say alike.

use super::Mode;
#[cfg(any(test, feature = "guest"))]
use crate::Error;

/// Statements every fresh connection runs: commits reach the disk before they are acknowledged, and references hold.
pub(super) const CONNECTION_SETTINGS: [&str; 2] = ["PRAGMA foreign_keys = ON", "PRAGMA synchronous = FULL"];

/// `IMMEDIATE` takes the write lock at once: a read lock that is raised later can fail in the middle instead.
pub(super) fn begin(mode: Mode) -> &'static str {
    match mode {
        Mode::Read => "BEGIN DEFERRED",
        Mode::Write => "BEGIN IMMEDIATE",
    }
}

/// Maps SQLite's own message, the only thing a component gets from its host.
#[cfg(any(test, feature = "guest"))]
pub(super) fn error_from_message(message: &str) -> Error {
    let lower = message.to_ascii_lowercase();
    if lower.contains("database is locked")
        || lower.contains("database table is locked")
        || lower.contains("busy")
    {
        Error::Busy
    } else if lower.contains("disk is full") {
        Error::Full
    } else if lower.contains("malformed") || lower.contains("not a database") {
        Error::Corrupt(message.to_owned())
    } else if lower.contains("constraint failed")
        || lower.contains("syntax error")
        || lower.contains("no such")
    {
        Error::Refused(message.to_owned())
    } else {
        Error::Unavailable(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_find_their_kind() {
        assert_eq!(error_from_message("database is locked"), Error::Busy);
        assert_eq!(error_from_message("database or disk is full"), Error::Full);
        assert!(matches!(error_from_message("UNIQUE constraint failed: jobs.id"), Error::Refused(_)));
        assert!(matches!(error_from_message("database disk image is malformed"), Error::Corrupt(_)));
        assert!(matches!(error_from_message("unable to open database file"), Error::Unavailable(_)));
    }
}
