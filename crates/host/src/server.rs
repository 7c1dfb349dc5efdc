//! The application as an HTTP server.

use crate::admission::{Admission, Refusal};
use crate::clock::EpochClock;
use crate::component::Runner;
use crate::engine::{self, EngineError};
use crate::health::{Health, Readiness, accepted};
use crate::interfaces::bindings;
use crate::interfaces::nn::{self, Models};
use crate::interfaces::outbound::{OutboundHostError, OutboundHosts};
use crate::interfaces::postgres::PostgresServers;
use crate::interfaces::sqlite::{Databases, SqliteDatabase};
use crate::manifest::{Component, Manifest, ManifestError, RouteSpec, fill_template};
use crate::observed::observed;
use crate::router::{Match, RouteError, Router};
use crate::state::{Grants, State};
use crate::tls::Tls;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi_http::handler::{ExpirationError, ProxyHandler, ProxyPre};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// Requests that are still running get this long after the call to stop.
const DRAIN: Duration = Duration::from_secs(8);

/// Seconds after which a request that took too long is worth another try.
const RETRY_SECONDS: u32 = 30;

/// Why the application can't be served.
#[derive(Debug, Error)]
pub enum HostError {
    /// See [`ManifestError`].
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// See [`EngineError`].
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// See [`RouteError`].
    #[error(transparent)]
    Route(#[from] RouteError),
    /// See [`OutboundHostError`].
    #[error("component {component:?}: {source}")]
    Outbound {
        /// Its id.
        component: String,
        /// The entry.
        source: OutboundHostError,
    },
    /// The component imports what this host does not offer, or what its manifest entry does not grant.
    #[error("component {component:?} cannot run on this host: {reason}")]
    Imports {
        /// Its id.
        component: String,
        /// wasmtime's reason, naming the import.
        reason: String,
    },
    /// The manifest names a database that was not given.
    #[error("component {component:?} asks for the database {label:?}, which is not configured")]
    Database {
        /// Its id.
        component: String,
        /// The label.
        label: String,
    },
    /// A required variable has no value.
    #[error("variable {0:?} is required by the manifest and has no value; set SPIN_VARIABLE_{upper}", upper = .0.to_uppercase())]
    Variable(String),
}

/// What the host's owner provides.
pub struct HostSettings {
    /// `spin.toml`.
    pub manifest: PathBuf,
    /// Folder of compiled components, this user's alone.
    pub compile_cache: PathBuf,
    /// Databases by label.
    pub databases: BTreeMap<String, Arc<SqliteDatabase>>,
    /// Variable values; the manifest's defaults fill the rest.
    pub variables: BTreeMap<String, String>,
    /// Models for components that may load them.
    pub models: Arc<dyn Models>,
    /// Most memory of one instance.
    pub instance_bytes_max: usize,
    /// Largest request body where the manifest sets none.
    pub request_body_bytes_max: u64,
    /// Longest time for one answer where the manifest sets none.
    pub request_time_max: Duration,
    /// What `/healthz` and `/readyz` answer.
    pub health: Arc<Health>,
}

/// Who asks, and how.
#[derive(Clone, Copy)]
struct Caller {
    peer: SocketAddr,
    scheme: &'static str,
}

struct Served {
    handler: ProxyHandler<Runner>,
    /// For components whose requests get an instance each.
    admission: Option<Admission>,
    body_bytes_max: u64,
    request_time_max: Duration,
}

/// A loaded application.
pub struct Host {
    router: Router,
    components: BTreeMap<String, Served>,
    health: Arc<Health>,
    ending: Arc<AtomicBool>,
}

impl Host {
    /// Reads the manifest, compiles the components (or takes them from the cache) and links them.
    ///
    /// # Errors
    /// [`HostError`] names the component or key at fault; nothing runs then.
    pub fn load(settings: &HostSettings) -> Result<Self, HostError> {
        let manifest = Manifest::read(&settings.manifest)?;
        let routes = manifest.triggers.iter().filter_map(|trigger| match &trigger.route {
            RouteSpec::Pattern(pattern) => Some((pattern.as_str(), trigger.component.as_str())),
            RouteSpec::Private { .. } => None,
        });
        let router = Router::new(routes)?;
        let variables = resolve_variables(&manifest, &settings.variables)?;
        let engine = engine::engine()?;
        let clock = EpochClock::start(&engine).map_err(|error| EngineError::Engine(error.to_string()))?;
        let ending = Arc::new(AtomicBool::new(false));
        let loader = Loader {
            settings,
            engine,
            clock: Arc::new(clock),
            variables,
            postgres: Arc::default(),
            ending: Arc::clone(&ending),
        };
        let components = manifest
            .components
            .iter()
            .map(|(id, component)| loader.load(id, component).map(|served| (id.clone(), served)));
        let components = components.collect::<Result<_, _>>()?;
        Ok(Self { router, components, health: Arc::clone(&settings.health), ending })
    }

