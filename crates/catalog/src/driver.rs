//! The way to a database: connections that run statements and transactions.

use crate::{Error, Row, Value};

mod either;
#[cfg(feature = "native")]
mod native_postgres;
#[cfg(feature = "native")]
mod native_sqlite;
#[cfg(any(feature = "native", feature = "guest"))]
mod postgres;
#[cfg(feature = "native")]
mod postgres_address;
#[cfg(feature = "native")]
mod postgres_watch;
#[cfg(feature = "guest")]
mod spin_postgres;
#[cfg(feature = "guest")]
mod spin_sqlite;
#[cfg(any(feature = "native", feature = "guest"))]
mod sqlite;

pub use either::Either;
#[cfg(feature = "native")]
pub use native_postgres::{NativePostgres, PostgresConnection};
#[cfg(feature = "native")]
pub use native_sqlite::{ChangeWatch, NativeSqlite};
#[cfg(feature = "native")]
pub use postgres::Place;
#[cfg(feature = "native")]
pub use postgres_watch::PostgresWatch;
#[cfg(feature = "guest")]
pub use spin_postgres::{SpinPostgres, SpinPostgresConnection};
#[cfg(feature = "guest")]
pub use spin_sqlite::SpinSqlite;

/// The driver of a process: SQLite's file or a PostgreSQL server.
#[cfg(feature = "native")]
pub type Native = Either<NativeSqlite, NativePostgres>;

/// The driver of a component: SQLite or PostgreSQL, as its host provides them.
#[cfg(feature = "guest")]
pub type Guest = Either<SpinSqlite, SpinPostgres>;

#[cfg(feature = "guest")]
impl Guest {
    /// The PostgreSQL database at `address`; the SQLite database with the label `default` when that is empty.
    pub fn at(address: &str) -> Self {
        match address {
            "" => Self::Sqlite(SpinSqlite::default()),
            _ => Self::Postgres(SpinPostgres::new(address)),
        }
    }
}

/// Hands out connections to one database. A connection serves one statement or transaction at a time; callers that
/// work at the same time get different ones.
#[allow(
    async_fn_in_trait,
    reason = "futures of components are not Send, those of native drivers are by inference"
)]
pub trait Driver {
    /// What it hands out.
    type Connection: Connection;

    /// A connection that nobody else uses. Dropping it gives it back, or closes it when a transaction is still open.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::AccessDenied`].
    async fn connect(&self) -> Result<Self::Connection, Error>;

    /// Statements this engine alone needs after the migrations, each safe to repeat.
    fn schema_extras(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Runs statements. SQL has placeholders `?1`, `?2` … for `params` and holds a single statement.
///
/// Dropping a connection with an open transaction rolls it back: at once, or when the host sees the handle gone.
#[allow(async_fn_in_trait, reason = "see Driver")]
pub trait Connection {
    /// Runs a statement that returns rows, all of them. Statements with `RETURNING` run here, too.
    ///
    /// # Errors
    /// The database's refusals, mapped to [`Error`].
    async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error>;

    /// Runs `INSERT`, `UPDATE`, `DELETE` or a schema statement; returns how many rows it changed (meaningless for a
    /// schema statement).
    ///
    /// # Errors
    /// The database's refusals, mapped to [`Error`].
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error>;

    /// Starts a transaction that sees one state of the database and keeps other writers out from its first write.
    ///
    /// # Errors
    /// [`Error::Busy`] when another writer does not end in time.
    async fn begin(&mut self, mode: Mode) -> Result<(), Error>;

    /// Makes the transaction's writes durable and visible.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Full`], [`Error::Unavailable`]: nothing was written then.
    async fn commit(&mut self) -> Result<(), Error>;

    /// Ends the transaction as if it had never been.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; the database forgets the transaction with the connection then.
    async fn rollback(&mut self) -> Result<(), Error>;
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Several reads of one state.
    Read,
    /// Reads and writes; no other writer in between.
    Write,
}
