//! Who may send storage events: secrets, stored as digests, and the topics of SNS that a sender speaks for.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::jobs;
use crate::storage_events::own_job;
use crate::{Catalog, Driver, Error, JobKind, NewJob, Resource, Row};

/// A sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// What people call it.
    pub name: String,
    /// Topics of SNS whose messages it brings; none for any other sender.
    pub topics: Vec<SnsTopic>,
}

/// A topic of SNS that a sender speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnsTopic {
    /// Its ARN.
    pub topic: String,
    /// Where the subscription stands.
    pub state: TopicState,
    /// What happened last, for people; empty when nothing did.
    pub reason: String,
}

/// Where a subscription to a topic stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicState {
    /// SNS has not asked yet, or could not be answered.
    Allowed,
    /// SNS was told that it may deliver.
    Confirmed,
    /// SNS said that it will deliver no more.
    Ended,
}

/// A sender to be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEventSource {
    /// What people call it.
    pub name: String,
    /// ARNs of the topics it speaks for.
    pub topics: Vec<String>,
    /// Certificates in PEM that sign its messages. Where none is given, those count that SNS itself shows.
    pub certificates: Vec<String>,
}

impl TopicState {
    const ALL: [Self; 3] = [Self::Allowed, Self::Confirmed, Self::Ended];

    /// Its word in the database and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Confirmed => "confirmed",
            Self::Ended => "ended",
        }
    }

    fn parse(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| Error::Corrupt(format!("topic state {word:?}")))
    }
}

impl SnsTopic {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self { topic: row.text()?, state: TopicState::parse(&row.text()?)?, reason: row.text()? })
    }
}

impl<D: Driver> Catalog<D> {
    /// Lets whoever shows `secret` send events. The caller made the secret: at least 128 random bits.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken.
    pub async fn add_event_source(
        &self,
        source: &NewEventSource,
        secret: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let name = &source.name;
        let digest = Sha256::digest(secret.as_bytes());
        let mut tx = self.write().await?;
        let sql =
            "INSERT INTO event_sources (name, digest, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        if tx.execute(sql, &[name.into(), digest.as_slice().into(), now.into()]).await? == 0 {
            return Err(Error::Exists { resource: Resource::EventSource, name: name.clone() });
        }
        let sql = "INSERT INTO sns_topics (source, topic, state, reason) VALUES (?1, ?2, ?3, '') \
                   ON CONFLICT DO NOTHING";
        for topic in &source.topics {
            tx.execute(sql, &[name.into(), topic.into(), TopicState::Allowed.word().into()]).await?;
        }
        let sql = "INSERT INTO sns_certificates (source, url, given, pem) VALUES (?1, ?2, 1, ?3)";
        for (number, certificate) in source.certificates.iter().enumerate() {
            tx.execute(sql, &[name.into(), format!("given {number}").into(), certificate.into()]).await?;
        }
        tx.commit().await
    }

    /// Those who may send events, by name.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn event_sources(&self) -> Result<Vec<EventSource>, Error> {
        let mut found = vec![];
        for mut row in self.query("SELECT name FROM event_sources ORDER BY name", &[]).await? {
            let name = row.text()?;
            let topics = self.sns_topics(&name).await?;
            found.push(EventSource { name, topics });
        }
        Ok(found)
    }

    /// The topics that the source speaks for.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn sns_topics(&self, source: &str) -> Result<Vec<SnsTopic>, Error> {
        let sql = "SELECT topic, state, reason FROM sns_topics WHERE source = ?1 ORDER BY topic";
        self.query(sql, &[source.into()]).await?.into_iter().map(SnsTopic::from_row).collect()
    }

    /// Writes where the subscription to a topic stands, or leaves it where it was, and what happened. A topic that is no
    /// longer allowed stays so.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn put_topic_state(
        &self,
        source: &str,
        topic: &str,
        state: Option<TopicState>,
        reason: &str,
    ) -> Result<(), Error> {
        let sql =
            "UPDATE sns_topics SET state = COALESCE(?3, state), reason = ?4 WHERE source = ?1 AND topic = ?2";
        let values =
            [source.into(), topic.into(), state.map(|state| state.word().to_owned()).into(), reason.into()];
        self.execute(sql, &values).await.map(drop)
    }

    /// Certificates in PEM that may have signed a message which names `url`: those that the operator gave, or else the
    /// one that was fetched from there. None when it has yet to be fetched.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn sns_certificates(&self, source: &str, url: &str) -> Result<Vec<String>, Error> {
        let sql =
            "SELECT pem FROM sns_certificates WHERE source = ?1 AND (given = 1 OR url = ?2) ORDER BY url";
        let rows = self.query(sql, &[source.into(), url.into()]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    /// Keeps a certificate that SNS showed at `url`.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn put_sns_certificate(&self, source: &str, url: &str, pem: &str) -> Result<(), Error> {
        let sql = "INSERT INTO sns_certificates (source, url, given, pem) VALUES (?1, ?2, 0, ?3) \
                   ON CONFLICT (source, url) DO UPDATE SET pem = excluded.pem";
        self.execute(sql, &[source.into(), url.into(), pem.into()]).await.map(drop)
    }

    /// Puts a message of SNS that asks for a look around, for a certificate or a confirmation, into the queue.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn enqueue_sns(
        &self,
        source: &str,
        topic: &str,
        message: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let job = own_job(JobKind::Sns, &format!("{SOURCE_PREFIX}{source}"), topic, now);
        jobs::enqueue(&mut tx, &NewJob { payload: message, ..job }, now).await?;
        tx.commit().await
    }

    /// Whose secret this is; `None` when it is nobody's.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn verify_event_source(&self, secret: &str) -> Result<Option<String>, Error> {
        let digest = Sha256::digest(secret.as_bytes());
        let mut found = None;
        // There are few: all are compared, each in constant time.
        for mut row in self.query("SELECT name, digest FROM event_sources ORDER BY name", &[]).await? {
            let (name, stored) = (row.text()?, row.blob()?);
            if bool::from(stored.as_slice().ct_eq(digest.as_slice())) {
                found = Some(name);
            }
        }
        Ok(found)
    }

    /// Takes no more events from the source called `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn remove_event_source(&self, name: &str) -> Result<(), Error> {
        let mut tx = self.write().await?;
        if tx.execute("DELETE FROM event_sources WHERE name = ?1", &[name.into()]).await? == 0 {
            return Err(Error::not_found(Resource::EventSource, name));
        }
        for table in ["sns_topics", "sns_certificates"] {
            tx.execute(&format!("DELETE FROM {table} WHERE source = ?1"), &[name.into()]).await?;
        }
        tx.commit().await
    }
}

/// No project can have a name with a colon.
const SOURCE_PREFIX: &str = "source:";

/// The source of a job's message, by the job's `project`.
pub fn source_of(project: &str) -> &str {
    project.strip_prefix(SOURCE_PREFIX).unwrap_or(project)
}