    /// Serves `listener` until `stop` resolves, then lets running requests end for a few seconds. With `tls` it speaks TLS
    /// and nothing else.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<Tls>,
        stop: impl Future<Output = ()>,
    ) {
        let tls = tls.map(Arc::new);
        let connections = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                accepted = accepted(&listener) => accepted,
                () = &mut stop => break,
            };
            // Small answers leave at once instead of waiting for more to send.
            let _ = stream.set_nodelay(true);
            let (host, watcher) = (Arc::clone(&self), connections.watcher());
            match &tls {
                None => drop(tokio::spawn(host.converse(stream, Caller { peer, scheme: "http" }, watcher))),
                Some(tls) => {
                    let tls = Arc::clone(tls);
                    tokio::spawn(async move {
                        match tls.accept(stream).await {
                            Ok(stream) => {
                                host.converse(stream, Caller { peer, scheme: "https" }, watcher).await
                            }
                            Err(error) => tracing::debug!(%error, "no TLS connection"),
                        }
                    });
                }
            }
        }
        self.health.set(Readiness::Draining);
        if tokio::time::timeout(DRAIN, connections.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Answers the requests of one connection.
    async fn converse(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        caller: Caller,
        watcher: Watcher,
    ) {
        let service = service_fn(move |request| {
            let host = Arc::clone(&self);
            async move { Ok::<_, Infallible>(host.answer_once(request, caller).await) }
        });
        let server = auto::Builder::new(TokioExecutor::new());
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }

    /// [`Self::answer`], after which a draining host has the caller leave: whoever comes again comes to another host.
    async fn answer_once(&self, request: Request<Incoming>, caller: Caller) -> Response<WasiBody> {
        // HTTP/2 has a message of its own for it, which ends its connections at the end of draining.
        let leaves = request.version() < Version::HTTP_2;
        let mut response = match self.health.answer(request.method(), request.uri().path()) {
            Some(answer) => answer.map(whole),
            None => {
                let path = request.uri().path().to_owned();
                let found = self.router.find(&path);
                observed(request, found.as_ref(), |request| self.answer(request, found.as_ref(), caller))
                    .await
            }
        };
        if leaves && self.health.readiness() == Readiness::Draining {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        found: Option<&Match<'_>>,
        caller: Caller,
    ) -> Response<WasiBody> {
        let Some(found) = found else {
            return error(StatusCode::NOT_FOUND, "NotFound", "no component answers this path");
        };
        let served = &self.components[found.component];
        if declared_length(&request).is_some_and(|length| length > served.body_bytes_max) {
            return too_large(served.body_bytes_max);
        }
        let component = found.component;
        let request = match prepare(request, found, caller, served.body_bytes_max) {
            Ok(request) => request,
            Err(reason) => return error(StatusCode::BAD_REQUEST, "InvalidRequest", &reason),
        };
        let begun = Instant::now();
        let (request, _place) = match &served.admission {
            None => (request, None),
            Some(admission) => match admission.admit(request, served.request_time_max).await {
                Ok((request, place)) => (request, Some(place)),
                Err(Refusal::TooLarge) => return too_large(served.body_bytes_max),
                Err(Refusal::TooSlow) => return too_slow(served.request_time_max),
                Err(Refusal::Broken) => {
                    let reason = "the request body could not be read to its end";
                    return error(StatusCode::BAD_REQUEST, "InvalidRequest", reason);
                }
            },
        };
        match served.handler.handle((), request).await {
            Ok(response) => response,
            // A guest that waits is told by its timer; one that computes is ended, and nothing but the time says why.
            Err(failed) if failed.is::<ExpirationError>() || begun.elapsed() >= served.request_time_max => {
                tracing::error!(component, "no answer in time");
                too_slow(served.request_time_max)
            }
            Err(failed) => {
                tracing::error!(component, reason = format!("{failed:#}"), "component failed");
                error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "InternalServerError",
                    "the request failed; the server's log has the reason",
                )
            }
        }
    }
}

