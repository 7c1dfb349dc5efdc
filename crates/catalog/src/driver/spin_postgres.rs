//! PostgreSQL through the interface that the host of a component provides (`spin:postgres`).

use std::rc::Rc;

use spin_sdk::pg::{self, DbValue, ParameterValue, PgError, QueryError};

use super::{Connection, Driver, Mode, postgres as engine};
use crate::{Error, Row, Value};

/// What hosts say of an address that the manifest does not grant.
const NOT_PERMITTED: &str = "not permitted";

/// A database by its address, to which the component's manifest grants access (`allowed_outbound_hosts`). The host
/// keeps connections between uses, so nothing is kept here.
#[derive(Clone)]
pub struct SpinPostgres {
    address: Rc<str>,
}

impl std::fmt::Debug for SpinPostgres {
    // The address has a password in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpinPostgres").finish_non_exhaustive()
    }
}

impl SpinPostgres {
    /// The database at `address`: `postgres://user:password@host:port/database`. Nothing is opened yet.
    pub fn new(address: &str) -> Self {
        Self { address: engine::with_settings(address).into() }
    }
}

impl Driver for SpinPostgres {
    type Connection = SpinPostgresConnection;

    async fn connect(&self) -> Result<SpinPostgresConnection, Error> {
        let connection = pg::Connection::open(&*self.address).await.map_err(map_error)?;
        Ok(SpinPostgresConnection { connection, state: engine::State::Idle })
    }

    fn schema_extras(&self) -> &'static [&'static str] {
        engine::SCHEMA_EXTRAS
    }
}

/// A connection of a [`SpinPostgres`]. The host ends a transaction that is open when it is dropped.
pub struct SpinPostgresConnection {
    connection: pg::Connection,
    state: engine::State,
}

impl std::fmt::Debug for SpinPostgresConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpinPostgresConnection").field("state", &self.state).finish_non_exhaustive()
    }
}

impl SpinPostgresConnection {
    async fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let params: Vec<ParameterValue> = params.iter().cloned().map(to_spin).collect();
        let mut result = self.connection.query(engine::translate(sql), params).await.map_err(map_error)?;
        let mut rows = Vec::new();
        while let Some(row) = result.rows().next().await {
            rows.push(Row::new(row.into_iter().map(from_spin).collect::<Result<_, _>>()?));
        }
        result.result().await.map_err(map_error)?;
        Ok(rows)
    }

    async fn run(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        let params: Vec<ParameterValue> = params.iter().cloned().map(to_spin).collect();
        self.connection.execute(engine::translate(sql), params).await.map_err(map_error)
    }

    /// Waits for this writer's turn, unless the statement only reads or is part of a transaction. Returns whether a
    /// transaction was begun for it.
    async fn take_turn(&mut self, sql: &str) -> Result<bool, Error> {
        let alone = self.state == engine::State::Idle && !engine::only_reads(sql);
        if alone {
            self.begin(Mode::Write).await?;
        }
        Ok(alone)
    }

    /// Ends what [`Self::take_turn`] began, or notes that a statement of a longer transaction failed.
    async fn end_turn<T>(&mut self, alone: bool, done: Result<T, Error>) -> Result<T, Error> {
        match (alone, &done) {
            (true, Ok(_)) => self.commit().await?,
            (true, Err(_)) => self.rollback().await?,
            (false, _) => self.state = self.state.after(done.is_ok()),
        }
        done
    }
}

impl Connection for SpinPostgresConnection {
    async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        let alone = self.take_turn(sql).await?;
        let done = self.rows(sql, params).await;
        self.end_turn(alone, done).await
    }

    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        let alone = self.take_turn(sql).await?;
        let done = self.run(sql, params).await;
        self.end_turn(alone, done).await
    }

    async fn begin(&mut self, mode: Mode) -> Result<(), Error> {
        self.state = engine::State::Open;
        for statement in engine::begin(mode) {
            if let Err(error) = self.run(statement, &[]).await {
                self.rollback().await?;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Error> {
        if self.state == engine::State::Failed {
            self.rollback().await?;
            return Err(engine::failed_transaction());
        }
        self.run("COMMIT", &[]).await?;
        self.state = engine::State::Idle;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.run("ROLLBACK", &[]).await?;
        self.state = engine::State::Idle;
        Ok(())
    }
}

fn to_spin(value: Value) -> ParameterValue {
    match value {
        Value::Null => ParameterValue::DbNull,
        Value::Integer(number) => ParameterValue::Int64(number),
        Value::Real(number) => ParameterValue::Floating64(number),
        Value::Text(text) => ParameterValue::Str(text),
        Value::Blob(bytes) => ParameterValue::Binary(bytes),
    }
}

fn from_spin(value: DbValue) -> Result<Value, Error> {
    Ok(match value {
        DbValue::DbNull => Value::Null,
        DbValue::Int64(number) => Value::Integer(number),
        DbValue::Int32(number) => Value::Integer(number.into()),
        DbValue::Floating64(number) => Value::Real(number),
        DbValue::Str(text) => Value::Text(text),
        DbValue::Binary(bytes) => Value::Blob(bytes),
        _ => return Err(Error::Corrupt("a column has a type that no column of the schema has".to_owned())),
    })
}

fn map_error(error: pg::Error) -> Error {
    match error {
        pg::Error::PgError(PgError::ConnectionFailed(message)) if message.contains(NOT_PERMITTED) => {
            Error::AccessDenied("PostgreSQL".to_owned())
        }
        pg::Error::PgError(PgError::ConnectionFailed(message)) => Error::Unavailable(message),
        pg::Error::PgError(PgError::QueryFailed(QueryError::DbError(refusal))) => {
            engine::error(&refusal.code, &refusal.message)
        }
        pg::Error::PgError(
            PgError::QueryFailed(QueryError::Text(message)) | PgError::BadParameter(message),
        ) => Error::Refused(message),
        other => Error::Unavailable(other.to_string()),
    }
}
