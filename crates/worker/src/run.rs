//! The loop: wait for a job, lease it, run it, say how it ended.

use crate::announce::announce;
use crate::checkpoints::CheckpointFolder;
use crate::encoder::EncoderSource;
use crate::failure::Failure;
use crate::outward::Outward;
use crate::serving::Serving;
use crate::{Catalog, jobs};
use blobs::Blobs;
use catalog::{Job, JobKind, Lease, Outcome};
use inference::Engine;
use jiff::{SignedDuration, Timestamp};
use language_api::Limits;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, watch};

/// How long a lease lasts without a heartbeat.
const LEASE: Duration = Duration::from_secs(20);
/// How often progress is written and cancellation noticed.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Until how a job ended is written again, at first.
const END_PAUSE: Duration = Duration::from_millis(250);
/// How often expired jobs and replaced labels are removed.
const SWEEP: Duration = Duration::from_secs(600);
/// Attempts before a transient fault counts as final.
const ATTEMPTS_MAX: u64 = 5;
/// Attempts before a job counts as what ends its worker each time: a server may well be stopped a few times meanwhile.
const DEATHS_MAX: u64 = 10;
/// Jobs that wait for servers of other people, at once: they cost no processor, and must not keep others waiting.
const OUTWARD_JOBS: usize = 16;
/// Growth of the pause between attempts to tell a subscriber.
const SUBSCRIBER_PAUSE_GROWTH: i64 = 3;

/// What jobs work with.
pub struct Services {
    /// The catalog.
    pub catalog: Catalog,
    /// Documents and bundles.
    pub blobs: Blobs,
    /// Models by name, for evaluation.
    pub engine: Arc<Engine>,
    /// The encoder to train over.
    pub encoder: EncoderSource,
    /// Container of bundles and encoders.
    pub models_container: String,
    /// The contract's limits.
    pub limits: Limits,
    /// Threads a training may use.
    pub threads: usize,
    /// Bytes of memory a training may take; what the machine has free when absent.
    pub training_bytes_max: Option<u64>,
    /// What trainings leave for the attempts after them.
    pub checkpoints: CheckpointFolder,
    /// Where extraction jobs are executed.
    pub dispatch: Dispatch,
    /// Models that documents are extracted from with.
    pub serving: Serving,
    /// Calls to servers of other people.
    pub outward: Outward,
}

/// The installation's own HTTP endpoint, which runs extraction jobs.
#[derive(Clone)]
pub struct Dispatch {
    /// Scheme, host and port.
    pub endpoint: String,
    /// Proves that the call is ours.
    pub internal_secret: String,
    /// The client.
    pub http: reqwest::Client,
}

/// How a worker behaves.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Name of this worker, unique among all.
    pub owner: String,
    /// Jobs it takes.
    pub kinds: Vec<JobKind>,
    /// Jobs it runs at once.
    pub parallel: usize,
    /// How often it looks for jobs that nobody rang for.
    pub poll: Duration,
}

/// A worker; see [`Worker::run`].
pub struct Worker {
    services: Arc<Services>,
    settings: WorkerSettings,
    bell: Arc<Notify>,
}

/// One job in this worker's hands.
pub(crate) struct Run {
    pub(crate) services: Arc<Services>,
    pub(crate) job: Job,
    pub(crate) lease: Lease,
    pub(crate) stop: Arc<StopSigns>,
    /// The latest progress; it stays here until the end, since the heartbeat that carries it may be cut off.
    progress: Mutex<Option<String>>,
    /// Whether `progress` is newer than the last heartbeat.
    changed: AtomicBool,
}

/// Why a running job shall end early.
#[derive(Default)]
pub(crate) struct StopSigns {
    cancelled: AtomicBool,
    lost: AtomicBool,
}

impl StopSigns {
    /// Fails when the job shall stop.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(Failure::LeaseLost);
        }
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::Cancelled);
        }
        Ok(())
    }
}

