//! Projects on the wire (contract: authoring 6).

use crate::error::{ApiError, ErrorKind};
use crate::ids::{ContainerName, ProjectName};
use crate::languages::check_language;
use crate::read::{Node, Object, Problems, TargetStyle, json};
use crate::timestamps::WholeSeconds;
use serde::{Deserialize, Serialize};

/// The kind of a project; the only one of this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectKind {
    /// Custom named entity recognition.
    #[default]
    CustomEntityRecognition,
}

impl ProjectKind {
    /// The wire name.
    pub const NAME: &str = "CustomEntityRecognition";
    /// The name in previews of early 2022 (contract: authoring 15).
    const EARLY: &str = "customNamedEntityRecognition";

    /// Reads a kind without regard to case.
    ///
    /// # Errors
    /// A sentence that names the kind this server has.
    pub fn parse(name: &str) -> Result<Self, String> {
        if [Self::NAME, Self::EARLY].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return Ok(Self::CustomEntityRecognition);
        }
        Err(format!("this server has the project kind {} alone, {name:?} was given", Self::NAME))
    }
}

/// Settings of a project. Unknown ones are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectSettings {
    /// Entities below this confidence are dropped at prediction; 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_threshold: Option<f32>,
}

/// What a caller can say about a project (`CreateProjectOptions`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectOptions {
    /// Kind; can't change.
    pub project_kind: ProjectKind,
    /// Container with the documents; can't change.
    pub storage_input_container_name: ContainerName,
    /// Settings.
    #[serde(default)]
    pub settings: ProjectSettings,
    /// Name; can't change.
    pub project_name: ProjectName,
    /// Whether documents may have other languages than the project.
    #[serde(default)]
    pub multilingual: bool,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// BCP-47 default language of documents and queries, spelled as given.
    pub language: String,
}

/// A project as answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectMetadata {
    /// When it was made.
    pub created_date_time: WholeSeconds,
    /// Last change of labels, categories or settings.
    pub last_modified_date_time: WholeSeconds,
    /// Last successful training; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_trained_date_time: Option<WholeSeconds>,
    /// Last deployment; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_deployed_date_time: Option<WholeSeconds>,
    /// What the caller said.
    #[serde(flatten)]
    pub options: ProjectOptions,
}

/// What a merge-patch says about one optional field.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Change<T> {
    /// Absent: the field stays.
    #[default]
    Keep,
    /// `null`: the field goes.
    Clear,
    /// The field gets this value.
    Set(T),
}

impl<T> Change<T> {
    fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// The body of `PATCH /{projectName}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectPatch {
    /// Whether the body repeats the name in the path, as a new project's must.
    pub named: bool,
    /// Kind, when given; not yet judged, since a wrong one is another error on a project that exists.
    pub project_kind: Option<String>,
    /// Container, when given.
    pub storage_input_container_name: Option<ContainerName>,
    /// Language, when given.
    pub language: Option<String>,
    /// Multilingual switch; cleared means off.
    pub multilingual: Change<bool>,
    /// Description.
    pub description: Change<String>,
    /// Confidence threshold; cleared also when the whole `settings` are `null`.
    pub confidence_threshold: Change<f32>,
}

impl ProjectPatch {
    /// Reads the body of a PATCH on `path`.
    ///
    /// # Errors
    /// 400 with every field that is of the wrong type, out of range or in conflict with the path.
    pub fn parse(body: &[u8], path: &ProjectName) -> Result<Self, ApiError> {
        let value = json(body)?;
        let problems = Problems::default();
        let patch = Node::root(&value, &problems).object().map(|object| Self::read(&object, path));
        let patch = problems.finish(patch, ErrorKind::Field, TargetStyle::Dotted)?;
        if let Some(language) = &patch.language {
            check_language(language, "language")?;
        }
        Ok(patch)
    }

