//! What a project does by itself when objects of its container change. Ours, the contract has none.

use crate::error::{ApiError, ErrorKind};
use crate::ids::{ContainerName, DeploymentName};
use crate::read::{Node, Object, object_of};
use crate::storage_events::{is_document, key_refusal};
use crate::training::TrainRequest;
use serde::{Deserialize, Serialize};

/// Ending of the objects that extraction writes.
pub const ENTITIES_SUFFIX: &str = ".entities.json";

/// Settings of a project's automation; a step that is absent is not taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutomationSettings {
    /// Whether new and changed objects become documents of the project.
    pub register: bool,
    /// Import of a label file that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportStep>,
    /// Training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainStep>,
    /// Deployment of what the training made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<DeployStep>,
    /// Extraction from documents that arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<ExtractStep>,
}

/// When and what to import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportStep {
    /// Key of the label file in the project's container.
    pub label_file: String,
}

/// When and how to train.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainStep {
    /// After an import.
    pub after_import: bool,
    /// After so many documents were labelled since the last training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_newly_labeled_documents: Option<u32>,
    /// What a caller would send to train.
    #[serde(flatten)]
    pub request: TrainRequest,
}

/// Where and when to deploy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployStep {
    /// The deployment that gets the new model.
    pub deployment_name: DeploymentName,
    /// How much lower than the present model's the new model's micro F1 may be, on the new model's test documents; 0 to 1.
    pub micro_f1_loss_max: f32,
}

/// What to extract from, with what, and where entities go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtractStep {
    /// Documents under this prefix of the project's container; empty or with a slash at its end.
    pub prefix: String,
    /// The deployment that extracts.
    pub deployment_name: DeploymentName,
    /// Where entities go.
    pub output: ExtractOutput,
}

/// Where entities go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtractOutput {
    /// The project's container when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<ContainerName>,
    /// In front of the document's name; empty or with a slash at its end.
    pub prefix: String,
}

impl Default for AutomationSettings {
    fn default() -> Self {
        Self { register: true, import: None, train: None, deploy: None, extract: None }
    }
}

impl ExtractStep {
    /// The key of the entities of the document at `location`; `None` when it is not to be extracted from.
    pub fn output_key(&self, location: &str) -> Option<String> {
        let name = location.strip_prefix(&self.prefix).filter(|name| is_document(name))?;
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        Some(format!("{}{stem}{ENTITIES_SUFFIX}", self.output.prefix))
    }
}

impl AutomationSettings {
    /// Whether the object `key` is the label file that is imported when it changes.
    pub fn is_label_file(&self, key: &str) -> bool {
        self.import.as_ref().is_some_and(|step| step.label_file == key)
    }

    /// Whether the object `key` is a document to extract from.
    pub fn extracts(&self, key: &str) -> bool {
        self.extract.as_ref().is_some_and(|step| step.output_key(key).is_some())
    }

    /// Reads the body of `PUT /{projectName}/automation` of a project whose documents lie in `container`.
    ///
    /// # Errors
    /// 400 with every field that is missing, unknown or of the wrong type, and every step that would trigger itself or
    /// could never be taken.
    pub fn parse(body: &[u8], container: &ContainerName) -> Result<Self, ApiError> {
        object_of(body, ErrorKind::Field, |object| {
            object.only(&["register", "import", "train", "deploy", "extract"]);
            let step = |key: &str| object.optional(key).and_then(|node| node.object());
            let settings = Self {
                register: object.optional("register").map_or(Some(true), |node| node.boolean())?,
                import: step("import").and_then(|step| read_import(&step)),
                train: step("train").and_then(|step| read_train(&step)),
                deploy: step("deploy").and_then(|step| read_deploy(&step)),
                extract: step("extract").and_then(|step| read_extract(&step, container)),
            };
            if object.optional("deploy").is_some() && object.optional("train").is_none() {
                return object.fail("deploy needs train: what is deployed is the model that train made");
            }
            Some(settings)
        })
    }
}

fn read_import(step: &Object<'_>) -> Option<ImportStep> {
    step.only(&["labelFile"]);
    let node = step.required("labelFile")?;
    let key = node.text()?;
    if let Some(reason) = key_refusal(key) {
        return node.fail(format!("no object can be the label file: {reason}"));
    }
    if is_document(key) {
        return node.fail("a document can't be the label file");
    }
    if key.ends_with(ENTITIES_SUFFIX) {
        return node.fail("this is what extraction writes: it would import its own results");
    }
    Some(ImportStep { label_file: key.to_owned() })
}

fn read_train(step: &Object<'_>) -> Option<TrainStep> {
    const NEWLY: &str = "afterNewlyLabeledDocuments";
    step.only(&["afterImport", NEWLY, "modelLabel", "trainingConfigVersion", "evaluationOptions"]);
    let after_import = step.optional("afterImport").map_or(Some(false), |node| node.boolean())?;
    let newly = match step.optional(NEWLY) {
        Some(node) => Some(node.integer(1..=i32::MAX as u32)?),
        None => None,
    };
    if !after_import && newly.is_none() {
        return step.fail("train needs an occasion: afterImport or afterNewlyLabeledDocuments");
    }
    let request = TrainRequest::read(step)?;
    Some(TrainStep { after_import, after_newly_labeled_documents: newly, request })
}

fn read_deploy(step: &Object<'_>) -> Option<DeployStep> {
    step.only(&["deploymentName", "microF1LossMax"]);
    let name = step.required("deploymentName").and_then(|node| node.parsed(DeploymentName::new));
    let loss = step.optional("microF1LossMax").map_or(Some(0.0), |node| node.ratio());
    Some(DeployStep { deployment_name: name?, micro_f1_loss_max: loss? })
}

