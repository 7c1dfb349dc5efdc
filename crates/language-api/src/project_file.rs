//! The project file: import, export and labels file in one shape (contract: authoring 7).
//!
//! Reads the shape alone. What the values mean together (known categories, bounds, overlaps) is judged by
//! `label-formats`.

use crate::ids::{ContainerName, ProjectName};
use crate::languages::is_supported;
use crate::projects::{ProjectKind, ProjectOptions, ProjectSettings};
use crate::read::{Node, Object, Problem, Problems};
use ner::Dataset;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The file version every importer takes; exports always carry it.
pub const PROJECT_FILE_VERSION: &str = "2022-05-01";

/// The only unit of offsets in project files.
pub const UTF16: &str = "Utf16CodeUnit";

/// A project as a file. Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectFile {
    /// Version of the file; any well-formed one on import.
    pub project_file_version: String,
    /// Unit of offsets.
    pub string_index_type: String,
    /// The project.
    pub metadata: FileMetadata,
    /// Categories and documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<Assets>,
}

/// The project's options as written in a file, not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileMetadata {
    /// Kind.
    pub project_kind: String,
    /// Container with the documents.
    pub storage_input_container_name: String,
    /// Settings.
    #[serde(default, deserialize_with = "null_is_default")]
    pub settings: ProjectSettings,
    /// Name.
    pub project_name: String,
    /// Whether documents may have other languages than the project.
    #[serde(default, deserialize_with = "null_is_default")]
    pub multilingual: bool,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Default language.
    pub language: String,
}

/// Categories and documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assets {
    /// Must equal the metadata's kind.
    pub project_kind: String,
    /// Categories.
    #[serde(default, deserialize_with = "null_is_default")]
    pub entities: Vec<CategoryEntry>,
    /// Documents.
    #[serde(default, deserialize_with = "null_is_default")]
    pub documents: Vec<DocumentEntry>,
}

/// One category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryEntry {
    /// Name.
    pub category: String,
    /// What it means, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One document with its labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentEntry {
    /// Name inside the container.
    pub location: String,
    /// Language; absent means the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Set; absent means Train.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "dataset_name",
        deserialize_with = "dataset"
    )]
    pub dataset: Option<Dataset>,
    /// Looked-at parts.
    #[serde(default, deserialize_with = "null_is_default")]
    pub entities: Vec<RegionEntry>,
}

/// One looked-at part of a document, in UTF-16 code units of the whole document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionEntry {
    /// Start.
    pub region_offset: u32,
    /// Length.
    pub region_length: u32,
    /// Labels.
    #[serde(default, deserialize_with = "null_is_default")]
    pub labels: Vec<LabelEntry>,
}

/// One label, in UTF-16 code units of the whole document, not of the region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelEntry {
    /// Category.
    pub category: String,
    /// Start.
    pub offset: u32,
    /// Length.
    pub length: u32,
}

