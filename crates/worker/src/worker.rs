//! The loop: wait for a job, lease it, have it run; and how a worker leaves.

use crate::announce::announce;
use crate::run::{Run, execute};
use crate::services::Services;
use catalog::JobKind;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

/// How often expired jobs and replaced labels are removed, and containers are looked through.
const SWEEP: Duration = Duration::from_secs(600);
/// Of many workers one does it; a little less, so that the pause of one is not the next one's, too.
const SWEPT: SignedDuration = SignedDuration::from_secs(570);
/// Jobs that wait for servers of other people, at once: they cost no processor, and must not keep others waiting.
const OUTWARD_JOBS: usize = 16;
/// How long a worker that leaves tries to give back what it could not finish.
const GIVE_BACK: Duration = Duration::from_secs(2);

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
    /// How long it goes on with what it has when it shall stop.
    pub drain: Duration,
    /// Whether it is the installation's only one, and so does by itself what many would take turns at.
    pub alone: bool,
}

/// A worker; see [`Worker::run`].
pub struct Worker {
    services: Arc<Services>,
    settings: WorkerSettings,
    bell: Arc<Notify>,
}

impl Worker {
    /// A worker. `bell` wakes it when there may be a new job.
    pub fn new(services: Services, settings: WorkerSettings, bell: Arc<Notify>) -> Self {
        Self { services: Arc::new(services), settings, bell }
    }

    /// Leases and runs jobs until `stop` turns true. Then it takes no more, goes on with what it has for a while, and gives
    /// back the rest, which others may take at once.
    ///
    /// Jobs that wait for servers of other people have a lane of their own: one that hangs keeps no other job waiting.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let sweeping = tokio::spawn(sweep(Arc::clone(&self.services), self.settings.alone));
        let announcing = tokio::spawn(look_through(Arc::clone(&self.services), self.settings.alone));
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

    /// Leases and runs jobs of the settings' kinds until `stop` turns true, and ends them or gives them back.
    async fn work(self, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.settings.parallel));
        let (leave, leaving) = watch::channel(false);
        let mut running = JoinSet::new();
        while !*stop.borrow() {
            while running.try_join_next().is_some() {}
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot,
                _ = stop.changed() => continue,
            };
            let Ok(slot) = slot else { break };
            match self.lease().await {
                Some(run) => {
                    let (bell, leaving) = (Arc::clone(&self.bell), leaving.clone());
                    running.spawn(async move {
                        execute(run, leaving).await;
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
        let ended = async |running: &mut JoinSet<()>| while running.join_next().await.is_some() {};
        if tokio::time::timeout(self.settings.drain, ended(&mut running)).await.is_err() {
            leave.send_replace(true);
            if tokio::time::timeout(GIVE_BACK, ended(&mut running)).await.is_err() {
                tracing::warn!(
                    jobs = running.len(),
                    "jobs could not be given back; they begin again when their lease is over"
                );
            }
        }
    }

    async fn lease(&self) -> Option<Run> {
        let catalog = &self.services.catalog;
        match catalog.lease(&self.settings.owner, &self.settings.kinds, Timestamp::now(), Run::LEASE).await {
            Ok(job) => job.and_then(|job| Run::new(&self.services, job)),
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
async fn sweep(services: Arc<Services>, alone: bool) {
    loop {
        services.checkpoints.sweep();
        if its_turn(&services, "sweep", alone).await {
            loop {
                match services.catalog.sweep(Timestamp::now()).await {
                    // Piece by piece: others may write in between.
                    Ok(swept) if swept.more => tokio::task::yield_now().await,
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(%error, "expired jobs were not removed");
                        break;
                    }
                }
            }
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Finds objects that no event announced, at the start and now and then, until it is aborted.
async fn look_through(services: Arc<Services>, alone: bool) {
    loop {
        if its_turn(&services, "look through the containers", alone).await
            && let Err(error) = announce(&services).await
        {
            tracing::warn!(%error, "containers were not looked through");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Whether it is this worker that does the work now.
async fn its_turn(services: &Services, work: &str, alone: bool) -> bool {
    if alone {
        return true;
    }
    services.catalog.claim(work, Timestamp::now(), SWEPT).await.unwrap_or_else(|error| {
        tracing::warn!(%error, work, "it is unknown whose turn it is");
        false
    })
}
