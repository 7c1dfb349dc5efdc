//! What one installation has one of.

use crate::{Catalog, Driver, Error};
use jiff::{SignedDuration, Timestamp};
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

    /// Whether it is this caller who does `work` now: of all who ask one gets it, and nobody again for `period`.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn claim(&self, work: &str, now: Timestamp, period: SignedDuration) -> Result<bool, Error> {
        // Texts of one length are in the order of their numbers.
        let text = |moment: Timestamp| format!("{:020}", moment.as_microsecond().max(0));
        let before = now.checked_sub(period).unwrap_or(Timestamp::MIN);
        let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE settings.value <= ?3";
        let name = format!("last {work}");
        let claimed = self.execute(sql, &[name.into(), text(now).into(), text(before).into()]).await?;
        Ok(claimed > 0)
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
