//! API scenarios as data: requests in order, and what each must be answered with.
//!
//! Texts in requests and patterns may hold `${name}`: a variable that the runner provides (`endpoint`, `key`, `project`,
//! `container`, `filler`) or that an earlier step captured. Patterns: [`crate::pattern`].

use crate::api::{API_VERSION, Answer, Client, PROJECTS};
use crate::openapi::{self, Description, Operation};
use crate::pattern::{matches, mismatch};
use crate::{Example, Server, command, places, python};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};
use ureq::http::Request;

/// How long a step that waits for an answer asks again.
const UNTIL_MAX: Duration = Duration::from_secs(60);
/// Length of `${filler}`: more than any sensible description.
const FILLER_BYTES: usize = 50_000;
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Documents that no label file of the claims desk names.
const OTHER_DOCUMENTS: &str = "examples/claims-desk/unseen";

/// One file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub about: String,
    /// Limits of a server of its own; without them it shares one.
    #[serde(default)]
    pub limits: Option<Value>,
    /// Where subscribers of a server of its own may listen.
    #[serde(default)]
    pub subscribers: Option<String>,
    /// Access keys to make: variable and role.
    #[serde(default)]
    keys: BTreeMap<String, String>,
    /// Whether the claims desk's documents lie in `${container}`.
    #[serde(default)]
    documents: bool,
    /// Whether `${container}-elsewhere` exists, which has other documents.
    #[serde(default)]
    elsewhere: bool,
    steps: Vec<Step>,
}

/// One request and its answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    does: String,
    #[serde(default = "get")]
    method: String,
    /// Below the prefix of all projects; the version is added.
    path: Option<String>,
    /// A whole address, as answers give them.
    url: Option<String>,
    /// Sent instead of the usual version; empty sends none.
    version: Option<String>,
    /// Sent instead of the server's key; empty sends none.
    key: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A JSON body. `{"$labels": {pointer: value}}` is the claims desk's label file as `${project}` with these changes.
    body: Option<Value>,
    /// A body of any other text.
    text: Option<String>,
    status: u16,
    /// Outer and inner code of an error; the inner one is empty when there is none.
    error: Option<(String, String)>,
    #[serde(default)]
    answer_headers: BTreeMap<String, String>,
    answer: Option<Value>,
    /// Variables from the answer: a JSON pointer, or `header NAME`.
    #[serde(default)]
    capture: BTreeMap<String, String>,
    /// Ask again until the answer is as expected.
    #[serde(default)]
    until: bool,
    /// How the job that this step starts ends.
    ends: Option<Value>,
}

fn get() -> String {
    "GET".to_owned()
}

/// What the scenarios have asked for together.
#[derive(Debug, Default)]
pub struct Seen {
    /// Operations of the description that were answered well.
    pub operations: BTreeSet<Operation>,
    /// Status, outer and inner code of every error.
    pub errors: BTreeSet<(u16, String, String)>,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not readable or no scenario.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no scenario", path.display()))
    }

    /// Runs the steps as project `name` on `server`.
    ///
    /// # Errors
    /// The first step that is answered otherwise than expected, or not as described.
    pub fn run(&self, name: &str, server: &Server, description: Option<&Description>) -> Result<Seen> {
        let container = format!("scenario-{name}");
        let mut example = Example::claims_desk(&format!("Scenario-{name}"), &container)?;
        if self.documents {
            example.upload(server)?;
        }
        if self.elsewhere {
            python::upload(server, &format!("{container}-elsewhere"), &places::root().join(OTHER_DOCUMENTS))?;
        }
        let client = server.client();
        let mut variables = BTreeMap::from([
            ("endpoint".to_owned(), client.endpoint.clone()),
            ("key".to_owned(), client.key.clone()),
            ("project".to_owned(), example.project.clone()),
            ("container".to_owned(), container),
            ("filler".to_owned(), "x".repeat(FILLER_BYTES)),
        ]);
        for (variable, role) in &self.keys {
            variables
                .insert(variable.clone(), command::add_key(server, &format!("{name}-{variable}"), role)?);
        }
        let labels = std::mem::take(&mut example.labels);
        let mut runner = Runner { client, labels, variables, description, seen: Seen::default() };
        for (number, step) in self.steps.iter().enumerate() {
            runner.step(step).with_context(|| format!("step {} {:?}", number + 1, step.does))?;
        }
        Ok(runner.seen)
    }
}

struct Runner<'a> {
    client: Client,
    labels: Value,
    variables: BTreeMap<String, String>,
    description: Option<&'a Description>,
    seen: Seen,
}

