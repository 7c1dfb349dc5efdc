//! The only SQL: projects, labels, jobs, models and deployments, behind one [`Catalog`].
//!
//! One schema and one set of statements for every engine; a [`Driver`] carries them to SQLite or PostgreSQL, either through
//! the interface a component imports (feature `guest`) or directly (feature `native`). One file per resource. This crate
//! knows nothing of S3 or of models, and of the wire only which answer each error is (`answer`): JSON columns are texts
//! that callers write and read.
//!
//! **Statements** are written for SQLite and PostgreSQL at once: numbered placeholders `?1` (a PostgreSQL driver
//! writes `$1`), `ON CONFLICT`, `RETURNING`, partial indexes, and the column types `TEXT`, `BIGINT`,
//! `DOUBLE PRECISION` and `BLOB`. PostgreSQL gives a placeholder the type of what stands beside it, which must be a
//! column (`attempt + 1 = ?3`, not `attempt = ?3 - 1`). Times are microseconds UTC; the clock is the caller's.
//!
//! **Durability**: when a method that writes returns `Ok`, the write is on disk. Each method is one transaction unless
//! its documentation says otherwise; a future that is dropped half-way leaves nothing behind.

mod access_keys;
mod answer;
mod automations;
mod call_rates;
#[cfg(feature = "conformance")]
pub mod conformance;
mod copy_grants;
mod deployments;
pub mod driver;
mod encoders;
mod error;
mod event_sources;
mod exported_models;
mod extraction_jobs;
mod jobs;
mod labels;
mod migrations;
mod models;
mod page;
mod projects;
mod settings;
mod storage_events;
mod subscribers;
mod sweep;
mod transaction;
mod value;

pub use access_keys::{AccessKey, Role};
pub use automations::{Asked, Automation, AutomationStep, NewExtraction};
pub use call_rates::CallClass;
pub use copy_grants::CopyGrant;
pub use deployments::{Deployment, ServedModel};
pub use driver::{Connection, Driver};
pub use encoders::Encoder;
pub use error::{Error, Resource};
pub use event_sources::{EventSource, NewEventSource, SnsTopic, TopicState, source_of};
pub use exported_models::ExportedModel;
pub use extraction_jobs::{ExtractionJob, ExtractionTask, NewExtractionJob, TaskResult};
pub use jobs::{Heartbeat, Job, JobCounts, JobKind, JobStatus, Lease, NewJob, Outcome, QueueLength};
pub use labels::{
    Category, CategoryCount, DocumentChange, DocumentFilter, DocumentRow, DocumentState, LabelSet,
    LabelTotals, NewDocument, Noted, ObjectNote,
};
pub use migrations::SCHEMA_VERSION;
pub use models::{EvaluationDocument, Model, NewModel};
pub use page::{Page, PageRequest};
pub use projects::{Project, ProjectChange, Written};
pub use storage_events::{EVENTS_KEPT, EventState, NewStorageEvent, SettledEvent, StorageEvent, inbox_of};
pub use subscribers::{DeliveryState, NewSubscriber, Subscriber};
pub use sweep::{RETIRED_LABELS_KEPT, Swept};
pub use value::{Row, Value};

/// The catalog over one database. Cheap to clone when its driver is; every clone may be used at the same time.
#[derive(Clone, Debug)]
pub struct Catalog<D> {
    driver: D,
}

impl<D: Driver> Catalog<D> {
    /// A catalog whose schema is already in place: what a component uses, since the process that runs it migrated.
    pub fn new(driver: D) -> Self {
        Self { driver }
    }

    /// Brings the schema to [`SCHEMA_VERSION`] and returns the catalog. Safe when many processes start at once.
    ///
    /// # Errors
    /// [`Error::SchemaTooNew`] when a newer release wrote this database; else the database's own failures.
    pub async fn open(driver: D) -> Result<Self, Error> {
        let catalog = Self::new(driver);
        catalog.migrate().await?;
        Ok(catalog)
    }

    /// The driver, for what only one engine can do.
    pub fn driver(&self) -> &D {
        &self.driver
    }
}
