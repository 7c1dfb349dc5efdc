//! What all components share: an HTTP request as a [`Call`], a [`Reply`] as an HTTP response.
//!
//! It decides nothing and knows no route.

mod database;

pub use database::catalog;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use language_api::{ApiError, Call, ErrorKind, INTERNAL_SECRET_HEADER, Limits, Query, Reply};
use spin_sdk::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use spin_sdk::variables;
use std::cell::OnceCell;
use uuid::Uuid;

const LIMITS: &str = "limits";

thread_local! {
    static KNOWN_LIMITS: OnceCell<Limits> = const { OnceCell::new() };
}

const KEY_HEADER: &str = "ocp-apim-subscription-key";
const CLIENT_REQUEST_ID: &str = "x-ms-client-request-id";
const RETURN_CLIENT_REQUEST_ID: &str = "x-ms-return-client-request-id";

/// Answers `request` with what `decide` makes of it.
pub async fn answer<F: Future<Output = Result<Reply, ApiError>>>(
    request: Request,
    decide: impl FnOnce(Call) -> F,
) -> Response<Full<Bytes>> {
    let echoed = client_request_id(request.headers());
    let reply = match read(request).await {
        Ok(call) => decide(call).await.unwrap_or_else(Reply::from),
        Err(error) => error.into(),
    };
    whole(respond(reply, echoed))
}

/// A response with a body that is known to its end, and so with its length.
pub fn whole(mut response: Response<Vec<u8>>) -> Response<Full<Bytes>> {
    if response.status() != StatusCode::NO_CONTENT {
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(HeaderName::from_static("content-length"), length);
    }
    response.map(|body| Full::new(Bytes::from(body)))
}

async fn read(request: Request) -> Result<Call, ApiError> {
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => return Err(unreadable(&error)),
    };
    Ok(Call { body, ..head(&parts) })
}

/// All of a request but its body.
pub fn head(parts: &Parts) -> Call {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Call {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        endpoint: endpoint(&parts.headers, &parts.uri),
        key: text(KEY_HEADER).or_else(|| bearer(text("authorization")?)),
        internal_secret: text(INTERNAL_SECRET_HEADER),
        body: Vec::new(),
    }
}

/// A key that came as a bearer token, as clients send it that know tokens alone.
fn bearer(authorization: String) -> Option<String> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// A body that broke off. The host cuts one off at its limit, which arrives here as an error of that name.
pub fn unreadable(error: &impl std::fmt::Display) -> ApiError {
    let reason = error.to_string();
    if reason.contains("body-size") || reason.contains("BodySize") {
        return ApiError::new(ErrorKind::BodyTooLarge, "the request body is larger than this server accepts");
    }
    ApiError::new(ErrorKind::BodyNotJson, "the request body could not be read to its end")
}

/// What the caller typed in front of the path: a proxy that ends TLS says so in its headers.
fn endpoint(headers: &HeaderMap, uri: &spin_sdk::http::Uri) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = text("x-forwarded-proto").or(uri.scheme_str()).unwrap_or("http");
    let host = text("x-forwarded-host").or_else(|| uri.authority().map(|host| host.as_str()));
    format!("{scheme}://{}", host.or_else(|| text("host")).unwrap_or("localhost"))
}

/// The caller's id of a request, where the answer is to repeat it.
pub fn client_request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(RETURN_CLIENT_REQUEST_ID)?;
    if !wanted.as_bytes().eq_ignore_ascii_case(b"true") {
        return None;
    }
    headers.get(CLIENT_REQUEST_ID).cloned()
}

/// `reply` with the headers all answers have.
pub fn respond(reply: Reply, client_request_id: Option<HeaderValue>) -> Response<Vec<u8>> {
    let mut response = Response::new(reply.body.unwrap_or_default());
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.status_mut() = status;
    let id = Uuid::new_v4().to_string();
    let mut headers: Vec<(&str, String)> = reply.headers;
    headers.extend([
        ("apim-request-id", id.clone()),
        ("request-id", id),
        ("x-content-type-options", "nosniff".to_owned()),
        // The contract's answers are read by browsers of other origins too; keys, not cookies, give access.
        ("access-control-allow-origin", "*".to_owned()),
        ("access-control-expose-headers", "*".to_owned()),
    ]);
    let typed = headers.iter().any(|(name, _)| *name == "content-type");
    if !typed && status != StatusCode::ACCEPTED && status != StatusCode::NO_CONTENT {
        headers.push(("content-type", "application/json; charset=utf-8".to_owned()));
    }
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(value) = client_request_id {
        response.headers_mut().insert(HeaderName::from_static(CLIENT_REQUEST_ID), value);
    }
    response
}

/// The installation's limits, from the variable of that name, which is read once in an instance's life.
///
/// # Errors
/// 503 when the variable is not set or holds something else: the operator's to mend.
pub async fn limits() -> Result<Limits, ApiError> {
    if let Some(limits) = KNOWN_LIMITS.with(|known| known.get().cloned()) {
        return Ok(limits);
    }
    let unusable = |reason: String| ApiError::new(ErrorKind::Unavailable, reason);
    let json = variables::get(LIMITS).await;
    let json = json.map_err(|_| unusable(format!("the variable {LIMITS} is not set")))?;
    let limits = Limits::parse(&json).map_err(unusable)?;
    Ok(KNOWN_LIMITS.with(|known| known.get_or_init(|| limits).clone()))
}

/// The present moment, in whole microseconds.
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A fresh random id.
pub fn new_id() -> Uuid {
    Uuid::new_v4()
}
