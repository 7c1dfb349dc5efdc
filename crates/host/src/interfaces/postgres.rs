//! `spin:postgres`: servers that a component's `allowed_outbound_hosts` names.
//!
//! A guest's connection is a server session for as long as the guest holds it; when the guest lets go, an open
//! transaction is rolled back, the session is cleaned and kept for the next one who names the same address.

use super::bindings::spin::postgres::postgres::{
    self, Column, DbValue, Error, HostConnection, HostConnectionBuilder, HostConnectionBuilderWithStore,
    HostConnectionWithStore, ParameterValue, RowSet,
};
use super::outbound::OutboundHosts;
use super::postgres_values::{Cell, Parameter, connection_failed, data_type, failure};
use crate::state::State;
use std::collections::{HashMap, VecDeque};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::config::Host;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Statement};
use wasmtime::component::{Accessor, FutureReader, HasSelf, Resource, StreamReader};

/// Most connections per address; further guests wait for one.
const CONNECTIONS_MAX: usize = 32;
/// Connections kept between uses, of all addresses together; the one unused for longest is closed first.
const IDLE_MAX: usize = 32;
/// How long they wait, and how long an unreachable server is waited for.
const WAIT: Duration = Duration::from_secs(10);
/// A server that vanished without a word is noticed after so long.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Statements that a session keeps prepared.
const PREPARED_MAX: usize = 512;
const DEFAULT_PORT: u16 = 5432;
/// Nothing that one guest did to a session reaches the next.
const CLEAN: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// The connections of all components.
#[derive(Default)]
pub(crate) struct PostgresServers {
    by_address: Mutex<HashMap<String, Arc<Server>>>,
    idle: Arc<Idle>,
}

struct Server {
    address: String,
    config: Config,
    free: Arc<Semaphore>,
    idle: Arc<Idle>,
}

/// Sessions that nobody uses, with their addresses, the latest last.
#[derive(Default)]
struct Idle(Mutex<VecDeque<(String, Arc<Session>)>>);

impl Idle {
    /// The session of `address` that was used last, unless its connection broke.
    fn take(&self, address: &str) -> Option<Arc<Session>> {
        let mut idle = locked(&self.0);
        idle.retain(|(_, session)| !session.client.is_closed());
        let at = idle.iter().rposition(|(of, _)| of == address)?;
        idle.remove(at).map(|(_, session)| session)
    }

    fn give_back(&self, address: &str, session: Arc<Session>) {
        let mut idle = locked(&self.0);
        idle.push_back((address.to_owned(), session));
        if idle.len() > IDLE_MAX {
            idle.pop_front();
        }
    }
}

/// One connection to a server.
struct Session {
    client: Client,
    prepared: Mutex<HashMap<String, Statement>>,
    /// Whether a transaction may be open.
    open: AtomicBool,
}

/// A session in a guest's hands.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Lease {
    session: Arc<Session>,
    server: Arc<Server>,
    permit: Option<OwnedSemaphorePermit>,
}

/// A connection that a guest is about to open.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Builder {
    address: String,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PostgresServers {
    fn server(&self, address: &str, allowed: &OutboundHosts) -> Result<Arc<Server>, Error> {
        let mut config = Config::from_str(address)
            .map_err(|_| Error::ConnectionFailed("the address of the database cannot be read".to_owned()))?;
        permitted(&config, allowed)?;
        let mut servers = locked(&self.by_address);
        let server = servers.entry(address.to_owned()).or_insert_with(|| {
            config.tcp_user_timeout(SILENCE_MAX).keepalives_idle(SILENCE_MAX);
            let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            Arc::new(Server { address: address.to_owned(), config, free, idle: Arc::clone(&self.idle) })
        });
        Ok(Arc::clone(server))
    }
}

/// Every host of the address must be granted; sockets in the file system are nobody's to grant.
fn permitted(config: &Config, allowed: &OutboundHosts) -> Result<(), Error> {
    let ports = config.get_ports();
    let refused = |host: &str| {
        tracing::warn!(host, "database connection refused: host not in allowed_outbound_hosts");
        Err(Error::ConnectionFailed(format!("the database host {host:?} is not permitted")))
    };
    if config.get_hosts().is_empty() {
        return refused("");
    }
    for (at, host) in config.get_hosts().iter().enumerate() {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        match host {
            Host::Tcp(name) if allowed.allows("postgres", name, port, DEFAULT_PORT) => {}
            Host::Tcp(name) => return refused(&format!("{name}:{port}")),
            #[cfg(unix)]
            Host::Unix(_) => return refused("a socket"),
        }
    }
    // A second address for the same host would go round the check above.
    if config.get_hostaddrs().is_empty() { Ok(()) } else { refused("hostaddr") }
}

