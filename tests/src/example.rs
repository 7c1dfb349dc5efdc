//! The example project on a server: its documents, its label file, and the steps of its life.

use crate::api::{Client, PROJECTS};
use crate::places::root;
use crate::python;
use crate::server::Server;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A project made from a folder with `labels.json` and `documents/`, under a name of its own.
pub struct Example {
    /// The label file, its project renamed.
    pub labels: Value,
    /// The project's name.
    pub project: String,
    folder: PathBuf,
}

impl Example {
    /// The claims desk of this repository as project `project` over the bucket `container`.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn claims_desk(project: &str, container: &str) -> Result<Self> {
        let folder = root().join("examples/claims-desk");
        let mut labels: Value = serde_json::from_slice(&fs::read(folder.join("labels.json"))?)?;
        labels["metadata"]["projectName"] = json!(project);
        labels["metadata"]["storageInputContainerName"] = json!(container);
        Ok(Self { labels, project: project.to_owned(), folder })
    }

    /// Where `labels.json` and `documents/` lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bucket of the documents.
    pub fn container(&self) -> &str {
        self.labels["metadata"]["storageInputContainerName"].as_str().unwrap_or_default()
    }

    /// Path of the project, or of something below it.
    pub fn path(&self, rest: &str) -> String {
        format!("{PROJECTS}/{}{rest}", self.project)
    }

    /// Texts of the documents in a dataset, by location.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn texts(&self, dataset: &str) -> Result<Vec<(String, String)>> {
        let documents =
            self.labels["assets"]["documents"].as_array().context("the label file has no documents")?;
        let chosen = documents.iter().filter(|document| document["dataset"] == dataset);
        chosen
            .map(|document| {
                let location = document["location"].as_str().context("a document without location")?;
                Ok((location.to_owned(), fs::read_to_string(self.folder.join("documents").join(location))?))
            })
            .collect()
    }

    /// Texts without labels, by file name.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn unseen(&self) -> Result<Vec<(String, String)>> {
        texts_in(&self.folder.join("unseen"))
    }

    /// Uploads the documents; returns how many.
    ///
    /// # Errors
    /// The S3 client fails.
    pub fn upload(&self, server: &Server) -> Result<usize> {
        python::upload(server, self.container(), &self.folder.join("documents"))
    }

    /// Uploads the documents to the storage that the file `access` names; returns how many.
    ///
    /// # Errors
    /// The S3 client fails.
    pub fn upload_to(&self, access: &Path) -> Result<usize> {
        python::upload_to(access, self.container(), &self.folder.join("documents"))
    }

    /// Imports the label file, which makes the project when there is none.
    ///
    /// # Errors
    /// The import does not succeed.
    pub fn import(&self, client: &Client) -> Result<Value> {
        client.succeed("POST", &self.path("/:import"), Some(&self.labels))
    }

    /// Starts a training on the label file's own datasets and returns the job's URL.
    ///
    /// # Errors
    /// The training is refused.
    pub fn start_training(&self, client: &Client, model: &str, config: &str) -> Result<String> {
        let body = json!({ "modelLabel": model, "trainingConfigVersion": config, "evaluationOptions": { "kind": "manual" } });
        client.start("POST", &self.path("/:train"), Some(&body))
    }

    /// Deploys a model.
    ///
    /// # Errors
    /// The deployment does not succeed.
    pub fn deploy(&self, client: &Client, model: &str, deployment: &str) -> Result<Value> {
        let body = json!({ "trainedModelLabel": model });
        client.succeed("PUT", &self.path(&format!("/deployments/{deployment}")), Some(&body))
    }

    /// A synchronous prediction request for `documents`.
    pub fn question(&self, deployment: &str, string_index_type: &str, documents: &Value) -> Value {
        json!({
            "kind": "CustomEntityRecognition",
            "analysisInput": { "documents": documents },
            "parameters": self.parameters(deployment, string_index_type),
        })
    }

    /// A prediction job for `documents`.
    pub fn job(&self, deployment: &str, string_index_type: &str, documents: &Value) -> Value {
        json!({
            "displayName": "a job",
            "analysisInput": { "documents": documents },
            "tasks": [{
                "kind": "CustomEntityRecognition",
                "taskName": "fields",
                "parameters": self.parameters(deployment, string_index_type),
            }],
        })
    }

    fn parameters(&self, deployment: &str, string_index_type: &str) -> Value {
        json!({ "projectName": self.project, "deploymentName": deployment, "stringIndexType": string_index_type })
    }
}

/// The `.txt` files of a folder by name, in order.
///
/// # Errors
/// A file can't be read.
pub fn texts_in(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut texts = vec![];
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            texts.push((name, fs::read_to_string(&path)?));
        }
    }
    texts.sort();
    Ok(texts)
}

/// Named texts as the documents of a prediction request.
pub fn documents(texts: &[(String, String)]) -> Value {
    texts.iter().map(|(id, text)| json!({ "id": id, "language": "en-us", "text": text })).collect()
}
