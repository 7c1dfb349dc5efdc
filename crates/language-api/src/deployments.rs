//! Deployments on the wire (contract: authoring 12).

use crate::error::{ApiError, ErrorKind};
use crate::ids::{DeploymentName, ModelLabel};
use crate::read::{Node, Object, object_of};
use crate::timestamps::{Day, SevenDigits, WholeSeconds};
use serde::{Deserialize, Serialize};

/// The body of `PUT /{projectName}/deployments/{deploymentName}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PutDeploymentRequest {
    /// Label of the model to deploy.
    pub trained_model_label: ModelLabel,
}

/// The body of `POST /{projectName}/deployments/:swap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SwapRequest {
    /// One deployment.
    pub first_deployment_name: DeploymentName,
    /// Another one.
    pub second_deployment_name: DeploymentName,
}

/// A deployment as answered; every field is required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSummary {
    /// Name.
    pub deployment_name: DeploymentName,
    /// Id of the model that is deployed, which a later training under the same label does not change.
    pub model_id: String,
    /// When the model's training ended.
    pub last_trained_date_time: SevenDigits,
    /// When it was deployed.
    pub last_deployed_date_time: WholeSeconds,
    /// When it stops working; far ahead here.
    pub deployment_expiration_date: Day,
    /// The resolved version the model was made with.
    pub model_training_config_version: String,
    /// Other resources it is deployed to; there are none here, so the list is empty.
    #[serde(default)]
    pub assigned_resources: Vec<AssignedResource>,
}

/// Another resource a deployment lives on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedResource {
    /// Id of the resource.
    pub resource_id: String,
    /// Its region.
    pub region: String,
}

impl PutDeploymentRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 when the label is missing or invalid.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        object_of(body, ErrorKind::Field, |object| {
            let label = object.required("trainedModelLabel").and_then(|node| node.parsed(ModelLabel::new));
            check_resources(object);
            Some(Self { trained_model_label: label? })
        })
    }
}

/// Reads the body of `POST /{projectName}/deployments/{deploymentName}/:delete-from-resources`: the resources named.
/// `None` means all.
///
/// # Errors
/// 400 when it is no list of texts.
pub fn resources_to_leave(body: &[u8]) -> Result<Option<Vec<String>>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    object_of(body, ErrorKind::Field, |object| match object.optional("assignedResourceIds") {
        Some(node) => Some(Some(texts(&node)?)),
        None => Some(None),
    })
}

/// Reads the body of `POST /{projectName}/resources/:unassign`: the resources named, at least one.
///
/// # Errors
/// 400 when it is no such list.
pub fn resources_to_unassign(body: &[u8]) -> Result<Vec<String>, ApiError> {
    object_of(body, ErrorKind::Field, |object| {
        let node = object.required("assignedResourceIds")?;
        let ids = texts(&node)?;
        if ids.is_empty() { node.fail("must name a resource") } else { Some(ids) }
    })
}

/// Reads the body of `POST /{projectName}/resources/:assign`: the ids of the resources named, at least one.
///
/// # Errors
/// 400 when it is no such list.
pub fn resources_to_assign(body: &[u8]) -> Result<Vec<String>, ApiError> {
    object_of(body, ErrorKind::Field, |object| {
        let node = object.required("resourcesMetadata")?;
        let id = |entry: Node<'_>| {
            let entry = entry.object()?;
            Some(entry.required("azureResourceId")?.text()?.to_owned())
        };
        let ids = node.list()?.map(id).collect::<Option<Vec<_>>>()?;
        if ids.is_empty() { node.fail("must name a resource") } else { Some(ids) }
    })
}

fn texts(node: &Node<'_>) -> Option<Vec<String>> {
    node.list()?.map(|id| id.text().map(str::to_owned)).collect()
}

fn check_resources(object: &Object<'_>) {
    let Some(node) = object.optional("assignedResourceIds") else { return };
    if texts(&node).is_some_and(|ids| !ids.is_empty()) {
        node.fail::<()>("this installation has no other resources to deploy to; leave the list empty");
    }
}

impl SwapRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 when a name is missing or invalid, or both are the same.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        object_of(body, ErrorKind::Field, |object| {
            let name = |key| object.required(key).and_then(|node| node.parsed(DeploymentName::new));
            let (first, second) = (name("firstDeploymentName"), name("secondDeploymentName"));
            let request = Self { first_deployment_name: first?, second_deployment_name: second? };
            if request.first_deployment_name == request.second_deployment_name {
                let node = object.required("secondDeploymentName")?;
                return node.fail("the two deployments of a swap must differ");
            }
            Some(request)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_answers_as_the_contract_prints() {
        let text = r#"{"deploymentName":"production","modelId":"claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627","lastTrainedDateTime":"2024-05-06T09:31:15.4410098Z","lastDeployedDateTime":"2024-05-06T09:40:02Z","deploymentExpirationDate":"2025-10-28","modelTrainingConfigVersion":"2022-05-01","assignedResources":[]}"#;
        let deployment: DeploymentSummary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&deployment).unwrap(), text);
    }

    #[test]
    fn requests_name_what_is_wrong() {
        let put = |body: &str| PutDeploymentRequest::parse(body.as_bytes());
        let label = ModelLabel::new("claims-v1").unwrap();
        assert_eq!(
            put(r#"{"trainedModelLabel":"claims-v1"}"#),
            Ok(PutDeploymentRequest { trained_model_label: label })
        );
        assert_eq!(put("{}").unwrap_err().target.as_deref(), Some("trainedModelLabel"));
        assert_eq!(put("").unwrap_err().kind, ErrorKind::BodyEmpty);
        let swap = |body: &str| SwapRequest::parse(body.as_bytes());
        assert!(swap(r#"{"firstDeploymentName":"a","secondDeploymentName":"b"}"#).is_ok());
        let same = swap(r#"{"firstDeploymentName":"a","secondDeploymentName":"a"}"#).unwrap_err();
        assert_eq!(same.target.as_deref(), Some("secondDeploymentName"));
        assert_eq!(swap("{}").unwrap_err().details.len(), 2);
    }
}