async fn open(server: Result<Arc<Server>, Error>) -> Result<Lease, Error> {
    let server = server?;
    let permit = tokio::time::timeout(WAIT, Arc::clone(&server.free).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else {
        return Err(Error::ConnectionFailed("all connections to the database are in use".to_owned()));
    };
    if let Some(session) = server.idle.take(&server.address) {
        return Ok(Lease { session, server, permit: Some(permit) });
    }
    let wait = server.config.get_connect_timeout().copied().unwrap_or(WAIT);
    let Ok(connected) = tokio::time::timeout(wait, server.config.connect(NoTls)).await else {
        return Err(Error::ConnectionFailed(format!("the database does not answer for {wait:?}")));
    };
    let (client, connection) = connected.map_err(|error| connection_failed(&error))?;
    // Ends with the client; what goes wrong on the way, the client's calls report.
    tokio::spawn(async move { drop(connection.await) });
    let session = Session { client, prepared: Mutex::default(), open: AtomicBool::new(false) };
    Ok(Lease { session: Arc::new(session), server, permit: Some(permit) })
}

impl Session {
    async fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        let known = locked(&self.prepared).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await.map_err(|error| failure(&error))?;
        let mut prepared = locked(&self.prepared);
        if prepared.len() >= PREPARED_MAX {
            prepared.clear();
        }
        prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    async fn query(&self, sql: &str, params: &[ParameterValue]) -> Result<RowSet, Error> {
        self.note_before(sql);
        let params = parameters(params)?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        let statement = self.prepare(sql).await?;
        let found = self.client.query(&statement, &params).await.map_err(|error| failure(&error))?;
        let columns = statement.columns().iter();
        let columns = columns
            .map(|column| Column { name: column.name().to_owned(), data_type: data_type(column.type_()) });
        let row = |row: &tokio_postgres::Row| -> Result<Vec<DbValue>, tokio_postgres::Error> {
            (0..row.len()).map(|column| row.try_get(column).map(|Cell(value)| value)).collect()
        };
        let rows: Result<_, _> = found.iter().map(row).collect();
        let rows = rows.map_err(|error| Error::ValueConversionFailed(error.to_string()))?;
        Ok(RowSet { columns: columns.collect(), rows })
    }

    async fn execute(&self, sql: &str, params: &[ParameterValue]) -> Result<u64, Error> {
        self.note_before(sql);
        let params = parameters(params)?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        let statement = self.prepare(sql).await?;
        let changed = self.client.execute(&statement, &params).await.map_err(|error| failure(&error))?;
        if ends_transaction(sql) {
            self.open.store(false, Ordering::Relaxed);
        }
        Ok(changed)
    }

    /// Before, since the guest may be gone before the statement has ended.
    fn note_before(&self, sql: &str) {
        if !keeps_transactions(sql) {
            self.open.store(true, Ordering::Relaxed);
        }
    }
}

fn parameters(params: &[ParameterValue]) -> Result<Vec<Parameter<'_>>, Error> {
    params.iter().map(Parameter::new).collect()
}

/// Statements that neither begin nor end a transaction.
fn keeps_transactions(sql: &str) -> bool {
    let word = sql.split_ascii_whitespace().next().unwrap_or_default();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn ends_transaction(sql: &str) -> bool {
    ["COMMIT", "ROLLBACK"].iter().any(|known| sql.trim().eq_ignore_ascii_case(known))
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (session, server, permit) =
            (Arc::clone(&self.session), Arc::clone(&self.server), self.permit.take());
        // Without a runtime the program is ending, and the session with it.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let open = session.open.swap(false, Ordering::Relaxed);
            let ended = if open { session.client.batch_execute("ROLLBACK").await } else { Ok(()) };
            if ended.is_ok() && session.client.batch_execute(CLEAN).await.is_ok() {
                server.idle.give_back(&server.address, session);
            }
            drop(permit);
        });
    }
}

impl State {
    fn server(&self, address: &str) -> Result<Arc<Server>, Error> {
        self.grants.postgres.server(address, &self.grants.outbound)
    }

    fn postgres_session(&self, connection: &Resource<Lease>) -> wasmtime::Result<Arc<Session>> {
        Ok(Arc::clone(&self.table.get(connection)?.session))
    }
}

impl postgres::Host for State {}

