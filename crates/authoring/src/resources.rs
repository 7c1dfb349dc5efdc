//! Other resources that a project may be assigned to (contract: authoring 14). A self-hosted installation is one resource:
//! its lists are empty, and what would need another one is refused.

use crate::{Answer, Authoring};
use catalog::Driver;
use language_api::deployments::{resources_to_assign, resources_to_leave, resources_to_unassign};
use language_api::{ApiError, DeploymentName, ErrorKind, ProjectName};

impl<D: Driver> Authoring<'_, D> {
    /// `GET /global/deployments/resources`: no other resource has deployments of this one.
    ///
    /// # Errors
    /// 400 for wrong paging.
    pub fn list_deployment_resources(&self) -> Answer {
        self.nothing()
    }

    /// `GET /{project}/resources`: a project lives on this server alone.
    ///
    /// # Errors
    /// 404, 400 for wrong paging.
    pub async fn list_resources(&self, project: &ProjectName) -> Answer {
        self.project(project).await?;
        self.nothing()
    }

    /// `POST /{project}/resources/:assign`: there is nothing to assign.
    ///
    /// # Errors
    /// 404 for the project, else 400.
    pub async fn assign_resources(&self, project: &ProjectName, body: &[u8]) -> Answer {
        self.project(project).await?;
        let named = resources_to_assign(body)?.join(", ");
        let message = format!(
            "{named} can't be assigned: a project lives on this installation alone; to have it elsewhere, export it here \
             and import the file there"
        );
        Err(ApiError::new(ErrorKind::Field, message).at("resourcesMetadata"))
    }

    /// `POST /{project}/resources/:unassign`: nothing is assigned.
    ///
    /// # Errors
    /// 404 for the project, 400 for a wrong body, else 404 for the resources.
    pub async fn unassign_resources(&self, project: &ProjectName, body: &[u8]) -> Answer {
        self.project(project).await?;
        let named = resources_to_unassign(body)?.join(", ");
        let message =
            format!("{named} is not assigned to project {project}, which lives on this installation alone");
        Err(ApiError::new(ErrorKind::NotFound, message).at("assignedResourceIds"))
    }

    /// `POST /{project}/deployments/{deployment}/:delete-from-resources`: it is on no other resource. That it would be
    /// deleted here is not what the caller asks for.
    ///
    /// # Errors
    /// 404 for project or deployment, 400 for a wrong body, else 404 for the resources.
    pub async fn delete_from_resources(
        &self,
        project: &ProjectName,
        name: &DeploymentName,
        body: &[u8],
    ) -> Answer {
        self.project(project).await?;
        self.catalog.deployment(project.as_str(), name.as_str()).await?;
        let named = resources_to_leave(body)?.map_or("another resource".to_owned(), |ids| ids.join(", "));
        let message = format!(
            "deployment {name} is not on {named}: deployments live on this installation alone; DELETE removes it here"
        );
        Err(ApiError::new(ErrorKind::NotFound, message).at("assignedResourceIds"))
    }
}
