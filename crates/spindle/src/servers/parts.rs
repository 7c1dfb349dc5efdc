//! What every process is composed of, and the arguments that say where it is found.

use crate::access::S3Access;
use crate::database::Database;
use crate::encoders::encoders_folder;
use crate::places;
use crate::servers::bundles::{EngineModels, stored_bundles};
use anyhow::{Context, Result};
use blobs::Blobs;
use clap::{Args, ValueEnum};
use host::storage::{Credentials, ObjectChange, Storage};
use host::{Health, Host, HostSettings};
use inference::{Engine, EngineLimits, Library, Precision, Settings};
use language_api::{AllowedSubscribers, Limits};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};
use worker::{CheckpointFolder, Dispatch, EncoderSource, Outward, Services, Serving, Trainings};

/// Bundles and encoders of the installation, beside the users' containers.
pub(super) const MODELS_CONTAINER: &str = "spindle-models";
/// What S3 services without regions take.
pub(super) const REGION: &str = "us-east-1";
/// Writes of other processes to this data folder are seen this late; our own ring a bell.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// Most memory of one component instance.
const INSTANCE_BYTES_MAX: usize = 1 << 30;
/// Models kept in memory, least recently used go first.
const ENGINE_LIMITS: EngineLimits = EngineLimits { head_bytes: 1 << 30, encoder_bytes: 2 << 30 };
const REQUEST_BODY_BYTES_MAX: u64 = 4 << 20;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// Most that trainings leave on this machine for the attempts after them.
const CHECKPOINT_BYTES_MAX: u64 = 2 << 30;

/// What serves the application.
#[derive(Args, Clone)]
pub(crate) struct HostArguments {
    /// The Spin manifest; found beside the program when absent
    #[arg(long, env = "SPINDLE_MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// Folder of compiled components, this user's alone; in the user's cache folder when absent
    #[arg(long, env = "SPINDLE_CACHE")]
    pub(crate) cache: Option<PathBuf>,
}

/// What computes.
#[derive(Args, Clone)]
pub(crate) struct EngineArguments {
    /// OpenVINO's C library; found in the environment or in the project's build folder when absent
    #[arg(long, env = "SPINDLE_OPENVINO_LIBRARY")]
    pub(crate) openvino: Option<PathBuf>,
    /// OpenVINO's name of the device that computes what the encoder says, for example GPU
    #[arg(long, env = "SPINDLE_DEVICE", default_value = inference::PROCESSOR)]
    pub(crate) device: String,
}

/// What trainings learn over.
#[derive(Args, Clone)]
pub(crate) struct EncoderArguments {
    /// Encoder to train with: a folder as published, or the name of one that `spindle encoder add` installed; the default
    /// encoder when absent. Projects in other languages than it reads use an added one for many languages
    #[arg(long, env = "SPINDLE_ENCODER", value_name = "FOLDER|NAME")]
    pub(crate) encoder: Option<PathBuf>,
}

/// What trainings may take.
#[derive(Args, Clone)]
pub(crate) struct TrainingArguments {
    #[command(flatten)]
    pub(crate) encoder: EncoderArguments,
    /// Memory a training may take, in MiB; what the machine has free when absent. One that needs more is refused
    #[arg(long, env = "SPINDLE_TRAINING_MEMORY", value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    pub(crate) training_memory: Option<u64>,
    /// What tunes the encoder's layers for the recipe `tuned`: the processor (cpu), an NVIDIA GPU (cuda; in programs built
    /// with that feature), or a GPU where there is one (auto)
    #[arg(long, env = "SPINDLE_TUNING_DEVICE", value_name = "DEVICE", value_enum, default_value_t)]
    pub(crate) tuning_device: TuningDevice,
}

/// What tunes.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum TuningDevice {
    #[default]
    Auto,
    Cpu,
    Cuda,
}

impl From<TuningDevice> for tuning::Choice {
    fn from(device: TuningDevice) -> Self {
        match device {
            TuningDevice::Auto => Self::Auto,
            TuningDevice::Cpu => Self::Processor,
            TuningDevice::Cuda => Self::Cuda,
        }
    }
}

