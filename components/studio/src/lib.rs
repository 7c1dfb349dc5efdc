//! The studio's static files, and the description of the API. The page itself talks to the REST API with the caller's
//! key, like any client.

use spin_sdk::http::{IntoResponse, Method, Request, Response, StatusCode};
use spin_sdk::http_service;

/// Where the description of the API is.
const DESCRIPTION: &str = "/openapi.json";

/// Path, content type, content.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("../web/index.html")),
    ("/studio.css", "text/css; charset=utf-8", include_str!("../web/studio.css")),
    ("/studio.js", "text/javascript; charset=utf-8", include_str!("../web/studio.js")),
];

/// The page loads nothing from elsewhere and can't be framed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let path = match request.uri().path() {
        "/index.html" | "/studio" | "/studio/" => "/",
        path => path,
    };
    let file = FILES.iter().find(|(name, _, _)| *name == path);
    let known = file.is_some() || path == DESCRIPTION;
    match (request.method(), file) {
        (&Method::GET | &Method::HEAD, Some((_, content_type, content))) => {
            answer(StatusCode::OK, content_type, *content)
        }
        (&Method::GET | &Method::HEAD, None) if known => {
            let document = language_api::openapi::document().to_string();
            answer(StatusCode::OK, "application/json; charset=utf-8", document)
        }
        _ if known => answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET is answered here"),
        _ => answer(StatusCode::NOT_FOUND, "text/plain", "nothing here; the studio is at /"),
    }
}

fn answer(status: StatusCode, content_type: &str, content: impl Into<String>) -> Response<String> {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    let headers = [
        ("content-type", content_type),
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
