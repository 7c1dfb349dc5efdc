//! Copies of projects on the wire (contract: authoring 14).

use crate::error::{ApiError, ErrorKind};
use crate::ids::{ContainerName, ProjectName};
use crate::projects::ProjectKind;
use crate::read::{Object, object_of};
use crate::timestamps::WholeSeconds;
use serde::{Deserialize, Serialize};

/// The body of `POST /{projectName}/:authorize-copy`, where the project is the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizeCopyRequest {
    /// Container of the copy's documents; absent means that of the project copied, or of the one replaced.
    pub storage_input_container_name: Option<ContainerName>,
    /// Whether a project of this name may be replaced.
    pub allow_overwrite: bool,
}

/// The answer to it, and the body of `POST /{projectName}/:copy`, where the project is what is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyAuthorization {
    /// Kind.
    pub project_kind: ProjectKind,
    /// Name of the copy.
    pub target_project_name: ProjectName,
    /// Good for one copy.
    pub access_token: String,
    /// Until when.
    pub expires_at: WholeSeconds,
    /// Id of the installation that the copy comes to.
    pub target_resource_id: String,
    /// Where that is.
    pub target_resource_region: String,
}

/// What matters of the body of `POST /{projectName}/:copy`: the rest is known to whoever gave the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyRequest {
    /// See [`CopyAuthorization::target_project_name`].
    pub target_project_name: ProjectName,
    /// See [`CopyAuthorization::access_token`].
    pub access_token: String,
    /// See [`CopyAuthorization::target_resource_id`].
    pub target_resource_id: String,
}

impl AuthorizeCopyRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 with every field that is missing or wrong.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        object_of(body, ErrorKind::Field, |object| {
            kind(object);
            let container = object.optional("storageInputContainerName");
            let overwrite = object.optional("allowOverwrite");
            Some(Self {
                storage_input_container_name: container.and_then(|node| node.parsed(ContainerName::new)),
                allow_overwrite: overwrite.and_then(|node| node.boolean()).unwrap_or(false),
            })
        })
    }
}

impl CopyRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 with every field that is missing or wrong.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        object_of(body, ErrorKind::Field, |object| {
            kind(object);
            let text = |key| object.required(key).and_then(|node| node.text()).map(str::to_owned);
            let name = object.required("targetProjectName").and_then(|node| node.parsed(ProjectName::new));
            let (token, resource) = (text("accessToken"), text("targetResourceId"));
            for key in ["expiresAt", "targetResourceRegion"] {
                object.optional(key).and_then(|node| node.text());
            }
            Some(Self { target_project_name: name?, access_token: token?, target_resource_id: resource? })
        })
    }
}

fn kind(object: &Object<'_>) {
    object.required("projectKind").and_then(|node| node.parsed(ProjectKind::parse));
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn the_answer_is_the_body_of_the_copy() {
        let answer = CopyAuthorization {
            project_kind: ProjectKind::CustomEntityRecognition,
            target_project_name: ProjectName::new("Desk").unwrap(),
            access_token: "secret".to_owned(),
            expires_at: WholeSeconds(Timestamp::constant(1_715_000_000, 0)),
            target_resource_id: "/spindle/installations/1".to_owned(),
            target_resource_region: "local".to_owned(),
        };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(
            text,
            r#"{"projectKind":"CustomEntityRecognition","targetProjectName":"Desk","accessToken":"secret","expiresAt":"2024-05-06T12:53:20Z","targetResourceId":"/spindle/installations/1","targetResourceRegion":"local"}"#
        );
        let request = CopyRequest::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (request.target_project_name, request.access_token),
            (answer.target_project_name, answer.access_token)
        );
    }

    #[test]
    fn every_wrong_field_is_named() {
        let targets = |error: ApiError| -> Vec<String> {
            let details = error.details.into_iter().filter_map(|detail| detail.target).collect::<Vec<_>>();
            if details.is_empty() { error.target.into_iter().collect() } else { details }
        };
        let body = br#"{"projectKind":"CustomEntityRecognition","allowOverwrite":"yes","storageInputContainerName":"a/b"}"#;
        let wrong = targets(AuthorizeCopyRequest::parse(body).unwrap_err());
        assert_eq!(wrong, ["storageInputContainerName", "allowOverwrite"]);
        assert_eq!(targets(AuthorizeCopyRequest::parse(b"{}").unwrap_err()), ["projectKind"]);
        let wrong =
            targets(CopyRequest::parse(br#"{"projectKind":"Orchestration","expiresAt":7}"#).unwrap_err());
        assert_eq!(
            wrong,
            ["projectKind", "targetProjectName", "accessToken", "targetResourceId", "expiresAt"]
        );
    }
}