impl Runner<'_> {
    fn step(&mut self, step: &Step) -> Result<()> {
        let begun = Instant::now();
        let mut pause = PAUSE_MIN;
        let answer = loop {
            let answer = self.ask(step)?;
            match self.judge(step, &answer) {
                Ok(()) => break answer,
                Err(_) if step.until && begun.elapsed() < UNTIL_MAX => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => return Err(error.context(format!("answered {}", answer.text()))),
            }
        };
        for (variable, source) in &step.capture {
            self.variables.insert(variable.clone(), captured(&answer, source)?);
        }
        match &step.ends {
            Some(pattern) => self.job(answer.header("operation-location"), pattern),
            None => Ok(()),
        }
    }

    /// Follows a job to its end.
    fn job(&mut self, place: &str, pattern: &Value) -> Result<()> {
        let mut states = vec![];
        let end = self.client.wait_watching(place, |state| states.push(state.clone()))?;
        for state in &states {
            self.as_described("GET", place, 200, state.to_string().as_bytes())?;
        }
        let pattern = self.filled(pattern)?;
        match mismatch(&pattern, &end) {
            None => Ok(()),
            Some(reason) => bail!("the job ended otherwise: {reason}\n{end}"),
        }
    }

    fn ask(&self, step: &Step) -> Result<Answer> {
        let url = self.address(step)?;
        let mut request = Request::builder().method(step.method.as_str()).uri(&url);
        let key = step.key.as_deref().map_or_else(|| Ok(self.client.key.clone()), |key| self.text(key))?;
        if !key.is_empty() {
            request = request.header("Ocp-Apim-Subscription-Key", key);
        }
        for (name, value) in &step.headers {
            request = request.header(name, self.text(value)?);
        }
        let body = match (&step.body, &step.text) {
            (Some(body), _) => {
                if !step.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
                    request = request.header("Content-Type", "application/json");
                }
                serde_json::to_vec(&self.body(body)?)?
            }
            (None, Some(text)) => self.text(text)?.into_bytes(),
            (None, None) => return self.client.run(request.body(())?),
        };
        self.client.run(request.body(body)?)
    }

    fn address(&self, step: &Step) -> Result<String> {
        if let Some(url) = &step.url {
            return self.text(url);
        }
        let path = self.text(step.path.as_deref().context("a step needs a path or a url")?)?;
        let separator = if path.contains('?') { '&' } else { '?' };
        let version = match step.version.as_deref().unwrap_or(API_VERSION) {
            "" => String::new(),
            version => format!("{separator}api-version={version}"),
        };
        Ok(format!("{}{PROJECTS}{path}{version}", self.client.endpoint))
    }

    fn body(&self, body: &Value) -> Result<Value> {
        let Some(changes) = body.get("$labels") else { return self.filled(body) };
        let mut labels = self.labels.clone();
        for (pointer, value) in changes.as_object().into_iter().flatten() {
            let (parent, field) = pointer.rsplit_once('/').context("a change needs a JSON pointer")?;
            let place = labels.pointer_mut(parent).with_context(|| format!("there is no {parent}"))?;
            match place {
                Value::Object(fields) if value.get("$absent").is_some() => drop(fields.remove(field)),
                Value::Object(fields) => drop(fields.insert(field.to_owned(), self.filled(value)?)),
                Value::Array(items) => {
                    let item = field.parse().ok().and_then(|index: usize| items.get_mut(index));
                    *item.with_context(|| format!("there is no {pointer}"))? = self.filled(value)?;
                }
                _ => bail!("{parent} has no fields"),
            }
        }
        Ok(labels)
    }

    fn judge(&mut self, step: &Step, answer: &Answer) -> Result<()> {
        ensure!(answer.status == step.status, "status {}, expected {}", answer.status, step.status);
        for (name, pattern) in &step.answer_headers {
            let (pattern, found) = (self.text(pattern)?, answer.header(name));
            ensure!(matches(&pattern, found), "header {name} is {found:?}, expected {pattern:?}");
        }
        if let Some(pattern) = &step.answer {
            if let Some(reason) = mismatch(&self.filled(pattern)?, &answer.json()?) {
                bail!("{reason}");
            }
        }
        if let Some((outer, inner)) = &step.error {
            let expected = (step.status, outer.clone(), inner.clone());
            let found = answer.error()?;
            ensure!(found == expected, "error {found:?}, expected {expected:?}");
            self.seen.errors.insert(found);
        }
        ensure!(step.error.is_some() || step.status < 400, "a refusal needs its codes");
        if step.status == 202 {
            ensure!(answer.body.is_empty(), "202 has a body");
            let place = answer.header("operation-location");
            ensure!(place.starts_with(&self.client.endpoint), "operation-location is {place:?}");
        }
        if step.version.is_some() {
            return Ok(());
        }
        self.as_described(&step.method, &self.address(step)?, answer.status, &answer.body)
    }

    /// Holds an answer of the described version against the description.
    fn as_described(&mut self, method: &str, url: &str, status: u16, body: &[u8]) -> Result<()> {
        let Some(description) = self.description else { return Ok(()) };
        if !url.contains(&format!("api-version={}", openapi::VERSION)) || url.ends_with("-preview") {
            return Ok(());
        }
        let path = url.strip_prefix(&self.client.endpoint).unwrap_or(url);
        let path = path.split('?').next().unwrap_or_default();
        // Some routes of the contract and all of ours are not in the description.
        let Some(operation) = description.operation(method, path) else { return Ok(()) };
        let problems = description.problems(&operation, status, body)?;
        ensure!(problems.is_empty(), "not as described: {}", problems.join("; "));
        if status < 400 {
            self.seen.operations.insert(operation);
        }
        Ok(())
    }

    fn filled(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => json!(self.text(text)?),
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect::<Result<_>>()?,
            Value::Object(fields) => fields
                .iter()
                .map(|(name, field)| Ok((self.text(name)?, self.filled(field)?)))
                .collect::<Result<_>>()?,
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').context("a variable is not closed")?;
            let value = self.variables.get(name).with_context(|| format!("there is no variable {name}"))?;
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn captured(answer: &Answer, source: &str) -> Result<String> {
    if let Some(name) = source.strip_prefix("header ") {
        ensure!(!answer.header(name).is_empty(), "the answer has no header {name}");
        return Ok(answer.header(name).to_owned());
    }
    let body = answer.json()?;
    let found = body.pointer(source).with_context(|| format!("the answer has no {source}: {body}"))?;
    Ok(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}
