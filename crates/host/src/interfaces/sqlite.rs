//! `spin:sqlite`: the databases a component's manifest entry names.
//!
//! A session is one SQLite connection for as long as the guest holds it, so `BEGIN … COMMIT` works; when the guest lets
//! go, an open transaction is rolled back and the connection goes back to the pool.

use super::bindings::spin::sqlite::sqlite::{
    self, Error, HostConnection, HostConnectionWithStore, QueryResult, RowResult, Value,
};
use crate::state::State;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

/// How often, and each time how long, a statement waits for another connection's write transaction: ten seconds in all.
/// SQLite's own handler sleeps longer with every try, up to a tenth of a second, while most transactions last a hundredth
/// of that: in a burst of writers the unlucky ones would wait for nobody.
const BUSY_TRIES: i32 = 10_000;
const BUSY_STEP: Duration = Duration::from_millis(1);
/// Idle connections kept per database.
const IDLE_CONNECTIONS_MAX: usize = 16;
/// Steps of SQLite's machine after which a query is none for the executor's own thread: about a tenth of a millisecond.
const STEPS_AT_ONCE: i32 = 5_000;

thread_local! {
    /// Whether statements of this thread, the executor's, may neither wait nor take long.
    static AT_ONCE: Cell<bool> = const { Cell::new(false) };
}

/// A SQLite file that components can open by label, and the bell that rings when they wrote to watched tables.
pub struct SqliteDatabase {
    path: PathBuf,
    watched: &'static str,
    bell: Arc<Notify>,
    idle: Mutex<Vec<Session>>,
}

impl SqliteDatabase {
    /// The database at `path`. After each commit that changed a row of table `watched`, `bell` wakes one waiter, so a
    /// worker in the same process need not poll.
    pub fn new(path: &Path, watched: &'static str, bell: Arc<Notify>) -> Self {
        Self { path: path.to_path_buf(), watched, bell, idle: Mutex::default() }
    }

    fn session(&self) -> rusqlite::Result<Session> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.connect(), Ok)
    }

    fn connect(&self) -> rusqlite::Result<Session> {
        let connection = Connection::open(&self.path)?;
        connection.busy_handler(Some(wait))?;
        connection.progress_handler(STEPS_AT_ONCE, Some(|| AT_ONCE.get()))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
        )?;
        connection.set_prepared_statement_cache_capacity(128);
        let changed = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&changed);
        let watched = self.watched;
        connection.update_hook(Some(move |_action, _database: &str, table: &str, _row| {
            if table == watched {
                flag.store(true, Ordering::Relaxed);
            }
        }))?;
        Ok(Session(Arc::new(Inner {
            connection: Mutex::new(connection),
            changed,
            bell: Arc::clone(&self.bell),
        })))
    }

    fn give_back(&self, session: Session) {
        if session.rollback().is_err() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(session);
        }
    }
}

/// The databases of one component by label.
pub(crate) type Databases = BTreeMap<String, Arc<SqliteDatabase>>;

/// One open connection.
#[derive(Clone)]
pub(crate) struct Session(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    /// Rows of the watched table changed since the last ring.
    changed: Arc<AtomicBool>,
    bell: Arc<Notify>,
}

struct Answer {
    columns: Vec<String>,
    rows: Vec<RowResult>,
}

impl Session {
    fn with<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let connection = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner);
        run(&connection)
    }

    fn rollback(&self) -> rusqlite::Result<()> {
        self.0.changed.store(false, Ordering::Relaxed);
        self.with(
            |connection| {
                if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") }
            },
        )
    }

    fn execute(&self, statement: &str, parameters: &[Value]) -> rusqlite::Result<Answer> {
        let answer = self.with(|connection| run(connection, statement, parameters));
        self.ring();
        answer
    }

    /// The answer to a short query; `None` when it is another statement, takes longer or had to wait: then it is as if
    /// nobody had asked. Handing so little to another thread and back would cost more than the work.
    fn execute_at_once(&self, statement: &str, parameters: &[Value]) -> Option<rusqlite::Result<Answer>> {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, OperationInterrupted};
        if !statement.starts_with("SELECT ") {
            return None;
        }
        // Held by nobody, unless a call was given up whose work goes on.
        let connection = self.0.connection.try_lock().ok()?;
        let _at_once = AtOnce::begin();
        let answer = run(&connection, statement, parameters);
        let code = answer.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        (!matches!(code, Some(DatabaseBusy | DatabaseLocked | OperationInterrupted))).then_some(answer)
    }

    /// Rings when a finished transaction changed the watched table.
    fn ring(&self) {
        let committed = self.with(|connection| Ok(connection.is_autocommit())).unwrap_or(false);
        if committed && self.0.changed.swap(false, Ordering::Relaxed) {
            self.0.bell.notify_one();
        }
    }
}

/// While it lives, statements of this thread neither wait nor take long.
struct AtOnce;

impl AtOnce {
    fn begin() -> Self {
        AT_ONCE.set(true);
        Self
    }
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        AT_ONCE.set(false);
    }
}

fn run(connection: &Connection, statement: &str, parameters: &[Value]) -> rusqlite::Result<Answer> {
    let mut statement = connection.prepare_cached(statement)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let parameters = rusqlite::params_from_iter(parameters.iter().map(to_sql));
    let mut found = statement.query(parameters)?;
    let mut rows = vec![];
    while let Some(row) = found.next()? {
        let values = (0..columns.len()).map(|index| row.get_ref(index).map(from_sql));
        rows.push(RowResult { values: values.collect::<rusqlite::Result<_>>()? });
    }
    Ok(Answer { columns, rows })
}

