//! Copies of projects within this installation (contract: authoring 14): the project that the copy will be says who may
//! make it, with a token that is good for one copy; the worker copies settings, categories and labels as an import
//! would.

use crate::payloads::CopyPayload;
use crate::{Answer, Authoring, jobs, stored};
use catalog::{CopyGrant, Driver, JobKind, Project, ProjectChange};
use jiff::{SignedDuration, Timestamp};
use language_api::copies::{AuthorizeCopyRequest, CopyAuthorization, CopyRequest};
use language_api::{ApiError, ErrorKind, JobId, JobLocation, ProjectKind, ProjectName, Reply, WholeSeconds};

/// Where a self-hosted installation is, as far as callers can tell.
const REGION: &str = "local";

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/:authorize-copy`: a token with which one other project may be copied onto this name.
    ///
    /// # Errors
    /// 400 for a wrong body, 409 when the project is there and may not be replaced, or has another container; the
    /// quota of projects.
    pub async fn authorize_copy(&self, name: &ProjectName, body: &[u8]) -> Answer {
        let request = AuthorizeCopyRequest::parse(body)?;
        let container = request.storage_input_container_name.map(String::from);
        match self.existing(name).await? {
            Some(_) if !request.allow_overwrite => {
                let error =
                    catalog::Error::Exists { resource: catalog::Resource::Project, name: name.to_string() };
                return Err(ApiError::from(error).at("allowOverwrite"));
            }
            Some(project) => {
                let fits = container.as_deref().map_or(Ok(()), |wanted| project.check_container(wanted));
                fits.map_err(|error| ApiError::from(error).at("storageInputContainerName"))?;
            }
            None => self.check_project_quota().await?,
        }
        let seconds = i64::try_from(self.limits.copy_authorization_seconds).unwrap_or(i64::MAX);
        let expires_at =
            self.now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        let replaces = request.allow_overwrite;
        let grant = CopyGrant { project: name.to_string(), container, replaces, expires_at };
        let token = self.id.to_string();
        self.catalog.add_copy_grant(&token, &grant, self.now).await?;
        Ok(Reply::ok(&CopyAuthorization {
            project_kind: ProjectKind::CustomEntityRecognition,
            target_project_name: name.clone(),
            access_token: token,
            expires_at: WholeSeconds(expires_at),
            target_resource_id: self.resource_id().await?,
            target_resource_region: REGION.to_owned(),
        }))
    }

    /// `POST /{project}/:copy`: a job that makes the project of the token what this one is.
    ///
    /// # Errors
    /// 400 for a wrong body, for another installation or for a copy onto itself, 403 for a token that does not allow
    /// it, 404, 409 while another job of the copy runs or when it is there and may not be replaced.
    pub async fn copy(&self, source: &ProjectName, body: &[u8]) -> Answer {
        let request = CopyRequest::parse(body)?;
        self.check_resource(&request.target_resource_id).await?;
        let target = &request.target_project_name;
        if target == source {
            let message = format!("a copy needs two different projects, {source} was given twice");
            return Err(ApiError::new(ErrorKind::Field, message).at("targetProjectName"));
        }
        let original = self.project(source).await?;
        let token = &request.access_token;
        let grant = self.catalog.copy_grant(token, self.now).await.map_err(|error| refused(error, target))?;
        let existing = self.existing(target).await?;
        if existing.is_none() {
            self.check_project_quota().await?;
        }
        let container = grant.container.or_else(|| existing.map(|project| project.container));
        let container = container.unwrap_or_else(|| original.container.clone());
        let payload = stored(serde_json::to_vec(&CopyPayload { container: container.clone() }))?;
        let change = copied_settings(original, target.as_str(), &container);
        // The job is the copy's own: the project that is copied is only read, as by an export.
        let (id, job) = self.new_job(JobKind::Copy, target, source.as_str(), payload);
        let enqueued = self.catalog.enqueue_copy(token, &change, &job, self.now).await;
        enqueued.map_err(|error| refused(error, target))?;
        Ok(Reply::accepted(self.links.job(&JobLocation::Copy { project: source.clone(), job: id })))
    }

    /// `GET /{project}/copy/jobs/{job}`, where the project is what is copied.
    ///
    /// # Errors
    /// 404.
    pub async fn get_copy_job(&self, source: &ProjectName, id: JobId) -> Answer {
        let job = self.find_job(id, &[JobKind::Copy]).await?;
        if job.target != source.as_str() {
            return Err(ApiError::operation_not_found());
        }
        Ok(self.job_reply(&jobs::state(&job)?, &job))
    }

    /// The id of this installation where the service has the id of a resource.
    async fn resource_id(&self) -> Result<String, ApiError> {
        Ok(format!("/spindle/installations/{}", self.catalog.installation_id().await?))
    }

    async fn check_resource(&self, given: &str) -> Result<(), ApiError> {
        if given == self.resource_id().await? {
            return Ok(());
        }
        let message = format!(
            "{given:?} is not this installation, and projects are copied within one installation only; export the \
             project here and import the file there"
        );
        Err(ApiError::new(ErrorKind::Field, message).at("targetResourceId"))
    }
}

fn refused(error: catalog::Error, target: &ProjectName) -> ApiError {
    match error {
        catalog::Error::NotFound { resource: catalog::Resource::CopyGrant, .. } => {
            let message = format!(
                "the access token allows no copy onto {target}: it is unknown, of another project, used or expired; \
                 ask :authorize-copy of {target} for a new one"
            );
            ApiError::new(ErrorKind::Forbidden, message).at("accessToken")
        }
        other => other.into(),
    }
}

/// What the copy of `original` as `name` is, its labels aside; its documents lie in `container`.
pub fn copied_settings(original: Project, name: &str, container: &str) -> ProjectChange {
    ProjectChange {
        name: name.to_owned(),
        container: container.to_owned(),
        language: original.language,
        multilingual: Some(original.multilingual),
        description: Some(original.description),
        confidence_threshold: Some(original.confidence_threshold),
    }
}
