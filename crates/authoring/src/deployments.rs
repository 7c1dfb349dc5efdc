//! Deployments (contract: authoring 12).

use crate::payloads::{DeployPayload, SwapPayload};
use crate::quota::check_quota;
use crate::training::expires;
use crate::{Answer, Authoring, stored};
use catalog::{Deployment, Driver, JobKind};
use language_api::{
    ApiError, DeploymentName, DeploymentSummary, ErrorKind, JobLocation, ProjectName, PutDeploymentRequest,
    Reply, SevenDigits, SwapRequest, WholeSeconds,
};

impl<D: Driver> Authoring<'_, D> {
    /// `GET /{project}/deployments`.
    ///
    /// # Errors
    /// 404, 400 for wrong paging.
    pub async fn list_deployments(&self, project: &ProjectName) -> Answer {
        self.project(project).await?;
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let found = self.catalog.deployments(project.as_str(), page).await?;
        self.list(wanted, found, "", summary)
    }

    /// `GET /{project}/deployments/{deployment}`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_deployment(&self, project: &ProjectName, name: &DeploymentName) -> Answer {
        self.project(project).await?;
        Ok(Reply::ok(&summary(self.catalog.deployment(project.as_str(), name.as_str()).await?)?))
    }

    /// `PUT /{project}/deployments/{deployment}`: a job that points the name at the model as it is then.
    ///
    /// # Errors
    /// 400 for a wrong body, 404 for project or model, 409 while another job runs, the quota of deployments.
    pub async fn put_deployment(&self, project: &ProjectName, name: &DeploymentName, body: &[u8]) -> Answer {
        let request = PutDeploymentRequest::parse(body)?;
        self.project(project).await?;
        let label = request.trained_model_label.as_str();
        self.catalog
            .model(project.as_str(), label)
            .await
            .map_err(|error| ApiError::from(error).at("trainedModelLabel"))?;
        self.check_deployment_quota(project, name).await?;
        let payload = stored(serde_json::to_vec(&DeployPayload { model_label: label.to_owned() }))?;
        let location =
            |job| JobLocation::Deployment { project: project.clone(), deployment: name.clone(), job };
        self.enqueue(JobKind::Deploy, project, name.as_str(), payload, None, location).await
    }

    async fn check_deployment_quota(
        &self,
        project: &ProjectName,
        name: &DeploymentName,
    ) -> Result<(), ApiError> {
        let most = self.limits.deployments_per_project_max;
        let found = self.catalog.deployments(project.as_str(), catalog::PageRequest::first(most)).await?;
        let replaces = found.items.iter().any(|deployment| deployment.name == name.as_str());
        if replaces {
            return Ok(());
        }
        check_quota(found.total, most, "deployments", "replace one by its name", "deploymentName")
    }

    /// `DELETE /{project}/deployments/{deployment}`: a job.
    ///
    /// # Errors
    /// 404, 409 while another job runs.
    pub async fn delete_deployment(&self, project: &ProjectName, name: &DeploymentName) -> Answer {
        self.project(project).await?;
        self.catalog.deployment(project.as_str(), name.as_str()).await?;
        let location =
            |job| JobLocation::Deployment { project: project.clone(), deployment: name.clone(), job };
        self.enqueue(JobKind::DeleteDeployment, project, name.as_str(), vec![], None, location).await
    }

    /// `POST /{project}/deployments/:swap`: a job.
    ///
    /// # Errors
    /// 400 for a wrong body or equal names, 404, 409 while another job runs.
    pub async fn swap_deployments(&self, project: &ProjectName, body: &[u8]) -> Answer {
        let request = SwapRequest::parse(body)?;
        let (first, second) = (&request.first_deployment_name, &request.second_deployment_name);
        if first == second {
            let message = format!("a swap needs two different deployments, {first} was given twice");
            return Err(ApiError::new(ErrorKind::Field, message).at("secondDeploymentName"));
        }
        self.project(project).await?;
        for name in [first, second] {
            self.catalog.deployment(project.as_str(), name.as_str()).await?;
        }
        let payload = SwapPayload { first: first.to_string(), second: second.to_string() };
        let payload = stored(serde_json::to_vec(&payload))?;
        let location = |job| JobLocation::Swap { project: project.clone(), job };
        self.enqueue(JobKind::Swap, project, "", payload, None, location).await
    }
}

fn summary(deployment: Deployment) -> Result<DeploymentSummary, ApiError> {
    Ok(DeploymentSummary {
        deployment_name: stored(DeploymentName::new(&deployment.name))?,
        model_id: deployment.model_id,
        last_trained_date_time: SevenDigits(deployment.trained_at),
        last_deployed_date_time: WholeSeconds(deployment.deployed_at),
        deployment_expiration_date: expires(),
        model_training_config_version: deployment.training_config_version,
        assigned_resources: vec![],
    })
}