fn wait(tries: i32) -> bool {
    if AT_ONCE.get() {
        return false;
    }
    std::thread::sleep(BUSY_STEP);
    tries < BUSY_TRIES
}

fn to_sql(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::Blob(bytes) => bytes.clone().into(),
        Value::Null => rusqlite::types::Value::Null,
    }
}

fn from_sql(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// SQLite's reason as Spin reports it: the text carries SQLite's own code.
fn failure(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => Error::DatabaseFull,
        _ => Error::Io(error.to_string()),
    }
}

/// Runs a statement, beside the executor unless it is a short query.
async fn execute(session: Session, statement: String, parameters: Vec<Value>) -> Result<Answer, Error> {
    match session.execute_at_once(&statement, &parameters) {
        Some(answer) => answer.map_err(failure),
        None => blocking(move || session.execute(&statement, &parameters)).await,
    }
}

/// Runs blocking SQLite work beside the executor.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(failure),
        Err(error) => Err(Error::Io(error.to_string())),
    }
}

/// A session and where it goes back to.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Lease {
    session: Session,
    database: Arc<SqliteDatabase>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.database.give_back(self.session.clone());
    }
}

impl sqlite::Host for State {}

impl State {
    fn database(&self, label: &str) -> Result<Arc<SqliteDatabase>, Error> {
        self.grants.databases.get(label).cloned().ok_or(Error::AccessDenied)
    }

    fn session(&self, connection: &Resource<Lease>) -> wasmtime::Result<Session> {
        Ok(self.table.get(connection)?.session.clone())
    }
}

impl HostConnection for State {
    async fn open(&mut self, label: String) -> wasmtime::Result<Result<Resource<Lease>, Error>> {
        let database = match self.database(&label) {
            Ok(database) => database,
            Err(error) => return Ok(Err(error)),
        };
        match open(database).await {
            Ok(lease) => Ok(Ok(self.table.push(lease)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute(
        &mut self,
        connection: Resource<Lease>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let session = self.session(&connection)?;
        let answer = execute(session, statement, parameters).await;
        Ok(answer.map(|answer| QueryResult { columns: answer.columns, rows: answer.rows }))
    }

    async fn last_insert_rowid(&mut self, connection: Resource<Lease>) -> wasmtime::Result<i64> {
        Ok(self.session(&connection)?.with(|connection| Ok(connection.last_insert_rowid()))?)
    }

    async fn changes(&mut self, connection: Resource<Lease>) -> wasmtime::Result<u64> {
        Ok(self.session(&connection)?.with(|connection| Ok(connection.changes()))?)
    }

    async fn drop(&mut self, connection: Resource<Lease>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

async fn open(database: Arc<SqliteDatabase>) -> Result<Lease, Error> {
    let opener = Arc::clone(&database);
    let session = blocking(move || opener.session()).await?;
    Ok(Lease { session, database })
}

type Streamed = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

impl<T: Send> HostConnectionWithStore<T> for HasSelf<State> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Lease>, Error>> {
        let database = match accessor.with(|mut access| access.get().database(&label)) {
            Ok(database) => database,
            Err(error) => return Ok(Err(error)),
        };
        match open(database).await {
            Ok(lease) => Ok(Ok(accessor.with(|mut access| access.get().table.push(lease))?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Lease>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Streamed, Error>> {
        let session = accessor.with(|mut access| access.get().session(&connection))?;
        let answer = match execute(session, statement, parameters).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, answer.rows)?;
            let finished = FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?;
            Ok(Ok((answer.columns, rows, finished)))
        })
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Lease>,
    ) -> wasmtime::Result<i64> {
        let session = accessor.with(|mut access| access.get().session(&connection))?;
        Ok(session.with(|connection| Ok(connection.last_insert_rowid()))?)
    }

    async fn changes_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Lease>,
    ) -> wasmtime::Result<u64> {
        let session = accessor.with(|mut access| access.get().session(&connection))?;
        Ok(session.with(|connection| Ok(connection.changes()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "SELECT COUNT(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                        WHERE i < 100000) SELECT i FROM n)";

    fn integer(answer: &Answer) -> i64 {
        match answer.rows[0].values[0] {
            Value::Integer(number) => number,
            ref other => panic!("{other:?}"),
        }
    }

    #[test]
    fn short_queries_are_answered_at_once_and_all_else_is_left_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = SqliteDatabase::new(&folder.path().join("d"), "t", Arc::default());
        let session = database.session().expect("a session");
        session.execute("CREATE TABLE t (a INTEGER)", &[]).expect("a table");
        session.execute("INSERT INTO t VALUES (7)", &[]).expect("a row");

        let at_once = |statement: &str| session.execute_at_once(statement, &[]);
        assert_eq!(integer(&at_once("SELECT a FROM t").expect("short").expect("sound")), 7);
        assert!(at_once("SELECT b FROM t").expect("short").is_err(), "a defect is not tried again");
        assert!(at_once("INSERT INTO t VALUES (8)").is_none() && at_once("COMMIT").is_none());
        assert!(at_once(LONG).is_none(), "too long");
        assert_eq!(integer(&session.execute(LONG, &[]).expect("as long as it takes")), 100_000);

        // A connection that another call still uses.
        let _held = session.0.connection.lock().expect("the connection");
        assert!(at_once("SELECT a FROM t").is_none());
    }
}
