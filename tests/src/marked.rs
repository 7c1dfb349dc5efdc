//! Small projects written in a test: texts with their labels marked in them.

use crate::api::{Client, PROJECTS};
use crate::python;
use crate::server::Server;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;

/// A project whose documents are texts with marks like `[Place:Oslo]`.
pub struct Marked {
    /// Name of the project and of its container.
    pub name: String,
    language: String,
    multilingual: bool,
    categories: Vec<String>,
    documents: Vec<(Value, String)>,
}

impl Marked {
    /// A project without documents; `name` must do as a container's name, too.
    pub fn new(name: &str, language: &str) -> Self {
        Self {
            name: name.to_owned(),
            language: language.to_owned(),
            multilingual: false,
            categories: vec![],
            documents: vec![],
        }
    }

    /// The same project, whose documents may have other languages.
    #[must_use]
    pub fn multilingual(self) -> Self {
        Self { multilingual: true, ..self }
    }

    /// Adds a document in a dataset.
    ///
    /// # Errors
    /// A mark is not closed or has no category.
    pub fn add(&mut self, dataset: &str, marked: &str) -> Result<()> {
        let (mut text, mut labels, mut rest) = (String::new(), vec![], marked);
        let units = |text: &str| text.encode_utf16().count();
        while let Some((before, mark)) = rest.split_once('[') {
            text.push_str(before);
            let (mark, after) = mark.split_once(']').context("a mark is not closed")?;
            let (category, said) = mark.split_once(':').context("a mark has no category")?;
            labels.push(json!({ "category": category, "offset": units(&text), "length": units(said) }));
            if !self.categories.iter().any(|known| known == category) {
                self.categories.push(category.to_owned());
            }
            text.push_str(said);
            rest = after;
        }
        text.push_str(rest);
        let location = format!("{:03}.txt", self.documents.len());
        let entities = json!([{ "regionOffset": 0, "regionLength": units(&text), "labels": labels }]);
        let entry = json!({
            "location": location, "language": self.language, "dataset": dataset, "entities": entities,
        });
        self.documents.push((entry, text));
        Ok(())
    }

    /// Uploads the documents and imports the labels.
    ///
    /// # Errors
    /// The S3 client fails, or the import does not succeed.
    pub fn put(&self, server: &Server) -> Result<()> {
        let folder = tempfile::tempdir()?;
        for (entry, text) in &self.documents {
            fs::write(folder.path().join(entry["location"].as_str().unwrap_or_default()), text)?;
        }
        python::upload(server, &self.name, folder.path())?;
        let entries: Vec<&Value> = self.documents.iter().map(|(entry, _)| entry).collect();
        let entities: Vec<Value> = self.categories.iter().map(|name| json!({ "category": name })).collect();
        let file = json!({
            "projectFileVersion": "2022-05-01", "stringIndexType": "Utf16CodeUnit",
            "metadata": {
                "projectKind": "CustomEntityRecognition", "storageInputContainerName": self.name, "settings": {},
                "projectName": self.name, "multilingual": self.multilingual, "language": self.language,
            },
            "assets": { "projectKind": "CustomEntityRecognition", "entities": entities, "documents": entries },
        });
        server.client().succeed("POST", &self.path("/:import"), Some(&file))?;
        Ok(())
    }

    /// Path of the project, or of something below it.
    pub fn path(&self, rest: &str) -> String {
        format!("{PROJECTS}/{}{rest}", self.name)
    }

    /// Trains on the documents' own datasets and returns the job's last state.
    ///
    /// # Errors
    /// The training is refused.
    pub fn train(&self, client: &Client, model: &str, config: &str) -> Result<Value> {
        let job = self.start_training(client, model, config)?;
        client.wait(&job)
    }

    /// Starts a training on the documents' own datasets and returns the job's URL.
    ///
    /// # Errors
    /// The training is refused.
    pub fn start_training(&self, client: &Client, model: &str, config: &str) -> Result<String> {
        let body = json!({
            "modelLabel": model, "trainingConfigVersion": config, "evaluationOptions": { "kind": "manual" },
        });
        client.start("POST", &self.path("/:train"), Some(&body))
    }
}
