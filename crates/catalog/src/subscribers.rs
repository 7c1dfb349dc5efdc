//! Who is told what a project extracted: addresses with the secrets that prove who tells, and a job for every delivery.

use jiff::Timestamp;

use crate::jobs::{self, Job};
use crate::storage_events::own_job;
use crate::transaction::Transaction;
use crate::{
    Catalog, Connection, Driver, Error, JobKind, Lease, NewJob, Outcome, Page, PageRequest, Resource, Row,
};

const COLUMNS: &str = "name, url, secret, created_at";

/// Somebody who is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// What people call it.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// What signatures are made with. Kept readable, since the worker signs with it.
    pub secret: String,
    /// Since when it is told.
    pub created_at: Timestamp,
}

/// A subscriber to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSubscriber {
    /// What people call it.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// Its secret from now on; the one it has when absent.
    pub secret: Option<String>,
    /// The secret of one that is new and brings none.
    pub proposal: String,
}

/// Which deliveries a listing has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// To be made, perhaps not for the first time.
    Waiting,
    /// The subscriber took it.
    Delivered,
    /// Given up.
    Dead,
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for NewSubscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSubscriber").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Subscriber {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self { name: row.text()?, url: row.text()?, secret: row.text()?, created_at: row.time()? })
    }
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Where the delivery that `job` makes stands.
    pub fn of(job: &Job) -> Self {
        match (job.status.is_terminal(), job.status) {
            (false, _) => Self::Waiting,
            (true, jobs::JobStatus::Succeeded) => Self::Delivered,
            (true, _) => Self::Dead,
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::Waiting => "finished_at IS NULL",
            Self::Delivered => "status = 'succeeded'",
            Self::Dead => "finished_at IS NOT NULL AND status <> 'succeeded'",
        }
    }
}

impl<D: Driver> Catalog<D> {
    /// Writes a subscriber of the project. Returns it as it is now, and whether it is new.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the project.
    pub async fn put_subscriber(
        &self,
        project: &str,
        new: &NewSubscriber,
        now: Timestamp,
    ) -> Result<(Subscriber, bool), Error> {
        let mut tx = self.write().await?;
        if tx.count("SELECT COUNT(*) FROM projects WHERE name = ?1", &[project.into()]).await? == 0 {
            return Err(Error::not_found(Resource::Project, project));
        }
        let present = one(&mut tx, project, &new.name).await?;
        let is_new = present.is_none();
        let kept = present.as_ref().map_or(&new.proposal, |present| &present.secret);
        let subscriber = Subscriber {
            name: new.name.clone(),
            url: new.url.clone(),
            secret: new.secret.as_ref().unwrap_or(kept).clone(),
            created_at: present.as_ref().map_or(now, |present| present.created_at),
        };
        let sql = "INSERT INTO subscribers (project, name, url, secret, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (project, name) DO UPDATE SET url = excluded.url, secret = excluded.secret";
        let Subscriber { name, url, secret, created_at } = &subscriber;
        let values = [project.into(), name.into(), url.into(), secret.into(), (*created_at).into()];
        tx.execute(sql, &values).await?;
        tx.commit().await?;
        Ok((subscriber, is_new))
    }

    /// The project's subscribers, by name.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn subscribers(&self, project: &str, page: PageRequest) -> Result<Page<Subscriber>, Error> {
        let mut tx = self.read().await?;
        let total =
            tx.count("SELECT COUNT(*) FROM subscribers WHERE project = ?1", &[project.into()]).await?;
        let sql =
            format!("SELECT {COLUMNS} FROM subscribers WHERE project = ?1 ORDER BY name LIMIT ?2 OFFSET ?3");
        let rows = tx.query(&sql, &[project.into(), page.limit_value(), page.offset_value()]).await?;
        tx.commit().await?;
        Ok(Page::new(rows.into_iter().map(Subscriber::from_row).collect::<Result<_, _>>()?, total, page))
    }

    /// The project's subscriber called `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn subscriber(&self, project: &str, name: &str) -> Result<Subscriber, Error> {
        let mut tx = self.read().await?;
        let found = one(&mut tx, project, name).await?;
        tx.commit().await?;
        found.ok_or_else(|| Error::not_found(Resource::Subscriber, name))
    }

    /// Tells a subscriber nothing more.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn remove_subscriber(&self, project: &str, name: &str) -> Result<(), Error> {
        let sql = "DELETE FROM subscribers WHERE project = ?1 AND name = ?2";
        match self.execute(sql, &[project.into(), name.into()]).await? {
            0 => Err(Error::not_found(Resource::Subscriber, name)),
            _ => Ok(()),
        }
    }

    /// Ends a job and puts a delivery to every subscriber of its project into the queue, in one step: nobody is told of
    /// what did not happen, or not told of what did. `event` becomes the deliveries' progress, JSON of the caller's
    /// making.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn finish_and_tell(
        &self,
        lease: &Lease,
        outcome: &Outcome,
        project: &str,
        event: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        jobs::finish(&mut tx, lease, outcome, now).await?;
        let sql = "SELECT name FROM subscribers WHERE project = ?1 ORDER BY name";
        for mut row in tx.query(sql, &[project.into()]).await? {
            enqueue(&mut tx, project, &row.text()?, event, now).await?;
        }
        tx.commit().await
    }

    /// Puts another delivery of an event to a subscriber into the queue.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the subscriber.
    pub async fn tell_again(
        &self,
        project: &str,
        subscriber: &str,
        event: &str,
        now: Timestamp,
    ) -> Result<Job, Error> {
        let mut tx = self.write().await?;
        if one(&mut tx, project, subscriber).await?.is_none() {
            return Err(Error::not_found(Resource::Subscriber, subscriber));
        }
        let id = enqueue(&mut tx, project, subscriber, event, now).await?;
        let job = jobs::find(&mut tx, &id, now).await?;
        tx.commit().await?;
        Ok(job)
    }

    /// The jobs that deliver to the project's subscribers, newest first; those in one state when it is named.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn deliveries(
        &self,
        project: &str,
        state: Option<DeliveryState>,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Job>, Error> {
        let condition = format!(
            "project = ?1 AND kind = ?2 AND (expires_at > ?3 OR finished_at IS NULL) AND {}",
            state.map_or("1 = 1", DeliveryState::condition)
        );
        let values = vec![project.into(), JobKind::Deliver.word().into(), now.into()];
        self.some_jobs(&condition, values, page).await
    }
}

async fn one<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    name: &str,
) -> Result<Option<Subscriber>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM subscribers WHERE project = ?1 AND name = ?2");
    tx.query_one(&sql, &[project.into(), name.into()]).await?.map(Subscriber::from_row).transpose()
}

async fn enqueue<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    subscriber: &str,
    event: &str,
    now: Timestamp,
) -> Result<String, Error> {
    let job = own_job(JobKind::Deliver, project, subscriber, now);
    jobs::enqueue(tx, &NewJob { progress: Some(event.to_owned()), ..job.clone() }, now).await?;
    Ok(job.id)
}

/// Forgets whom a deleted project told.
pub(crate) async fn remove<C: Connection>(tx: &mut Transaction<C>, project: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM subscribers WHERE project = ?1", &[project.into()]).await.map(drop)
}
