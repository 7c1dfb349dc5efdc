//! `spindle up`: everything on one machine.

use crate::access::{Access, Secrets, write_private};
use crate::database::Database;
use crate::places;
use crate::servers::notifier::Notifier;
use crate::servers::observation::{observe_engine, watch_queue};
use crate::servers::parts::{
    Application, MODELS_CONTAINER, POLL, ServerArguments, Workshop, listen as listen_on, lock, own_client,
    reachable, start_storage, turned, until_stopped,
};
use crate::servers::secret::database_address;
use anyhow::{Context, Result};
use blobs::Blobs;
use catalog::JobKind;
use clap::Args;
use host::storage::Credentials;
use host::{Health, Readiness};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use worker::{Dispatch, Worker, WorkerSettings};

/// Jobs run at once beside each other; trainings use all cores.
const JOBS: usize = 4;

/// Run everything on this machine: API, studio, object storage, worker
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle up\n  spindle up --data /srv/spindle --listen 0.0.0.0:8080\n\nAddresses and keys are in <DATA>/access.json as soon as everything answers."
)]
pub(crate) struct UpArguments {
    /// Folder of all data; made when absent
    #[arg(long, env = "SPINDLE_DATA", default_value = "spindle-data")]
    data: PathBuf,
    /// Address of the API; port 0 picks a free one
    #[arg(long, env = "SPINDLE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// PostgreSQL database for everything but documents and models, postgres://user:password@host:5432/name (12 or
    /// newer); SQLite in the data folder when absent. Other users see a command's words, but not its environment
    #[arg(long, env = "SPINDLE_DATABASE", value_name = "ADDRESS", hide_env_values = true)]
    database: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
}

/// A server that answers.
pub(crate) struct Running {
    pub(crate) access: Access,
    pub(crate) blobs: Blobs,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    working: JoinHandle<()>,
    access_file: PathBuf,
    _lock: File,
}

impl Running {
    /// Lets running requests end; a running job is given up and begins again at the next start.
    pub(crate) async fn stop(self) -> Result<()> {
        let _ = self.stop.send(true);
        let _ = fs::remove_file(&self.access_file);
        self.serving.await.context("the server did not end cleanly")?;
        self.working.await.context("the worker did not end cleanly")
    }
}

/// Runs until SIGTERM or Ctrl+C.
pub(crate) async fn up(arguments: UpArguments) -> Result<()> {
    let database = database_address(arguments.database.as_deref())?;
    let running = start(&arguments.data, arguments.listen, database.as_deref(), &arguments.server).await?;
    let access = &running.access;
    println!("API      {}\nstudio   {}/\nkey      {}", access.endpoint, access.endpoint, access.key);
    println!(
        "S3       {} (key id {}, region {})",
        access.s3.endpoint, access.s3.access_key_id, access.s3.region
    );
    println!("details  {}", running.access_file.display());
    until_stopped().await;
    running.stop().await
}

/// Starts everything; what can't run is refused before anything listens. `database` is the address of a PostgreSQL
/// database that takes the place of the data folder's own.
pub(crate) async fn start(
    data: &Path,
    listen: SocketAddr,
    database: Option<&str>,
    arguments: &ServerArguments,
) -> Result<Running> {
    let lock = lock(data)?;
    let access_file = data.join("access.json");
    // A file of an earlier run would promise what does not answer yet.
    let _ = fs::remove_file(&access_file);
    places::check(&arguments.host, &arguments.training.encoder, Some(data))?;
    let rules = arguments.rules.read()?;
    let library = arguments.engine.load()?;
    let listener = listen_on(listen).await?;
    let endpoint = format!("http://{}", reachable(listener.local_addr()?));
    let secrets = Secrets::load_or_make(data)?;

    let bell = Arc::new(Notify::new());
    let database = Database::choose(data, database)?;
    let catalog = database.open_alone(&secrets.key, &bell).await?;
    let (teller, changes) = unbounded_channel();
    let storage_at = arguments.s3_listen.unwrap_or_else(|| beside(listen));
    let credentials = Credentials {
        access_key_id: secrets.s3_access_key_id.clone(),
        secret_access_key: secrets.s3_secret_access_key.clone(),
    };
    let s3 = start_storage(&data.join("s3"), storage_at, credentials, Some(teller)).await?;
    let blobs = s3.open()?;
    blobs.create_container_if_absent(MODELS_CONTAINER).await?;
    let engine = arguments.engine.engine(&blobs, MODELS_CONTAINER, data);
    observe_engine(&engine);
    tokio::spawn(watch_queue(catalog.clone()));

    let health = Arc::new(Health::default());
    let host = arguments.host.load(&Application {
        database: &database,
        bell: &bell,
        internal_secret: &secrets.internal_secret,
        events_secret: &secrets.events_secret,
        rules: &rules,
        engine: &engine,
        health: &health,
    })?;
    let internal_secret = secrets.internal_secret.clone();
    let dispatch = Dispatch { endpoints: vec![endpoint.clone()], internal_secret, http: own_client()? };
    let workshop = Workshop {
        catalog,
        blobs: blobs.clone(),
        engine,
        models_container: MODELS_CONTAINER.to_owned(),
        rules,
        library,
        data,
        dispatch,
    };
    let services = arguments.training.services(&arguments.engine, workshop)?;
    let worker = Worker::new(services, worker_settings(), bell);
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(host.serve(listener, None, turned(stopped.clone())));
    let working = beside_the_host(worker, stopped)?;
    let notifier = Notifier {
        url: format!("{endpoint}/events/storage"),
        secret: secrets.events_secret,
        silent: MODELS_CONTAINER.to_owned(),
        http: own_client()?,
    };
    tokio::spawn(notifier.run(changes));
    health.set(Readiness::Ready);
    let access = Access { endpoint, key: secrets.key, s3, pid: std::process::id() };
    write_private(&access_file, &serde_json::to_vec_pretty(&access)?)?;
    Ok(Running { access, blobs, stop, serving, working, access_file, _lock: lock })
}

/// Runs the worker on threads of its own. Over SQLite a writer waits for another with the thread that it is on, and a
/// component that has begun a transaction needs one of the host's to end it: on few processors all would wait for each other.
fn beside_the_host(worker: Worker, stopped: watch::Receiver<bool>) -> Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(tokio::task::spawn_blocking(move || {
        runtime.block_on(worker.run(stopped));
        // A job that was given up may still compute.
        runtime.shutdown_background();
    }))
}

/// Nobody else is there to take over what this one has.
fn worker_settings() -> WorkerSettings {
    WorkerSettings {
        owner: format!("up-{}", uuid::Uuid::new_v4()),
        kinds: JobKind::ALL.to_vec(),
        parallel: JOBS,
        poll: POLL,
        drain: Duration::ZERO,
        alone: true,
    }
}

/// Where the object storage is found beside an API at `api`: at the same place after every start, or at any free port as
/// the API is.
fn beside(api: SocketAddr) -> SocketAddr {
    let port = if api.port() == 0 { 0 } else { api.port().wrapping_add(1) };
    SocketAddr::from(([127, 0, 0, 1], port))
}
