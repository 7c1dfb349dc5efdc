//! One statement, or several that happen together.

use jiff::Timestamp;

use crate::driver::Mode;
use crate::{Catalog, Connection, Driver, Error, Lease, Resource, Row, Value};

/// A transaction. Dropped without [`Transaction::commit`] (an error on the way, a cancelled request) it leaves nothing
/// behind: that is what every `?` in this crate relies on.
pub(crate) struct Transaction<C: Connection> {
    connection: C,
}

impl<C: Connection> Transaction<C> {
    pub(crate) async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.connection.query(sql, params).await
    }

    pub(crate) async fn query_one(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    pub(crate) async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.connection.execute(sql, params).await
    }

    /// Ends it well. A read transaction ends the same way.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        self.connection.commit().await
    }

    /// The number a `SELECT COUNT(*)` gives.
    pub(crate) async fn count(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.query_one(sql, params).await?.map_or(Ok(0), |mut row| row.count())
    }

    /// Moves the project's date of change, and proves that the project exists.
    pub(crate) async fn touch_project(&mut self, project: &str, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE projects SET modified_at = ?2 WHERE name = ?1";
        match self.execute(sql, &[project.into(), now.into()]).await? {
            0 => Err(Error::not_found(Resource::Project, project)),
            _ => Ok(()),
        }
    }

    /// Refuses when somebody else has the job by now: a worker that was thought dead must not write.
    pub(crate) async fn check_lease(&mut self, lease: &Lease) -> Result<(), Error> {
        let sql = "SELECT COUNT(*) FROM jobs WHERE id = ?1 AND lease_owner = ?2 AND attempt = ?3 \
                   AND finished_at IS NULL";
        match self.count(sql, &lease.values()).await? {
            0 => Err(Error::LeaseLost { job: lease.job.clone() }),
            _ => Ok(()),
        }
    }
}

impl<D: Driver> Catalog<D> {
    pub(crate) async fn begin(&self, mode: Mode) -> Result<Transaction<D::Connection>, Error> {
        let mut connection = self.driver.connect().await?;
        connection.begin(mode).await?;
        Ok(Transaction { connection })
    }

    /// A transaction that writes.
    pub(crate) async fn write(&self) -> Result<Transaction<D::Connection>, Error> {
        self.begin(Mode::Write).await
    }

    /// A transaction whose reads see one state.
    pub(crate) async fn read(&self) -> Result<Transaction<D::Connection>, Error> {
        self.begin(Mode::Read).await
    }

    /// One statement that returns rows.
    pub(crate) async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        self.driver.connect().await?.query(sql, params).await
    }

    /// One statement that returns at most one row.
    pub(crate) async fn query_one(&self, sql: &str, params: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// One statement that writes; returns how many rows it changed.
    pub(crate) async fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.driver.connect().await?.execute(sql, params).await
    }
}
