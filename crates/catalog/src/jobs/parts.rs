//! The large bytes of a job, in parts: what it was given, what it made.

use super::Lease;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error};

/// Largest part of a payload in bytes: few enough rows, and no single value that strains a driver.
const PAYLOAD_PART_BYTES: usize = 1 << 20;

const PAYLOAD: &str = "payload";
const RESULT: &str = "result";

impl<D: Driver> Catalog<D> {
    /// What the job was enqueued with; empty when it is no longer kept.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn payload(&self, job: &str) -> Result<Vec<u8>, Error> {
        let mut payload = Vec::new();
        // A payload is written once and whole, so its parts need no common transaction.
        for part in 0.. {
            match self.part(job, PAYLOAD, part).await? {
                Some(bytes) => payload.extend(bytes),
                None => break,
            }
        }
        Ok(payload)
    }

    /// Writes part `part` (from 0) of what the job made, over what an earlier attempt left there.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn put_result_part(&self, lease: &Lease, part: u32, bytes: &[u8]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        // A shorter second attempt must not end with the first one's tail.
        let tail = "DELETE FROM job_parts WHERE job = ?1 AND side = ?2 AND part >= ?3";
        tx.execute(tail, &[(&lease.job).into(), RESULT.into(), i64::from(part).into()]).await?;
        put(&mut tx, &lease.job, RESULT, part, bytes).await?;
        tx.commit().await
    }

    /// Part `part` of what the job made; `None` behind the last.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn result_part(&self, job: &str, part: u32) -> Result<Option<Vec<u8>>, Error> {
        self.part(job, RESULT, part).await
    }

    async fn part(&self, job: &str, side: &str, part: u32) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT body FROM job_parts WHERE job = ?1 AND side = ?2 AND part = ?3";
        let row = self.query_one(sql, &[job.into(), side.into(), i64::from(part).into()]).await?;
        row.map(|mut row| row.blob()).transpose()
    }
}

pub(super) async fn put_payload<C: Connection>(
    tx: &mut Transaction<C>,
    job: &str,
    payload: &[u8],
) -> Result<(), Error> {
    for (bytes, part) in payload.chunks(PAYLOAD_PART_BYTES).zip(0..) {
        put(tx, job, PAYLOAD, part, bytes).await?;
    }
    Ok(())
}

/// The payload has done its duty: it may hold documents, and nobody reads it again.
pub(super) async fn forget_payload<C: Connection>(tx: &mut Transaction<C>, job: &str) -> Result<(), Error> {
    let sql = "DELETE FROM job_parts WHERE job = ?1 AND side = ?2";
    tx.execute(sql, &[job.into(), PAYLOAD.into()]).await.map(drop)
}

async fn put<C: Connection>(
    tx: &mut Transaction<C>,
    job: &str,
    side: &str,
    part: u32,
    bytes: &[u8],
) -> Result<(), Error> {
    let sql = "INSERT INTO job_parts (job, side, part, body) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, &[job.into(), side.into(), i64::from(part).into(), bytes.into()]).await.map(drop)
}
