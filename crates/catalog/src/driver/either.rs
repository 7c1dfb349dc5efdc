//! One of two engines, chosen when the program runs.

use super::{Connection, Driver, Mode};
use crate::{Error, Row, Value};

/// SQLite or PostgreSQL, each through the driver of its kind of program.
#[derive(Clone, Debug)]
pub enum Either<S, P> {
    /// SQLite.
    Sqlite(S),
    /// PostgreSQL.
    Postgres(P),
}

impl<S: Driver, P: Driver> Driver for Either<S, P> {
    type Connection = Either<S::Connection, P::Connection>;

    async fn connect(&self) -> Result<Self::Connection, Error> {
        match self {
            Self::Sqlite(driver) => driver.connect().await.map(Either::Sqlite),
            Self::Postgres(driver) => driver.connect().await.map(Either::Postgres),
        }
    }

    fn schema_extras(&self) -> &'static [&'static str] {
        match self {
            Self::Sqlite(driver) => driver.schema_extras(),
            Self::Postgres(driver) => driver.schema_extras(),
        }
    }
}

impl<S: Connection, P: Connection> Connection for Either<S, P> {
    async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(connection) => connection.query(sql, params).await,
            Self::Postgres(connection) => connection.query(sql, params).await,
        }
    }

    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        match self {
            Self::Sqlite(connection) => connection.execute(sql, params).await,
            Self::Postgres(connection) => connection.execute(sql, params).await,
        }
    }

    async fn begin(&mut self, mode: Mode) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => connection.begin(mode).await,
            Self::Postgres(connection) => connection.begin(mode).await,
        }
    }

    async fn commit(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => connection.commit().await,
            Self::Postgres(connection) => connection.commit().await,
        }
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => connection.rollback().await,
            Self::Postgres(connection) => connection.rollback().await,
        }
    }
}