/// What the installation allows.
#[derive(Args, Clone)]
pub(crate) struct RuleArguments {
    /// JSON file with the limits that differ from the defaults
    #[arg(long, env = "SPINDLE_LIMITS")]
    pub(crate) limits: Option<PathBuf>,
    /// Where subscribers may listen, entries between commas: https://hooks.example.com, https://*.example.org,
    /// http://10.0.0.7:9000. Nowhere when absent
    #[arg(long, env = "SPINDLE_SUBSCRIBERS", value_name = "ADDRESSES", default_value = "")]
    pub(crate) subscribers: String,
}

/// Where the parts of a server are found that is everything in one.
#[derive(Args, Clone)]
pub(crate) struct ServerArguments {
    /// Address of the embedded S3 server; on this machine alone, at the port after the API's, when absent. Port 0 picks a
    /// free one
    #[arg(long, env = "SPINDLE_S3_LISTEN")]
    pub(crate) s3_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) host: HostArguments,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) training: TrainingArguments,
    #[command(flatten)]
    pub(crate) rules: RuleArguments,
}

impl EngineArguments {
    /// Loads OpenVINO and proves that it has the device.
    pub(super) fn load(&self) -> Result<&'static Library> {
        let library = Library::load(self.openvino.as_deref())?;
        library.check_device(&self.device)?;
        tracing::info!(version = library.version(), path = %library.path().display(), "OpenVINO loaded");
        Ok(library)
    }

    fn settings(&self) -> Settings {
        Settings {
            library: self.openvino.clone(),
            precision: Precision::Auto,
            device: Some(self.device.clone()),
            ..Settings::default()
        }
    }

    /// Models from `container`, with copies of their files below the `data` folder. Call inside the runtime that stays.
    pub(super) fn engine(&self, blobs: &Blobs, container: &str, data: &Path) -> Arc<Engine> {
        let bundles = stored_bundles(blobs.clone(), container.to_owned(), data.join("cache"));
        Arc::new(Engine::new(bundles, self.settings(), ENGINE_LIMITS))
    }

    /// Everything beside a training's input that decides its bits: this program, the library, the device, the processor.
    fn machine(&self, library: &Library) -> String {
        let program = std::env::current_exe().and_then(fs::metadata).ok();
        let program = program.map(|program| (program.len(), program.modified().ok()));
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor: Vec<&str> = processor
            .lines()
            .filter(|line| line.starts_with("model name") || line.starts_with("flags"))
            .take(2)
            .collect();
        format!("{program:?} {} {} {processor:?}", library.version(), self.device)
    }
}

/// The rules as they are kept.
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) subscribers: AllowedSubscribers,
    written_subscribers: String,
}

impl RuleArguments {
    /// Reads and checks them.
    pub(super) fn read(&self) -> Result<Rules> {
        let subscribers = AllowedSubscribers::parse(&self.subscribers).context("cannot use --subscribers")?;
        let limits = limits(self.limits.as_deref())?;
        Ok(Rules { limits, subscribers, written_subscribers: self.subscribers.clone() })
    }
}

/// The limits that components and worker keep.
fn limits(file: Option<&Path>) -> Result<Limits> {
    let Some(file) = file else { return Ok(Limits::default()) };
    let named = |what: &str| format!("{what} {}; correct the file named with --limits", file.display());
    let json = fs::read_to_string(file).with_context(|| named("cannot read"))?;
    Limits::parse(&json).map_err(anyhow::Error::msg).with_context(|| named("cannot use"))
}

/// What the application is given beside its manifest.
pub(super) struct Application<'a> {
    pub(super) database: &'a Database,
    /// Rings when a component's write changed the jobs.
    pub(super) bell: &'a Arc<Notify>,
    pub(super) internal_secret: &'a str,
    pub(super) events_secret: &'a str,
    pub(super) rules: &'a Rules,
    pub(super) engine: &'a Arc<Engine>,
    pub(super) health: &'a Arc<Health>,
}

