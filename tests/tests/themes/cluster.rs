//! From one machine to many: PostgreSQL, an S3 service, two hosts and three workers, each killed and started again while
//! four projects train and callers extract.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use spindle_tests::cluster::Process;
use spindle_tests::{Answer, Client, Cluster, Example};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const PROJECTS: [&str; 4] = ["Ash", "Beech", "Cedar", "Dogwood"];
const CALLERS: usize = 2;
/// A project makes them again and again: it may have no more than ten.
const LABELS: usize = 4;
/// Between two attempts of a caller who found nobody, and two looks at a job.
const PAUSE: Duration = Duration::from_millis(50);
/// Nobody is refused for so long, nor does any job take so long.
const PATIENCE: Duration = Duration::from_secs(300);
const ANALYZE: &str = "/language/:analyze-text";
const ANALYZE_JOBS: &str = "/language/analyze-text/jobs";

/// When database or storage were away: then, and only then, callers may be told to come again.
#[derive(Default)]
struct Outages(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Outages {
    fn during<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let all = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all().push((Instant::now(), None));
        let done = work();
        if let Some(last) = all().last_mut() {
            last.1 = Some(Instant::now());
        }
        done
    }

    fn touch(&self, begun: Instant, ended: Instant) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|(from, to)| *from <= ended && to.is_none_or(|to| to >= begun))
    }
}

/// A caller who knows both hosts, and asks the other one when the first can't be reached or says to come again.
struct Caller<'a> {
    hosts: [Client; 2],
    outages: &'a Outages,
    calls: AtomicU64,
}

impl<'a> Caller<'a> {
    fn new(hosts: [&Process; 2], outages: &'a Outages) -> Self {
        Self { hosts: hosts.map(Process::client), outages, calls: AtomicU64::new(0) }
    }