/// What all components of one application share while they are loaded.
struct Loader<'a> {
    settings: &'a HostSettings,
    engine: Engine,
    clock: Arc<EpochClock>,
    variables: BTreeMap<String, String>,
    postgres: Arc<PostgresServers>,
    ending: Arc<AtomicBool>,
}

impl Loader<'_> {
    fn load(&self, id: &str, component: &Component) -> Result<Served, HostError> {
        let own = component.settings();
        let hosts = component.allowed_outbound_hosts.iter();
        let hosts: Vec<_> = hosts.map(|entry| fill_template(entry, &self.variables)).collect();
        let outbound = OutboundHosts::parse(&hosts)
            .map_err(|source| HostError::Outbound { component: id.to_owned(), source })?;
        let grants = Grants {
            outbound,
            databases: self.databases(id, component)?,
            postgres: Arc::clone(&self.postgres),
            variables: component
                .variables
                .iter()
                .map(|(name, template)| (name.clone(), fill_template(template, &self.variables)))
                .collect(),
            models: own.models.then(|| Arc::clone(&self.settings.models)),
            memory_bytes_max: self.settings.instance_bytes_max,
        };
        let refused = |error: wasmtime::Error| HostError::Imports {
            component: id.to_owned(),
            reason: format!("{error:#}"),
        };
        let compiled = engine::component(&self.engine, &component.source, &self.settings.compile_cache)?;
        let linker = linker(&self.engine, own.models).map_err(refused)?;
        let pre = linker.instantiate_pre(&compiled).and_then(ServicePre::new).map_err(refused)?;
        let request_time_max =
            own.request_milliseconds_max.map_or(self.settings.request_time_max, Duration::from_millis);
        let runner = Runner {
            engine: self.engine.clone(),
            pre: ProxyPre::P3(pre),
            grants: Arc::new(grants),
            clock: Arc::clone(&self.clock),
            request_time_max,
            alone: own.instances_per_processor.is_some(),
            ending: Arc::clone(&self.ending),
        };
        let body_bytes_max = own.request_body_bytes_max.unwrap_or(self.settings.request_body_bytes_max);
        let admission = own.instances_per_processor.map(Admission::new);
        Ok(Served { handler: ProxyHandler::new(runner), admission, body_bytes_max, request_time_max })
    }

    fn databases(&self, id: &str, component: &Component) -> Result<Databases, HostError> {
        let labels = component.sqlite_databases.iter();
        labels
            .map(|label| match self.settings.databases.get(label) {
                Some(database) => Ok((label.clone(), Arc::clone(database))),
                None => Err(HostError::Database { component: id.to_owned(), label: label.clone() }),
            })
            .collect()
    }
}

