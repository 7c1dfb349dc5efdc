//! The inbox: what storage services told, and what came of it.
//!
//! Accepting an event is one insert, which a repeated delivery does not repeat, and at most one unfinished job per
//! container works through what waits: it looks at the objects as they are then, so that the order of deliveries
//! decides nothing.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use language_api::JobId;
use uuid::Uuid;

use crate::jobs;
use crate::transaction::Transaction;
use crate::{
    Catalog, Connection, Driver, Error, JobKind, Lease, NewJob, Outcome, Page, PageRequest, Row, Value,
};

/// How long events that came to something, and jobs of the inbox, can be seen.
pub const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Events put into one statement: few enough placeholders for every engine.
const ROWS_PER_INSERT: usize = 500;

const COLUMNS: &str =
    "id, source, container, location, removed, etag, position, state, outcomes, received_at, handled_at";

/// What a storage service told about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStorageEvent {
    /// The same for every delivery of one event.
    pub id: String,
    /// The bucket.
    pub container: String,
    /// The object's key.
    pub location: String,
    /// Whether it was deleted; else it was written.
    pub removed: bool,
    /// The entity tag of what was written, where the service tells it.
    pub etag: Option<String>,
    /// Of two events of one object the one with the greater text happened later; empty when nobody knows.
    pub position: String,
}

/// An event in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageEvent {
    /// What was told.
    pub event: NewStorageEvent,
    /// Who told it.
    pub source: String,
    /// Where it stands.
    pub state: EventState,
    /// What came of it, as a JSON list of the worker's making.
    pub outcomes: String,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// When it came to something.
    pub handled_at: Option<Timestamp>,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventState {
    /// Nobody looked at it yet.
    Waiting,
    /// It did what the project asks for.
    Done,
    /// It concerns nobody, or changed nothing.
    Ignored,
    /// What it tells of can't be used; the outcome says why.
    Refused,
    /// A later event of the same object was looked at in its place.
    Superseded,
}

impl EventState {
    const ALL: [Self; 5] = [Self::Waiting, Self::Done, Self::Ignored, Self::Refused, Self::Superseded];

    /// Its word in the database and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
        }
    }

    fn parse(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| Error::Corrupt(format!("event state {word:?}")))
    }
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledEvent {
    /// Which.
    pub id: String,
    /// How it ended: anything but [`EventState::Waiting`].
    pub state: EventState,
    /// See [`StorageEvent::outcomes`].
    pub outcomes: String,
}

impl StorageEvent {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        let (id, source) = (row.text()?, row.text()?);
        let event = NewStorageEvent {
            id,
            container: row.text()?,
            location: row.text()?,
            removed: row.boolean()?,
            etag: row.optional_text()?,
            position: row.text()?,
        };
        Ok(Self {
            event,
            source,
            state: EventState::parse(&row.text()?)?,
            outcomes: row.text()?,
            received_at: row.time()?,
            handled_at: row.optional_time()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// Puts events into the inbox and a job into the queue for every container that has none; returns how many were
    /// not there before. They are durable when this returns.
    ///
    /// # Errors
    /// The database's own failures; then none was accepted.
    pub async fn accept_events(
        &self,
        source: &str,
        events: &[NewStorageEvent],
        now: Timestamp,
    ) -> Result<u64, Error> {
        if events.is_empty() {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        let mut accepted = 0;
        for events in events.chunks(ROWS_PER_INSERT) {
            accepted += insert(&mut tx, source, events, now).await?;
        }
        if accepted > 0 {
            let containers: BTreeSet<&str> = events.iter().map(|event| event.container.as_str()).collect();
            for container in containers {
                enqueue_inbox(&mut tx, container, now).await?;
            }
        }
        tx.commit().await?;
        Ok(accepted)
    }

    /// Sees that every container whose events wait has a job that works through them. Returns how many were missing.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn resume_inboxes(&self, now: Timestamp) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let rows =
            tx.query("SELECT DISTINCT container FROM storage_events WHERE handled_at IS NULL", &[]).await?;
        let mut resumed = 0;
        for mut row in rows {
            resumed += u64::from(enqueue_inbox(&mut tx, &row.text()?, now).await?);
        }
        tx.commit().await?;
        Ok(resumed)
    }

    /// The oldest events of `container` that wait, at most `limit`.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn waiting_events(&self, container: &str, limit: u32) -> Result<Vec<StorageEvent>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM storage_events WHERE container = ?1 AND handled_at IS NULL \
             ORDER BY received_at, id LIMIT ?2"
        );
        let rows = self.query(&sql, &[container.into(), i64::from(limit).into()]).await?;
        rows.into_iter().map(StorageEvent::from_row).collect()
    }

