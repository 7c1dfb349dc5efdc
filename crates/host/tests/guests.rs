//! Guests in the real host: they get what their manifest grants, and nothing else.
//!
//! The probe (`tests/guests/probe`) does what its path says; `cargo xtask test` builds it.

use host::{Host, HostError, HostSettings, Models, SqliteDatabase};
use model::{Graph, GraphError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use test_postgres::PostgresServer;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};

const MEMORY_MAX: usize = 96 << 20;

struct NoModels;

impl Models for NoModels {
    fn open(&self, name: &str) -> Result<Arc<dyn Graph + Send + Sync>, GraphError> {
        Err(GraphError::NotFound(name.to_owned()))
    }
}

fn wasm(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components").join(format!("{name}.wasm"))
}

/// A host over a folder of its own, with one guest and one database per label.
fn load(guest: &str, grants: &str, labels: &[String]) -> (TempDir, Result<Host, HostError>) {
    let folder = TempDir::new().expect("a folder");
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"tests\"\n[[trigger.http]]\nroute = \"/...\"\n\
         component = \"guest\"\n[component.guest]\nsource = {:?}\n{grants}",
        wasm(guest)
    );
    let path = folder.path().join("spin.toml");
    std::fs::write(&path, manifest).expect("written");
    let database = |(number, label): (usize, &String)| {
        let file = folder.path().join(format!("{number}.db"));
        (label.clone(), Arc::new(SqliteDatabase::new(&file, "jobs", Arc::new(Notify::new()))))
    };
    let settings = HostSettings {
        manifest: path,
        compile_cache: wasm("cache"),
        databases: labels.iter().enumerate().map(database).collect(),
        variables: BTreeMap::new(),
        models: Arc::new(NoModels),
        instance_bytes_max: MEMORY_MAX,
        request_body_bytes_max: 1 << 20,
        request_time_max: Duration::from_secs(60),
        health: Arc::default(),
    };
    let host = Host::load(&settings);
    (folder, host)
}

/// A running host.
struct Served {
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
    _folder: TempDir,
}