    /// The first answer that is none of the moment.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let host = &self.hosts[usize::try_from(self.calls.fetch_add(1, Ordering::Relaxed))? % 2];
            let asked = Instant::now();
            match host.send(method, path, body) {
                Err(_) => {}
                Ok(answer) if answer.status < 500 => return Ok(answer),
                Ok(answer) => {
                    let again = answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0);
                    let away = self.outages.touch(asked, Instant::now());
                    ensure!(
                        answer.status == 503 && again && away,
                        "{method} {path} answered {} (database away: {away}): {}",
                        answer.status,
                        answer.text()
                    );
                }
            }
            thread::sleep(PAUSE);
        }
        bail!("{method} {path} found nobody for {PATIENCE:?}")
    }

    /// Starts a long operation; the path of its job. `None` when an earlier attempt, whose answer was lost, had begun it.
    fn start(&self, method: &str, path: &str, body: &Value) -> Result<Option<String>> {
        let answer = self.call(method, path, Some(body))?;
        if answer.status == 409 {
            return Ok(None);
        }
        ensure!(answer.status == 202, "{method} {path} answered {}: {}", answer.status, answer.text());
        let job = answer.header("operation-location");
        let path = self.hosts.iter().find_map(|host| job.strip_prefix(&host.endpoint));
        Ok(Some(path.with_context(|| format!("a foreign job: {job}"))?.to_owned()))
    }

    /// How a job ended.
    fn wait(&self, job: &str) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let state = self.call("GET", job, None)?.expect(200)?;
            if !matches!(state["status"].as_str(), Some("notStarted" | "running" | "cancelling")) {
                return Ok(state);
            }
            ensure!(begun.elapsed() < PATIENCE, "a job is stuck: {state}");
            thread::sleep(PAUSE);
        }
    }

    /// Has a long operation done: what was acknowledged succeeds, what was not is asked for again.
    fn succeed(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        loop {
            if let Some(job) = self.start(method, path, body)? {
                let state = self.wait(&job)?;
                ensure!(state["status"] == "succeeded", "{method} {path} ended as {state}");
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
    }
}

/// What all threads of the test share.
struct Scene {
    outages: Outages,
    /// Steps of projects that were acknowledged and done.
    steps: AtomicU64,
    /// Answered questions.
    answers: AtomicU64,
    over: AtomicBool,
}

impl Scene {
    /// Until `count` more of `what` are there, for nothing is proven by a kill that nobody noticed.
    fn until_more(&self, what: &AtomicU64, count: u64) -> Result<()> {
        let (before, begun) = (what.load(Ordering::Relaxed), Instant::now());
        while what.load(Ordering::Relaxed) < before + count {
            ensure!(!self.over.load(Ordering::Relaxed), "another thread failed");
            ensure!(begun.elapsed() < PATIENCE, "nothing goes on");
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// The labels of a project's models in the order in which they were acknowledged.
type Made = Vec<String>;

/// Trains and deploys again and again, and has a job extract in between.
fn work(scene: &Scene, caller: &Caller<'_>, example: &Example) -> Result<Made> {
    let mut made = vec![];
    for round in 0.. {
        let label = format!("m{}", round % LABELS);
        let train = json!({ "modelLabel": label, "trainingConfigVersion": "lexical", "evaluationOptions": { "kind": "manual" } });
        caller.succeed("POST", &example.path("/:train"), &train)?;
        let deploy = json!({ "trainedModelLabel": label });
        caller.succeed("PUT", &example.path("/deployments/production"), &deploy)?;
        made.push(label);
        extract_job(caller, example)?;
        scene.steps.fetch_add(1, Ordering::Relaxed);
        if scene.over.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(made)
}

/// Every document of a job is answered once.
fn extract_job(caller: &Caller<'_>, example: &Example) -> Result<()> {
    let documents = spindle_tests::example::documents(&example.unseen()?);
    let body = example.job("production", "UnicodeCodePoint", &documents);
    let job = caller.start("POST", ANALYZE_JOBS, &body)?.context("extraction jobs exclude nobody")?;
    let state = caller.wait(&job)?;
    let results = &state["tasks"]["items"][0]["results"];
    let ids = |list: &Value| -> Vec<String> {
        let ids = list.as_array().into_iter().flatten();
        ids.filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
    };
    ensure!(state["status"] == "succeeded" && ids(&results["documents"]) == ids(&documents), "{state}");
    Ok(())
}

/// Asks again and again: equal trainings make equal models, so the answer never changes.
fn ask(scene: &Scene, caller: &Caller<'_>, examples: &[Example]) -> Result<()> {
    let documents = spindle_tests::example::documents(&examples[0].unseen()?[..1]);
    let mut known: Option<Value> = None;
    for example in examples.iter().cycle() {
        if scene.over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let question = example.question("production", "UnicodeCodePoint", &documents);
        let answer = caller.call("POST", ANALYZE, Some(&question))?.expect(200)?;
        let found = &answer["results"]["documents"][0]["entities"];
        ensure!(found.as_array().is_some_and(|entities| !entities.is_empty()), "{answer}");
        ensure!(known.get_or_insert_with(|| found.clone()) == found, "another answer: {answer}");
        scene.answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[test]
fn every_process_may_die_while_projects_train_and_callers_extract() -> Result<()> {
    let Some(mut cluster) = Cluster::start()? else { return Ok(()) };
    let mut storage = cluster.storage(None)?;
    let (mut ash, mut oak) = (cluster.host("host-1", &[])?, cluster.host("host-2", &[])?);
    let mut workers = vec![];
    for name in ["worker-1", "worker-2", "worker-3"] {
        workers.push(cluster.worker(name, &[&ash, &oak], &["--jobs-at-once", "2"])?);
    }
    let scene = Scene {
        outages: Outages::default(),
        steps: AtomicU64::new(0),
        answers: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    let caller = Caller::new([&ash, &oak], &scene.outages);
    let mut examples = vec![];
    for project in PROJECTS {
        let example = Example::claims_desk(project, &project.to_lowercase())?;
        example.upload_to(&cluster.access_file())?;
        examples.push(example);
    }

    let made = thread::scope(|scope| -> Result<Vec<Made>> {
        // Whatever fails ends the others, too.
        let watched = |done: Result<Made>| {
            if done.is_err() {
                scene.over.store(true, Ordering::Relaxed);
            }
            done
        };
        let (scene, caller, examples) = (&scene, &caller, &examples);
        let projects: Vec<_> = examples
            .iter()
            .map(|example| {
                scope.spawn(move || {
                    let begun = caller.succeed("POST", &example.path("/:import"), &example.labels);
                    watched(begun.and_then(|()| work(scene, caller, example)))
                })
            })
            .collect();
        // Each project has a deployment by then.
        let ready = scene.until_more(&scene.steps, 1).and_then(|()| all_deployed(caller, examples));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| scope.spawn(move || watched(ask(scene, caller, examples).map(|()| vec![]))))
            .collect();
        let killed = ready.and_then(|()| {
            let processes = [&mut storage, &mut ash, &mut oak].into_iter().chain(&mut workers);
            kill_each(scene, &mut cluster, processes)
        });
        scene.over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().expect("no panic")?;
        }
        let made = projects.into_iter().map(|project| project.join().expect("no panic"));
        let made = made.collect::<Result<Vec<_>>>()?;
        killed.map(|()| made)
    })?;

    nothing_is_lost(&caller, &examples, &made)?;
    nothing_is_left(&cluster)
}

fn all_deployed(caller: &Caller<'_>, examples: &[Example]) -> Result<()> {
    let begun = Instant::now();
    for example in examples {
        while caller.call("GET", &example.path("/deployments/production"), None)?.status != 200 {
            ensure!(begun.elapsed() < PATIENCE, "{} is not deployed", example.project);
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// Kills one after the other, starts each again, and goes on when work and callers went on.
fn kill_each<'a>(
    scene: &Scene,
    cluster: &mut Cluster,
    processes: impl IntoIterator<Item = &'a mut Process>,
) -> Result<()> {
    for (number, process) in processes.into_iter().enumerate() {
        let again = |process: &mut Process| {
            process.kill9()?;
            process.start_again()
        };
        // The first one is the storage: a model that no host has yet can't be had without it.
        if number == 0 {
            scene.outages.during(|| again(process))?
        } else {
            again(process)?
        };
        scene.until_more(&scene.answers, 4)?;
        if number == 2 {
            scene.outages.during(|| {
                cluster.database.kill9()?;
                // Callers notice: they are told to come again.
                thread::sleep(PAUSE);
                Ok(cluster.database.start_again()?)
            })?;
            scene.until_more(&scene.answers, 4)?;
            scene.until_more(&scene.steps, 1)?;
        }
    }
    scene.until_more(&scene.steps, 2)
}

/// What was acknowledged is there, once.
fn nothing_is_lost(caller: &Caller<'_>, examples: &[Example], made: &[Made]) -> Result<()> {
    for (example, made) in examples.iter().zip(made) {
        let models = caller.call("GET", &example.path("/models?maxpagesize=1000"), None)?.expect(200)?;
        let labels = models["value"].as_array().into_iter().flatten();
        let mut labels: Vec<_> = labels.filter_map(|model| model["label"].as_str()).collect();
        labels.sort_unstable();
        let expected: BTreeSet<_> = made.iter().map(String::as_str).collect();
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(labels, expected, "models of {}", example.project);
        let deployment = caller.call("GET", &example.path("/deployments/production"), None)?.expect(200)?;
        let last = made.last().context("nothing was made")?;
        assert_eq!(deployment["modelId"].as_str().and_then(|id| id.split('-').next()), Some(last.as_str()));
        extract_job(caller, example)?;
    }
    Ok(())
}

/// No job waits or failed, and the storage holds the models that the catalog knows, and no others.
fn nothing_is_left(cluster: &Cluster) -> Result<()> {
    assert_eq!(cluster.count("SELECT COUNT(*) FROM jobs WHERE finished_at IS NULL")?, 0, "unfinished jobs");
    let wrong = "SELECT COUNT(*) FROM jobs WHERE status <> 'succeeded'";
    assert_eq!(cluster.count(wrong)?, 0, "jobs that did not succeed");
    cluster.check_models()
}
