//! PostgreSQL spoken by the process itself. Needs a tokio runtime.

use std::collections::HashMap;
use std::error::Error as _;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Statement};

use super::{Connection, Driver, Mode, postgres as engine};
use crate::{Error, Row, Value};

const DEFAULT_PORT: u16 = 5432;
/// Most connections of one driver; further callers wait for one to come back.
const CONNECTIONS_MAX: usize = 16;
/// How long they wait before [`Error::Busy`].
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// How long an unreachable server is waited for.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Statements a session keeps prepared: more than this crate has.
const PREPARED_MAX: usize = 512;
/// Between attempts to hear of changes again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

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

impl std::fmt::Debug for Pool {
    // The address has a password in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
    /// [`Error::Unavailable`] when the address can't be understood; the message does not hold it.
    pub fn new(address: &str) -> Result<Self, Error> {
        let unusable = |reason: &str| Error::Unavailable(format!("its address {reason}"));
        if !["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme)) {
            return Err(unusable("does not begin with postgres://"));
        }
        let mut config = Config::from_str(&engine::with_settings(address)).map_err(|error| {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            unusable(&format!("is not postgres://user:password@host:port/database: {reason}"))
        })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(unusable("asks for TLS, which this program does not speak to databases"));
        }
        if !matches!(config.get_hosts(), [Host::Tcp(_)]) {
            return Err(unusable("must name one host to reach over TCP"));
        }
        config.ssl_mode(SslMode::Disable).connect_timeout(CONNECT_WAIT);
        config.application_name("spindle");
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { pool: Arc::new(Pool { config, idle: Mutex::default(), free }) })
    }

    /// `host:port` of the address, as an application's manifest grants it.
    pub fn host(&self) -> String {
        let config = &self.pool.config;
        let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
        match config.get_hosts() {
            [Host::Tcp(name)] if name.contains(':') => format!("[{name}]:{port}"),
            [Host::Tcp(name)] => format!("{name}:{port}"),
            _ => String::new(),
        }
    }

    /// Calls `ring` with `Ok` whenever a commit, in any process, may have changed the jobs; never ends. A lost
    /// connection is told and made again, with a ring for what may have been missed.
    pub async fn listen(self, ring: impl Fn(Result<(), Error>)) {
        loop {
            if let Err(error) = self.hear(&ring).await {
                ring(Err(error));
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        }
    }

    async fn hear(&self, ring: &impl Fn(Result<(), Error>)) -> Result<(), Error> {
        let (client, mut connection) =
            self.pool.config.connect(NoTls).await.map_err(|error| map_error(&error))?;
        let listen = format!("LISTEN {}", engine::JOBS_CHANNEL);
        let mut listening = std::pin::pin!(client.batch_execute(&listen));
        let mut heard = false;
        loop {
            tokio::select! {
                done = &mut listening, if !heard => {
                    done.map_err(|error| map_error(&error))?;
                    heard = true;
                    ring(Ok(()));
                }
                message = std::future::poll_fn(|context| connection.poll_message(context)) => match message {
                    Some(Ok(AsyncMessage::Notification(_))) => ring(Ok(())),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(map_error(&error)),
                    None => return Err(Error::Unavailable("the server closed the connection".to_owned())),
                },
            }
        }
    }
}

impl Pool {
    async fn session(&self) -> Result<Session, Error> {
        while let Some(session) = self.take() {
            if !session.client.is_closed() {
                return Ok(session);
            }
        }
        let (client, connection) = self.config.connect(NoTls).await.map_err(|error| map_error(&error))?;
        check_version(connection.parameter("server_version").unwrap_or_default())?;
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

impl std::fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

/// The first number of the version a server names itself: `15.18 (Debian 15.18-0)`.
fn check_version(version: &str) -> Result<(), Error> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse::<u32>() {
        Ok(major) if major >= engine::MAJOR_VERSION_MIN => Ok(()),
        _ => Err(Error::Unavailable(format!(
            "the server is PostgreSQL {version:?}; version {} or a newer one is needed",
            engine::MAJOR_VERSION_MIN
        ))),
    }
}

fn map_error(error: &tokio_postgres::Error) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_work_are_refused_without_being_shown() {
        for (address, reason) in [
            ("mysql://u:hidden@localhost/db", "begin with postgres://"),
            ("host=localhost password=hidden", "begin with postgres://"),
            ("postgres://u:hidden@localhost:port/db", "is not postgres://"),
            ("postgres://u:hidden@localhost/db?sslmode=require", "TLS"),
            ("postgres://u:hidden@%2Ftmp/db", "over TCP"),
            ("postgres://u:hidden@a.example,b.example/db", "one host"),
            ("postgres://", "over TCP"),
        ] {
            let error = NativePostgres::new(address).expect_err(address).to_string();
            assert!(error.contains(reason) && !error.contains("hidden"), "{address}: {error}");
        }
    }

    #[test]
    fn hosts_have_their_ports() {
        for (address, host) in [
            ("postgresql://u:p%40ss@a.example/db", "a.example:5432"),
            ("postgres://u@127.0.0.1:7000/db", "127.0.0.1:7000"),
            ("postgres://u@[::1]:7000/db", "[::1]:7000"),
        ] {
            assert_eq!(NativePostgres::new(address).map(|driver| driver.host()), Ok(host.to_owned()));
        }
    }

    #[test]
    fn old_servers_are_refused() {
        assert_eq!(check_version("15.18 (Debian 15.18-0+deb12u1)"), Ok(()));
        for old in ["11.22", "9.6.24", ""] {
            assert!(matches!(check_version(old), Err(Error::Unavailable(_))), "{old}");
        }
    }
}
