//! What a project does by itself when objects change: its settings, and what they led to so far.
//!
//! The settings are JSON of the caller's making. What is remembered beside them makes every step happen once: the label
//! file that was imported, the labels that were trained on, the documents that were extracted from.

use jiff::Timestamp;

use crate::jobs;
use crate::storage_events::own_job;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, JobKind, NewJob, Resource, Row, subscribers};

const COLUMNS: &str =
    "settings, label_file_seen, label_file_imported, trained_set, trained_labeled, training_job";

/// A project's automation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automation {
    /// What is to happen, JSON.
    pub settings: String,
    /// Entity tag of the label file as an event told of it last.
    pub label_file_seen: Option<String>,
    /// Entity tag of the label file that was imported last.
    pub label_file_imported: Option<String>,
    /// The labels that the last training began with, or that were there when the automation began.
    pub trained_set: String,
    /// How many labelled documents these had.
    pub trained_labeled: u64,
    /// The training whose model has not been judged yet.
    pub training_job: Option<String>,
}

/// One step of an automation that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutomationStep {
    /// The label file with this entity tag is being imported, or can't be.
    Imported(String),
    /// A training was started.
    Trained {
        /// On these labels.
        set: String,
        /// With so many labelled documents.
        labeled: u64,
        /// The job; `None` when it could not be started.
        job: Option<String>,
    },
    /// The last training's model was judged, or there is none.
    Judged,
}

/// A document to extract from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExtraction {
    /// The object's key.
    pub location: String,
    /// Its entity tag.
    pub etag: String,
    /// What the worker needs to know.
    pub payload: Vec<u8>,
}

/// What a request to extract from a document came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// This job does it.
    Started(String),
    /// There is no such deployment: the document waits for it.
    Waits,
    /// It was extracted from before as it is now, or is being.
    Known,
}

impl Automation {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            settings: row.text()?,
            label_file_seen: row.optional_text()?,
            label_file_imported: row.optional_text()?,
            trained_set: row.text()?,
            trained_labeled: row.count()?,
            training_job: row.optional_text()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// The project's automation; `None` when it has none.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn automation(&self, project: &str) -> Result<Option<Automation>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM automations WHERE project = ?1");
        self.query_one(&sql, &[project.into()]).await?.map(Automation::from_row).transpose()
    }

    /// Sets what the project does by itself. With `afresh` its present labels count as trained on; so do they when it
    /// had no automation.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the project.
    pub async fn put_automation(
        &self,
        project: &str,
        settings: &str,
        afresh: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let Some(mut row) =
            tx.query_one("SELECT label_set FROM projects WHERE name = ?1", &[project.into()]).await?
        else {
            return Err(Error::not_found(Resource::Project, project));
        };
        let set = row.text()?;
        let labeled = "SELECT COUNT(regions) FROM documents WHERE label_set = ?1";
        let labeled = i64::try_from(tx.count(labeled, &[(&set).into()]).await?).unwrap_or(i64::MAX);
        let sql = "INSERT INTO automations (project, settings, modified_at, trained_set, trained_labeled) \
                   VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (project) DO UPDATE SET settings = excluded.settings, \
                   modified_at = excluded.modified_at";
        tx.execute(sql, &[project.into(), settings.into(), now.into(), (&set).into(), labeled.into()])
            .await?;
        if afresh {
            let sql = "UPDATE automations SET trained_set = ?2, trained_labeled = ?3 WHERE project = ?1";
            tx.execute(sql, &[project.into(), set.into(), labeled.into()]).await?;
        }
        // Other settings may name a deployment that is there.
        let sql = "SELECT COUNT(*) FROM waiting_extractions WHERE project = ?1";
        if tx.count(sql, &[project.into()]).await? > 0 {
            automate(&mut tx, project, now).await?;
        }
        tx.commit().await
    }

    /// Takes note of a label file that was written, and puts the project's automation into the queue. Returns whether
    /// it differs from the one seen before.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn see_label_file(&self, project: &str, etag: &str, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        let sql = "UPDATE automations SET label_file_seen = ?2 \
                   WHERE project = ?1 AND (label_file_seen IS NULL OR label_file_seen <> ?2)";
        let seen = tx.execute(sql, &[project.into(), etag.into()]).await? > 0;
        if seen {
            automate(&mut tx, project, now).await?;
        }
        tx.commit().await?;
        Ok(seen)
    }

    /// Remembers a step that was taken.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn put_automation_step(&self, project: &str, step: &AutomationStep) -> Result<(), Error> {
        let project = project.into();
        match step {
            AutomationStep::Imported(etag) => {
                let sql = "UPDATE automations SET label_file_imported = ?2 WHERE project = ?1";
                self.execute(sql, &[project, etag.into()]).await
            }
            AutomationStep::Trained { set, labeled, job } => {
                let labeled = i64::try_from(*labeled).unwrap_or(i64::MAX);
                let sql = "UPDATE automations SET trained_set = ?2, trained_labeled = ?3, training_job = ?4 \
                           WHERE project = ?1";
                self.execute(sql, &[project, set.into(), labeled.into(), job.clone().into()]).await
            }
            AutomationStep::Judged => {
                self.execute("UPDATE automations SET training_job = NULL WHERE project = ?1", &[project])
                    .await
            }
        }
        .map(drop)
    }

    /// Puts a job into the queue for every document that was not extracted from as it is now. While the project has no
    /// `deployment` of that name, documents wait ([`Catalog::waiting_extractions`]).
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn request_extractions(
        &self,
        project: &str,
        deployment: &str,
        documents: &[NewExtraction],
        now: Timestamp,
    ) -> Result<Vec<Asked>, Error> {
        let mut tx = self.write().await?;
        let sql = "SELECT COUNT(*) FROM deployments WHERE project = ?1 AND name = ?2";
        let deployed = tx.count(sql, &[project.into(), deployment.into()]).await? > 0;
        let mut asked = Vec::with_capacity(documents.len());
        for document in documents {
            asked.push(ask(&mut tx, project, deployed, document, now).await?);
        }
        tx.commit().await?;
        Ok(asked)
    }

    /// Documents that wait for a deployment, as location and entity tag, by location; at most `limit`.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn waiting_extractions(
        &self,
        project: &str,
        limit: u32,
    ) -> Result<Vec<(String, String)>, Error> {
        let sql =
            "SELECT location, etag FROM waiting_extractions WHERE project = ?1 ORDER BY location LIMIT ?2";
        let rows = self.query(sql, &[project.into(), i64::from(limit).into()]).await?;
        rows.into_iter().map(|mut row| Ok((row.text()?, row.text()?))).collect()
    }

    /// Forgets that a document was extracted from or waits to be: it is gone, and one of its name would be a new one.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn forget_extraction(&self, project: &str, location: &str) -> Result<(), Error> {
        let mut tx = self.write().await?;
        for table in ["automation_extractions", "waiting_extractions"] {
            let sql = format!("DELETE FROM {table} WHERE project = ?1 AND location = ?2");
            tx.execute(&sql, &[project.into(), location.into()]).await?;
        }
        tx.commit().await
    }
}

