//! A client of the REST API like any other: it uses nothing a user could not.

mod address;
mod connect;
mod error;
mod jobs;

pub(crate) use address::JobAddress;
pub(crate) use connect::ConnectArguments;
pub(crate) use error::{ClientError, Refusal};
pub(crate) use jobs::JobView;

use language_api::{AuthoringRoute, Page};
use reqwest::{Method, RequestBuilder, Response, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::fmt::Display;
use std::time::Duration;

/// The version of the contract this client speaks.
const API_VERSION: &str = "2023-04-01";
const KEY_HEADER: &str = "Ocp-Apim-Subscription-Key";
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest silence of a server at work; its own limit of one call is a minute.
const READ_TIME_MAX: Duration = Duration::from_secs(120);

/// A server and the right to use it.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: String,
    key: String,
}

/// The body of a successful answer, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    json: String,
}

impl Answer {
    /// The JSON text; empty when the answer has no body.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// The body as a type of the contract.
    ///
    /// # Errors
    /// [`ClientError::NotTheApi`].
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.json).map_err(|error| ClientError::NotTheApi {
            what: "the answer".to_owned(),
            reason: format!("it has another shape than the API's: {error}"),
        })
    }
}

/// The path of a project, or of something below it: `/models/v1`.
pub(crate) fn project_path(project: impl Display, below: &str) -> String {
    format!("{}/{project}{below}", AuthoringRoute::PREFIX)
}

/// A request's body.
///
/// # Errors
/// None of the contract's types can fail; the signature is serde's.
pub(crate) fn body<T: Serialize>(request: &T) -> Result<Option<Vec<u8>>, serde_json::Error> {
    serde_json::to_vec(request).map(Some)
}

impl Client {
    /// A client of `endpoint` (scheme, host and port).
    pub(crate) fn new(endpoint: &str, key: &str) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            // Only plain addresses are called, so nothing need be read about whom the machine trusts.
            .tls_certs_only([])
            .connect_timeout(CONNECT_TIME_MAX)
            .read_timeout(READ_TIME_MAX)
            .build()
            .map_err(|error| ClientError::Usage(format!("no HTTP client can be set up: {error}")))?;
        Ok(Self { http, endpoint: endpoint.trim_end_matches('/').to_owned(), key: key.to_owned() })
    }

    /// `GET` of a path, or of the path of an absolute address in an answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn get(&self, place: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, address::relative(place), None).await
    }

    /// Sends a request and returns the answer's body.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn send(
        &self,
        method: Method,
        place: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, ClientError> {
        let response = self.request(method, place, body).await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let json = String::from_utf8(bytes.into()).map_err(|_| ClientError::NotTheApi {
            what: place.to_owned(),
            reason: "the answer is not UTF-8".to_owned(),
        })?;
        Ok(Answer { json })
    }

    /// Starts a long operation.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn start(
        &self,
        method: Method,
        place: &str,
        body: Option<Vec<u8>>,
    ) -> Result<JobAddress, ClientError> {
        let response = self.request(method, place, body).await?;
        let location = response.headers().get("operation-location").and_then(|value| value.to_str().ok());
        let job = location.and_then(|location| location.parse().ok());
        job.ok_or_else(|| ClientError::NotTheApi {
            what: place.to_owned(),
            reason: format!("status {} names no job in operation-location", response.status().as_u16()),
        })
    }

    /// All pages of a list as one answer of the list's shape.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn list(&self, place: &str) -> Result<Answer, ClientError> {
        let mut page: Page<Box<RawValue>> = self.get(place).await?.read()?;
        let mut all = page.value;
        while let Some(next) = page.next_link {
            page = self.get(&next).await?.read()?;
            if page.value.is_empty() && page.next_link.is_some() {
                let reason = "an empty page has a next one".to_owned();
                return Err(ClientError::NotTheApi { what: place.to_owned(), reason });
            }
            all.append(&mut page.value);
        }
        let json = serde_json::to_string(&Page::whole(all));
        let json = json
            .map_err(|error| ClientError::NotTheApi { what: place.to_owned(), reason: error.to_string() })?;
        Ok(Answer { json })
    }

    /// Sends a request; every status but a success is an error. The key goes to this client's endpoint alone.
    async fn request(
        &self,
        method: Method,
        place: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response, ClientError> {
        let response = self.build(method, place, body).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_seconds = retry_after.and_then(|seconds| seconds.parse().ok());
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Err(ClientError::answered(status, retry_after_seconds, &bytes, &format!("{}{place}", self.endpoint)))
    }

    fn build(&self, method: Method, place: &str, body: Option<Vec<u8>>) -> RequestBuilder {
        let version = if place.contains("api-version=") {
            String::new()
        } else {
            let separator = if place.contains('?') { '&' } else { '?' };
            format!("{separator}api-version={API_VERSION}")
        };
        let content_type =
            if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let url = format!("{}{place}{version}", self.endpoint);
        let request = self.http.request(method, url).header(KEY_HEADER, &self.key);
        match body {
            Some(body) => request.header(header::CONTENT_TYPE, content_type).body(body),
            None => request,
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable { endpoint: self.endpoint.clone(), reason: error::root_cause(error) }
    }
}