impl Run {
    /// What the next heartbeat writes into the job's row.
    pub(crate) fn set_progress(&self, json: String) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(json);
        self.changed.store(true, Ordering::Release);
    }

    /// How long to wait before the next attempt; `None` after the last.
    fn patience(&self) -> Option<SignedDuration> {
        let attempt = self.job.attempt;
        if self.job.kind != JobKind::Deliver {
            let pause = SignedDuration::from_millis(250 << attempt.min(6));
            return (attempt < ATTEMPTS_MAX).then_some(pause);
        }
        let limits = &self.services.limits;
        let growth = SUBSCRIBER_PAUSE_GROWTH
            .saturating_pow(u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let pause = i64::from(limits.subscriber_pause_milliseconds).saturating_mul(growth);
        (attempt < u64::from(limits.subscriber_attempts_max)).then(|| SignedDuration::from_millis(pause))
    }

    fn latest_progress(&self) -> Option<String> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn beat(&self) -> Result<(), Failure> {
        let changed = self.changed.swap(false, Ordering::AcqRel);
        let progress = self.latest_progress().filter(|_| changed);
        let now = Timestamp::now();
        let catalog = &self.services.catalog;
        let heartbeat = match progress {
            Some(json) => catalog.progress(&self.lease, &json, now, LEASE).await?,
            None => catalog.heartbeat(&self.lease, now, LEASE).await?,
        };
        if heartbeat.cancel_requested {
            self.stop.cancelled.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Worker {
    /// A worker. `bell` wakes it when there may be a new job.
    pub fn new(services: Services, settings: WorkerSettings, bell: Arc<Notify>) -> Self {
        Self { services: Arc::new(services), settings, bell }
    }

    /// Leases and runs jobs until `stop` turns true; then running jobs are given up, to be leased again elsewhere.
    /// Jobs that wait for servers of other people have a lane of their own: one that hangs keeps no other job waiting.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let sweeping = tokio::spawn(sweep(Arc::clone(&self.services)));
        let announcing = tokio::spawn(look_through(Arc::clone(&self.services)));
        let (outward, inward): (Vec<_>, Vec<_>) =
            self.settings.kinds.iter().copied().partition(|kind| JobKind::OUTWARD.contains(kind));
        let lane = |kinds, parallel| Self {
            services: Arc::clone(&self.services),
            settings: WorkerSettings { kinds, parallel, ..self.settings.clone() },
            bell: Arc::default(),
        };
        let lanes = [lane(inward, self.settings.parallel), lane(outward, OUTWARD_JOBS)];
        let bells = lanes.each_ref().map(|lane| Arc::clone(&lane.bell));
        let bell = self.bell;
        let ringing = tokio::spawn(async move {
            loop {
                bell.notified().await;
                bells.iter().for_each(|bell| bell.notify_one());
            }
        });
        let [inward, outward] = lanes;
        tokio::join!(inward.work(stop.clone()), outward.work(stop));
        for task in [sweeping, announcing, ringing] {
            task.abort();
        }
    }

    /// Leases and runs jobs of the settings' kinds until `stop` turns true.
    async fn work(self, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.settings.parallel));
        while !*stop.borrow() {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            match self.lease().await {
                Some(run) => {
                    let bell = Arc::clone(&self.bell);
                    tokio::spawn(async move {
                        execute(run).await;
                        drop(slot);
                        // A job that ended may have kept another of its project waiting.
                        bell.notify_one();
                    });
                }
                None => {
                    drop(slot);
                    let wait = self.wait().await;
                    tokio::select! {
                        () = self.bell.notified() => {}
                        () = tokio::time::sleep(wait) => {}
                        _ = stop.changed() => {}
                    }
                }
            }
        }
    }

    async fn lease(&self) -> Option<Run> {
        let catalog = &self.services.catalog;
        match catalog.lease(&self.settings.owner, &self.settings.kinds, Timestamp::now(), LEASE).await {
            Ok(job) => job.and_then(|job| {
                let lease = job.lease()?;
                let services = Arc::clone(&self.services);
                Some(Run {
                    services,
                    job,
                    lease,
                    stop: Arc::default(),
                    progress: Mutex::default(),
                    changed: AtomicBool::new(false),
                })
            }),
            Err(error) => {
                tracing::warn!(%error, "could not look for jobs");
                None
            }
        }
    }

    /// Until the next job that waits for its time, and at most until the next look around.
    async fn wait(&self) -> Duration {
        let due = self.services.catalog.next_due(&self.settings.kinds).await.ok().flatten();
        let until = due.map(|due| due.duration_since(Timestamp::now()));
        let until = until.and_then(|until| Duration::try_from(until).ok());
        until.map_or(self.settings.poll, |until| until.max(Duration::from_millis(10)).min(self.settings.poll))
    }
}

/// Removes expired jobs and labels nobody uses, now and then, until it is aborted.
async fn sweep(services: Arc<Services>) {
    loop {
        services.checkpoints.sweep();
        match services.catalog.sweep(Timestamp::now()).await {
            // Piece by piece: others may write in between.
            Ok(swept) if swept.more => tokio::task::yield_now().await,
            Ok(_) => tokio::time::sleep(SWEEP).await,
            Err(error) => {
                tracing::warn!(%error, "expired jobs were not removed");
                tokio::time::sleep(SWEEP).await;
            }
        }
    }
}

