//! What can go wrong, by who can fix it.

use std::fmt;

use crate::{JobKind, JobStatus};

/// A failure of the catalog. `NotFound` and the conflicts are answers for the caller; the rest is for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller named something that is not there, or is no longer kept.
    #[error("{resource} {name:?} does not exist")]
    NotFound {
        /// What kind of thing.
        resource: Resource,
        /// Its name or id as given.
        name: String,
    },
    /// Another exclusive job of the project has not ended (contract: authoring 4).
    #[error("{kind} job {job} of project {project:?} is still running")]
    JobRunning {
        /// The project.
        project: String,
        /// The job that runs.
        job: String,
        /// What it does.
        kind: JobKind,
    },
    /// The job has ended and can't be changed.
    #[error("job {job} has already ended: {status}")]
    JobEnded {
        /// The job.
        job: String,
        /// How it ended.
        status: JobStatus,
    },
    /// A deployment still uses the model (contract: authoring 3).
    #[error("model {label:?} is used by deployment {deployment:?}")]
    ModelDeployed {
        /// The model.
        label: String,
        /// One deployment that uses it.
        deployment: String,
    },
    /// The name is taken.
    #[error("{resource} {name:?} already exists")]
    Exists {
        /// What kind of thing.
        resource: Resource,
        /// The taken name.
        name: String,
    },
    /// Somebody changed the row since the caller read it. The caller reads again.
    #[error("{resource} {name:?} was changed by someone else")]
    Changed {
        /// What kind of thing.
        resource: Resource,
        /// Its name.
        name: String,
    },
    /// The project's field is fixed at creation.
    #[error("the container of project {project:?} is {container:?} and can't be changed")]
    ContainerFixed {
        /// The project.
        project: String,
        /// The container it has.
        container: String,
    },
    /// The lease ran out and another worker may have the job: stop, write nothing more.
    #[error("the lease of job {job} was lost")]
    LeaseLost {
        /// The job.
        job: String,
    },
    /// Other writers held the database longer than the driver waits. Worth another try.
    #[error("the database is busy")]
    Busy,
    /// The database can't be reached or refuses to work. The operator can fix it.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The disk or the database's quota is full. The operator can fix it.
    #[error("the database is full")]
    Full,
    /// The component may not use this database. Whoever wrote the application's manifest can fix it.
    #[error("access to database {0:?} is not granted in the application's manifest")]
    AccessDenied(String),
    /// A newer release wrote this database. The operator runs that release, or restores a backup.
    #[error(
        "the database has schema version {found}, this program knows versions up to {known}; use the newer program"
    )]
    SchemaTooNew {
        /// What the database has.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// The database holds what this program never writes.
    #[error("the database holds an unexpected value: {0}")]
    Corrupt(String),
    /// A statement broke a rule of the schema that no answer above stands for: a defect of this program.
    #[error("the database refused a statement: {0}")]
    Refused(String),
}

impl Error {
    /// Whether the same call may succeed a little later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_))
    }

    pub(crate) fn not_found(resource: Resource, name: &str) -> Self {
        Self::NotFound { resource, name: name.to_owned() }
    }
}

/// Kinds of things that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A project.
    Project,
    /// An entity category of a project.
    EntityCategory,
    /// A document of a project.
    Document,
    /// A version of a project's labels.
    LabelSet,
    /// A job.
    Job,
    /// A trained model.
    Model,
    /// A model bundle by model id.
    Bundle,
    /// A deployment.
    Deployment,
    /// An encoder by digest.
    Encoder,
    /// An access key.
    AccessKey,
    /// A permission to copy.
    CopyGrant,
    /// An exported model.
    ExportedModel,
    /// A file of an exported model.
    ExportedFile,
    /// Somebody who may send storage events.
    EventSource,
    /// Somebody who is told what a project extracted.
    Subscriber,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Project => "project",
            Self::EntityCategory => "entity category",
            Self::Document => "document",
            Self::LabelSet => "label set",
            Self::Job => "job",
            Self::Model => "model",
            Self::Bundle => "model bundle",
            Self::Deployment => "deployment",
            Self::Encoder => "encoder",
            Self::AccessKey => "access key",
            Self::CopyGrant => "permission to copy",
            Self::ExportedModel => "exported model",
            Self::ExportedFile => "file of an exported model",
            Self::EventSource => "event source",
            Self::Subscriber => "subscriber",
        })
    }
}