fn read_extract(step: &Object<'_>, container: &ContainerName) -> Option<ExtractStep> {
    step.only(&["prefix", "deploymentName", "output"]);
    let prefix = step.required("prefix").and_then(|node| read_prefix(&node));
    let name = step.required("deploymentName").and_then(|node| node.parsed(DeploymentName::new));
    let output = step.required("output")?.object()?;
    output.only(&["containerName", "prefix"]);
    let to = match output.optional("containerName") {
        Some(node) => Some(node.parsed(ContainerName::new)?),
        None => None,
    };
    let output_node = output.required("prefix")?;
    let output_prefix = read_prefix(&output_node)?;
    let prefix = prefix?;
    let same = to.as_ref().is_none_or(|to| to == container);
    if same && output_prefix.starts_with(&prefix) {
        return output_node.fail(format!(
            "entities would lie under {prefix:?}, from where documents are taken: give them another prefix or container"
        ));
    }
    let output = ExtractOutput { container_name: to, prefix: output_prefix };
    Some(ExtractStep { prefix, deployment_name: name?, output })
}

fn read_prefix(node: &Node<'_>) -> Option<String> {
    let prefix = node.text()?;
    if prefix.is_empty() {
        return Some(String::new());
    }
    if !prefix.ends_with('/') || prefix.starts_with('/') {
        return node.fail("must be empty, or end with a slash and not begin with one");
    }
    match key_refusal(prefix) {
        Some(reason) => node.fail(format!("no object can have this prefix: {reason}")),
        None => Some(prefix.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn parse(body: &Value) -> Result<AutomationSettings, ApiError> {
        AutomationSettings::parse(body.to_string().as_bytes(), &ContainerName::new("letters").unwrap())
    }

    fn whole() -> Value {
        json!({
            "register": true,
            "import": { "labelFile": "labels.json" },
            "train": { "afterImport": true, "afterNewlyLabeledDocuments": 25, "modelLabel": "desk", "trainingConfigVersion": "latest",
                "evaluationOptions": { "kind": "percentage", "trainingSplitPercentage": 80, "testingSplitPercentage": 20 } },
            "deploy": { "deploymentName": "production", "microF1LossMax": 0.5 },
            "extract": { "prefix": "incoming/", "deploymentName": "production", "output": { "prefix": "entities/" } }
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut body = whole();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[key] = value;
        body
    }

    #[test]
    fn settings_come_back_as_they_were_given() {
        let settings = parse(&whole()).unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap(), whole());
        let stored = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<AutomationSettings>(&stored).unwrap(), settings);
        assert_eq!(parse(&json!({})).unwrap(), AutomationSettings::default());
        assert_eq!(serde_json::to_value(AutomationSettings::default()).unwrap(), json!({ "register": true }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let target = |body: &Value| parse(body).unwrap_err().target.unwrap_or_default();
        for (pointer, value, place) in [
            ("/register", json!("yes"), "register"),
            ("/unknown", json!(1), "unknown"),
            ("/import", json!({}), "import.labelFile"),
            ("/import/labelFile", json!("../labels.json"), "import.labelFile"),
            ("/import/labelFile", json!("labels.txt"), "import.labelFile"),
            ("/train/modelLabel", json!("a b"), "train.modelLabel"),
            ("/train/afterNewlyLabeledDocuments", json!(0), "train.afterNewlyLabeledDocuments"),
            ("/deploy/microF1LossMax", json!(2), "deploy.microF1LossMax"),
            ("/extract/prefix", json!("incoming"), "extract.prefix"),
            ("/extract/output", json!({}), "extract.output.prefix"),
        ] {
            assert_eq!(target(&with(pointer, value.clone())), place, "{pointer} {value}");
        }
        let idle = json!({ "train": { "modelLabel": "m", "trainingConfigVersion": "latest" } });
        assert_eq!(target(&idle), "train");
        assert!(
            parse(&json!({ "deploy": { "deploymentName": "d" } }))
                .unwrap_err()
                .message
                .contains("needs train")
        );
    }

    #[test]
    fn steps_that_trigger_themselves_are_refused() {
        let refused = |pointer: &str, value: Value| parse(&with(pointer, value)).is_err();
        for output in ["incoming/", "incoming/done/"] {
            assert!(refused("/extract/output/prefix", json!(output)), "{output}");
            assert!(refused("/extract/output", json!({ "prefix": output, "containerName": "letters" })));
            assert!(!refused("/extract/output", json!({ "prefix": output, "containerName": "entities" })));
        }
        assert!(refused("/extract/prefix", json!("")), "everything, the results among it");
        assert!(refused("/import/labelFile", json!("entities/a.entities.json")));
    }

    proptest! {
        #[test]
        fn no_output_is_ever_an_input(name in "[a-z./]{0,12}", prefix in "([a-z]{1,3}/){0,2}", output in "([a-z]{1,3}/){0,2}") {
            let body = json!({ "extract": { "prefix": prefix, "deploymentName": "d", "output": { "prefix": output } } });
            if let Ok(AutomationSettings { extract: Some(step), .. }) = parse(&body) {
                let key = step.output_key(&format!("{prefix}{name}.txt"));
                let key = key.filter(|_| key_refusal(&name).is_none());
                prop_assert_eq!(key.and_then(|key| step.output_key(&key)), None);
            }
        }
    }
}
