//! The wire contract: routes, requests, answers and the error body of the custom entity recognition API.
//!
//! The only crate that knows wire names. Pure: no I/O, no clock, no randomness, no decisions about projects
//! or jobs. Bodies come in as bytes and go out as types that serialize to the contract's JSON.

pub mod automation;
pub mod copies;
pub mod deployments;
pub mod error;
pub mod evaluation;
pub mod exchange;
pub mod exported_models;
pub mod file_writer;
pub mod guidance;
pub mod ids;
pub mod jobs;
pub mod languages;
pub mod limits;
pub mod models;
pub mod openapi;
pub mod paging;
pub mod project_file;
pub mod projects;
pub mod query;
mod read;
pub mod routes;
pub mod runtime;
pub mod storage_events;
pub mod subscribers;
pub mod timestamps;
pub mod training;
pub mod version;

pub use error::{ApiError, ErrorBody, ErrorKind, ErrorResponse, InnerError};
pub use exchange::{Call, INTERNAL_SECRET_HEADER, Reply};
pub use file_writer::FileWriter;
pub use ids::{
    ContainerName, DeploymentName, ExportedModelName, JobId, ModelLabel, NameError, ProjectName, RuntimeJobId,
};
pub use limits::Limits;
pub use paging::{Page, PageRequest};
pub use query::Query;
pub use read::{Problem, refuse_file, refuse_problems};
pub use routes::{AuthoringRoute, JobLocation, Links, Method, RuntimeRoute};
pub use timestamps::{Day, SevenDigits, WholeSeconds};
pub use version::ApiVersion;

pub use automation::AutomationSettings;
pub use deployments::{DeploymentSummary, PutDeploymentRequest, SwapRequest};
pub use evaluation::{EvaluatedDocument, EvaluationSummary};
pub use jobs::{ExportJobState, ImportJobState, ImportProgress, JobState, JobStatus, JobWarning, ProjectJob};
pub use models::{ModelLineage, ModelSummary};
pub use project_file::{FileMetadata, ProjectFile};
pub use projects::{ProjectKind, ProjectMetadata, ProjectOptions, ProjectPatch, ProjectSettings};
pub use subscribers::{AllowedSubscribers, PutSubscriberRequest, SubscriberState, SubscriberUrl};
pub use training::{EvaluationOptions, TrainRequest, TrainingJobState};
