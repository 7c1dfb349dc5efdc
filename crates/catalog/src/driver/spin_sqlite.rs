//! SQLite through the interface that the host of a component provides (`spin:sqlite`).

use std::cell::RefCell;
use std::rc::Rc;

use spin_sdk::sqlite::wit::sqlite;

use super::{Connection, Driver, Mode, sqlite as engine};
use crate::{Error, Row, Value};

/// Connections kept open between uses: as many as requests that one component instance usually serves at a time.
const IDLE_CONNECTIONS_MAX: usize = 4;

/// A database of the component's manifest, by its label (`sqlite_databases`).
#[derive(Clone, Debug)]
pub struct SpinSqlite {
    pool: Rc<Pool>,
}

struct Pool {
    label: String,
    idle: RefCell<Vec<sqlite::Connection>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("label", &self.label).finish_non_exhaustive()
    }
}

impl SpinSqlite {
    /// The database `label`; nothing is opened before the first statement.
    pub fn new(label: &str) -> Self {
        Self { pool: Rc::new(Pool { label: label.to_owned(), idle: RefCell::default() }) }
    }
}

impl Default for SpinSqlite {
    fn default() -> Self {
        Self::new("default")
    }
}

impl Driver for SpinSqlite {
    type Connection = SpinConnection;

    async fn connect(&self) -> Result<SpinConnection, Error> {
        let idle = self.pool.idle.borrow_mut().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().await?,
        };
        Ok(SpinConnection {
            pool: Rc::clone(&self.pool),
            connection: Some(connection),
            in_transaction: false,
        })
    }
}

impl SpinSqlite {
    async fn open(&self) -> Result<sqlite::Connection, Error> {
        let label = &self.pool.label;
        let opened = sqlite::Connection::open_async(label.clone()).await;
        let connection = opened.map_err(|error| map_error(label, error))?;
        for statement in engine::CONNECTION_SETTINGS {
            let ran = run(&connection, statement, Vec::new()).await;
            ran.map_err(|error| map_error(label, error))?;
        }
        Ok(connection)
    }
}

/// A connection on loan from the pool of a [`SpinSqlite`].
pub struct SpinConnection {
    pool: Rc<Pool>,
    // Empty only while being dropped.
    connection: Option<sqlite::Connection>,
    in_transaction: bool,
}

impl std::fmt::Debug for SpinConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpinConnection").field("in_transaction", &self.in_transaction).finish_non_exhaustive()
    }
}

impl SpinConnection {
    fn connection(&self) -> Result<&sqlite::Connection, Error> {
        self.connection.as_ref().ok_or_else(|| Error::Unavailable("the connection is closed".to_owned()))
    }

    async fn run(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let params = params.iter().cloned().map(to_spin).collect();
        let rows = run(self.connection()?, sql, params).await;
        let rows = rows.map_err(|error| map_error(&self.pool.label, error))?;
        Ok(rows.into_iter().map(|row| Row::new(row.values.into_iter().map(from_spin).collect())).collect())
    }
}

/// Runs one statement to its end. Queries by the interface's synchronous call: readers of this database wait for nobody, and
/// a stream and a future are dear for an answer that is there at once.
async fn run(
    connection: &sqlite::Connection,
    sql: &str,
    params: Vec<sqlite::Value>,
) -> Result<Vec<sqlite::RowResult>, sqlite::Error> {
    if sql.starts_with("SELECT ") {
        return connection.execute(sql, &params).map(|answer| answer.rows);
    }
    let (_columns, rows, finished) = connection.execute_async(sql.to_owned(), params).await?;
    let rows = rows.collect().await;
    finished.await?;
    Ok(rows)
}

impl Connection for SpinConnection {
    async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.run(sql, params).await
    }

    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.run(sql, params).await?;
        Ok(self.connection()?.changes_async().await)
    }

    async fn begin(&mut self, mode: Mode) -> Result<(), Error> {
        // Set first: when the future is dropped while the host works, the connection must not return to the pool.
        self.in_transaction = true;
        let begun = self.run(engine::begin(mode), &[]).await;
        self.in_transaction = begun.is_ok();
        begun.map(drop)
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.run("COMMIT", &[]).await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.run("ROLLBACK", &[]).await?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for SpinConnection {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.borrow_mut();
        // An open transaction can't be ended here without waiting; closing the connection ends it in the host.
        if !self.in_transaction && idle.len() < IDLE_CONNECTIONS_MAX {
            idle.extend(self.connection.take());
        }
    }
}

fn to_spin(value: Value) -> sqlite::Value {
    match value {
        Value::Null => sqlite::Value::Null,
        Value::Integer(number) => sqlite::Value::Integer(number),
        Value::Real(number) => sqlite::Value::Real(number),
        Value::Text(text) => sqlite::Value::Text(text),
        Value::Blob(bytes) => sqlite::Value::Blob(bytes),
    }
}

fn from_spin(value: sqlite::Value) -> Value {
    match value {
        sqlite::Value::Null => Value::Null,
        sqlite::Value::Integer(number) => Value::Integer(number),
        sqlite::Value::Real(number) => Value::Real(number),
        sqlite::Value::Text(text) => Value::Text(text),
        sqlite::Value::Blob(bytes) => Value::Blob(bytes),
    }
}

fn map_error(label: &str, error: sqlite::Error) -> Error {
    match error {
        sqlite::Error::AccessDenied => Error::AccessDenied(label.to_owned()),
        sqlite::Error::NoSuchDatabase => {
            Error::Unavailable(format!("the host has no database with the label {label:?}"))
        }
        sqlite::Error::InvalidConnection => Error::Unavailable("the host closed the connection".to_owned()),
        sqlite::Error::DatabaseFull => Error::Full,
        sqlite::Error::Io(message) => engine::error_from_message(&message),
    }
}
