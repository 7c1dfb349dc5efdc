//! What both PostgreSQL drivers say alike: how it differs from SQLite, in one place.

use std::borrow::Cow;

use super::Mode;
use crate::Error;

/// Settings of every session, as the address's `options` carry them: a writer that waits too long for another one is
/// told so, and a transaction whose owner vanished does not keep the others out for ever.
const SESSION_SETTINGS: &str =
    "options=-c%20lock_timeout%3D10s%20-c%20idle_in_transaction_session_timeout%3D60s";

/// The oldest major version that has all that the statements use.
#[cfg(any(test, feature = "native"))]
pub(super) const MAJOR_VERSION_MIN: u32 = 12;

/// How a program takes its place at a database whose jobs it runs.
#[cfg(feature = "native")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The only program there.
    Alone,
    /// One of many processes.
    AmongOthers,
}

#[cfg(feature = "native")]
impl Place {
    /// Takes the place, for as long as the session lasts, and listens for changed jobs.
    pub(super) fn statements(self) -> &'static str {
        match self {
            Self::Alone => {
                "SET lock_timeout = '10s'; SELECT pg_advisory_lock(7237111053); LISTEN spindle_jobs"
            }
            Self::AmongOthers => {
                "SET lock_timeout = '10s'; SELECT pg_advisory_lock_shared(7237111053); LISTEN spindle_jobs"
            }
        }
    }
}

/// Held by whoever writes, so that there is one writer at a time as in SQLite. The numbers of locks mean nothing; they
/// are the same in every release.
const WRITER: &str = "SELECT pg_advisory_xact_lock(7237111052)";

/// Statements that start a transaction, to be run in order. A writer waits for the lock before its first look at the
/// data, and every later statement sees what was committed until then: nothing changes under its hands.
pub(super) fn begin(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Read => &["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"],
        Mode::Write => &["BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", WRITER],
    }
}

/// Statements after the migrations, each safe to repeat: the database rings when jobs changed.
pub(super) const SCHEMA_EXTRAS: &[&str] = &[
    "CREATE OR REPLACE FUNCTION spindle_jobs_changed() RETURNS trigger LANGUAGE plpgsql AS \
     'BEGIN PERFORM pg_notify(''spindle_jobs'', ''''); RETURN NULL; END'",
    "DROP TRIGGER IF EXISTS spindle_jobs_changed ON jobs",
    // Heartbeats and progress make no job due, and come twice a second from each.
    "CREATE TRIGGER spindle_jobs_changed AFTER INSERT OR UPDATE OF not_before, finished_at ON jobs \
     FOR EACH STATEMENT EXECUTE FUNCTION spindle_jobs_changed()",
];

/// `address` with the settings every session needs; an address that sets options of its own keeps those instead.
pub(super) fn with_settings(address: &str) -> String {
    match parameters(address) {
        Some(own) if own.split('&').any(|one| one.starts_with("options=")) => address.to_owned(),
        Some(_) => format!("{address}&{SESSION_SETTINGS}"),
        None => format!("{address}?{SESSION_SETTINGS}"),
    }
}

/// What follows the question mark of an address; one within the password is none.
pub(super) fn parameters(address: &str) -> Option<&str> {
    let place = address.split_once('@').map_or(address, |(_, place)| place);
    place.split_once('?').map(|(_, parameters)| parameters)
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Outside a transaction.
    Idle,
    /// A transaction is open, or may be.
    Open,
    /// A statement of the open transaction failed; the server accepts nothing but its end.
    Failed,
}

impl State {
    /// After a statement.
    pub(super) fn after(self, succeeded: bool) -> Self {
        if self == Self::Open && !succeeded { Self::Failed } else { self }
    }
}

/// The server would answer such a `COMMIT` kindly and keep nothing.
pub(super) fn failed_transaction() -> Error {
    Error::Refused("a transaction was to be kept whose statement had failed".to_owned())
}

/// Whether a statement outside a transaction needs none: it only reads.
pub(super) fn only_reads(sql: &str) -> bool {
    sql.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("SELECT"))
}

