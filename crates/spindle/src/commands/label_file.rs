//! A label file as the command line sees it: what it says of its project, and everything else untouched.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// The options of a project under their wire names.
pub(super) type Metadata = Map<String, Value>;

/// A label file of any version; the server judges it.
pub(super) struct LabelFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// What the file says of its project; empty in old versions.
    pub(super) metadata: Metadata,
}

/// The part this program reads; the rest may be large and is only passed over.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl LabelFile {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::of(path, bytes)
    }

    fn of(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let head: Head = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is no label file in JSON", path.display()))?;
        Ok(Self { path: path.to_owned(), bytes, metadata: head.metadata.unwrap_or_default() })
    }

    /// The file as the body of an import, with `metadata` in place of its own; byte for byte the file when they agree.
    pub(super) fn body(self, metadata: &Metadata) -> Result<Vec<u8>> {
        if self.metadata == *metadata {
            return Ok(self.bytes);
        }
        let mut file: Value = serde_json::from_slice(&self.bytes)?;
        let Some(object) = file.as_object_mut() else {
            bail!("{} is no label file: it holds no JSON object", self.path.display());
        };
        object.insert("metadata".to_owned(), Value::Object(metadata.clone()));
        Ok(serde_json::to_vec(&file)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = r#"{ "projectFileVersion": "2022-05-01", "stringIndexType": "Utf16CodeUnit",
        "metadata": { "projectName": "Desk", "language": "en-us" }, "assets": { "projectKind": "x", "new": [1] } }"#;

    fn file(text: &str) -> Result<LabelFile> {
        LabelFile::of(Path::new("labels.json"), text.as_bytes().to_vec())
    }

    #[test]
    fn an_unchanged_file_goes_as_it_is() {
        let labels = file(FILE).unwrap();
        let metadata = labels.metadata.clone();
        assert_eq!(labels.body(&metadata).unwrap(), FILE.as_bytes());
    }

    #[test]
    fn another_name_changes_the_metadata_alone() {
        let labels = file(FILE).unwrap();
        let mut metadata = labels.metadata.clone();
        metadata.insert("projectName".to_owned(), json!("Other"));
        let sent: Value = serde_json::from_slice(&labels.body(&metadata).unwrap()).unwrap();
        let mut expected: Value = serde_json::from_str(FILE).unwrap();
        expected["metadata"]["projectName"] = json!("Other");
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_file_without_metadata_gets_them() {
        let labels = file(r#"{"extractors":[],"documents":[]}"#).unwrap();
        assert!(labels.metadata.is_empty());
        let metadata: Metadata = [("projectName".to_owned(), json!("P"))].into_iter().collect();
        let sent: Value = serde_json::from_slice(&labels.body(&metadata).unwrap()).unwrap();
        assert_eq!((&sent["metadata"]["projectName"], &sent["extractors"]), (&json!("P"), &json!([])));
    }

    #[test]
    fn what_is_no_json_is_named() {
        let error = format!("{:#}", file("{\"metadata\": ").err().unwrap());
        assert!(
            error.starts_with("labels.json is no label file in JSON: ") && error.contains("line 1"),
            "{error}"
        );
    }
}
