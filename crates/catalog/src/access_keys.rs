//! Access keys, stored as digests.
//!
//! A key is long and random, so one round of SHA-256 keeps it as safe as many would: there is no shorter way to it than
//! trying all keys. The lookup goes by a piece of the digest, and the whole digest is compared in constant time.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Catalog, Driver, Error, Resource, Row};

/// Bytes of the digest that find the row: enough that two keys never share them, and no help in finding a key.
const ID_BYTES: usize = 8;

/// What a key may do (contract: authoring 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads, exports and extracts.
    Reader,
    /// Also edits, imports and trains.
    Writer,
    /// Everything.
    Owner,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }

    fn parse(word: &str) -> Result<Self, Error> {
        [Self::Reader, Self::Writer, Self::Owner]
            .into_iter()
            .find(|role| role.word() == word)
            .ok_or_else(|| Error::Corrupt(format!("role {word:?}")))
    }
}

/// A key's row; the key itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Since when it is valid.
    pub created_at: Timestamp,
}

impl<D: Driver> Catalog<D> {
    /// Makes `key` valid under the name `name`. The caller made the key: at least 128 random bits.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken.
    pub async fn add_access_key(
        &self,
        key: &str,
        name: &str,
        role: Role,
        now: Timestamp,
    ) -> Result<(), Error> {
        let digest = Sha256::digest(key.as_bytes());
        let sql = "INSERT INTO access_keys (id, digest, name, role, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT DO NOTHING";
        let values =
            [id(&digest).into(), digest.as_slice().into(), name.into(), role.word().into(), now.into()];
        match self.execute(sql, &values).await? {
            0 => Err(Error::Exists { resource: Resource::AccessKey, name: name.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Whose key this is; `None` when it is nobody's.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn verify_access_key(&self, key: &str) -> Result<Option<AccessKey>, Error> {
        let digest = Sha256::digest(key.as_bytes());
        let sql = "SELECT digest, name, role, created_at FROM access_keys WHERE id = ?1";
        let Some(mut row) = self.query_one(sql, &[id(&digest).into()]).await? else { return Ok(None) };
        let stored = row.blob()?;
        if !bool::from(stored.as_slice().ct_eq(digest.as_slice())) {
            return Ok(None);
        }
        access_key(row).map(Some)
    }

    /// All keys by name.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn access_keys(&self) -> Result<Vec<AccessKey>, Error> {
        let rows = self.query("SELECT name, role, created_at FROM access_keys ORDER BY name", &[]).await?;
        rows.into_iter().map(access_key).collect()
    }

    /// Makes the key called `name` invalid.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_access_key(&self, name: &str) -> Result<(), Error> {
        match self.execute("DELETE FROM access_keys WHERE name = ?1", &[name.into()]).await? {
            0 => Err(Error::not_found(Resource::AccessKey, name)),
            _ => Ok(()),
        }
    }
}

fn access_key(mut row: Row) -> Result<AccessKey, Error> {
    Ok(AccessKey { name: row.text()?, role: Role::parse(&row.text()?)?, created_at: row.time()? })
}

fn id(digest: &[u8]) -> String {
    digest.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
