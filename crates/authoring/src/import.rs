//! Import of a project file (contract: authoring 8): what can be judged without the documents is judged here, labels
//! against the documents' text by the worker.

use crate::projects::{metadata, whole_change};
use crate::{Answer, Authoring};
use catalog::{Driver, JobKind, ProjectChange};
use label_formats::SourceFormat;
use language_api::project_file::{FileMetadata, ProjectFile};
use language_api::{
    ApiError, ErrorKind, JobLocation, ProjectMetadata, ProjectName, ProjectOptions, refuse_file,
};

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/:import`: creates the project when there is none; the labels are replaced by a job.
    ///
    /// # Errors
    /// 400 with all problems of the file, 409 while another job runs or when the container would change.
    pub async fn import(&self, name: &ProjectName, body: Vec<u8>) -> Answer {
        let existing = match self.catalog.project(name.as_str()).await {
            Ok(project) => Some(metadata(project)?),
            Err(catalog::Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let known = existing.as_ref().map(file_metadata);
        let refuse = |problems: Vec<_>| refuse_file(&body, &problems);
        let (file, format) = label_formats::read(&body, known.as_ref()).map_err(refuse)?;
        file.metadata.check_path(name)?;
        let options = file.metadata.options().map_err(refuse)?;
        let problems = label_formats::check(&file, &self.limits);
        if !problems.is_empty() {
            return Err(refuse(format.restate(problems)));
        }
        self.prepare_project(existing, options).await?;
        let payload = if format == SourceFormat::Current { body } else { file.to_json().into_bytes() };
        let location = |job| JobLocation::Import { project: name.clone(), job };
        self.enqueue(JobKind::Import, name, "", payload, location).await
    }

    /// A new project is there before its labels are, as callers expect who read it at once. An existing one takes over
    /// the file's metadata together with its labels, in the job.
    async fn prepare_project(
        &self,
        existing: Option<ProjectMetadata>,
        options: ProjectOptions,
    ) -> Result<(), ApiError> {
        let Some(existing) = existing else {
            self.check_project_quota().await?;
            self.catalog.put_project(&whole_change(options), self.now).await?;
            return Ok(());
        };
        let (has, wants) =
            (existing.options.storage_input_container_name, options.storage_input_container_name);
        if has == wants {
            return Ok(());
        }
        let message = format!("the project belongs to container {has}; the file names {wants}");
        Err(ApiError::new(ErrorKind::Conflict, message).at("#/metadata/storageInputContainerName"))
    }
}

fn file_metadata(project: &ProjectMetadata) -> FileMetadata {
    let options = project.options.clone();
    FileMetadata {
        project_kind: language_api::ProjectKind::NAME.to_owned(),
        storage_input_container_name: options.storage_input_container_name.into(),
        settings: options.settings,
        project_name: options.project_name.into(),
        multilingual: options.multilingual,
        description: options.description,
        language: options.language,
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