impl Served {
    fn start(grants: &str, labels: &[String]) -> Self {
        let (folder, host) = load("probe", grants, labels);
        let host = Arc::new(host.unwrap_or_else(|error| panic!("{error}; build it with `cargo xtask test`")));
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        runtime.spawn(host.serve(listener, None, async {
            let _ = stopped.await;
        }));
        Self { endpoint, stop: Some(stop), runtime: Some(runtime), _folder: folder }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.get(format!("{}/{path}", self.endpoint)).call().expect("an answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    }

    fn ok(&self, path: &str) -> String {
        let (status, text) = self.get(path);
        assert_eq!(status, 200, "{path}: {text}");
        text
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        // Guests that wait or compute are not waited for.
        self.runtime.take().map(Runtime::shutdown_background);
    }
}

#[test]
fn the_guest_driver_keeps_the_catalogs_promises() {
    let checks: Vec<String> = Served::start("", &[]).ok("checks").lines().map(str::to_owned).collect();
    assert!(checks.len() > 30, "{checks:?}");
    let served = Served::start(&format!("sqlite_databases = {checks:?}"), &checks);
    let broken: Vec<_> =
        checks.iter().filter(|check| served.get(&format!("check?{check}")).1 != "kept").collect();
    assert!(broken.is_empty(), "standard error has the reasons: {broken:?}");
}

#[test]
fn the_guest_driver_keeps_them_over_postgresql_too() {
    let Some(server) = PostgresServer::start().expect("a server") else { return };
    let served = Served::start(&granted(&server), &[]);
    let broken: Vec<_> = served
        .ok("checks")
        .lines()
        .filter(|check| {
            let place = server.database().expect("a database");
            served.get(&format!("check?{check}={place}")).1 != "kept"
        })
        .map(str::to_owned)
        .collect();
    assert!(broken.is_empty(), "standard error has the reasons: {broken:?}");
}

fn granted(server: &PostgresServer) -> String {
    format!("allowed_outbound_hosts = [\"postgres://127.0.0.1:{}\"]", server.port())
}

#[test]
fn a_guest_reaches_the_granted_server_alone_and_hears_when_it_is_away() {
    let Some(mut server) = PostgresServer::start().expect("a server") else { return };
    let place = server.database().expect("a database");
    let (served, other) = (Served::start(&granted(&server), &[]), Served::start("", &[]));
    assert_eq!(served.ok(&format!("postgres?{place}")), "Ok(1)");
    let refused = other.ok(&format!("postgres?{place}"));
    assert!(refused.contains("AccessDenied"), "nothing was granted to it: {refused}");
    let elsewhere = place.replace("127.0.0.1", "localhost");
    assert!(served.ok(&format!("postgres?{elsewhere}")).contains("AccessDenied"), "another name");
    let secret = served.ok(&format!("postgres?{place}?sslmode=require"));
    assert!(secret.contains("Unavailable") && secret.contains("TLS"), "{secret}");

    server.stop();
    let away = served.ok(&format!("postgres?{place}"));
    assert!(away.contains("Unavailable"), "{away}");
    server.start_again().expect("it starts again");
    assert_eq!(served.ok(&format!("postgres?{place}")), "Ok(1)", "with a connection that works");
}

/// Many requests share few connections, and none inherits another's transaction.
#[test]
fn connections_are_kept_for_the_next_request() {
    let Some(server) = PostgresServer::start().expect("a server") else { return };
    let place = server.database().expect("a database");
    let served = Served::start(&granted(&server), &[]);
    let session = || served.ok(&format!("session?{place}"));
    let first = session();
    assert!(first.starts_with("Ok("), "{first}");
    // A session is cleaned after its use and free a moment later: a few may take turns.
    let sessions: BTreeSet<String> = (0..30).map(|_| session()).collect();
    assert!(sessions.len() < 10, "{sessions:?}");
}

#[test]
fn a_guest_gets_what_its_manifest_grants_and_nothing_else() {
    let other = Served::start("", &[]);
    let allowed = format!(
        "allowed_outbound_hosts = [{:?}]\nsqlite_databases = [\"mine\"]\nvariables = {{ known = \"value\" }}",
        other.endpoint
    );
    let served = Served::start(&allowed, &["mine".to_owned(), "another's".to_owned()]);
    assert_eq!(served.ok("sqlite?mine"), "Ok(1)");
    assert!(served.ok("sqlite?another's").contains("AccessDenied"));
    assert_eq!(served.ok("variable?known"), "Ok(\"value\")");
    assert!(served.ok("variable?unknown").starts_with("Err"));
    assert_eq!(served.ok(&format!("send?{}/environment", other.endpoint)), "Ok(200)");
    let refused = served.ok(&format!("send?{}/environment", served.endpoint));
    assert!(refused.contains("HttpRequestDenied"), "{refused}");
    assert!(served.ok("file?/etc/passwd").starts_with("Err"));
    assert_eq!(served.ok("environment"), "0");
    assert!(other.ok("sqlite?mine").contains("AccessDenied"), "nothing was granted to it");
}

#[test]
fn a_guest_is_limited_in_memory() {
    let served = Served::start("", &[]);
    assert_eq!(served.ok("memory?16"), "took 16");
    let refused = served.ok("memory?1024");
    let taken: usize =
        refused.strip_prefix("refused after ").and_then(|at| at.parse().ok()).expect("a number");
    assert!((32..=MEMORY_MAX >> 20).contains(&taken), "{refused}");
    assert_eq!(served.ok("environment"), "0", "the next request is served");
}

#[test]
fn a_guest_is_limited_in_time_and_others_are_served_meanwhile() {
    let served = Served::start("[component.guest.tool.spindle]\nrequest_milliseconds_max = 1500", &[]);
    for what in ["compute", "wait"] {
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| served.get(what));
            assert_eq!(served.ok("environment"), "0");
            let (status, text) = slow.join().expect("answered");
            assert_eq!(status, 503, "{what}: {text}");
            assert!(text.contains("ServiceUnavailable") && text.contains("1.5 seconds"), "{what}: {text}");
        });
    }
    assert_eq!(served.ok("environment"), "0");
}

#[test]
fn models_are_for_guests_whose_manifest_asks_for_them() {
    let grants = |models: bool| {
        format!("sqlite_databases = [\"default\"]\n[component.guest.tool.spindle]\nmodels = {models}")
    };
    let labels = ["default".to_owned()];
    let (_folder, refused) = load("extraction", &grants(false), &labels);
    let error = refused.err().expect("refused").to_string();
    assert!(error.contains("guest") && error.contains("wasi:nn"), "{error}");
    let (_folder, granted) = load("extraction", &grants(true), &labels);
    assert!(granted.is_ok());
}

#[test]
fn databases_nobody_gave_are_refused_by_name() {
    let (_folder, refused) = load("probe", "sqlite_databases = [\"elsewhere\"]", &[]);
    let error = refused.err().expect("refused").to_string();
    assert!(error.contains("\"guest\"") && error.contains("\"elsewhere\""), "{error}");
}
