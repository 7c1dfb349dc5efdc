//! A small blocking client of the REST API.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, Request, Response};
use ureq::{Agent, AsSendBody};

/// The version the tests speak.
pub const API_VERSION: &str = "2023-04-01";
/// Path of every authoring route up to the project's name.
pub const PROJECTS: &str = "/language/authoring/analyze-text/projects";

/// Training on a machine that does other things too.
const JOB_MAX: Duration = Duration::from_secs(900);
const REQUEST_MAX: Duration = Duration::from_secs(120);
const POLL_MIN: Duration = Duration::from_millis(20);
const POLL_MAX: Duration = Duration::from_millis(500);

/// Address and key of a server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    /// Scheme, host and port.
    pub endpoint: String,
    /// Sent with every request; empty sends none.
    pub key: String,
}

/// An answer of any status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is something else.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("answer {} is not JSON: {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header by name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The JSON body of an answer that has this status.
    ///
    /// # Errors
    /// Another status, with the body; or a body that is not JSON.
    pub fn expect(&self, status: u16) -> Result<Value> {
        ensure!(self.status == status, "answered {}, expected {status}: {}", self.status, self.text());
        self.json()
    }

    /// Status, outer code and inner code (empty when there is none) of an error.
    ///
    /// # Errors
    /// The body is no error as the contract has it.
    pub fn error(&self) -> Result<(u16, String, String)> {
        let body = self.json()?;
        let text =
            |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        ensure!(
            !text("/error/code").is_empty() && !text("/error/message").is_empty(),
            "no error body: {body}"
        );
        Ok((self.status, text("/error/code"), text("/error/innererror/code")))
    }
}

impl Client {
    /// A client of `endpoint`.
    pub fn new(endpoint: &str, key: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_MAX))
            .proxy(None)
            .allow_non_standard_methods(true)
            .build();
        Self { agent: config.new_agent(), endpoint: endpoint.to_owned(), key: key.to_owned() }
    }

    /// The same server with another key; empty sends none.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// The absolute URL of a path, with the version unless the path names one.
    pub fn url(&self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        let version = if path.contains("api-version=") {
            String::new()
        } else {
            format!("{separator}api-version={API_VERSION}")
        };
        format!("{}{path}{version}", self.endpoint)
    }

    /// `GET` of an absolute URL, or of a path, which gets the version.
    ///
    /// # Errors
    /// No answer.
    pub fn get(&self, place: &str) -> Result<Answer> {
        self.send("GET", place, None)
    }

    /// Sends a request; `place` is an absolute URL, or a path, which gets the version.
    ///
    /// # Errors
    /// No answer. Every status is an answer.
    pub fn send(&self, method: &str, place: &str, body: Option<&Value>) -> Result<Answer> {
        let body = body.map(serde_json::to_vec).transpose()?;
        self.send_bytes(method, place, body.map(|body| ("application/json", body)))
    }

    /// Sends a request with any body.
    ///
    /// # Errors
    /// No answer. Every status is an answer.
    pub fn send_bytes(&self, method: &str, place: &str, body: Option<(&str, Vec<u8>)>) -> Result<Answer> {
        let url = if place.starts_with("http") { place.to_owned() } else { self.url(place) };
        let mut request = Request::builder().method(method).uri(&url);
        if !self.key.is_empty() {
            request = request.header("Ocp-Apim-Subscription-Key", &self.key);
        }
        let response = match body {
            None => self.agent.run(request.body(())?),
            Some((content_type, body)) => {
                self.agent.run(request.header("Content-Type", content_type).body(body)?)
            }
        };
        answer(response.with_context(|| format!("{method} {url}"))?)
    }

    /// Sends a request built by the caller, without key.
    ///
    /// # Errors
    /// No answer. Every status is an answer.
    pub fn run(&self, request: Request<impl AsSendBody>) -> Result<Answer> {
        answer(self.agent.run(request)?)
    }

    /// Starts a long operation and returns its job's URL.
    ///
    /// # Errors
    /// Any answer but 202 with an empty body and an absolute `operation-location` on this server.
    pub fn start(&self, method: &str, path: &str, body: Option<&Value>) -> Result<String> {
        let answer = self.send(method, path, body)?;
        ensure!(answer.status == 202, "{method} {path} answered {}: {}", answer.status, answer.text());
        ensure!(answer.body.is_empty(), "{method} {path}: 202 has a body");
        let job = answer.header("operation-location").to_owned();
        ensure!(
            job.starts_with(&self.endpoint) && job.contains("api-version="),
            "operation-location is {job:?}"
        );
        Ok(job)
    }

    /// Polls a job until it ends, however; `watch` sees every state.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn wait_watching(&self, job: &str, mut watch: impl FnMut(&Value)) -> Result<Value> {
        let begun = Instant::now();
        let mut pause = POLL_MIN;
        loop {
            let state = self.get(job)?.expect(200)?;
            watch(&state);
            let status = state["status"].as_str().unwrap_or_default();
            if !matches!(status, "notStarted" | "running" | "cancelling") {
                return Ok(state);
            }
            if begun.elapsed() > JOB_MAX {
                bail!("the job is still {status} after {JOB_MAX:?}: {state}");
            }
            thread::sleep(pause);
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    /// Polls a job until it ends, however.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn wait(&self, job: &str) -> Result<Value> {
        self.wait_watching(job, |_| {})
    }

    /// Starts a long operation and waits until it succeeded.
    ///
    /// # Errors
    /// It is refused, ends otherwise or not in time.
    pub fn succeed(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let state = self.wait(&self.start(method, path, body)?)?;
        ensure!(state["status"] == "succeeded", "{method} {path} ended as {state}");
        Ok(state)
    }
}

fn answer(response: Response<ureq::Body>) -> Result<Answer> {
    let (parts, mut body) = response.into_parts();
    let body = body.with_config().limit(u64::MAX).read_to_vec()?;
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}