    fn read(object: &Object<'_>, path: &ProjectName) -> Self {
        if let Some(node) = object.optional("projectName")
            && let Some(name) = node.text()
            && name != path.as_str()
        {
            node.fail::<()>(format!("projectName {name:?} differs from {:?} in the path", path.as_str()));
        }
        let settings = object.given("settings");
        let cleared = settings.as_ref().is_some_and(|node| node.value.is_null());
        let settings = settings.filter(|_| !cleared).and_then(|node| node.object());
        let threshold = settings.map_or(Change::Keep, |s| change(&s, "confidenceThreshold", Node::ratio));
        let container = object.optional("storageInputContainerName");
        for key in ["projectName", "projectKind", "storageInputContainerName", "language"] {
            if let Some(node) = object.given(key).filter(|node| node.value.is_null()) {
                node.fail::<()>(format!("{key} is required, so null can't clear it"));
            }
        }
        Self {
            named: object.optional("projectName").is_some(),
            project_kind: object.optional("projectKind").and_then(|node| node.text()).map(str::to_owned),
            storage_input_container_name: container.and_then(|node| node.parsed(ContainerName::new)),
            language: object.optional("language").and_then(|node| node.text()).map(str::to_owned),
            multilingual: change(object, "multilingual", Node::boolean),
            description: change(object, "description", |node| node.text().map(str::to_owned)),
            confidence_threshold: if cleared { Change::Clear } else { threshold },
        }
    }

    /// The options of a new project called `name`.
    ///
    /// # Errors
    /// 400 naming every required field that is absent.
    pub fn create(self, name: ProjectName) -> Result<ProjectOptions, ApiError> {
        let problems = Problems::default();
        let require = |present: bool, key: &str| {
            if !present {
                problems.push(&format!("#/{key}"), format!("{key} is missing; a new project needs it"));
            }
        };
        let kind = self.project_kind.as_deref().map(ProjectKind::parse);
        if let Some(Err(message)) = &kind {
            problems.push("#/projectKind", message);
        }
        require(self.named, "projectName");
        require(kind.is_some(), "projectKind");
        require(self.storage_input_container_name.is_some(), "storageInputContainerName");
        require(self.language.is_some(), "language");
        let options = match (kind, self.storage_input_container_name, self.language) {
            (Some(Ok(project_kind)), Some(storage_input_container_name), Some(language)) => {
                Some(ProjectOptions {
                    project_kind,
                    storage_input_container_name,
                    settings: ProjectSettings { confidence_threshold: self.confidence_threshold.over(None) },
                    project_name: name,
                    multilingual: self.multilingual.over(None).unwrap_or(false),
                    description: self.description.over(None),
                    language,
                })
            }
            _ => None,
        };
        problems.finish(options, ErrorKind::Field, TargetStyle::Dotted)
    }

    /// The options of an existing project after this patch.
    ///
    /// # Errors
    /// 409 when the kind would change and 400 when the container would, which they can't.
    pub fn update(self, before: ProjectOptions) -> Result<ProjectOptions, ApiError> {
        if let Some(Err(message)) = self.project_kind.as_deref().map(ProjectKind::parse) {
            let message = format!("the kind of a project can't change: {message}");
            return Err(ApiError::new(ErrorKind::Conflict, message).at("projectKind"));
        }
        let container = &before.storage_input_container_name;
        if self.storage_input_container_name.as_ref().is_some_and(|given| given != container) {
            let message = format!("the container of a project can't change; it is {:?}", container.as_str());
            return Err(ApiError::new(ErrorKind::Field, message).at("storageInputContainerName"));
        }
        let threshold = self.confidence_threshold.over(before.settings.confidence_threshold);
        Ok(ProjectOptions {
            settings: ProjectSettings { confidence_threshold: threshold },
            multilingual: self.multilingual.over(Some(before.multilingual)).unwrap_or(false),
            description: self.description.over(before.description),
            language: self.language.unwrap_or(before.language),
            ..before
        })
    }
}