    /// Writes what came of events.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn settle_events(
        &self,
        lease: &Lease,
        settled: &[SettledEvent],
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        let sql = "UPDATE storage_events SET state = ?2, outcomes = ?3, handled_at = ?4 \
                   WHERE id = ?1 AND handled_at IS NULL";
        for event in settled {
            let values =
                [(&event.id).into(), event.state.word().into(), (&event.outcomes).into(), now.into()];
            tx.execute(sql, &values).await?;
        }
        tx.commit().await
    }

    /// Ends the job that works through the events of `container`, unless others came in the meantime: then it goes on.
    /// Returns whether it ended.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn finish_inbox(&self, lease: &Lease, container: &str, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        let sql = "SELECT COUNT(*) FROM storage_events WHERE container = ?1 AND handled_at IS NULL";
        if tx.count(sql, &[container.into()]).await? > 0 {
            return Ok(false);
        }
        jobs::finish(&mut tx, lease, &Outcome::succeeded(), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Accepted events, the newest first; of one container when it is named.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn storage_events(
        &self,
        container: Option<&str>,
        page: PageRequest,
    ) -> Result<Page<StorageEvent>, Error> {
        let (condition, mut values) = match container {
            Some(container) => ("container = ?1", vec![Value::from(container)]),
            None => ("1 = 1", vec![]),
        };
        let mut tx = self.read().await?;
        let total =
            tx.count(&format!("SELECT COUNT(*) FROM storage_events WHERE {condition}"), &values).await?;
        values.extend([page.limit_value(), page.offset_value()]);
        let sql = format!(
            "SELECT {COLUMNS} FROM storage_events WHERE {condition} ORDER BY received_at DESC, id LIMIT ?{} OFFSET ?{}",
            values.len() - 1,
            values.len()
        );
        let rows = tx.query(&sql, &values).await?;
        tx.commit().await?;
        Ok(Page::new(rows.into_iter().map(StorageEvent::from_row).collect::<Result<_, _>>()?, total, page))
    }
}

/// The `project` of the job that works through a container's events. No project can have such a name.
pub fn inbox_of(container: &str) -> String {
    format!("container:{container}")
}

async fn insert<C: Connection>(
    tx: &mut Transaction<C>,
    source: &str,
    events: &[NewStorageEvent],
    now: Timestamp,
) -> Result<u64, Error> {
    let mut values: Vec<Value> = vec![source.into(), EventState::Waiting.word().into(), now.into()];
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let first = values.len() + 1;
        values.extend([
            (&event.id).into(),
            (&event.container).into(),
            (&event.location).into(),
            event.removed.into(),
            event.etag.clone().into(),
            (&event.position).into(),
        ]);
        let [id, container, location, removed, etag, position] = std::array::from_fn(|index| first + index);
        rows.push(format!(
            "(?{id}, ?1, ?{container}, ?{location}, ?{removed}, ?{etag}, ?{position}, ?2, '[]', ?3)"
        ));
    }
    let sql = format!(
        "INSERT INTO storage_events (id, source, container, location, removed, etag, position, state, outcomes, \
         received_at) VALUES {} ON CONFLICT DO NOTHING",
        rows.join(", ")
    );
    tx.execute(&sql, &values).await
}

/// A job that nobody called for; seen as long as the events that led to it.
pub(crate) fn own_job(kind: JobKind, project: &str, target: &str, now: Timestamp) -> NewJob {
    NewJob {
        id: JobId::new(Uuid::new_v4(), now).to_string(),
        kind,
        project: project.to_owned(),
        target: target.to_owned(),
        payload: Vec::new(),
        progress: None,
        expires_at: now.saturating_add(EVENTS_KEPT).unwrap_or(Timestamp::MAX),
    }
}

/// Whether a job was missing.
async fn enqueue_inbox<C: Connection>(
    tx: &mut Transaction<C>,
    container: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let job = own_job(JobKind::Inbox, &inbox_of(container), container, now);
    match jobs::enqueue(tx, &job, now).await {
        Ok(()) => Ok(true),
        Err(Error::JobRunning { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes a piece of the events that came to something long ago.
pub(crate) async fn forget_handled<C: Connection>(
    tx: &mut Transaction<C>,
    now: Timestamp,
    limit: i64,
) -> Result<u64, Error> {
    let before = now.checked_sub(EVENTS_KEPT).unwrap_or(Timestamp::MIN);
    let sql = "DELETE FROM storage_events WHERE id IN (SELECT id FROM storage_events \
               WHERE handled_at IS NOT NULL AND handled_at <= ?1 ORDER BY handled_at LIMIT ?2)";
    tx.execute(sql, &[before.into(), limit.into()]).await
}
