//! The publisher's description of the API (Swagger 2.0): which operation a call is, and whether an answer is as described.

use crate::places::root;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The version whose description the answers are held against.
pub const VERSION: &str = "2023-04-01";
const MAIN: &str = "analyzetext-authoring.json";
const COMMON: &str = "common.json";
/// What stands between the endpoint and the description's paths.
const BASE: &str = "/language";
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// Keywords that say nothing about a value.
const PROSE: [&str; 7] =
    ["description", "default", "title", "x-ms-client-name", "x-ms-enum", "x-ms-discriminator-value", "$ref"];

/// A description and its files.
#[derive(Debug)]
pub struct Description {
    files: BTreeMap<&'static str, Value>,
}

/// One operation: method and path with its places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// In upper case.
    pub method: String,
    /// As described: `/authoring/analyze-text/projects/{projectName}`.
    pub path: String,
}

impl Description {
    /// The authoring description beside the repository, when this machine has it; says so when not.
    ///
    /// # Errors
    /// Its files are not readable.
    pub fn load() -> Result<Option<Self>> {
        let folder = root().join("../shared/contract/openapi/stable").join(VERSION);
        if !folder.is_dir() {
            println!("skipped: there is no API description {}", folder.display());
            return Ok(None);
        }
        let files = [MAIN, COMMON].map(|name| Ok((name, read(&folder.join(name))?)));
        Ok(Some(Self { files: files.into_iter().collect::<Result<_>>()? }))
    }

    /// Every operation.
    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.files[MAIN]["paths"].as_object().into_iter().flatten();
        let each = paths.flat_map(|(path, methods)| {
            METHODS
                .into_iter()
                .filter(|method| methods.get(*method).is_some())
                .map(move |method| Operation { method: method.to_uppercase(), path: path.clone() })
        });
        each.collect()
    }

    /// The operation of a call; `path` is without host and query.
    pub fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        let path = path.strip_prefix(BASE)?;
        let words: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let fitting = self.operations().into_iter().filter(|operation| operation.method == method);
        // `deployments/swap/jobs` is also the path of a deployment called swap: the more particular one is meant.
        fitting
            .filter_map(|operation| Some((literals(&operation.path, &words)?, operation)))
            .max_by_key(|(literals, _)| *literals)
            .map(|(_, operation)| operation)
    }

    /// What is wrong about an answer; nothing when it is as described.
    ///
    /// # Errors
    /// The description has no such operation.
    pub fn problems(&self, operation: &Operation, status: u16, body: &[u8]) -> Result<Vec<String>> {
        let described = &self.files[MAIN]["paths"][&operation.path][operation.method.to_lowercase()];
        let responses =
            described["responses"].as_object().context("the description has no such operation")?;
        let named = responses.get(&status.to_string());
        ensure!(named.is_some() || status >= 400, "{operation:?} does not answer {status}");
        let response = named.or_else(|| responses.get("default")).context("no default answer")?;
        let Some(schema) = response.get("schema") else {
            return Ok(if body.is_empty() { vec![] } else { vec![format!("{status} has a body")] });
        };
        let value: Value = serde_json::from_slice(body).context("the body is not JSON")?;
        let mut check = Check { files: &self.files, problems: vec![] };
        check.value(MAIN, schema, &value, "#", true);
        Ok(check.problems)
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// How many words of `words` stand literally in `pattern`; `None` when it does not fit.
fn literals(pattern: &str, words: &[&str]) -> Option<usize> {
    let expected: Vec<&str> = pattern.split('/').collect();
    if expected.len() != words.len() {
        return None;
    }
    let mut literals = 0;
    for (expected, word) in expected.iter().zip(words) {
        if expected.starts_with('{') {
            if word.is_empty() || word.starts_with(':') {
                return None;
            }
        } else if expected.eq_ignore_ascii_case(word) {
            literals += 1;
        } else {
            return None;
        }
    }
    Some(literals)
}

struct Check<'a> {
    files: &'a BTreeMap<&'static str, Value>,
    problems: Vec<String>,
}

impl<'a> Check<'a> {
    fn fail(&mut self, at: &str, message: impl std::fmt::Display) {
        self.problems.push(format!("{at}: {message}"));
    }

    /// `subtypes`: whether a discriminator chooses; not when the subtype itself asks.
    fn value(&mut self, file: &'static str, schema: &'a Value, value: &Value, at: &str, subtypes: bool) {
        if value.is_null() && schema["x-nullable"] == true {
            return;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            return match self.resolve(file, reference) {
                Some((file, schema)) => self.value(file, schema, value, at, subtypes),
                None => self.fail(at, format!("the description's reference {reference} leads nowhere")),
            };
        }
        for (keyword, rule) in schema.as_object().into_iter().flatten() {
            self.keyword(file, keyword, rule, value, at);
        }
        let discriminator = schema["discriminator"].as_str().filter(|_| subtypes);
        if let Some(field) = discriminator {
            let kind = value[field].as_str().unwrap_or_default();
            match self.subtype(file, kind, schema) {
                Some(schema) => self.value(file, schema, value, at, false),
                None => self.fail(at, format!("{field} {kind:?} is no kind the description knows")),
            }
        }
    }

