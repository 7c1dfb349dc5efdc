//! What one installation has one of.

use crate::{Catalog, Driver, Error};

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
        let mut tx = self.write().await?;
        let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.execute(sql, &[INTERNAL_SECRET.into(), proposal.into()]).await?;
        let row =
            tx.query_one("SELECT value FROM settings WHERE name = ?1", &[INTERNAL_SECRET.into()]).await?;
        tx.commit().await?;
        row.map_or_else(|| Err(Error::Corrupt("the internal secret".to_owned())), |mut row| row.text())
    }
}
