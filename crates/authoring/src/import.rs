//! Import of a project file (contract: authoring 8): what can be judged without the documents is judged here, labels
//! against the documents' text by the worker.

use crate::projects::{file_metadata, whole_change};
use crate::{Answer, Authoring};
use catalog::{Driver, JobKind, ProjectChange};
use label_formats::SourceFormat;
use language_api::project_file::ProjectFile;
use language_api::{ApiError, JobLocation, ProjectName, Reply, refuse_file};

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/:import`: creates the project when there is none; the labels are replaced by a job.
    ///
    /// # Errors
    /// 400 with all problems of the file, 409 while another job runs or when the container would change.
    pub async fn import(&self, name: &ProjectName, body: Vec<u8>) -> Answer {
        let existing = match self.catalog.project(name.as_str()).await {
            Ok(project) => Some(file_metadata(project)?),
            Err(catalog::Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
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
        enqueued.map_err(|error| match error {
            fixed @ catalog::Error::ContainerFixed { .. } => {
                ApiError::from(fixed).at("#/metadata/storageInputContainerName")
            }
            other => other.into(),
        })?;
        Ok(Reply::accepted(self.links.job(&JobLocation::Import { project: name.clone(), job: id })))
    }
}

/// The file of an import job, read again by the worker, with what it says about the project.
///
/// # Errors
/// All problems of its shape: impossible for a file this server accepted, unless its code changed since.
pub fn reread_file(payload: &[u8]) -> Result<(ProjectFile, ProjectChange), ApiError> {
    let refuse = |problems: Vec<_>| refuse_file(payload, &problems);
    let (file, _) = label_formats::read(payload, None).map_err(refuse)?;
    let options = file.metadata.options().map_err(refuse)?;
    Ok((file, whole_change(options)))
}
