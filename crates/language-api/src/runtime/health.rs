//! `GET /analyze-text/health`, our extension: whether a deployment can answer.

use crate::ids::{DeploymentName, ProjectName};
use serde::Serialize;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentHealth {
    /// The project asked about.
    pub project_name: ProjectName,
    /// The deployment asked about.
    pub deployment_name: DeploymentName,
    /// Its bundle.
    pub model_id: String,
    /// Whether the model computes.
    pub status: HealthStatus,
    /// Why it does not: a missing or altered file by name and digests, or what OpenVINO said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HealthStatus {
    /// It does.
    Healthy,
    /// It does not.
    Unhealthy,
}
