//! Authoring: projects, import, training, models, evaluation, deployments and their jobs, one file per resource.
//!
//! Use-cases between the wire contract and the catalog. They check what the caller asks for and read or change the
//! catalog; what takes time they enqueue. Clock and ids come in from outside, so the same call on the same catalog
//! gives the same answer.

mod access;
mod automation;
mod copies;
mod deployments;
mod evaluation;
mod export;
mod exported_models;
mod foreign;
mod import;
mod jobs;
mod lists;
mod models;
pub mod payloads;
mod projects;
mod quota;
mod resources;
mod subscribers;
mod training;

pub use access::role_needed;
pub use automation::settings_of;
pub use copies::copied_settings;
pub use import::{import_progress, reread_import};
pub use projects::file_metadata;
pub use training::{CONFIG_AUTOMATIC, CONFIG_VERSIONS, expires, resolve_config};

use catalog::{CallClass, Catalog, Driver, JobKind, NewJob};
use jiff::{SignedDuration, Timestamp};
use language_api::{
    ApiError, ApiVersion, AuthoringRoute, Call, JobId, JobLocation, Limits, Links, Page, PageRequest,
    ProjectName, Query, Reply,
};
use serde::Serialize;
use uuid::Uuid;

/// What every use-case answers with.
pub type Answer = Result<Reply, ApiError>;

/// One call's view of the house.
#[derive(Debug)]
pub struct Authoring<'a, D> {
    catalog: &'a Catalog<D>,
    links: Links,
    query: Query,
    path: String,
    limits: Limits,
    now: Timestamp,
    id: Uuid,
}

impl<'a, D: Driver> Authoring<'a, D> {
    /// A view for one call of `route` at `now`; `id` names the job the call may start.
    ///
    /// # Errors
    /// 401 without a valid key, 403 when the key's role may not make this call, 429 above the rates in `limits`, 413
    /// for too large a body, 400 without a valid `api-version`.
    pub async fn open(
        catalog: &'a Catalog<D>,
        call: &Call,
        route: &AuthoringRoute,
        limits: Limits,
        now: Timestamp,
        id: Uuid,
    ) -> Result<Self, ApiError> {
        catalog.authorize(call.key.as_deref(), role_needed(route)).await?;
        let (class, rate) = if call.method == "GET" {
            (CallClass::AuthoringRead, limits.authoring_reads_per_minute)
        } else {
            (CallClass::AuthoringWrite, limits.authoring_writes_per_minute)
        };
        catalog.admit(class, rate, now).await?;
        let links = call.links()?;
        check_body(call.body.len() as u64, limits.authoring_body_bytes_max)?;
        Ok(Self { catalog, links, query: call.query.clone(), path: call.path.clone(), limits, now, id })
    }

    /// A view for the installation itself, which does for a project what its owner asked for: nobody calls, so that
    /// nobody shows a key and no rate counts. `id` names the job that is started.
    pub fn of_installation(catalog: &'a Catalog<D>, limits: Limits, now: Timestamp, id: Uuid) -> Self {
        let links = Links::new("", ApiVersion::default());
        Self { catalog, links, query: Query::default(), path: String::new(), limits, now, id }
    }

    /// Puts a job into the queue and answers with its address. `progress` is what its state shows beside the common
    /// fields before a worker has begun.
    async fn enqueue(
        &self,
        kind: JobKind,
        project: &ProjectName,
        target: &str,
        payload: Vec<u8>,
        progress: Option<String>,
        location: impl FnOnce(JobId) -> JobLocation,
    ) -> Answer {
        let (id, job) = self.new_job(kind, project, target, payload);
        let job = NewJob { progress, ..job };
        self.catalog.enqueue(&job, self.now).await?;
        Ok(Reply::accepted(self.links.job(&location(id))))
    }

    fn new_job(
        &self,
        kind: JobKind,
        project: &ProjectName,
        target: &str,
        payload: Vec<u8>,
    ) -> (JobId, NewJob) {
        let id = JobId::new(self.id, self.now);
        let kept = i64::try_from(self.limits.authoring_job_seconds).unwrap_or(i64::MAX);
        let job = NewJob {
            id: id.to_string(),
            kind,
            project: project.to_string(),
            target: target.to_owned(),
            payload,
            progress: None,
            expires_at: self.now.saturating_add(SignedDuration::from_secs(kept)).unwrap_or(Timestamp::MAX),
        };
        (id, job)
    }

    /// The project, or 404 `ProjectNotFound`.
    async fn project(&self, project: &ProjectName) -> Result<catalog::Project, ApiError> {
        Ok(self.catalog.project(project.as_str()).await?)
    }

    /// The caller's part of a list, as the catalog takes it.
    fn page(&self, items_default: u32) -> Result<(PageRequest, catalog::PageRequest), ApiError> {
        let wanted = PageRequest::parse(&self.query)?;
        let limit = wanted.take(items_default, self.limits.page_items_max);
        Ok((wanted, catalog::PageRequest { limit, offset: wanted.skip }))
    }

    /// The list envelope with its next link.
    fn list<T, W: Serialize>(
        &self,
        wanted: PageRequest,
        found: catalog::Page<T>,
        extra: &str,
        wire: impl FnMut(T) -> Result<W, ApiError>,
    ) -> Answer {
        let taken = u32::try_from(found.items.len()).unwrap_or(u32::MAX);
        let next = wanted.next(taken, found.has_more);
        let next_link = next.map(|next| self.links.next_page(&self.path, extra, &next));
        let value = found.items.into_iter().map(wire).collect::<Result<Vec<W>, _>>()?;
        Ok(Reply::ok(&Page { value, next_link }))
    }
}

fn check_body(bytes: u64, max: u64) -> Result<(), ApiError> {
    if bytes <= max {
        return Ok(());
    }
    let message = format!("the request body has {bytes} bytes, at most {max} are allowed");
    Err(ApiError::new(language_api::ErrorKind::BodyTooLarge, message))
}

/// A stored text that must be readable, since this program wrote it.
fn stored<T, E: std::fmt::Display>(read: Result<T, E>) -> Result<T, ApiError> {
    read.map_err(|error| {
        ApiError::new(
            language_api::ErrorKind::Internal,
            format!("the catalog holds an unreadable value: {error}"),
        )
    })
}