/// Finds objects that no event announced, at the start and now and then, until it is aborted.
async fn look_through(services: Arc<Services>) {
    loop {
        if let Err(error) = announce(&services).await {
            tracing::warn!(%error, "containers were not looked through");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Runs a job with its heartbeat and writes how it ended.
async fn execute(run: Run) {
    let run = Arc::new(run);
    let beating = tokio::spawn(keep_alive(Arc::clone(&run)));
    let (job, kind) = (run.job.id.clone(), run.job.kind);
    tracing::info!(%job, %kind, project = run.job.project, attempt = run.job.attempt, "job begins");
    let worker = Arc::clone(&run);
    // Jobs compute for minutes and their futures need not be Send: each gets a thread of its own.
    let handle = tokio::runtime::Handle::current();
    // Deliveries may be tried more often: their receivers are to blame, not the job.
    let deaths = run.job.attempt > DEATHS_MAX && kind != JobKind::Deliver;
    let done = tokio::task::spawn_blocking(move || match deaths {
        true => Err(deadly()),
        false => handle.block_on(jobs::run(&worker)),
    })
    .await;
    // Its last write must not come after the end's.
    beating.abort();
    let _ = beating.await;
    let done = done.unwrap_or_else(|error| {
        tracing::error!(%job, %error, "job panicked");
        Err(Failure::refused(
            language_api::ErrorKind::Internal,
            "the job failed by a defect of this server; its log says where",
        ))
    });
    write_end(&run, done).await;
}

/// Writes how the job ended. The database may be busy or away for a moment: until the lease is over it is tried again, since
/// the job would be run again otherwise.
async fn write_end(run: &Run, done: Result<Option<Outcome>, Failure>) {
    let begun = Instant::now();
    let mut pause = END_PAUSE;
    loop {
        let error = match conclude(run, &done).await {
            Ok(()) | Err(catalog::Error::LeaseLost { .. }) => return,
            Err(error) => error,
        };
        let job = &run.job.id;
        if begun.elapsed() + pause > LEASE {
            tracing::error!(job, %error, "could not write how the job ended; it will be run again");
            return;
        }
        tracing::warn!(job, %error, "could not write how the job ended; trying again");
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// A job that never came to an end, because what ran it was killed each time.
fn deadly() -> Failure {
    let message = format!(
        "the server ended {DEATHS_MAX} times while this job ran; its log and the system's say why, for instance that memory \
         ran out"
    );
    Failure::refused(language_api::ErrorKind::Unavailable, message)
}

async fn keep_alive(run: Arc<Run>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match run.beat().await {
            Ok(()) => {}
            Err(Failure::LeaseLost) => {
                run.stop.lost.store(true, Ordering::Relaxed);
                return;
            }
            Err(error) => tracing::warn!(job = run.job.id, %error, "heartbeat failed"),
        }
    }
}

async fn conclude(run: &Run, done: &Result<Option<Outcome>, Failure>) -> Result<(), catalog::Error> {
    let catalog = &run.services.catalog;
    let now = Timestamp::now();
    let job = &run.job.id;
    if let (Some(json), false) = (run.latest_progress(), matches!(done, Err(Failure::LeaseLost))) {
        catalog.progress(&run.lease, &json, now, LEASE).await?;
    }
    match done {
        Ok(Some(outcome)) => {
            tracing::info!(%job, "job succeeded");
            catalog.finish(&run.lease, outcome, now).await
        }
        // The code that ran it has written how it ended, in the same transaction as its result.
        Ok(None) => Ok(()),
        Err(Failure::LeaseLost) => Ok(()),
        Err(Failure::Cancelled) => catalog.finish(&run.lease, &Outcome::cancelled(), now).await,
        Err(Failure::Transient(reason)) => match run.patience() {
            Some(pause) => {
                tracing::warn!(%job, reason, "job will be tried again");
                catalog.retry_later(&run.lease, now.saturating_add(pause).unwrap_or(now), now).await
            }
            None => {
                let error =
                    language_api::ApiError::new(language_api::ErrorKind::Unavailable, reason.clone()).body();
                fail(run, &[error], now).await
            }
        },
        Err(Failure::Refused(errors)) => fail(run, errors, now).await,
    }
}

async fn fail(
    run: &Run,
    errors: &[language_api::error::ErrorBody],
    now: Timestamp,
) -> Result<(), catalog::Error> {
    tracing::warn!(job = run.job.id, errors = errors.len(), "job failed");
    let errors = serde_json::to_string(errors).unwrap_or_else(|_| "[]".to_owned());
    run.services.catalog.finish(&run.lease, &Outcome::failed(errors), now).await
}
