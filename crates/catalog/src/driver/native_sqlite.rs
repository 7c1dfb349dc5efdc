//! SQLite opened by the process itself.
//!
//! Statements block the calling thread for as long as they take (micro- to milliseconds; up to [`BUSY_WAIT`] when
//! another process writes). A transaction never waits for anything but the database, so one thread that runs many
//! futures can't lock itself out.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;

use super::{Connection, Driver, Mode, sqlite as engine};
use crate::{Error, Row, Value};

/// How long a writer waits for another one before [`Error::Busy`].
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// How long between two tries to write. SQLite's own handler waits longer with every try, up to a tenth of a second, while
/// most transactions last a hundredth of that.
const BUSY_STEP: Duration = Duration::from_millis(1);

/// How long between two tries to turn write-ahead mode on.
const MODE_WAIT: Duration = Duration::from_millis(5);

/// Connections kept open between uses; more are opened and closed under load.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// A database file. Clones share it and may be used from any thread.
#[derive(Clone, Debug)]
pub struct NativeSqlite {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<rusqlite::Connection>>,
}

impl NativeSqlite {
    /// Opens the database file at `path`, created when absent (its folder must exist), in write-ahead mode: readers
    /// and one writer do not wait for each other, also between processes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the file can't be opened, [`Error::Corrupt`] when it is something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let driver = Self { pool: Arc::new(Pool { path: path.as_ref().to_owned(), idle: Mutex::default() }) };
        let connection = driver.pool.open()?;
        driver.pool.give_back(connection);
        Ok(driver)
    }

    /// A watch that tells when any other connection, in this process or another, has changed the database.
    ///
    /// # Errors
    /// As [`NativeSqlite::open`].
    pub fn watch(&self) -> Result<ChangeWatch, Error> {
        let connection = self.pool.open()?;
        let mut watch = ChangeWatch { connection, seen: 0 };
        watch.changed()?;
        Ok(watch)
    }
}

impl Pool {
    fn open(&self) -> Result<rusqlite::Connection, Error> {
        let connection = rusqlite::Connection::open(&self.path).map_err(map_error)?;
        connection.busy_handler(Some(wait)).map_err(map_error)?;
        write_ahead(&connection)?;
        for statement in engine::CONNECTION_SETTINGS {
            connection.execute_batch(statement).map_err(map_error)?;
        }
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<rusqlite::Connection>> {
        // A list of connections is whole even when a thread that held it panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, connection: rusqlite::Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(connection);
        }
    }
}

/// Waits before another try to write, at most [`BUSY_WAIT`] in all.
fn wait(tries: i32) -> bool {
    std::thread::sleep(BUSY_STEP);
    u128::try_from(tries).is_ok_and(|tries| tries * BUSY_STEP.as_millis() < BUSY_WAIT.as_millis())
}

/// Turns write-ahead mode on. SQLite does not wait for other connections here: it fails at once, or leaves the old mode
/// and says so. A connection that went on in the old mode would block, and be blocked by, all others.
fn write_ahead(connection: &rusqlite::Connection) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
            .map_err(map_error);
        match mode {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(_) | Err(Error::Busy) if begin.elapsed() < BUSY_WAIT => std::thread::sleep(MODE_WAIT),
            Ok(_) => return Err(Error::Busy),
            Err(error) => return Err(error),
        }
    }
}

impl Driver for NativeSqlite {
    type Connection = NativeConnection;

    async fn connect(&self) -> Result<NativeConnection, Error> {
        let idle = self.pool.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.pool.open()?,
        };
        Ok(NativeConnection { pool: Arc::clone(&self.pool), connection: Some(connection) })
    }
}

/// A connection on loan from the pool of a [`NativeSqlite`].
#[derive(Debug)]
pub struct NativeConnection {
    pool: Arc<Pool>,
    // Empty only while being dropped.
    connection: Option<rusqlite::Connection>,
}

impl NativeConnection {
    fn connection(&self) -> Result<&rusqlite::Connection, Error> {
        self.connection.as_ref().ok_or_else(|| Error::Unavailable("the connection is closed".to_owned()))
    }

    fn run(&self, sql: &str) -> Result<(), Error> {
        self.connection()?.execute_batch(sql).map_err(map_error)
    }
}

impl Connection for NativeConnection {
    async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let mut statement = self.connection()?.prepare_cached(sql).map_err(map_error)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(map_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(map_error)? {
            let values = (0..columns).map(|index| from_sqlite(row.get_ref(index).map_err(map_error)?));
            found.push(Row::new(values.collect::<Result<_, _>>()?));
        }
        Ok(found)
    }

    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        let mut statement = self.connection()?.prepare_cached(sql).map_err(map_error)?;
        let changed = statement.execute(rusqlite::params_from_iter(params)).map_err(map_error)?;
        Ok(changed as u64)
    }

    async fn begin(&mut self, mode: Mode) -> Result<(), Error> {
        self.run(engine::begin(mode))
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.run("COMMIT")
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.run("ROLLBACK")
    }
}

impl Drop for NativeConnection {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        // A connection whose transaction can't be ended is closed, which ends it.
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            self.pool.give_back(connection);
        }
    }
}

/// Tells whether the database has changed since the last question, in about a microsecond and without a lock: a
/// process that waits for work may ask every few milliseconds.
#[derive(Debug)]
pub struct ChangeWatch {
    connection: rusqlite::Connection,
    seen: i64,
}

impl ChangeWatch {
    /// Whether another connection committed since the last call.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn changed(&mut self) -> Result<bool, Error> {
        let version: i64 =
            self.connection.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(map_error)?;
        let changed = version != self.seen;
        self.seen = version;
        Ok(changed)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn from_sqlite(value: ValueRef<'_>) -> Result<Value, Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return Err(Error::Corrupt("a text column is not UTF-8".to_owned())),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}

fn map_error(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy,
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt(error.to_string()),
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory,
        ) => Error::Unavailable(error.to_string()),
        _ => Error::Refused(error.to_string()),
    }
}