    fn keyword(&mut self, file: &'static str, keyword: &str, rule: &'a Value, value: &Value, at: &str) {
        match keyword {
            "type" if !has_type(value, rule.as_str().unwrap_or_default()) => {
                self.fail(at, format!("is no {rule}: {value}"));
            }
            "type" | "discriminator" | "x-nullable" => {}
            "required" => {
                for field in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.get(field).is_none() {
                        self.fail(at, format!("{field} is missing"));
                    }
                }
            }
            "properties" => self.properties(file, rule, value, at),
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    self.value(file, rule, value, &format!("{at}/{name}"), true);
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    self.value(file, rule, value, &format!("{at}/{index}"), true);
                }
            }
            "allOf" => {
                for schema in rule.as_array().into_iter().flatten() {
                    self.value(file, schema, value, at, false);
                }
            }
            "enum" if !rule.as_array().is_some_and(|all| all.contains(value)) => {
                self.fail(at, format!("{value} is none of {rule}"));
            }
            "format" if !has_format(value, rule.as_str().unwrap_or_default()) => {
                self.fail(at, format!("{value} has not the format {rule}"));
            }
            "minimum" if value.as_f64() < rule.as_f64() => self.fail(at, format!("{value} is below {rule}")),
            "maximum" if value.as_f64() > rule.as_f64() => self.fail(at, format!("{value} is above {rule}")),
            "maxLength" if value.as_str().map(|text| text.chars().count() as u64) > rule.as_u64() => {
                self.fail(at, format!("is longer than {rule}"));
            }
            "maxItems" if value.as_array().map(|list| list.len() as u64) > rule.as_u64() => {
                self.fail(at, format!("has more than {rule} items"));
            }
            "enum" | "format" | "minimum" | "maximum" | "maxLength" | "maxItems" => {}
            prose if PROSE.contains(&prose) => {}
            unknown => {
                self.fail(at, format!("the description uses {unknown}, which this check does not know"))
            }
        }
    }

    fn properties(&mut self, file: &'static str, rules: &'a Value, value: &Value, at: &str) {
        let empty = Map::new();
        let fields = value.as_object().unwrap_or(&empty);
        for (name, rule) in rules.as_object().into_iter().flatten() {
            if let Some(field) = fields.get(name) {
                self.value(file, rule, field, &format!("{at}/{name}"), true);
            }
        }
    }

    fn resolve(&self, file: &'static str, reference: &str) -> Option<(&'static str, &'a Value)> {
        let (named, pointer) = reference.split_once('#')?;
        let named = named.trim_start_matches("./");
        let file = if named.is_empty() { file } else { *self.files.keys().find(|name| **name == named)? };
        Some((file, self.files.get(file)?.pointer(pointer)?))
    }

    /// The definition that says it is `kind` of the definition `base`.
    fn subtype(&self, file: &'static str, kind: &str, base: &Value) -> Option<&'a Value> {
        let definitions = self.files.get(file)?["definitions"].as_object()?;
        definitions.values().find(|definition| {
            let bases = definition["allOf"].as_array().into_iter().flatten();
            definition["x-ms-discriminator-value"] == kind
                && bases
                    .filter_map(|base| self.resolve(file, base["$ref"].as_str()?))
                    .any(|(_, found)| found == base)
        })
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn has_format(value: &Value, name: &str) -> bool {
    match (name, value) {
        ("date-time", Value::String(text)) => text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
        ("date", Value::String(text)) => text.parse::<jiff::civil::Date>().is_ok(),
        ("int32", value) => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("int64" | "float" | "double", value) => value.is_number(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(method: &str, path: &str, status: u16, body: &Value) -> Option<Vec<String>> {
        let description = Description::load().unwrap()?;
        let operation = description.operation(method, path).expect("described");
        Some(description.problems(&operation, status, body.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn operations_are_found_by_their_most_particular_path() {
        let Some(description) = Description::load().unwrap() else { return };
        let path = |method, path: &str| {
            let path = format!("/language/authoring/analyze-text/projects{path}");
            description.operation(method, &path).map(|operation| operation.path)
        };
        let found = path("GET", "/P/deployments/swap/jobs/1").expect("described");
        assert!(found.ends_with("/deployments/swap/jobs/{jobId}"), "{found}");
        assert!(path("GET", "/global/languages/").expect("described").ends_with("/global/languages"));
        assert_eq!(path("PUT", ""), None);
        assert_eq!(description.operations().len(), 29);
    }

    #[test]
    fn wrong_answers_are_told_apart_from_right_ones() {
        let place = "/language/authoring/analyze-text/projects/P/models/m";
        let mut model = json!({ "label": "m", "modelId": "m-1", "lastTrainedDateTime": "2024-05-06T09:31:15Z",
            "lastTrainingDurationInSeconds": 267, "modelExpirationDate": "2024-10-28",
            "modelTrainingConfigVersion": "2022-05-01", "hasSnapshot": true });
        let Some(found) = problems("GET", place, 200, &model) else { return };
        assert_eq!(found, Vec::<String>::new());
        model["hasSnapshot"] = json!("yes");
        model["lastTrainedDateTime"] = json!("yesterday");
        model.as_object_mut().expect("an object").remove("label");
        assert_eq!(problems("GET", place, 200, &model).expect("loaded").len(), 3);
        let summary = json!({ "projectKind": "CustomEntityRecognition",
            "evaluationOptions": { "kind": "manual" }, "customEntityRecognitionEvaluation": { "microF1": 1.0 } });
        let place = format!("{place}/evaluation/summary-result");
        let found = problems("GET", &place, 200, &summary).expect("loaded").join("\n");
        assert!(found.contains("#/customEntityRecognitionEvaluation: confusionMatrix is missing"), "{found}");
    }
}
