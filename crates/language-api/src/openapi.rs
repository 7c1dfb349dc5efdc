//! The description of everything this server answers, as OpenAPI 3.1: one row per operation here, the schemas beside it.

use crate::limits::PROBLEMS_MAX;
use serde_json::{Map, Value, json};

mod operations;

/// Schemas by name, parameters by name.
const SCHEMAS: [&str; 3] = [
    include_str!("openapi/schemas/authoring.json"),
    include_str!("openapi/schemas/prediction.json"),
    include_str!("openapi/schemas/events.json"),
];
const PARAMETERS: &str = include_str!("openapi/parameters.json");

/// Media type of bodies that are lines of JSON.
const LINES: &str = "application/x-ndjson";

/// What operations of one kind share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// The contract's authoring API.
    Authoring,
    /// The contract's prediction API, and the call that answers at once.
    Prediction,
    /// Notifications of storage services.
    Events,
    /// Open to everybody.
    Open,
}

/// How an operation answers when it goes well.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// JSON of a schema under a status.
    Json(u16, &'static str),
    /// A page of a list of a schema.
    Page(&'static str),
    /// 202 and the address of a job.
    Job,
    /// 204.
    Nothing,
    /// Plain text under a status.
    Text(u16),
    /// 200 without a body.
    Head,
    /// 200 with bytes.
    File,
    /// 200 with a line of JSON for each line of the body; the schema says what they hold.
    Lines(&'static str),
}

/// One operation.
struct Operation {
    family: Family,
    method: &'static str,
    /// Places are named; the names are parameters.
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Query parameters besides `api-version`.
    query: &'static [&'static str],
    /// Schema of the body.
    body: Option<&'static str>,
    answers: &'static [Answer],
    /// Statuses of errors besides those of the family.
    errors: &'static [u16],
}

/// The whole document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in operations::OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = operation.describe();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Spindle",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS.into_iter().map(embedded).fold(Map::new(), joined),
            "parameters": embedded(PARAMETERS),
            "securitySchemes": {
                "key": { "type": "apiKey", "in": "header", "name": "Ocp-Apim-Subscription-Key" },
                "events": { "type": "http", "scheme": "bearer", "description": "The events secret." },
            },
        },
    })
}

/// Every operation as method and path, whose places are `{}`.
pub fn operations() -> impl Iterator<Item = (&'static str, String)> {
    operations::OPERATIONS.iter().map(|operation| (operation.method, unnamed(operation.path)))
}

const DESCRIPTION: &str = "Custom named entity recognition over the REST contract of Azure AI Language. Long operations answer \
    202 with the address of a job in operation-location. Offsets of project files count UTF-16 code units.";

impl Operation {
    fn describe(&self) -> Value {
        let names = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let version = self.has_version().then_some("api-version");
        let parameters: Vec<Value> =
            names.chain(version).chain(self.query.iter().copied()).map(parameter).collect();
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": self.responses(),
            "security": self.security(),
        });
        if let Some(schema) = self.body {
            let content = json!({ "schema": reference(schema) });
            // Servers of the contract take a patch under either name.
            let content = match (self.method, self.answers) {
                ("PATCH", _) => {
                    json!({ "application/json": content, "application/merge-patch+json": content })
                }
                (_, [Answer::Lines(_)]) => json!({ LINES: content }),
                _ => json!({ "application/json": content }),
            };
            described["requestBody"] = json!({ "required": true, "content": content });
        }
        described
    }

    fn has_version(&self) -> bool {
        matches!(self.family, Family::Authoring | Family::Prediction)
    }

    fn security(&self) -> Value {
        match self.family {
            Family::Authoring | Family::Prediction => json!([{ "key": [] }]),
            Family::Events if self.body.is_some() => json!([{ "events": [] }]),
            Family::Events | Family::Open => json!([]),
        }
    }

    fn responses(&self) -> Value {
        let good = self.answers.iter().map(|answer| answer.describe());
        let statuses = self.family_errors().iter().chain(self.errors);
        let bad = statuses.map(|status| (status.to_string(), error(*status)));
        Value::Object(good.chain(bad).collect())
    }

    fn family_errors(&self) -> &'static [u16] {
        let named = self.path.contains('{');
        match (self.family, self.body.is_some(), named) {
            (Family::Authoring, true, _) => &[400, 401, 403, 404, 413, 429],
            (Family::Authoring, false, true) => &[400, 401, 403, 404, 429],
            (Family::Authoring, false, false) => &[400, 401, 403, 429],
            (Family::Prediction, true, _) => &[400, 401, 404, 413, 429],
            (Family::Prediction, false, _) => &[400, 401, 404, 429],
            (Family::Events, true, _) => &[400, 401],
            (Family::Events, false, _) | (Family::Open, ..) => &[],
        }
    }
}

impl Answer {
    fn describe(self) -> (String, Value) {
        let json = |schema: Value| json!({ "application/json": { "schema": schema } });
        let (status, response) = match self {
            Self::Json(status, schema) => {
                (status, json!({ "description": schema, "content": json(reference(schema)) }))
            }
            Self::Page(schema) => {
                let page = json!({
                    "type": "object",
                    "required": ["value", "nextLink"],
                    "properties": {
                        "value": { "type": "array", "items": reference(schema) },
                        "nextLink": { "type": ["string", "null"] },
                    },
                });
                (200, json!({ "description": format!("A page of {schema}"), "content": json(page) }))
            }
            Self::Job => {
                let header = json!({ "required": true, "schema": { "type": "string", "format": "uri" } });
                let headers = json!({ "operation-location": header });
                (202, json!({ "description": "The job is enqueued", "headers": headers }))
            }
            Self::Nothing => (204, json!({ "description": "Done" })),
            Self::Head => (200, json!({ "description": "Here" })),
            Self::File => {
                let content = json!({ "application/octet-stream": {} });
                (200, json!({ "description": "The file's bytes", "content": content }))
            }
            Self::Lines(schema) => {
                let content = json!({ LINES: { "schema": reference(schema) } });
                (200, json!({ "description": schema, "content": content }))
            }
            Self::Text(status) => {
                let content = json!({ "text/plain": { "schema": { "type": "string" } } });
                (status, json!({ "description": "A word", "content": content }))
            }
        };
        (status.to_string(), response)
    }
}

fn error(status: u16) -> Value {
    let description = match status {
        400 => format!("The call is wrong; up to {PROBLEMS_MAX} reasons are in details"),
        401 => "No valid key".to_owned(),
        403 => "The key's role may not do this".to_owned(),
        404 => "Project, object or job not found".to_owned(),
        405 => "Another method is meant".to_owned(),
        409 => "What is there now is in the way".to_owned(),
        413 => "The body is too large".to_owned(),
        429 => "Too many calls in this minute; Retry-After says when to go on".to_owned(),
        503 => "A model can't be used, and the message says why, or the machine is too busy".to_owned(),
        _ => "Refused".to_owned(),
    };
    json!({ "description": description, "content": { "application/json": { "schema": reference("ErrorResponse") } } })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// A file of this crate; that it is JSON is tested.
fn embedded(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn joined(mut all: Map<String, Value>, part: Value) -> Map<String, Value> {
    if let Value::Object(part) = part {
        all.extend(part);
    }
    all
}

fn unnamed(path: &str) -> String {
    let mut parts = path.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| path + "{}" + part.split_once('}').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests;
