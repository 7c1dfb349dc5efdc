//! Permissions to copy a project onto another one: each is good for one copy, and only for a while.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, NewJob, ProjectChange, Resource, Row, jobs, projects};

const COLUMNS: &str = "project, container, replaces, expires_at";

/// What the holder of a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyGrant {
    /// The project that the copy becomes.
    pub project: String,
    /// The container the copy has its documents in; `None` when the grant leaves that open.
    pub container: Option<String>,
    /// Whether the copy may replace a project that is there.
    pub replaces: bool,
    /// Until when.
    pub expires_at: Timestamp,
}

impl CopyGrant {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            project: row.text()?,
            container: row.optional_text()?,
            replaces: row.boolean()?,
            expires_at: row.time()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// Remembers the grant under the digest of `token`, and forgets the expired ones. The caller made the token: at
    /// least 120 random bits.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn add_copy_grant(&self, token: &str, grant: &CopyGrant, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.execute("DELETE FROM copy_grants WHERE expires_at <= ?1", &[now.into()]).await?;
        let sql = format!("INSERT INTO copy_grants (digest, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
        let values = [
            digest(token).into(),
            (&grant.project).into(),
            grant.container.clone().into(),
            grant.replaces.into(),
            grant.expires_at.into(),
        ];
        tx.execute(&sql, &values).await?;
        tx.commit().await
    }

    /// What the token allows.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it allows nothing: unknown, used or expired.
    pub async fn copy_grant(&self, token: &str, now: Timestamp) -> Result<CopyGrant, Error> {
        let mut tx = self.read().await?;
        let found = find(&mut tx, token, now).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// Puts the copy onto `change.name` into the queue, makes that project when there is none, and uses the token up:
    /// all or nothing. A project that is there keeps its settings until the copy succeeds.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the token does not allow a copy onto this project, [`Error::Exists`] when the project
    /// is there and may not be replaced, and those of [`Catalog::enqueue_import`].
    pub async fn enqueue_copy(
        &self,
        token: &str,
        change: &ProjectChange,
        job: &NewJob,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let grant = find(&mut tx, token, now).await?;
        if grant.project != change.name {
            return Err(no_grant());
        }
        let existed = projects::prepare(&mut tx, change, now).await?;
        if existed && !grant.replaces {
            return Err(Error::Exists { resource: Resource::Project, name: grant.project });
        }
        jobs::enqueue(&mut tx, job, now).await?;
        tx.execute("DELETE FROM copy_grants WHERE digest = ?1", &[digest(token).into()]).await?;
        tx.commit().await
    }
}

async fn find<C: Connection>(
    tx: &mut Transaction<C>,
    token: &str,
    now: Timestamp,
) -> Result<CopyGrant, Error> {
    let sql = format!("SELECT {COLUMNS} FROM copy_grants WHERE digest = ?1 AND expires_at > ?2");
    let row = tx.query_one(&sql, &[digest(token).into(), now.into()]).await?;
    row.map_or_else(|| Err(no_grant()), CopyGrant::from_row)
}

/// Without the token, which is a secret and may stand in logs otherwise.
fn no_grant() -> Error {
    Error::not_found(Resource::CopyGrant, "accessToken")
}

// The whole digest finds the row: how long that takes tells of the digest, not of the token.
fn digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
