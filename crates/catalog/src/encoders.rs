//! Encoders: what a component needs to turn text into an encoder's inputs.

use crate::{Catalog, Driver, Error, Resource};

/// A pretrained encoder that bundles name by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// Content address; the same digest is the same encoder, for ever.
    pub digest: String,
    /// Its published name.
    pub name: String,
    /// Its own `tokenizer.json`.
    pub tokenizer: Vec<u8>,
}

impl<D: Driver> Catalog<D> {
    /// Makes the encoder known. One that is known already stays as it is.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn put_encoder(&self, encoder: &Encoder) -> Result<(), Error> {
        let sql = "INSERT INTO encoders (digest, name, tokenizer) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let values = [(&encoder.digest).into(), (&encoder.name).into(), encoder.tokenizer.clone().into()];
        self.execute(sql, &values).await.map(drop)
    }

    /// The encoder `digest`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn encoder(&self, digest: &str) -> Result<Encoder, Error> {
        let sql = "SELECT digest, name, tokenizer FROM encoders WHERE digest = ?1";
        match self.query_one(sql, &[digest.into()]).await? {
            Some(mut row) => Ok(Encoder { digest: row.text()?, name: row.text()?, tokenizer: row.blob()? }),
            None => Err(Error::not_found(Resource::Encoder, digest)),
        }
    }
}
