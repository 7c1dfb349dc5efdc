//! Import of a project file (contract: authoring 8): what can be judged without the documents is judged here, labels
//! against the documents' text by the worker.

use crate::foreign::format_of;
use crate::payloads::ForeignPayload;
use crate::projects::{file_metadata, whole_change};
use crate::{Answer, Authoring, jobs, stored};
use catalog::{Driver, Job, JobKind, ProjectChange};
use label_formats::SourceFormat;
use language_api::project_file::ProjectFile;
use language_api::{
    ApiError, ImportJobState, ImportProgress, JobId, JobLocation, JobStatus, ProjectName, Reply, refuse_file,
};

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/:import`: creates the project when there is none; the labels are replaced by a job. With
    /// `?format=` the file is one of another tool.
    ///
    /// # Errors
    /// 400 with all problems of the file, 409 while another job runs or when the container would change.
    pub async fn import(&self, name: &ProjectName, body: Vec<u8>) -> Answer {
        let existing = self.existing(name).await?.map(file_metadata).transpose()?;
        if let Some(format) = format_of(&self.query)? {
            return self.import_foreign(name, format, body, existing).await;
        }
        let refuse = |problems: Vec<_>| refuse_file(&body, &problems);
        let (file, format) = label_formats::read(&body, existing.as_ref()).map_err(refuse)?;
        let mut problems = label_formats::check(&file, &self.limits);
        problems.extend(file.metadata.path_problem(name));
        if !problems.is_empty() {
            return Err(refuse(format.restate(problems)));
        }
        let options = file.metadata.options().map_err(refuse)?;
        if existing.is_none() {
            self.check_project_quota().await?;
        }
        let payload = if format == SourceFormat::Current { body } else { file.to_json().into_bytes() };
        let (id, job) = self.new_job(JobKind::Import, name, "", payload);
        // A new project is there before its labels are, as callers expect who read it at once. An existing one takes
        // over the file's metadata together with its labels, in the job.
        let enqueued = self.catalog.enqueue_import(&whole_change(options), &job, self.now).await;
        enqueued.map_err(|error| refused_container(error, "#/metadata/storageInputContainerName"))?;
        Ok(Reply::accepted(self.links.job(&JobLocation::Import { project: name.clone(), job: id })))
    }

    /// `GET /{project}/import/jobs/{job}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_import_job(&self, project: &ProjectName, id: JobId) -> Answer {
        let job = self.find_job_of(project, id, &[JobKind::Import]).await?;
        Ok(self.job_reply(&import_state(&job)?, &job))
    }
}

/// A container that would change is named where the caller gave it.
pub(crate) fn refused_container(error: catalog::Error, target: &str) -> ApiError {
    match error {
        fixed @ catalog::Error::ContainerFixed { .. } => ApiError::from(fixed).at(target),
        other => other.into(),
    }
}

fn import_state(job: &Job) -> Result<ImportJobState, ApiError> {
    let job_state = jobs::state(job)?;
    let mut progress = import_progress(job)?;
    if job_state.status == JobStatus::Succeeded {
        progress.percent_complete = 100;
    }
    Ok(ImportJobState { progress, job: job_state })
}

/// What an import's row says about its work; the beginning before a worker wrote anything.
///
/// # Errors
/// The row is unreadable: a defect.
pub fn import_progress(job: &Job) -> Result<ImportProgress, ApiError> {
    stored(job.progress.as_deref().map_or_else(|| Ok(ImportProgress::default()), serde_json::from_str))
}

/// The file of an import job, read again by the worker, with what it says about the project and the texts that came
/// inside it.
///
/// # Errors
/// All problems of its shape: impossible for a file this server accepted, unless its code changed since.
pub fn reread_import(
    job: &Job,
    payload: &[u8],
) -> Result<(ProjectFile, ProjectChange, Vec<(String, String)>), ApiError> {
    // Only a file of another tool has a report of what became of it.
    if import_progress(job)?.conversion.is_none() {
        let (file, change) = reread_file(payload)?;
        return Ok((file, change, vec![]));
    }
    let foreign: ForeignPayload = stored(serde_json::from_slice(payload))?;
    let (file, change) = reread_file(foreign.file.as_bytes())?;
    Ok((file, change, foreign.texts))
}

fn reread_file(payload: &[u8]) -> Result<(ProjectFile, ProjectChange), ApiError> {
    let refuse = |problems: Vec<_>| refuse_file(payload, &problems);
    let (file, _) = label_formats::read(payload, None).map_err(refuse)?;
    let options = file.metadata.options().map_err(refuse)?;
    Ok((file, whole_change(options)))
}
