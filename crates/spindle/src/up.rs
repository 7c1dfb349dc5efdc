//! `spindle up`: everything on one machine. Composition only: each part lives in its own crate.

use crate::access::{Access, S3Access, Secrets, write_private};
use crate::bundles::{EngineModels, stored_bundles};
use crate::database::Database;
use crate::encoders::encoders_folder;
use crate::notifier::Notifier;
use crate::places::Places;
use anyhow::{Context, Result, bail};
use blobs::Blobs;
use catalog::JobKind;
use clap::Args;
use host::storage::{Credentials, ObjectChange, Storage};
use host::{Host, HostSettings};
use inference::{Engine, EngineLimits, Library, Precision, Settings};
use language_api::{AllowedSubscribers, Limits};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use worker::{CheckpointFolder, Dispatch, EncoderSource, Outward, Services, Serving, Worker, WorkerSettings};

/// Bundles and encoders of the installation, beside the users' containers.
const MODELS_CONTAINER: &str = "spindle-models";
const REGION: &str = "us-east-1";
/// Most memory of one component instance.
const INSTANCE_BYTES_MAX: usize = 1 << 30;
/// Models kept in memory, least recently used go first.
const ENGINE_LIMITS: EngineLimits = EngineLimits { head_bytes: 1 << 30, encoder_bytes: 2 << 30 };
const REQUEST_BODY_BYTES_MAX: u64 = 4 << 20;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Writes of other processes to this data folder are seen this late; our own ring a bell.
const POLL: Duration = Duration::from_secs(5);
/// Most that trainings leave on this machine for the attempts after them.
const CHECKPOINT_BYTES_MAX: u64 = 2 << 30;
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

/// Where the parts of a server are found.
#[derive(Args, Clone)]
pub(crate) struct ServerArguments {
    /// Address of the embedded S3 server; on this machine alone, at the port after the API's, when absent. Port 0 picks a
    /// free one
    #[arg(long, env = "SPINDLE_S3_LISTEN")]
    pub(crate) s3_listen: Option<SocketAddr>,
    /// The Spin manifest; found beside the program when absent
    #[arg(long, env = "SPINDLE_MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// OpenVINO's C library; found in the environment or in the project's build folder when absent
    #[arg(long, env = "SPINDLE_OPENVINO_LIBRARY")]
    pub(crate) openvino: Option<PathBuf>,
    /// OpenVINO's name of the device that computes what the encoder says, for example GPU
    #[arg(long, env = "SPINDLE_DEVICE", default_value = inference::PROCESSOR)]
    pub(crate) device: String,
    /// Encoder to train with: a folder as published, or the name of one that `spindle encoder add` installed; the default
    /// encoder when absent. Projects in other languages than it reads use an added one for many languages
    #[arg(long, env = "SPINDLE_ENCODER", value_name = "FOLDER|NAME")]
    pub(crate) encoder: Option<PathBuf>,
    /// Memory a training may take, in MiB; what the machine has free when absent. One that needs more is refused
    #[arg(long, env = "SPINDLE_TRAINING_MEMORY", value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    pub(crate) training_memory: Option<u64>,
    /// JSON file with the limits that differ from the defaults
    #[arg(long, env = "SPINDLE_LIMITS")]
    pub(crate) limits: Option<PathBuf>,
    /// Where subscribers may listen, entries between commas: https://hooks.example.com, https://*.example.org,
    /// http://10.0.0.7:9000. Nowhere when absent
    #[arg(long, env = "SPINDLE_SUBSCRIBERS", value_name = "ADDRESSES", default_value = "")]
    pub(crate) subscribers: String,
    /// Folder of compiled components, this user's alone; in the user's cache folder when absent
    #[arg(long, env = "SPINDLE_CACHE")]
    pub(crate) cache: Option<PathBuf>,
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
    let database = arguments.database.as_deref();
    let running = start(&arguments.data, arguments.listen, database, &arguments.server).await?;
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

/// Resolves at SIGTERM or Ctrl+C.
pub(crate) async fn until_stopped() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        };
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
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
    let places = Places::find(arguments, Some(data))?;
    let limits = limits(arguments.limits.as_deref())?;
    let subscribers =
        AllowedSubscribers::parse(&arguments.subscribers).context("cannot use --subscribers")?;
    let library = Library::load(arguments.openvino.as_deref())?;
    library.check_device(&arguments.device)?;
    tracing::info!(version = library.version(), path = %library.path().display(), "OpenVINO loaded");
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; choose another address with --listen, port 0 picks a free one")
    })?;
    let endpoint = format!("http://{}", reachable(listener.local_addr()?));
    let secrets = Secrets::load_or_make(data)?;

    let bell = Arc::new(Notify::new());
    let database = Database::choose(data, database)?;
    let catalog = database.open(&secrets, &bell).await?;
    let (teller, changes) = unbounded_channel();
    let storage_at = arguments.s3_listen.unwrap_or_else(|| beside(listen));
    let s3 = start_storage(data, storage_at, &secrets, teller).await?;
    let blobs = s3.open()?;
    blobs.create_container_if_absent(MODELS_CONTAINER).await?;
    let bundles = stored_bundles(blobs.clone(), MODELS_CONTAINER, data.join("cache"));
    let engine = Arc::new(Engine::new(bundles, inference_settings(arguments), ENGINE_LIMITS));

    let host = Host::load(&HostSettings {
        manifest: places.manifest,
        compile_cache: places.compile_cache,
        databases: database.by_label(&bell),
        variables: BTreeMap::from_iter(database.variables().into_iter().chain([
            ("internal_secret".to_owned(), secrets.internal_secret.clone()),
            ("events_secret".to_owned(), secrets.events_secret.clone()),
            ("limits".to_owned(), serde_json::to_string(&limits)?),
            ("subscribers".to_owned(), arguments.subscribers.clone()),
        ])),
        models: Arc::new(EngineModels(Arc::clone(&engine))),
        instance_bytes_max: INSTANCE_BYTES_MAX,
        request_body_bytes_max: REQUEST_BODY_BYTES_MAX,
        request_time_max: REQUEST_TIME_MAX,
    })?;
    let host = Arc::new(host);
    let worker = Worker::new(
        Services {
            catalog,
            blobs: blobs.clone(),
            engine,
            encoder: EncoderSource::new(places.encoder, data.join("cache/encoders"), encoders_folder(data)),
            models_container: MODELS_CONTAINER.to_owned(),
            limits,
            threads: inference_settings(arguments).threads(),
            training_bytes_max: arguments.training_memory.map(|mebibytes| mebibytes << 20),
            checkpoints: CheckpointFolder::new(
                data.join("cache/checkpoints"),
                CHECKPOINT_BYTES_MAX,
                &machine(&library, arguments),
            ),
            dispatch: Dispatch {
                endpoint: endpoint.clone(),
                internal_secret: secrets.internal_secret.clone(),
                http: own_client()?,
            },
            serving: Serving::default(),
            outward: Outward::new(subscribers)?,
        },
        WorkerSettings {
            owner: format!("up-{}", uuid::Uuid::new_v4()),
            kinds: JobKind::ALL.to_vec(),
            parallel: JOBS,
            poll: POLL,
        },
        bell,
    );
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(Arc::clone(&host).serve(listener, turned(stopped.clone())));
    let working = tokio::spawn(worker.run(stopped));
    let notifier = Notifier {
        url: format!("{endpoint}/events/storage"),
        secret: secrets.events_secret.clone(),
        silent: MODELS_CONTAINER.to_owned(),
        http: own_client()?,
    };
    tokio::spawn(notifier.run(changes));
    host.set_ready();
    let access = Access { endpoint, key: secrets.key, s3, pid: std::process::id() };
    write_private(&access_file, &serde_json::to_vec_pretty(&access)?)?;
    Ok(Running { access, blobs, stop, serving, working, access_file, _lock: lock })
}