/// The statement as PostgreSQL reads it: placeholders `$1` for `?1`, and in table definitions `BYTEA` for `BLOB` and
/// texts that are compared byte by byte, whatever the database's language.
pub(super) fn translate(sql: &str) -> Cow<'_, str> {
    let defines = sql.starts_with("CREATE TABLE");
    if !defines && !sql.contains('?') {
        return Cow::Borrowed(sql);
    }
    // Every second piece lies between quotes.
    let pieces = sql.split('\'').enumerate().map(|(number, piece)| {
        if number % 2 == 1 {
            return piece.to_owned();
        }
        let piece = piece.replace('?', "$");
        if defines { piece.replace(" BLOB", " BYTEA").replace(" TEXT", " TEXT COLLATE \"C\"") } else { piece }
    });
    Cow::Owned(pieces.collect::<Vec<_>>().join("'"))
}

/// The catalog's error for a SQLSTATE. `message` is the server's own, which names no values of rows.
pub(super) fn error(code: &str, message: &str) -> Error {
    let said = || format!("{message} (SQLSTATE {code}){}", advice(code));
    match (code, code.get(..2).unwrap_or_default()) {
        // Serialization, deadlock, lock not available.
        ("40001" | "40P01" | "55P03", _) => Error::Busy,
        ("53100", _) => Error::Full,
        ("XX001" | "XX002", _) => Error::Corrupt(said()),
        // Read-only server, no permission, cancelled by the operator.
        ("25006" | "42501" | "57014", _) => Error::Unavailable(said()),
        // Connections, passwords, databases, resources, shut-down, system.
        (_, "08" | "28" | "3D" | "53" | "57" | "58") => Error::Unavailable(said()),
        _ => Error::Refused(said()),
    }
}

/// What the operator can do about it.
fn advice(code: &str) -> &'static str {
    match code {
        "28P01" | "28000" => "; correct the user or the password in the address, or the server's pg_hba.conf",
        "3D000" => "; create it, or correct its name in the address",
        "42501" => {
            "; the user must own the database, or be granted CREATE in its schema and ALL on its tables"
        }
        "53300" => "; let the server take more connections (max_connections)",
        "25006" => "; the address must name the primary server, not a standby",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_change_and_texts_stay() {
        assert_eq!(
            translate("UPDATE a SET b = ?2 WHERE c = '?1' AND d = ?10"),
            "UPDATE a SET b = $2 WHERE c = '?1' AND d = $10"
        );
        assert!(matches!(translate("SELECT ' TEXT'"), Cow::Borrowed(_)));
    }

    #[test]
    fn definitions_get_the_engines_types() {
        assert_eq!(
            translate("CREATE TABLE a (b TEXT PRIMARY KEY, c BLOB NOT NULL, d BIGINT)"),
            "CREATE TABLE a (b TEXT COLLATE \"C\" PRIMARY KEY, c BYTEA NOT NULL, d BIGINT)"
        );
    }

    #[test]
    fn addresses_get_the_settings_once() {
        let bare = with_settings("postgres://u@h/d");
        assert_eq!(bare, format!("postgres://u@h/d?{SESSION_SETTINGS}"));
        assert_eq!(with_settings(&bare), bare);
        let secret = with_settings("postgres://u:a?b@h/d");
        assert_eq!(secret, format!("postgres://u:a?b@h/d?{SESSION_SETTINGS}"));
        let more = with_settings("postgres://u@h/d?connect_timeout=3");
        assert_eq!(more, format!("postgres://u@h/d?connect_timeout=3&{SESSION_SETTINGS}"));
    }

    #[test]
    fn codes_find_their_kind() {
        assert_eq!(error("40001", "could not serialize"), Error::Busy);
        assert_eq!(error("53100", "disk full"), Error::Full);
        assert!(matches!(error("23505", "duplicate key"), Error::Refused(_)));
        assert!(matches!(error("28P01", "password"), Error::Unavailable(_)));
        assert!(matches!(error("53300", "too many clients"), Error::Unavailable(_)));
        assert!(matches!(error("", ""), Error::Refused(_)));
    }

    #[test]
    fn only_plain_questions_need_no_transaction() {
        assert!(only_reads("SELECT 1"));
        assert!(!only_reads("UPDATE a SET b = 1 RETURNING b"));
        assert!(!only_reads("é"));
    }
}
