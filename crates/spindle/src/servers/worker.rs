//! `spindle worker`: jobs alone, one of many.

use crate::servers::cluster::{ClusterArguments, Missing, base_address};
use crate::servers::observation::{observe_engine, watch_queue};
use crate::servers::parts::{
    EngineArguments, POLL, RuleArguments, TrainingArguments, Workshop, hosts_client, until_stopped,
};
use crate::servers::readiness::watch_database;
use anyhow::{Context, Result, bail};
use catalog::JobKind;
use clap::Args;
use host::{Health, Readiness};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use worker::{Dispatch, Worker, WorkerSettings};

/// What a job of those that run beside each other is given room for.
const JOB_BYTES: u64 = 1 << 30;

/// Run jobs as one of many workers, over a PostgreSQL database and an S3 service
#[derive(Args)]
#[command(
    after_help = "Examples:\n  SPINDLE_DATABASE=postgres://spindle:secret@db/spindle SPINDLE_S3_ACCESS_KEY_ID=… SPINDLE_S3_SECRET_ACCESS_KEY=… \\\n  SPINDLE_INTERNAL_SECRET=… spindle worker --s3-endpoint http://s3:9000 --endpoint http://spindle:8080\n  spindle worker --jobs train,evaluate --device GPU\n\n`spindle config worker` lists every value with where it comes from; secrets may be given as files\n(SPINDLE_INTERNAL_SECRET_FILE). A job of a kind that no worker takes waits. SIGTERM: no new jobs, short ones are ended\nwithin --drain-seconds, the others are given back and begin at once elsewhere.\n\nEncoders that `spindle encoder add` installs lie in one worker's data folder: add them to that of every worker that trains,\nby the same command in its image or on a volume that they share."
)]
pub(crate) struct WorkerArguments {
    /// Address of the balancer before the hosts (`spindle serve`), which execute extraction jobs; or addresses of hosts between
    /// commas, of which the first is asked that can be reached
    #[arg(long, env = "SPINDLE_ENDPOINT", value_name = "ADDRESSES", value_delimiter = ',')]
    endpoint: Vec<String>,
    /// Kinds of jobs to run, entries between commas: train,evaluate. All when absent
    #[arg(long, env = "SPINDLE_JOBS", value_name = "KINDS", value_delimiter = ',')]
    jobs: Vec<String>,
    /// Jobs at once; when absent as many as there are processors, or as memory has GiB. A training that finds too little
    /// memory waits for the others here; alone it is refused
    #[arg(long, env = "SPINDLE_JOBS_AT_ONCE", value_name = "NUMBER")]
    jobs_at_once: Option<NonZeroU16>,
    /// Address that answers /healthz, /readyz and /metrics; nothing answers when absent
    #[arg(long, env = "SPINDLE_HEALTH_LISTEN", value_name = "ADDRESS")]
    health_listen: Option<SocketAddr>,
    /// Seconds in which running jobs may end after SIGTERM before they are given back
    #[arg(long, env = "SPINDLE_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 10)]
    drain_seconds: u16,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    training: TrainingArguments,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    rules: RuleArguments,
}

/// Runs until SIGTERM or Ctrl+C.
pub(crate) async fn worker(arguments: WorkerArguments) -> Result<()> {
    let kinds = kinds(&arguments.jobs)?;
    let mut missing = Missing::default();
    let endpoints: Vec<&String> = arguments.endpoint.iter().filter(|endpoint| !endpoint.is_empty()).collect();
    missing.need(
        endpoints.first(),
        "--endpoint (SPINDLE_ENDPOINT): where `spindle serve` answers, http://spindle:8080",
    );
    let cluster = arguments.cluster.read("worker", missing)?;
    let endpoints = endpoints.iter().map(|endpoint| base_address(endpoint)).collect::<Result<_>>();
    let endpoints = endpoints.context("cannot use --endpoint")?;
    let rules = arguments.rules.read()?;
    let library = arguments.engine.load()?;
    let health = Arc::new(Health::default());
    if let Some(address) = arguments.health_listen {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; choose another address with --health-listen")
        })?;
        tokio::spawn(Arc::clone(&health).serve(listener));
    }

    let bell = Arc::new(Notify::new());
    let catalog = cluster.database.open_among_others(&bell).await?;
    let blobs = cluster.blobs().await?;
    let engine = arguments.engine.engine(&blobs, &cluster.models_container, &cluster.data);
    observe_engine(&engine);
    tokio::spawn(watch_queue(catalog.clone()));
    let workshop = Workshop {
        catalog: catalog.clone(),
        blobs,
        engine,
        models_container: cluster.models_container,
        rules,
        library,
        data: &cluster.data,
        dispatch: Dispatch { endpoints, internal_secret: cluster.internal_secret, http: hosts_client()? },
    };
    let services = arguments.training.services(&arguments.engine, workshop)?;
    let settings = WorkerSettings {
        owner: format!("worker-{}", uuid::Uuid::new_v4()),
        kinds,
        parallel: arguments.jobs_at_once.map_or_else(jobs_at_once, |number| usize::from(number.get())),
        poll: POLL,
        drain: Duration::from_secs(arguments.drain_seconds.into()),
        alone: false,
    };
    println!("worker   {} jobs at once: {}", settings.parallel, words(&settings.kinds));
    let (stop, stopped) = watch::channel(false);
    let mut working = tokio::spawn(Worker::new(services, settings, bell).run(stopped));
    tokio::spawn(watch_database(catalog, Arc::clone(&health)));
    until_stopped().await;
    health.set(Readiness::Draining);
    stop.send_replace(true);
    tokio::select! {
        worked = &mut working => worked.context("the worker did not end cleanly"),
        // A second word: jobs begin elsewhere when their leases are over.
        () = until_stopped() => Ok(()),
    }
}

/// The kinds that `words` name; all when there are none.
fn kinds(words: &[String]) -> Result<Vec<JobKind>> {
    let words: Vec<&str> = words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return Ok(JobKind::ALL.to_vec());
    }
    let mut kinds = vec![];
    for word in words {
        let Some(kind) = JobKind::from_word(word) else {
            bail!("--jobs: there is no kind of job {word:?}; there are {}", self::words(&JobKind::ALL));
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

fn words(kinds: &[JobKind]) -> String {
    kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(",")
}

/// As many as there are processors, unless memory has no room for so many.
fn jobs_at_once() -> usize {
    let processors = available_parallelism().map_or(1, usize::from);
    let room = worker::available_bytes(None).map_or(u64::MAX, |bytes| bytes / JOB_BYTES);
    processors.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_go_by_their_words() {
        let named = |words: &[&str]| kinds(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(named(&[]).unwrap(), JobKind::ALL);
        assert_eq!(named(&[""]).unwrap(), JobKind::ALL, "an empty variable is none");
        assert_eq!(named(&["train", " extract", "train"]).unwrap(), [JobKind::Train, JobKind::Extract]);
        let wrong = named(&["train", "trian"]).unwrap_err().to_string();
        assert!(wrong.contains("\"trian\"") && wrong.contains("import,export,copy,train,"), "{wrong}");
    }
}