/// Everything beside a training's input that decides its bits: this program, the library, the device, the processor.
fn machine(library: &Library, arguments: &ServerArguments) -> String {
    let program = std::env::current_exe().and_then(fs::metadata).ok();
    let program = program.map(|program| (program.len(), program.modified().ok()));
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor: Vec<&str> = processor
        .lines()
        .filter(|line| line.starts_with("model name") || line.starts_with("flags"))
        .take(2)
        .collect();
    format!("{program:?} {} {} {processor:?}", library.version(), arguments.device)
}

/// A client of this server itself: no proxy of the machine lies between, and no certificate counts.
fn own_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build()
}

/// The limits that components and worker keep.
fn limits(file: Option<&Path>) -> Result<Limits> {
    let Some(file) = file else { return Ok(Limits::default()) };
    let named = |what: &str| format!("{what} {}; correct the file named with --limits", file.display());
    let json = fs::read_to_string(file).with_context(|| named("cannot read"))?;
    Limits::parse(&json).map_err(anyhow::Error::msg).with_context(|| named("cannot use"))
}

fn inference_settings(arguments: &ServerArguments) -> Settings {
    Settings {
        library: arguments.openvino.clone(),
        precision: Precision::Auto,
        device: Some(arguments.device.clone()),
        ..Settings::default()
    }
}

/// Makes the data folder and keeps other servers out of it.
fn lock(data: &Path) -> Result<File> {
    fs::create_dir_all(data).with_context(|| {
        format!("cannot make the data folder {}; choose another with --data", data.display())
    })?;
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| {
        format!("cannot write to the data folder {}; choose another with --data", data.display())
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!(
                "another spindle uses the data folder {}; stop it, or choose another with --data",
                data.display()
            )
        }
        Err(fs::TryLockError::Error(error)) => Err(error).context(format!("cannot lock {}", path.display())),
    }
}

async fn start_storage(
    data: &Path,
    listen: SocketAddr,
    secrets: &Secrets,
    listener: UnboundedSender<ObjectChange>,
) -> Result<S3Access> {
    let credentials = Credentials {
        access_key_id: secrets.s3_access_key_id.clone(),
        secret_access_key: secrets.s3_secret_access_key.clone(),
    };
    let storage = Storage::start(&data.join("s3"), listen, &credentials, Some(listener)).await?;
    Ok(S3Access {
        endpoint: format!("http://{}", reachable(storage.address)),
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        region: REGION.to_owned(),
    })
}

/// Where the object storage is found beside an API at `api`: at the same place after every start, or at any free port as
/// the API is.
fn beside(api: SocketAddr) -> SocketAddr {
    let port = if api.port() == 0 { 0 } else { api.port().wrapping_add(1) };
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// An address a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

async fn turned(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which ends the server as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