impl HostArguments {
    /// Loads the application.
    pub(super) fn load(&self, application: &Application<'_>) -> Result<Arc<Host>> {
        let Application { database, bell, rules, .. } = application;
        let host = Host::load(&HostSettings {
            manifest: places::manifest(self)?,
            compile_cache: places::compile_cache(self)?,
            databases: database.by_label(bell),
            variables: BTreeMap::from_iter(database.variables().into_iter().chain([
                ("internal_secret".to_owned(), application.internal_secret.to_owned()),
                ("events_secret".to_owned(), application.events_secret.to_owned()),
                ("limits".to_owned(), serde_json::to_string(&rules.limits)?),
                ("subscribers".to_owned(), rules.written_subscribers.clone()),
            ])),
            models: Arc::new(EngineModels(Arc::clone(application.engine))),
            instance_bytes_max: INSTANCE_BYTES_MAX,
            request_body_bytes_max: REQUEST_BODY_BYTES_MAX,
            request_time_max: REQUEST_TIME_MAX,
            health: Arc::clone(application.health),
        })?;
        Ok(Arc::new(host))
    }
}

/// What jobs are given beside the arguments.
pub(super) struct Workshop<'a> {
    pub(super) catalog: worker::Catalog,
    pub(super) blobs: Blobs,
    pub(super) engine: Arc<Engine>,
    pub(super) models_container: String,
    pub(super) rules: Rules,
    pub(super) library: &'a Library,
    pub(super) data: &'a Path,
    pub(super) dispatch: Dispatch,
}

impl TrainingArguments {
    /// What jobs work with.
    pub(super) fn services(&self, engine: &EngineArguments, workshop: Workshop<'_>) -> Result<Services> {
        let data = workshop.data;
        let encoder = places::encoder(&self.encoder, Some(data))?;
        let tuner = tuning::open(self.tuning_device.into()).context("cannot use --tuning-device")?;
        let machine = format!("{} {:?}", engine.machine(workshop.library), tuner.device());
        let checkpoints = data.join("cache/checkpoints");
        Ok(Services {
            catalog: workshop.catalog,
            blobs: workshop.blobs,
            engine: workshop.engine,
            encoder: EncoderSource::new(encoder, data.join("cache/encoders"), encoders_folder(data)),
            models_container: workshop.models_container,
            limits: workshop.rules.limits,
            threads: engine.settings().threads(),
            training_bytes_max: self.training_memory.map(|mebibytes| mebibytes << 20),
            tuner,
            checkpoints: CheckpointFolder::new(checkpoints, CHECKPOINT_BYTES_MAX, &machine),
            dispatch: workshop.dispatch,
            serving: Serving::default(),
            outward: Outward::new(workshop.rules.subscribers)?,
            trainings: Trainings::default(),
        })
    }
}

/// Listens for callers of the API.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with --listen, port 0 picks a free one")
    })
}

/// Starts the embedded S3 server over a folder.
pub(super) async fn start_storage(
    folder: &Path,
    listen: SocketAddr,
    credentials: Credentials,
    listener: Option<UnboundedSender<ObjectChange>>,
) -> Result<S3Access> {
    let storage = Storage::start(folder, listen, &credentials, listener).await?;
    Ok(S3Access {
        endpoint: format!("http://{}", reachable(storage.address)),
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        region: REGION.to_owned(),
    })
}

/// Makes the data folder and keeps other servers out of it.
pub(super) fn lock(data: &Path) -> Result<File> {
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
            anyhow::bail!(
                "another spindle uses the data folder {}; stop it, or choose another with --data",
                data.display()
            )
        }
        Err(fs::TryLockError::Error(error)) => Err(error).context(format!("cannot lock {}", path.display())),
    }
}

/// A client of this machine's own server: no proxy of the machine lies between, and no certificate counts.
pub(super) fn own_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build()
}

/// A client of the installation's hosts on other machines: no proxy lies between.
pub(super) fn hosts_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().tls_certs_only(worker::certificate_authorities()).build()
}

/// An address a client on this machine can use.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

/// Resolves when `stopped` turns true.
pub(super) async fn turned(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which ends the server as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
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