async fn ask<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    deployed: bool,
    document: &NewExtraction,
    now: Timestamp,
) -> Result<Asked, Error> {
    let (location, etag) = (&document.location, &document.etag);
    let known =
        "SELECT COUNT(*) FROM automation_extractions WHERE project = ?1 AND location = ?2 AND etag = ?3";
    if tx.count(known, &[project.into(), location.into(), etag.into()]).await? > 0 {
        return Ok(Asked::Known);
    }
    if !deployed {
        let sql = "INSERT INTO waiting_extractions (project, location, etag) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (project, location) DO UPDATE SET etag = excluded.etag";
        tx.execute(sql, &[project.into(), location.into(), etag.into()]).await?;
        return Ok(Asked::Waits);
    }
    let new = own_job(JobKind::ExtractDocument, project, location, now);
    let sql = "INSERT INTO automation_extractions (project, location, etag, job) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (project, location) DO UPDATE SET etag = excluded.etag, job = excluded.job";
    tx.execute(sql, &[project.into(), location.into(), etag.into(), (&new.id).into()]).await?;
    let sql = "DELETE FROM waiting_extractions WHERE project = ?1 AND location = ?2";
    tx.execute(sql, &[project.into(), location.into()]).await?;
    jobs::enqueue(tx, &NewJob { payload: document.payload.clone(), ..new.clone() }, now).await?;
    Ok(Asked::Started(new.id))
}

/// Puts the project's automation into the queue, when it has one and none waits there yet.
pub(crate) async fn automate<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    now: Timestamp,
) -> Result<(), Error> {
    if tx.count("SELECT COUNT(*) FROM automations WHERE project = ?1", &[project.into()]).await? == 0 {
        return Ok(());
    }
    // One that runs may have looked already, so only one that has not begun will do.
    let waiting =
        "SELECT COUNT(*) FROM jobs WHERE project = ?1 AND kind = ?2 AND finished_at IS NULL AND attempt = 0";
    let kind = JobKind::Automate.word();
    if tx.count(waiting, &[project.into(), kind.into()]).await? > 0 {
        return Ok(());
    }
    jobs::enqueue(tx, &own_job(JobKind::Automate, project, "", now), now).await
}

/// The end of an exclusive job lets its project's automation take the next step.
pub(crate) async fn after_job<C: Connection>(
    tx: &mut Transaction<C>,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "SELECT project FROM jobs WHERE id = ?1 AND exclusive = 1";
    match tx.query_one(sql, &[id.into()]).await? {
        Some(mut row) => automate(tx, &row.text()?, now).await,
        None => Ok(()),
    }
}

/// Forgets what a deleted project did by itself.
pub(crate) async fn remove<C: Connection>(tx: &mut Transaction<C>, project: &str) -> Result<(), Error> {
    for table in ["automation_extractions", "waiting_extractions", "automations"] {
        tx.execute(&format!("DELETE FROM {table} WHERE project = ?1"), &[project.into()]).await?;
    }
    subscribers::remove(tx, project).await
}
