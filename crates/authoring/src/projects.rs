//! Projects (contract: authoring 6).

use crate::{Answer, Authoring, stored};
use catalog::{Driver, JobKind, Project, ProjectChange, Written};
use language_api::projects::Change;
use language_api::{
    ApiError, ContainerName, ErrorKind, FileMetadata, JobLocation, ProjectKind, ProjectMetadata, ProjectName,
    ProjectOptions, ProjectPatch, ProjectSettings, Reply, WholeSeconds,
};

impl<D: Driver> Authoring<'_, D> {
    /// `GET` on the prefix.
    ///
    /// # Errors
    /// 400 for wrong paging.
    pub async fn list_projects(&self) -> Answer {
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let found = self.catalog.projects(page).await?;
        self.list(wanted, found, "", metadata)
    }

    /// `GET /{project}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_project(&self, name: &ProjectName) -> Answer {
        Ok(Reply::ok(&metadata(self.project(name).await?)?))
    }

    /// `PATCH /{project}`: creates (201) or changes (200).
    ///
    /// # Errors
    /// 400 for wrong fields, 409 when the container would change, the quota of projects.
    pub async fn patch_project(&self, name: &ProjectName, body: &[u8]) -> Answer {
        let patch = ProjectPatch::parse(body, name)?;
        let change = match self.existing(name).await? {
            Some(project) => {
                let cleared = cleared(&patch);
                let options = patch.update(metadata(project)?.options)?;
                change(options, cleared)
            }
            None => {
                self.check_project_quota().await?;
                change(patch.create(name.clone())?, Cleared::default())
            }
        };
        let (project, written) = self.catalog.put_project(&change, self.now).await?;
        let status = if written == Written::Created { 201 } else { 200 };
        Ok(Reply::json(status, &metadata(project)?))
    }

    /// `DELETE /{project}`: a job; the documents stay where they are.
    ///
    /// # Errors
    /// 404, 409 while another job runs.
    pub async fn delete_project(&self, name: &ProjectName) -> Answer {
        self.project(name).await?;
        self.enqueue(JobKind::DeleteProject, name, "", vec![], None, |job| JobLocation::Deletion { job })
            .await
    }

    /// The project, if it is there.
    pub(crate) async fn existing(&self, name: &ProjectName) -> Result<Option<Project>, ApiError> {
        match self.catalog.project(name.as_str()).await {
            Ok(project) => Ok(Some(project)),
            Err(catalog::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn check_project_quota(&self) -> Result<(), ApiError> {
        let total = self.catalog.projects(catalog::PageRequest::first(1)).await?.total;
        if total < u64::from(self.limits.projects_max) {
            return Ok(());
        }
        let message = format!("this server keeps at most {} projects", self.limits.projects_max);
        Err(ApiError::new(ErrorKind::QuotaExceeded, message))
    }
}

/// Optional fields that the patch removes.
#[derive(Default)]
struct Cleared {
    description: bool,
    confidence_threshold: bool,
}

fn cleared(patch: &ProjectPatch) -> Cleared {
    Cleared {
        description: patch.description == Change::Clear,
        confidence_threshold: patch.confidence_threshold == Change::Clear,
    }
}

fn change(options: ProjectOptions, cleared: Cleared) -> ProjectChange {
    let optional = |value: Option<_>, cleared: bool| if cleared { Some(None) } else { value.map(Some) };
    let threshold = options.settings.confidence_threshold.map(f64::from);
    ProjectChange {
        name: options.project_name.into(),
        container: options.storage_input_container_name.into(),
        language: options.language,
        multilingual: Some(options.multilingual),
        description: if cleared.description { Some(None) } else { options.description.map(Some) },
        confidence_threshold: optional(threshold, cleared.confidence_threshold),
    }
}

/// What an import says about the project: all of it.
pub(crate) fn whole_change(options: ProjectOptions) -> ProjectChange {
    ProjectChange {
        description: Some(options.description.clone()),
        confidence_threshold: Some(options.settings.confidence_threshold.map(f64::from)),
        ..change(options, Cleared::default())
    }
}

/// What a project file says about a stored project.
///
/// # Errors
/// The catalog holds what is no project's name: a defect.
pub fn file_metadata(project: Project) -> Result<FileMetadata, ApiError> {
    Ok(FileMetadata::from(&metadata(project)?.options))
}

/// A stored project on the wire.
pub(crate) fn metadata(project: Project) -> Result<ProjectMetadata, ApiError> {
    #[expect(clippy::cast_possible_truncation, reason = "a ratio given as f32 and stored as f64")]
    let confidence_threshold = project.confidence_threshold.map(|ratio| ratio as f32);
    Ok(ProjectMetadata {
        created_date_time: WholeSeconds(project.created_at),
        last_modified_date_time: WholeSeconds(project.modified_at),
        last_trained_date_time: project.trained_at.map(WholeSeconds),
        last_deployed_date_time: project.deployed_at.map(WholeSeconds),
        options: ProjectOptions {
            project_kind: ProjectKind::CustomEntityRecognition,
            storage_input_container_name: stored(ContainerName::new(&project.container))?,
            settings: ProjectSettings { confidence_threshold },
            project_name: stored(ProjectName::new(&project.name))?,
            multilingual: project.multilingual,
            description: project.description,
            language: project.language,
        },
    })
}