fn change<'a, T>(object: &Object<'a>, key: &str, read: impl Fn(&Node<'a>) -> Option<T>) -> Change<T> {
    match object.given(key) {
        None => Change::Keep,
        Some(node) if node.value.is_null() => Change::Clear,
        Some(node) => read(&node).map_or(Change::Keep, Change::Set),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const BODY: &str = r#"{"projectName":"ClaimsDesk","projectKind":"CustomEntityRecognition",
        "storageInputContainerName":"claims-letters","language":"en-us","multilingual":false,
        "description":"Fields of incoming claim letters","settings":{"confidenceThreshold":0.0}}"#;

    fn name() -> ProjectName {
        ProjectName::new("ClaimsDesk").unwrap()
    }

    fn created() -> ProjectOptions {
        ProjectPatch::parse(BODY.as_bytes(), &name()).unwrap().create(name()).unwrap()
    }

    fn refused(body: &str) -> ApiError {
        ProjectPatch::parse(body.as_bytes(), &name()).unwrap_err()
    }

    #[test]
    fn a_new_project_answers_as_the_contract_prints() {
        let metadata = ProjectMetadata {
            created_date_time: WholeSeconds("2024-05-06T08:12:40Z".parse().unwrap()),
            last_modified_date_time: WholeSeconds("2024-05-06T08:12:40Z".parse().unwrap()),
            last_trained_date_time: None,
            last_deployed_date_time: None,
            options: created(),
        };
        expect![[r#"
            {
              "createdDateTime": "2024-05-06T08:12:40Z",
              "lastModifiedDateTime": "2024-05-06T08:12:40Z",
              "projectKind": "CustomEntityRecognition",
              "storageInputContainerName": "claims-letters",
              "settings": {
                "confidenceThreshold": 0.0
              },
              "projectName": "ClaimsDesk",
              "multilingual": false,
              "description": "Fields of incoming claim letters",
              "language": "en-us"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&metadata).unwrap());
        let text = serde_json::to_string(&metadata).unwrap();
        assert_eq!(serde_json::from_str::<ProjectMetadata>(&text).unwrap(), metadata);
    }

    #[test]
    fn kinds_are_known_by_their_names_of_then_and_now() {
        for name in ["CustomEntityRecognition", "customEntityRecognition", "customNamedEntityRecognition"] {
            assert_eq!(ProjectKind::parse(name), Ok(ProjectKind::CustomEntityRecognition), "{name}");
        }
        assert!(ProjectKind::parse("CustomMultiLabelClassification").is_err());
    }

    #[test]
    fn absent_fields_stay_and_null_clears() {
        let patch = |body: &str| ProjectPatch::parse(body.as_bytes(), &name()).unwrap();
        let same = patch("{}").update(created()).unwrap();
        assert_eq!(same, created());
        let changed = patch(r#"{"description":null,"settings":null,"multilingual":true,"language":"de"}"#);
        let changed = changed.update(created()).unwrap();
        assert_eq!(
            (changed.description, changed.multilingual, changed.language.as_str()),
            (None, true, "de")
        );
        assert_eq!(changed.settings.confidence_threshold, None);
        let kept = patch(r#"{"settings":{"other":1}}"#).update(created()).unwrap();
        assert_eq!(kept.settings.confidence_threshold, Some(0.0));
    }

    #[test]
    fn what_can_not_change_is_refused() {
        let patch = ProjectPatch::parse(br#"{"storageInputContainerName":"other"}"#, &name()).unwrap();
        assert_eq!(patch.update(created()).unwrap_err().target.as_deref(), Some("storageInputContainerName"));
        assert_eq!(refused(r#"{"projectName":"Other"}"#).target.as_deref(), Some("projectName"));
    }

    #[test]
    fn wrong_fields_are_named() {
        let target = |body: &str| refused(body).target.unwrap();
        assert_eq!(target(r#"{"multilingual":"True"}"#), "multilingual");
        assert_eq!(target(r#"{"settings":{"confidenceThreshold":1.5}}"#), "settings.confidenceThreshold");
        assert_eq!(target(r#"{"storageInputContainerName":"a/b"}"#), "storageInputContainerName");
        assert_eq!(refused(r#"{"language":"xx"}"#).kind, ErrorKind::Language);
        assert_eq!(refused("[]").message, "must be an object, a list was given");
        let classifier = ProjectPatch {
            project_kind: Some("CustomSingleLabelClassification".into()),
            ..Default::default()
        };
        let refused = classifier.clone().create(name()).unwrap_err();
        assert_eq!((refused.kind, refused.target.as_deref()), (ErrorKind::Field, Some("projectKind")));
        assert_eq!(classifier.update(created()).unwrap_err().kind, ErrorKind::Conflict);
        let missing = ProjectPatch::default().create(name()).unwrap_err();
        assert_eq!(missing.details.len(), 4);
    }
}
