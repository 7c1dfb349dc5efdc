//! Calls counted by the minute, over all hosts of an installation.

use std::fmt;

use jiff::Timestamp;

use crate::{Catalog, Driver, Error};

pub(crate) const SECONDS_PER_MINUTE: i64 = 60;

/// Calls that are counted together (contract: limits 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallClass {
    /// Authoring calls that read.
    AuthoringRead,
    /// Authoring calls that change something.
    AuthoringWrite,
    /// Calls of prediction.
    Prediction,
}

impl CallClass {
    fn word(self) -> &'static str {
        match self {
            Self::AuthoringRead => "authoring-read",
            Self::AuthoringWrite => "authoring-write",
            Self::Prediction => "prediction",
        }
    }
}

impl fmt::Display for CallClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl<D: Driver> Catalog<D> {
    /// Counts a call; returns how many calls of its class the minute of `now` has seen, this one included.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn count_call(&self, class: CallClass, now: Timestamp) -> Result<u64, Error> {
        let minute = now.as_second().div_euclid(SECONDS_PER_MINUTE);
        let mut tx = self.write().await?;
        let sql = "INSERT INTO call_counts (class, minute, calls) VALUES (?1, ?2, 1) ON CONFLICT (class) DO UPDATE SET \
                   calls = CASE WHEN call_counts.minute = excluded.minute THEN call_counts.calls + 1 ELSE 1 END, \
                   minute = excluded.minute RETURNING calls";
        let row = tx.query_one(sql, &[class.word().into(), minute.into()]).await?;
        tx.commit().await?;
        row.map_or(Ok(1), |mut row| row.count())
    }
}
