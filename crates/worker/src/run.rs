//! One job: its lease, its heartbeat, its end.

use crate::failure::Failure;
use crate::jobs;
use crate::observed::{GIVEN_BACK, Observed, outcome};
use crate::services::Services;
use catalog::{Job, JobKind, Lease, Outcome};
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often progress is written and cancellation noticed.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A lease that was renewed so recently is not asked about before something is written outside the catalog.
const FRESH: Duration = Duration::from_secs(5);
/// Until how a job ended is written again, at first.
const END_PAUSE: Duration = Duration::from_millis(250);
/// Attempts before a transient fault counts as final.
const ATTEMPTS_MAX: u64 = 5;
/// Attempts before a job counts as what ends its worker each time: a server may well be stopped a few times meanwhile.
const DEATHS_MAX: u64 = 10;
/// Growth of the pause between attempts to tell a subscriber.
const SUBSCRIBER_PAUSE_GROWTH: i64 = 3;

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
    /// When the lease was known to be ours.
    renewed: Mutex<Instant>,
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
    /// How long a lease lasts without a heartbeat.
    pub(crate) const LEASE: Duration = Duration::from_secs(20);

    /// A job that has just been leased.
    pub(crate) fn new(services: &Arc<Services>, job: Job) -> Option<Self> {
        let lease = job.lease()?;
        Some(Self {
            services: Arc::clone(services),
            job,
            lease,
            stop: Arc::default(),
            progress: Mutex::default(),
            changed: AtomicBool::new(false),
            renewed: Mutex::new(Instant::now()),
        })
    }

    /// Asks, unless it was asked a moment ago, whether the job is still this worker's: what is written outside the catalog
    /// is not bound to the lease, and this process may have stood still for longer than that lasts.
    pub(crate) async fn still_ours(&self) -> Result<(), Failure> {
        self.stop.check()?;
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if renewed.elapsed() < FRESH { Ok(()) } else { self.beat().await }
    }

    /// What the next heartbeat writes into the job's row.
    pub(crate) fn set_progress(&self, json: String) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(json);
        self.changed.store(true, Ordering::Release);
    }

    /// How long to wait before the next attempt; `None` after the last.
    pub(crate) fn patience(&self) -> Option<SignedDuration> {
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
        let (now, asked) = (Timestamp::now(), Instant::now());
        let catalog = &self.services.catalog;
        let heartbeat = match progress {
            Some(json) => catalog.progress(&self.lease, &json, now, Self::LEASE).await?,
            None => catalog.heartbeat(&self.lease, now, Self::LEASE).await?,
        };
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        if heartbeat.cancel_requested {
            self.stop.cancelled.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Runs a job with its heartbeat and writes how it ended; or gives it back when `leaving` turns true.
pub(crate) async fn execute(run: Run, mut leaving: watch::Receiver<bool>) {
    let run = Arc::new(run);
    let beating = tokio::spawn(keep_alive(Arc::clone(&run)));
    let (job, kind) = (run.job.id.clone(), run.job.kind);
    let observed = Observed::begin(&run);
    let span = observed.span.clone();
    tracing::info!(%job, %kind, project = run.job.project, attempt = run.job.attempt, "job begins");
    let worker = Arc::clone(&run);
    // Jobs compute for minutes and their futures need not be Send: each gets a thread of its own.
    let handle = tokio::runtime::Handle::current();
    // Deliveries may be tried more often: their receivers are to blame, not the job.
    let deaths = run.job.attempt > DEATHS_MAX && kind != JobKind::Deliver;
    let mut working = tokio::task::spawn_blocking(move || match deaths {
        true => Err(deadly()),
        false => span.in_scope(|| handle.block_on(jobs::run(&worker))),
    });
    let done = tokio::select! {
        done = &mut working => Some(done),
        _ = leaving.wait_for(|leaving| *leaving) => None,
    };
    // Its last write must not come after the end's.
    beating.abort();
    let _ = beating.await;
    let Some(done) = done else {
        observed.end(GIVEN_BACK);
        return give_back(&run).await;
    };
    let done = done.unwrap_or_else(|error| {
        tracing::error!(%job, %error, "job panicked");
        Err(Failure::refused(
            language_api::ErrorKind::Internal,
            "the job failed by a defect of this server; its log says where",
        ))
    });
    observed.end(outcome(&run, &done));
    write_end(&run, done).await;
}

/// Leaves the job to other workers, who may take it at once. What still computes here is told to stop; it can't write any
/// more, whenever it notices.
async fn give_back(run: &Run) {
    let (job, now) = (&run.job.id, Timestamp::now());
    match run.services.catalog.retry_later(&run.lease, now, now).await {
        Ok(()) => tracing::info!(job, "job is given back: this worker stops"),
        Err(catalog::Error::LeaseLost { .. }) => {}
        Err(error) => tracing::warn!(job, %error, "job could not be given back"),
    }
    run.stop.lost.store(true, Ordering::Relaxed);
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
        if begun.elapsed() + pause > Run::LEASE {
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
        catalog.progress(&run.lease, &json, now, Run::LEASE).await?;
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
