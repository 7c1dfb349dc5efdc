//! A small client of the REST API, like any other: the walk-through uses nothing a user could not.

use anyhow::{Context, Result, bail};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::time::Duration;

const API_VERSION: &str = "2023-04-01";
/// First pause between polls of a job; it doubles up to [`POLL_MAX`].
const POLL_MIN: Duration = Duration::from_millis(50);
const POLL_MAX: Duration = Duration::from_millis(1_000);

/// Endpoint and key.
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: String,
    key: String,
}

impl Client {
    pub(super) fn new(endpoint: &str, key: &str) -> Self {
        Self { http: reqwest::Client::new(), endpoint: endpoint.to_owned(), key: key.to_owned() }
    }

    /// The absolute URL of an API path, with the version.
    pub(super) fn url(&self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{}/language{path}{separator}api-version={API_VERSION}", self.endpoint)
    }

    /// Sends and returns the JSON answer (null when there is none).
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        json(self.request(method, &self.url(path), body).await?).await
    }

    /// Starts a long operation and returns its job's URL.
    pub(super) async fn start(&self, method: Method, path: &str, body: &Value) -> Result<String> {
        let response = self.request(method, &self.url(path), Some(body)).await?;
        let location = response.headers().get("operation-location").cloned();
        location
            .and_then(|url| url.to_str().ok().map(str::to_owned))
            .with_context(|| format!("{path} answered {} without operation-location", response.status()))
    }

    /// Polls a job until it ends; `watch` sees every state.
    pub(super) async fn wait(&self, job: &str, mut watch: impl FnMut(&Value)) -> Result<Value> {
        let mut pause = POLL_MIN;
        loop {
            let state = json(self.request(Method::GET, job, None).await?).await?;
            watch(&state);
            match state["status"].as_str() {
                Some("succeeded") => return Ok(state),
                Some("notStarted" | "running" | "cancelling") => {}
                _ => bail!(
                    "the job ended as {}:\n{}",
                    state["status"],
                    serde_json::to_string_pretty(&state["errors"])?
                ),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    async fn request(&self, method: Method, url: &str, body: Option<&Value>) -> Result<Response> {
        let mut request =
            self.http.request(method.clone(), url).header("Ocp-Apim-Subscription-Key", &self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("{method} {url}"))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        bail!("{method} {url} answered {status}: {}", response.text().await.unwrap_or_default())
    }
}

async fn json(response: Response) -> Result<Value> {
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let body = response.bytes().await?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).context("the server's answer is not JSON")
}
