//! Whether a process lives and takes work: what balancers, orchestrators and operators ask it.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

const NOT_ACCEPTED_PAUSE: Duration = Duration::from_millis(50);
/// Where Prometheus reads.
const METRICS: &str = "/metrics";

/// Whether work should be sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Readiness {
    /// Not yet.
    Starting,
    /// Yes.
    Ready,
    /// What it needs can't be reached; it will be ready again by itself.
    Waiting,
    /// It ends what it has and takes nothing new. Final.
    Draining,
}

impl Readiness {
    fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Waiting => "waiting for the database",
            Self::Draining => "draining",
        }
    }
}

/// What `/healthz` and `/readyz` answer; `/metrics` is answered beside them.
#[derive(Debug)]
pub struct Health {
    readiness: AtomicU8,
}

impl Default for Health {
    fn default() -> Self {
        Self { readiness: AtomicU8::new(Readiness::Starting as u8) }
    }
}

impl Health {
    /// Answers `readiness` from now on, unless the process is draining already.
    pub fn set(&self, readiness: Readiness) {
        let draining = Readiness::Draining as u8;
        // An update that leaves the value as it is is no failure here.
        let _ = self.readiness.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            (now != draining).then_some(readiness as u8)
        });
    }

    /// Whether work should be sent here.
    pub fn readiness(&self) -> Readiness {
        let known = [Readiness::Starting, Readiness::Ready, Readiness::Waiting];
        let now = self.readiness.load(Ordering::Acquire);
        known.into_iter().find(|readiness| *readiness as u8 == now).unwrap_or(Readiness::Draining)
    }

    /// The answer to whoever watches this process; `None` where `path` asks for something else.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Option<Response<Full<Bytes>>> {
        let asked = matches!(*method, Method::GET | Method::HEAD);
        let (status, word) = match path {
            "/healthz" => (StatusCode::OK, "ok"),
            "/readyz" if self.readiness() == Readiness::Ready => (StatusCode::OK, "ready"),
            "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, self.readiness().word()),
            METRICS if asked => return Some(metrics()),
            METRICS => (StatusCode::OK, ""),
            _ => return None,
        };
        if asked {
            return Some(text(status, word));
        }
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        Some(refused)
    }

    /// Answers on `listener` until the runtime ends: for processes that serve nothing else.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let server = auto::Builder::new(TokioExecutor::new());
        loop {
            let (stream, _) = accepted(&listener).await;
            let health = Arc::clone(&self);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = health.answer(request.method(), request.uri().path());
                async {
                    Ok::<_, Infallible>(answer.unwrap_or_else(|| text(StatusCode::NOT_FOUND, "not found")))
                }
            });
            let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection ended");
                }
            });
        }
    }
}

/// The next connection, however many can't be accepted before. May be dropped while it waits.
pub(crate) async fn accepted(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                // Out of file descriptors, say: the next try would fail at once as well.
                tokio::time::sleep(NOT_ACCEPTED_PAUSE).await;
            }
        }
    }
}

fn metrics() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(telemetry::text())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(telemetry::CONTENT_TYPE));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(health: &Health) -> Option<StatusCode> {
        health.answer(&Method::GET, "/readyz").map(|answer| answer.status())
    }

    #[test]
    fn readiness_comes_and_goes_until_it_drains() {
        let health = Health::default();
        assert_eq!(ready(&health), Some(StatusCode::SERVICE_UNAVAILABLE));
        for (readiness, status) in [
            (Readiness::Ready, StatusCode::OK),
            (Readiness::Waiting, StatusCode::SERVICE_UNAVAILABLE),
            (Readiness::Ready, StatusCode::OK),
            (Readiness::Draining, StatusCode::SERVICE_UNAVAILABLE),
            (Readiness::Ready, StatusCode::SERVICE_UNAVAILABLE),
        ] {
            health.set(readiness);
            assert_eq!(ready(&health), Some(status), "{readiness:?}");
            let alive = health.answer(&Method::HEAD, "/healthz").map(|answer| answer.status());
            assert_eq!(alive, Some(StatusCode::OK));
        }
        assert_eq!(health.readiness(), Readiness::Draining);
        assert!(health.answer(&Method::GET, "/").is_none());
        let refused = health.answer(&Method::POST, "/readyz").map(|answer| answer.status());
        assert_eq!(refused, Some(StatusCode::METHOD_NOT_ALLOWED));
    }
}
