//! PostgreSQL spoken by the process itself. Needs a tokio runtime.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, Statement};

use super::postgres_watch::PostgresWatch;
use super::{Connection, Driver, Mode, Place, postgres as engine, postgres_address as place};
use crate::{Error, Row, Value};

/// Most connections of one driver; further callers wait for one to come back.
const CONNECTIONS_MAX: usize = 16;
/// How long they wait before [`Error::Busy`].
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Statements a session keeps prepared: more than this crate has.
const PREPARED_MAX: usize = 512;

/// A database of a server. Clones share its connections and may be used from any thread of one runtime.
#[derive(Clone, Debug)]
pub struct NativePostgres {
    pool: Arc<Pool>,
}

struct Pool {
    config: Config,
    idle: Mutex<Vec<Session>>,
    free: Arc<Semaphore>,
}

impl fmt::Debug for Pool {
    // The address has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// A client and the statements its server session has prepared.
struct Session {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl NativePostgres {
    /// The database at `address`: `postgres://user:password@host:port/database`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the address can't be understood; the message holds no part of it.
    pub fn new(address: &str) -> Result<Self, Error> {
        let config = place::parse(address)?;
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { pool: Arc::new(Pool { config, idle: Mutex::default(), free }) })
    }

    /// `host:port` of the address, as an application's manifest grants it.
    pub fn host(&self) -> String {
        place::host(&self.pool.config)
    }

    /// Whether the server is this machine itself.
    pub fn is_local(&self) -> bool {
        place::is_local(&self.pool.config)
    }

    /// Takes a place among the programs that run an installation's jobs over this database, or the place of the only one.
    /// Waits some seconds for it: the server ends the session of a killed program a little after the program.
    ///
    /// # Errors
    /// [`Error::Busy`] when another program has it alone, or others are there where this one would be alone; why the
    /// server can't be used.
    pub async fn watch(&self, place: Place) -> Result<PostgresWatch, Error> {
        PostgresWatch::open(self.pool.config.clone(), place).await
    }
}

impl fmt::Display for NativePostgres {
    /// Which database, without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place::show(&self.pool.config, f)
    }
}

impl Pool {
    async fn session(&self) -> Result<Session, Error> {
        while let Some(session) = self.take() {
            if !session.client.is_closed() {
                return Ok(session);
            }
        }
        let (client, connection) = place::connect(&self.config).await?;
        // Ends with the client; what goes wrong on the way, the client's calls report.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Session { client, prepared: HashMap::new() })
    }

    fn take(&self) -> Option<Session> {
        // A list of sessions is whole even when a thread that held it panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, session: Session) {
        if !session.client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }
}

impl Driver for NativePostgres {
    type Connection = PostgresConnection;

    async fn connect(&self) -> Result<PostgresConnection, Error> {
        let permit = Arc::clone(&self.pool.free).acquire_owned();
        let permit = tokio::time::timeout(BUSY_WAIT, permit).await.map_err(|_| Error::Busy)?;
        let permit = permit.map_err(|_| Error::Unavailable("the pool is closed".to_owned()))?;
        let session = self.pool.session().await?;
        let pool = Arc::clone(&self.pool);
        Ok(PostgresConnection {
            pool,
            session: Some(session),
            state: engine::State::Idle,
            permit: Some(permit),
        })
    }

    fn schema_extras(&self) -> &'static [&'static str] {
        engine::SCHEMA_EXTRAS
    }
}

/// A connection on loan from the pool of a [`NativePostgres`].
pub struct PostgresConnection {
    pool: Arc<Pool>,
    // Empty only while being dropped.
    session: Option<Session>,
    state: engine::State,
    permit: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection").field("state", &self.state).finish_non_exhaustive()
    }
}

impl PostgresConnection {
    fn session(&mut self) -> Result<&mut Session, Error> {
        self.session.as_mut().ok_or_else(|| Error::Unavailable("the connection is closed".to_owned()))
    }

    /// Runs a statement; its rows, and how many rows it touched.
    async fn run(&mut self, sql: &str, params: &[Value]) -> Result<(Vec<Row>, u64), Error> {
        let done = self.session()?.run(sql, params).await.map_err(|error| map_error(&error));
        self.state = self.state.after(done.is_ok());
        done
    }

    /// As [`Self::run`], but a statement that writes waits for its turn like any writer.
    async fn take_turn(&mut self, sql: &str, params: &[Value]) -> Result<(Vec<Row>, u64), Error> {
        if self.state != engine::State::Idle || engine::only_reads(sql) {
            return self.run(sql, params).await;
        }
        self.begin(Mode::Write).await?;
        let done = self.run(sql, params).await;
        match done {
            Ok(_) => self.commit().await?,
            Err(_) => self.rollback().await?,
        }
        done
    }

    async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.session()?.client.batch_execute(sql).await.map_err(|error| map_error(&error))
    }
}

impl Session {
    async fn run(&mut self, sql: &str, params: &[Value]) -> Result<(Vec<Row>, u64), tokio_postgres::Error> {
        let statement = self.prepare(sql).await?;
        if statement.columns().is_empty() {
            let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
            return Ok((vec![], self.client.execute(&statement, &params).await?));
        }
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        let rows = self.client.query(&statement, &params).await?;
        let rows = rows.iter().map(|row| {
            let values = (0..row.len()).map(|column| row.try_get(column));
            values.collect::<Result<_, _>>().map(Row::new)
        });
        let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
        let count = rows.len() as u64;
        Ok((rows, count))
    }

    async fn prepare(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&engine::translate(sql)).await?;
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Connection for PostgresConnection {
    async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.take_turn(sql, params).await.map(|(rows, _)| rows)
    }

    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.take_turn(sql, params).await.map(|(_, changed)| changed)
    }

    async fn begin(&mut self, mode: Mode) -> Result<(), Error> {
        // Set first: when this future is dropped on the way, the transaction must not outlive the loan.
        self.state = engine::State::Open;
        if let Err(error) = self.batch(&engine::begin(mode).join("; ")).await {
            self.rollback().await?;
            return Err(error);
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Error> {
        if self.state == engine::State::Failed {
            self.rollback().await?;
            return Err(engine::failed_transaction());
        }
        self.batch("COMMIT").await?;
        self.state = engine::State::Idle;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.batch("ROLLBACK").await?;
        self.state = engine::State::Idle;
        Ok(())
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if self.state == engine::State::Idle {
            self.pool.give_back(session);
            return;
        }
        // Ending the transaction takes a round trip. Without a runtime the session ends, and its transaction with it.
        let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if session.client.batch_execute("ROLLBACK").await.is_ok() {
                    pool.give_back(session);
                }
                drop(permit);
            });
        }
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(ty, out),
            Self::Real(number) => number.to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
            Self::Blob(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    // Each kind of value asks for itself.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Self::Integer(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Integer(i32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Self::Real(f64::from_sql(ty, raw)?),
            Type::BYTEA => Self::Blob(raw.to_vec()),
            _ => Self::Text(String::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::INT4 | Type::FLOAT8 | Type::BYTEA | Type::TEXT)
    }
}

pub(super) fn map_error(error: &tokio_postgres::Error) -> Error {
    if let Some(refusal) = error.as_db_error() {
        return engine::error(refusal.code().code(), refusal.message());
    }
    // Its own texts say what it did, the source says why.
    let reason = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    if error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()) {
        return Error::Unavailable(reason);
    }
    match error.code() {
        Some(code) => engine::error(code.code(), &reason),
        None if reason.contains("connect") || reason.contains("password") => Error::Unavailable(reason),
        None => Error::Refused(reason),
    }
}
