//! The schema, as numbered steps that are only ever appended to.

use crate::{Catalog, Driver, Error};

/// One step: its statements, each ended by a semicolon at the end of a line.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_call_counts.sql"),
    include_str!("migrations/0003_copies.sql"),
    include_str!("migrations/0004_storage_events.sql"),
    include_str!("migrations/0005_subscribers.sql"),
];

/// The schema this program reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

impl<D: Driver> Catalog<D> {
    pub(crate) async fn migrate(&self) -> Result<(), Error> {
        // Outside the write lock first: every start but the first of a release has nothing to do.
        if self.table_exists().await && self.schema_version().await? == SCHEMA_VERSION {
            return Ok(());
        }
        let mut tx = self.write().await?;
        tx.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)", &[]).await?;
        let found = match tx.query_one("SELECT MAX(version) FROM schema_version", &[]).await? {
            Some(mut row) => row.optional_integer()?.unwrap_or(0),
            None => 0,
        };
        let known = usize::try_from(found)
            .ok()
            .and_then(|found| MIGRATIONS.get(found..))
            .ok_or(Error::SchemaTooNew { found, known: SCHEMA_VERSION })?;
        for (step, version) in known.iter().zip(found + 1..) {
            for statement in statements(step) {
                tx.execute(statement, &[]).await?;
            }
            tx.execute("INSERT INTO schema_version (version) VALUES (?1)", &[version.into()]).await?;
        }
        for statement in self.driver.schema_extras() {
            tx.execute(statement, &[]).await?;
        }
        tx.commit().await
    }

    /// The schema's version as the database records it.
    ///
    /// # Errors
    /// [`Error::Refused`] when this is no catalog, [`Error::SchemaTooNew`] when a newer program wrote it.
    pub async fn schema_version(&self) -> Result<i64, Error> {
        let row = self.query_one("SELECT MAX(version) FROM schema_version", &[]).await?;
        let found = row.map(|mut row| row.optional_integer()).transpose()?.flatten().unwrap_or(0);
        if found > SCHEMA_VERSION {
            return Err(Error::SchemaTooNew { found, known: SCHEMA_VERSION });
        }
        Ok(found)
    }

    // There is no statement for this question that every engine understands.
    async fn table_exists(&self) -> bool {
        self.query("SELECT version FROM schema_version LIMIT 1", &[]).await.is_ok()
    }
}

fn statements(step: &str) -> impl Iterator<Item = &str> {
    step.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_split_into_single_statements() {
        for step in MIGRATIONS {
            let statements: Vec<_> = statements(step).collect();
            assert_eq!(statements.len(), step.matches(';').count());
            assert!(statements.iter().all(|statement| statement.starts_with("CREATE ")));
        }
    }
}