impl HostConnection for State {
    async fn open(&mut self, address: String) -> wasmtime::Result<Result<Resource<Lease>, Error>> {
        match open(self.server(&address)).await {
            Ok(lease) => Ok(Ok(self.table.push(lease)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn query(
        &mut self,
        connection: Resource<Lease>,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<RowSet, Error>> {
        Ok(self.postgres_session(&connection)?.query(&statement, &params).await)
    }

    async fn execute(
        &mut self,
        connection: Resource<Lease>,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        Ok(self.postgres_session(&connection)?.execute(&statement, &params).await)
    }

    async fn drop(&mut self, connection: Resource<Lease>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

type Streamed = (Vec<Column>, StreamReader<Vec<DbValue>>, FutureReader<Result<(), Error>>);

impl<T: Send> HostConnectionWithStore<T> for HasSelf<State> {
    async fn open_async(
        accessor: &Accessor<T, Self>,
        address: String,
    ) -> wasmtime::Result<Result<Resource<Lease>, Error>> {
        let server = accessor.with(|mut access| access.get().server(&address));
        match open(server).await {
            Ok(lease) => Ok(Ok(accessor.with(|mut access| access.get().table.push(lease))?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Lease>,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<Streamed, Error>> {
        let session = accessor.with(|mut access| access.get().postgres_session(&connection))?;
        let found = match session.query(&statement, &params).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, found.rows)?;
            let finished = FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?;
            Ok(Ok((found.columns, rows, finished)))
        })
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        connection: Resource<Lease>,
        statement: String,
        params: Vec<ParameterValue>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let session = accessor.with(|mut access| access.get().postgres_session(&connection))?;
        Ok(session.execute(&statement, &params).await)
    }
}

impl HostConnectionBuilder for State {
    async fn new(&mut self, address: String) -> wasmtime::Result<Resource<Builder>> {
        Ok(self.table.push(Builder { address })?)
    }

    async fn set_ca_root(
        &mut self,
        _builder: Resource<Builder>,
        _certificate: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(Err(Error::Other("this host speaks no TLS to databases".to_owned())))
    }

    async fn build(
        &mut self,
        builder: Resource<Builder>,
    ) -> wasmtime::Result<Result<Resource<Lease>, Error>> {
        let address = self.table.get(&builder)?.address.clone();
        HostConnection::open(self, address).await
    }

    async fn drop(&mut self, builder: Resource<Builder>) -> wasmtime::Result<()> {
        self.table.delete(builder)?;
        Ok(())
    }
}

impl<T: Send> HostConnectionBuilderWithStore<T> for HasSelf<State> {
    async fn build_async(
        accessor: &Accessor<T, Self>,
        builder: Resource<Builder>,
    ) -> wasmtime::Result<Result<Resource<Lease>, Error>> {
        let address = accessor.with(|mut access| {
            let builder = access.get().table.get(&builder)?;
            wasmtime::error::Ok(builder.address.clone())
        })?;
        <Self as HostConnectionWithStore<T>>::open_async(accessor, address).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(granted: &[&str], address: &str) -> bool {
        let granted: Vec<String> = granted.iter().map(|one| (*one).to_owned()).collect();
        let allowed = OutboundHosts::parse(&granted).expect("valid");
        permitted(&Config::from_str(address).expect("an address"), &allowed).is_err()
    }

    #[test]
    fn only_granted_servers_are_reached() {
        let granted = ["postgres://db.example:5433", "postgres://[::1]:5432", "https://web.example"];
        assert!(!refused(&granted, "postgres://u:p@db.example:5433/d"));
        assert!(!refused(&granted, "host=db.example port=5433 user=u"));
        assert!(!refused(&granted, "postgres://u@[::1]/d"));
        for address in [
            "postgres://u@db.example/d",
            "postgres://u@web.example/d",
            "postgres://u@db.example:5433,other.example:5433/d",
            "host=db.example hostaddr=10.0.0.1 port=5433 user=u",
            "host=/run/postgresql user=u",
            "user=u",
        ] {
            assert!(refused(&granted, address), "{address}");
        }
    }

    #[test]
    fn statements_that_may_leave_a_transaction_open_are_noticed() {
        assert!(keeps_transactions("select 1") && keeps_transactions("\n UPDATE a SET b = 1"));
        for other in ["BEGIN", "/**/ BEGIN", "START TRANSACTION", "SET a = 1", "COMMIT AND CHAIN", ""] {
            assert!(!keeps_transactions(other), "{other}");
        }
        assert!(ends_transaction(" commit ") && ends_transaction("ROLLBACK"));
        assert!(!ends_transaction("COMMIT AND CHAIN") && !ends_transaction("ROLLBACK TO a"));
    }
}
