//! probe
use spin_sdk::http::{IntoResponse, Request, Response, StatusCode};
use spin_sdk::http_service;

#[http_service]
async fn handle(req: Request) -> impl IntoResponse {
    Response::builder().status(StatusCode::OK).body(format!("hello {}", req.uri())).unwrap()
}
