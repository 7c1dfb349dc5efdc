//! What one installation has one of.

use crate::{Catalog, Driver, Error};
use uuid::Uuid;

const INSTALLATION_ID: &str = "installation-id";
const INTERNAL_SECRET: &str = "internal-secret";

impl<D: Driver> Catalog<D> {
    /// The value of a setting.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let row = self.query_one("SELECT value FROM settings WHERE name = ?1", &[name.into()]).await?;
        row.map(|mut row| row.text()).transpose()
    }

    /// Sets a setting.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), Error> {
        let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.execute(sql, &[name.into(), value.into()]).await.map(drop)
    }

    /// The secret with which the parts of this installation know each other. The first caller's `proposal` becomes
    /// it, everybody gets the same. Kept readable, since the parts must show it.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn internal_secret(&self, proposal: &str) -> Result<String, Error> {
        self.settled(INTERNAL_SECRET, proposal).await
    }

    /// What tells this installation from others, made when it is first asked for. No secret.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn installation_id(&self) -> Result<String, Error> {
        match self.setting(INSTALLATION_ID).await? {
            Some(id) => Ok(id),
            None => self.settled(INSTALLATION_ID, &Uuid::new_v4().to_string()).await,
        }
    }

    /// The value that whoever came first proposed.
    async fn settled(&self, name: &str, proposal: &str) -> Result<String, Error> {
        let mut tx = self.write().await?;
        let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.execute(sql, &[name.into(), proposal.into()]).await?;
        let row = tx.query_one("SELECT value FROM settings WHERE name = ?1", &[name.into()]).await?;
        tx.commit().await?;
        row.map_or_else(|| Err(Error::Corrupt(format!("setting {name}"))), |mut row| row.text())
    }
}
