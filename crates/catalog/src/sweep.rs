//! What nobody needs any more leaves the disk, a piece at a time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::labels::LabelSetState;
use crate::storage_events;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Value};

/// How long labels that were replaced can still be read by whoever began to: longer than any export takes.
pub const RETIRED_LABELS_KEPT: Duration = Duration::from_secs(60 * 60);

/// Rows one call deletes of each kind, so that no call holds the database for long.
const ROWS_PER_SWEEP: i64 = 5_000;

/// What a call of [`Catalog::sweep`] deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Expired jobs.
    pub jobs: u64,
    /// Documents of retired label sets.
    pub documents: u64,
    /// Whether there is more to delete: call again.
    pub more: bool,
}

impl<D: Driver> Catalog<D> {
    /// Deletes a piece of what has expired: ended jobs past their time with all that belongs to them, storage events
    /// that came to something [`EVENTS_KEPT`](crate::EVENTS_KEPT) ago, and label sets
    /// that were retired [`RETIRED_LABELS_KEPT`] ago or that an ended job left behind.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let mut tx = self.write().await?;
        let jobs = expired_jobs(&mut tx, now).await?;
        retire_abandoned(&mut tx, now).await?;
        let documents = retired_labels(&mut tx, now).await?;
        let events = storage_events::forget_handled(&mut tx, now, ROWS_PER_SWEEP).await?;
        tx.commit().await?;
        let more = jobs.max(events) >= ROWS_PER_SWEEP.unsigned_abs() || documents.is_some();
        Ok(Swept { jobs, documents: documents.unwrap_or(0), more })
    }
}

async fn expired_jobs<C: Connection>(tx: &mut Transaction<C>, now: Timestamp) -> Result<u64, Error> {
    let expired = "SELECT id FROM jobs WHERE finished_at IS NOT NULL AND expires_at <= ?1 \
                   ORDER BY expires_at, id LIMIT ?2";
    let values: [Value; 2] = [now.into(), ROWS_PER_SWEEP.into()];
    for (table, column) in [("job_parts", "job"), ("extraction_tasks", "job"), ("extraction_jobs", "id")] {
        tx.execute(&format!("DELETE FROM {table} WHERE {column} IN ({expired})"), &values).await?;
    }
    // Last: the statements above find their rows through it.
    let deleted = tx.execute(&format!("DELETE FROM jobs WHERE id IN ({expired})"), &values).await?;
    if deleted > 0 {
        let idle = "DELETE FROM job_turns WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.project = job_turns.project)";
        tx.execute(idle, &[]).await?;
    }
    Ok(deleted)
}

/// Staged sets and snapshots whose job ended without using them.
async fn retire_abandoned<C: Connection>(tx: &mut Transaction<C>, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "UPDATE label_sets SET state = ?1, retired_at = ?2 WHERE state IN (?3, ?4) \
         AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = label_sets.id AND jobs.finished_at IS NULL) \
         AND NOT EXISTS (SELECT 1 FROM bundles WHERE bundles.snapshot = label_sets.id)",
        &[
            LabelSetState::Retired.into(),
            now.into(),
            LabelSetState::Staged.into(),
            LabelSetState::Snapshot.into(),
        ],
    )
    .await
    .map(drop)
}

/// Deletes a piece of one retired set, or all of it. `None` when there is none.
async fn retired_labels<C: Connection>(
    tx: &mut Transaction<C>,
    now: Timestamp,
) -> Result<Option<u64>, Error> {
    let kept = SignedDuration::try_from(RETIRED_LABELS_KEPT).unwrap_or(SignedDuration::MAX);
    let before = now.checked_sub(kept).unwrap_or(Timestamp::MIN);
    let (retired, removing) = (LabelSetState::Retired, LabelSetState::Removing);
    let sql = "SELECT id FROM label_sets WHERE state IN (?1, ?2) AND retired_at <= ?3 \
               ORDER BY retired_at, id LIMIT 1";
    let Some(mut row) = tx.query_one(sql, &[retired.into(), removing.into(), before.into()]).await? else {
        return Ok(None);
    };
    let set = Value::from(row.text()?);
    let mark = "UPDATE label_sets SET state = ?2 WHERE id = ?1";
    tx.execute(mark, &[set.clone(), removing.into()]).await?;
    let some = "SELECT location FROM documents WHERE label_set = ?1 ORDER BY location LIMIT ?2";
    let values = [set.clone(), ROWS_PER_SWEEP.into()];
    let counts = format!("DELETE FROM label_counts WHERE label_set = ?1 AND location IN ({some})");
    tx.execute(&counts, &values).await?;
    let documents = format!("DELETE FROM documents WHERE label_set = ?1 AND location IN ({some})");
    let deleted = tx.execute(&documents, &values).await?;
    if deleted < ROWS_PER_SWEEP.unsigned_abs() {
        for table in ["label_counts", "categories"] {
            tx.execute(&format!("DELETE FROM {table} WHERE label_set = ?1"), std::slice::from_ref(&set))
                .await?;
        }
        tx.execute("DELETE FROM label_sets WHERE id = ?1", &[set]).await?;
    }
    Ok(Some(deleted))
}