impl ProjectFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Every problem of the shape with its JSON pointer, at most [`crate::limits::PROBLEMS_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        // The typed path alone is fit for files of hundreds of megabytes; the tree is built to explain only.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        serde_json::from_slice(bytes).map_err(|error| explain(bytes, &error))
    }

    /// The file as text, indented for people.
    pub fn to_json(&self) -> String {
        // Only maps with keys that are no texts can fail, and there are none.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl FileMetadata {
    /// The metadata as project options.
    ///
    /// # Errors
    /// Every value that breaks a rule, with its pointer inside a project file.
    pub fn options(&self) -> Result<ProjectOptions, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut note = |key: &str, message: String| {
            problems.push(Problem::new(format!("#/metadata/{key}"), message));
        };
        let kind = ProjectKind::parse(&self.project_kind).map_err(|e| note("projectKind", e)).ok();
        let name = ProjectName::new(&self.project_name).map_err(|e| note("projectName", e.to_string())).ok();
        let container = ContainerName::new(&self.storage_input_container_name)
            .map_err(|e| note("storageInputContainerName", e.to_string()))
            .ok();
        let threshold = self.settings.confidence_threshold.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&threshold) {
            note(
                "settings/confidenceThreshold",
                format!("must be a number from 0 to 1, {threshold} was given"),
            );
        }
        if !is_supported(&self.language) {
            let message = format!("language {:?} is not supported", self.language);
            problems.push(Problem::language("#/metadata/language", message));
        }
        match (kind, name, container) {
            (Some(project_kind), Some(project_name), Some(storage_input_container_name))
                if problems.is_empty() =>
            {
                Ok(ProjectOptions {
                    project_kind,
                    storage_input_container_name,
                    settings: self.settings,
                    project_name,
                    multilingual: self.multilingual,
                    description: self.description.clone(),
                    language: self.language.clone(),
                })
            }
            _ => Err(problems),
        }
    }

    /// The problem of a file whose project has another name than the path of the call.
    pub fn path_problem(&self, path: &ProjectName) -> Option<Problem> {
        if self.project_name == path.as_str() {
            return None;
        }
        let message = format!(
            "metadata.projectName {:?} differs from {:?} in the path",
            self.project_name,
            path.as_str()
        );
        Some(Problem::new("#/metadata/projectName", message))
    }
}

impl From<&ProjectOptions> for FileMetadata {
    fn from(options: &ProjectOptions) -> Self {
        Self {
            project_kind: ProjectKind::NAME.to_owned(),
            storage_input_container_name: options.storage_input_container_name.to_string(),
            settings: options.settings,
            project_name: options.project_name.to_string(),
            multilingual: options.multilingual,
            description: options.description.clone(),
            language: options.language.clone(),
        }
    }
}

fn explain(bytes: &[u8], error: &serde_json::Error) -> Vec<Problem> {
    let place = format!("line {}, column {}", error.line(), error.column());
    let Ok(value) = serde_json::from_slice(bytes) else {
        return vec![Problem::new("#", format!("the file is not JSON: it breaks off or errs at {place}"))];
    };
    let problems = Problems::default();
    if let Some(object) = Node::root(&value, &problems).object() {
        check_file(&object);
    }
    let list = problems.into_list();
    // A form this walk does not know, a key given twice for instance.
    if list.is_empty() { vec![Problem::new("#", format!("wrong shape at {place}"))] } else { list }
}

fn check_file(file: &Object<'_>) {
    for key in ["projectFileVersion", "stringIndexType"] {
        text(file, key);
    }
    if let Some(metadata) = file.required("metadata").and_then(|node| node.object()) {
        check_metadata(&metadata);
    }
    let Some(assets) = file.optional("assets").and_then(|node| node.object()) else { return };
    kind(&assets);
    each(&assets, "entities", |category| {
        text(category, "category");
        optional_text(category, "description");
    });
    each(&assets, "documents", |document| {
        text(document, "location");
        optional_text(document, "language");
        if let Some(node) = document.optional("dataset") {
            node.parsed(parse_dataset);
        }
        each(document, "entities", |region| {
            number(region, "regionOffset");
            number(region, "regionLength");
            each(region, "labels", |label| {
                text(label, "category");
                number(label, "offset");
                number(label, "length");
            });
        });
    });
}

fn check_metadata(metadata: &Object<'_>) {
    kind(metadata);
    for key in ["storageInputContainerName", "projectName", "language"] {
        text(metadata, key);
    }
    optional_text(metadata, "description");
    if let Some(node) = metadata.optional("multilingual") {
        node.boolean();
    }
    let settings = metadata.optional("settings").and_then(|node| node.object());
    if let Some(node) = settings.and_then(|settings| settings.optional("confidenceThreshold")) {
        node.ratio();
    }
}

fn kind(object: &Object<'_>) {
    match object.optional("projectKind") {
        Some(node) => drop(node.text()),
        None => drop(object.fail::<()>(format!(
            "projectKind is missing; metadata.projectKind and assets.projectKind must both be {}",
            ProjectKind::NAME
        ))),
    }
}

fn text(object: &Object<'_>, key: &str) {
    object.required(key).and_then(|node| node.text());
}

fn optional_text(object: &Object<'_>, key: &str) {
    object.optional(key).and_then(|node| node.text());
}

fn number(object: &Object<'_>, key: &str) {
    object.required(key).and_then(|node| node.integer(0..=u32::MAX));
}

fn each(object: &Object<'_>, key: &str, check: impl Fn(&Object<'_>)) {
    let nodes = object.optional(key).and_then(|node| node.list());
    nodes.into_iter().flatten().filter_map(|node| node.object()).for_each(|object| check(&object));
}

/// Reads the wire name of a set without regard to case.
///
/// # Errors
/// A sentence with the two names.
pub fn parse_dataset(name: &str) -> Result<Dataset, String> {
    match name {
        _ if name.eq_ignore_ascii_case("Train") => Ok(Dataset::Train),
        _ if name.eq_ignore_ascii_case("Test") => Ok(Dataset::Test),
        _ => Err(format!("dataset is Train or Test, {name:?} was given")),
    }
}

fn dataset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Dataset>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| parse_dataset(&name)).transpose().map_err(de::Error::custom)
}

fn dataset_name<S: Serializer>(dataset: &Option<Dataset>, serializer: S) -> Result<S::Ok, S::Error> {
    match dataset {
        Some(Dataset::Train) => serializer.serialize_str("Train"),
        Some(Dataset::Test) => serializer.serialize_str("Test"),
        None => serializer.serialize_none(),
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn example() -> Value {
        json!({
            "projectFileVersion": "2022-05-01",
            "stringIndexType": "Utf16CodeUnit",
            "metadata": { "projectKind": "CustomEntityRecognition",
                "storageInputContainerName": "claims-letters", "settings": {}, "projectName": "ClaimsDesk",
                "multilingual": false, "description": "Fields of incoming claim letters", "language": "en-us" },
            "assets": { "projectKind": "CustomEntityRecognition",
                "entities": [ { "category": "Claimant" }, { "category": "PolicyNumber", "description": "PN-…" } ],
                "documents": [
                    { "location": "claim-001.txt", "language": "en-us", "dataset": "Train", "entities": [
                        { "regionOffset": 0, "regionLength": 104, "labels": [
                            { "category": "Claimant", "offset": 9, "length": 8 },
                            { "category": "PolicyNumber", "offset": 31, "length": 7 } ] } ] },
                    { "location": "claim-002.txt", "entities": [] } ] }
        })
    }

    fn parse(file: &Value) -> Result<ProjectFile, Vec<Problem>> {
        ProjectFile::parse(file.to_string().as_bytes())
    }

    fn pointers(file: &Value) -> Vec<String> {
        parse(file).unwrap_err().into_iter().map(|problem| problem.pointer).collect()
    }

    #[test]
    fn the_example_comes_back_unchanged() {
        let file = parse(&example()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&file.to_json()).unwrap(), example());
        let documents = &file.assets.as_ref().unwrap().documents;
        assert_eq!(documents.iter().map(|d| d.dataset).collect::<Vec<_>>(), [Some(Dataset::Train), None]);
    }

    #[test]
    fn optional_parts_and_unknown_fields_are_tolerated() {
        let mut file = example();
        file["assets"] = Value::Null;
        file["metadata"]["settings"] = json!({ "isLabelingLocked": true });
        file["metadata"]["multilingual"] = Value::Null;
        file["new"] = json!([1]);
        assert!(parse(&file).unwrap().assets.is_none());
    }

    #[test]
    fn all_problems_are_named_with_their_place() {
        let mut file = example();
        file["metadata"]["multilingual"] = json!("True");
        file["metadata"]["language"] = json!(7);
        file["metadata"].as_object_mut().unwrap().remove("projectKind");
        file["assets"]["documents"][0]["dataset"] = json!("Validation");
        file["assets"]["documents"][0]["entities"][0]["labels"][1]["offset"] = json!(-1);
        file["assets"]["documents"][1]["entities"] = json!({});
        assert_eq!(
            pointers(&file),
            [
                "#/metadata",
                "#/metadata/language",
                "#/metadata/multilingual",
                "#/assets/documents/0/dataset",
                "#/assets/documents/0/entities/0/labels/1/offset",
                "#/assets/documents/1/entities",
            ]
        );
    }

    #[test]
    fn at_most_100_problems_are_listed() {
        let mut file = example();
        file["assets"]["documents"] = json!(vec![json!({}); 250]);
        assert_eq!(pointers(&file).len(), 100);
    }

    #[test]
    fn what_is_no_json_is_said_so() {
        let problems = ProjectFile::parse(b"{\"metadata\": ").unwrap_err();
        assert!(problems[0].message.contains("not JSON"), "{}", problems[0].message);
        assert_eq!(pointers(&json!([])), ["#"]);
        let twice = br#"{"projectFileVersion":"a","projectFileVersion":"b"}"#;
        assert!(!ProjectFile::parse(twice).unwrap_err().is_empty());
    }

    #[test]
    fn metadata_become_options_and_back() {
        let metadata = parse(&example()).unwrap().metadata;
        let options = metadata.options().unwrap();
        assert_eq!(FileMetadata::from(&options), metadata);
        assert_eq!(metadata.path_problem(&options.project_name), None);
        assert!(metadata.path_problem(&ProjectName::new("Other").unwrap()).is_some());
        let wrong = FileMetadata { project_name: "a b".to_owned(), ..FileMetadata::default() };
        let pointers: Vec<_> = wrong.options().unwrap_err().into_iter().map(|p| p.pointer).collect();
        let expected = ["projectKind", "projectName", "storageInputContainerName", "language"];
        assert_eq!(pointers, expected.map(|key| format!("#/metadata/{key}")));
    }

    /// Whatever one value is replaced by, the fast reader and the explaining walk agree.
    #[test]
    fn the_explanation_covers_what_the_reader_refuses() {
        let values = [
            json!(null),
            json!(true),
            json!(1),
            json!(-1),
            json!(1.5),
            json!("x"),
            json!([]),
            json!({}),
            json!(["x"]),
            json!(u64::MAX),
        ];
        for pointer in places(&example(), String::new()) {
            for value in &values {
                let mut file = example();
                *file.pointer_mut(&pointer).unwrap() = value.clone();
                if let Err(problems) = parse(&file) {
                    assert!(
                        problems.iter().all(|problem| !problem.message.starts_with("wrong shape")),
                        "{pointer} = {value}: {problems:?}"
                    );
                }
            }
        }
    }

    fn places(value: &Value, pointer: String) -> Vec<String> {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
            _ => Vec::new(),
        };
        let below = children.into_iter().flat_map(|(key, value)| places(value, format!("{pointer}/{key}")));
        std::iter::once(pointer.clone()).chain(below.collect::<Vec<_>>()).collect()
    }
}
