//! Whether a deployment can answer (our extension).

use crate::documents::find;
use crate::{Answer, Error, Extraction};
use catalog::Driver;
use language_api::runtime::{DeploymentHealth, HealthStatus, TaskParameters};
use language_api::{Call, Reply};

/// A text with one word: the least that makes a model compute.
const PROBE: &str = "a";

impl<D: Driver> Extraction<'_, D> {
    /// `GET /analyze-text/health`: has the deployment's model compute, which loads it if it is not loaded. What is wrong
    /// with the model is the answer, no error.
    ///
    /// # Errors
    /// 401, 400 for a parameter in the address, 404 for project or deployment, 503 when the database is away.
    pub async fn health(&self, call: &Call) -> Answer {
        self.authorize(call).await?;
        call.links()?;
        let TaskParameters { project_name, deployment_name, .. } = TaskParameters::from_query(&call.query)?;
        let served = self.catalog.served_model(project_name.as_str(), deployment_name.as_str()).await?;
        let reason = match self.computes(&served.model_id).await {
            Ok(()) => None,
            Err(Error::Catalog(error)) => return Err(error.into()),
            Err(error) => Some(error.to_string()),
        };
        let status = if reason.is_none() { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        let model_id = served.model_id;
        Ok(Reply::ok(&DeploymentHealth { project_name, deployment_name, model_id, status, reason }))
    }

    async fn computes(&self, model_id: &str) -> Result<(), Error> {
        let model = self.models.get(self.catalog, model_id).await?;
        find(&model, self.graphs, &[PROBE]).map(drop)
    }
}