/// Everything a component may import here; what it does not import costs nothing.
fn linker(engine: &Engine, models: bool) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    bindings::Imports::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    if models {
        nn::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}

/// A given value, else `SPIN_VARIABLE_<NAME>` as in Spin, else the default.
fn resolve_variables(
    manifest: &Manifest,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, HostError> {
    let resolved = manifest.variables.iter().map(|(name, variable)| {
        let from_environment = || std::env::var(format!("SPIN_VARIABLE_{}", name.to_uppercase())).ok();
        let value = given.get(name).cloned().or_else(from_environment).or_else(|| variable.default.clone());
        match value {
            Some(value) => Ok((name.clone(), value)),
            None if variable.required => Err(HostError::Variable(name.clone())),
            None => Ok((name.clone(), String::new())),
        }
    });
    resolved.collect()
}

/// The request as a component expects it: absolute URI, limited body, Spin's headers.
fn prepare(
    request: Request<Incoming>,
    found: &Match<'_>,
    caller: Caller,
    body_bytes_max: u64,
) -> Result<Request<WasiBody>, String> {
    let (mut parts, body) = request.into_parts();
    parts.uri = absolute(&parts.uri, caller.scheme, parts.headers.get(header::HOST))?;
    let base = found.pattern.trim_end_matches("...").trim_end_matches('/').to_owned();
    let mut spin = vec![
        ("spin-full-url".to_owned(), parts.uri.to_string()),
        ("spin-path-info".to_owned(), found.rest.to_owned()),
        ("spin-raw-component-route".to_owned(), found.pattern.to_owned()),
        ("spin-component-route".to_owned(), base.clone()),
        ("spin-matched-route".to_owned(), found.pattern.to_owned()),
        ("spin-base-path".to_owned(), "/".to_owned()),
        ("spin-client-addr".to_owned(), caller.peer.to_string()),
    ];
    spin.extend(
        found.parameters.iter().map(|(name, value)| (format!("spin-path-match-{name}"), (*value).to_owned())),
    );
    for (name, value) in spin {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        parts.headers.insert(name, value);
    }
    let limit = usize::try_from(body_bytes_max).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit).map_err(move |error| match error.downcast::<hyper::Error>() {
        Ok(error) => HttpError::from(*error),
        Err(_) => HttpError::HttpRequestBodySize(Some(body_bytes_max)),
    });
    Ok(Request::from_parts(parts, body.boxed_unsync()))
}

fn absolute(uri: &Uri, scheme: &'static str, host: Option<&HeaderValue>) -> Result<Uri, String> {
    let authority = match (uri.authority(), host) {
        (Some(authority), _) => authority.to_string(),
        (None, Some(host)) => host.to_str().map_err(|_| "the Host header is not text".to_owned())?.to_owned(),
        (None, None) => return Err("the request has no Host header".to_owned()),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let scheme = uri.scheme_str().unwrap_or(scheme);
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|error| error.to_string())
}

fn declared_length(request: &Request<Incoming>) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(bytes_max: u64) -> Response<WasiBody> {
    let message = format!("the request body is larger than {bytes_max} bytes");
    error(StatusCode::PAYLOAD_TOO_LARGE, "InvalidRequest", &message)
}

fn too_slow(time_max: Duration) -> Response<WasiBody> {
    let seconds = time_max.as_secs_f32();
    let message = format!(
        "the request took longer than the {seconds} seconds this server allows; ask for less at once, or try again when \
         the server has less to do"
    );
    let mut refused = error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", &message);
    refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    refused
}

/// An answer of the host itself, in the shape every client of the API reads.
fn error(status: StatusCode, code: &str, message: &str) -> Response<WasiBody> {
    let body = serde_json::json!({ "error": { "code": code, "message": message } }).to_string();
    let mut response = Response::new(whole(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn whole(body: Full<Bytes>) -> WasiBody {
    body.map_err(|never: Infallible| match never {}).boxed_unsync()
}
