//! The native SQLite driver keeps every promise, also between threads and after a kill.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Barrier;
use std::time::Duration;

use catalog::conformance::{CHECKS, Database, run};
use catalog::driver::{Mode, NativeSqlite};
use catalog::{Catalog, Connection, Driver, JobKind, NewJob};
use futures::executor::block_on;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn open_native(&self) -> NativeSqlite {
        NativeSqlite::open(self.0.path().join("catalog.db")).unwrap()
    }

    fn catalog(&self) -> Catalog<NativeSqlite> {
        block_on(Catalog::open(self.open_native())).unwrap()
    }
}

impl Database for Folder {
    type Driver = NativeSqlite;

    async fn driver(&self) -> NativeSqlite {
        self.open_native()
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn job(id: &str, kind: JobKind, project: &str) -> NewJob {
    NewJob {
        id: id.to_owned(),
        kind,
        project: project.to_owned(),
        target: String::new(),
        payload: b"payload".to_vec(),
        progress: None,
        expires_at: now() + SignedDuration::from_hours(1),
    }
}

#[test]
fn passes_every_check() {
    for check in CHECKS {
        println!("{check}");
        block_on(run(check, &Folder::new()));
    }
}

#[test]
fn threads_that_enqueue_at_once_get_one_exclusive_job() {
    let folder = Folder::new();
    folder.catalog();
    let threads: usize = 8;
    let barrier = Barrier::new(threads);
    let accepted = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|number| {
                let (folder, barrier) = (&folder, &barrier);
                scope.spawn(move || {
                    let catalog = folder.catalog();
                    barrier.wait();
                    block_on(catalog.enqueue(&job(&format!("job {number}"), JobKind::Train, "P"), now()))
                        .is_ok()
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn processes_that_start_at_once_migrate_once() {
    // Who meets whom while the file is made is chance: a round alone seldom shows a wrong order.
    for _ in 0..20 {
        let folder = Folder::new();
        let barrier = Barrier::new(6);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    barrier.wait();
                    block_on(folder.catalog().schema_version()).unwrap();
                });
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// However jobs spread over projects and workers over threads: every job is won exactly once.
    #[test]
    fn every_job_has_exactly_one_winner(projects in prop::collection::vec(0_u8..4, 1..24), threads in 2_usize..6) {
        let folder = Folder::new();
        let catalog = folder.catalog();
        for (number, project) in projects.iter().enumerate() {
            let new = job(&format!("{number:03}"), JobKind::Extract, &format!("project {project}"));
            block_on(catalog.enqueue(&new, now())).unwrap();
        }
        let mut won: Vec<String> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|number| {
                    // Half of the workers share a pool, the others are strangers.
                    let catalog = if number % 2 == 0 { catalog.clone() } else { folder.catalog() };
                    scope.spawn(move || {
                        let owner = format!("worker {number}");
                        let lease = || catalog.lease(&owner, &[JobKind::Extract], now(), Duration::from_secs(30));
                        std::iter::from_fn(|| block_on(lease()).unwrap().map(|job| job.id)).collect::<Vec<_>>()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        won.sort();
        let expected: Vec<_> = (0..projects.len()).map(|number| format!("{number:03}")).collect();
        prop_assert_eq!(won, expected);
    }
}

#[test]
fn a_killed_process_leaves_whole_transactions() {
    // The child is this very test, told by its environment to write until it is killed.
    const FOLDER: &str = "CATALOG_TEST_KILLED_IN";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let catalog = block_on(Catalog::open(NativeSqlite::open(folder).unwrap())).unwrap();
        for number in 0.. {
            block_on(catalog.enqueue(&job(&format!("{number}"), JobKind::Export, "P"), now())).unwrap();
            println!("acknowledged {number}");
        }
    }
    let folder = Folder::new();
    let path = folder.0.path().join("catalog.db");
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_leaves_whole_transactions", "--nocapture"])
        .env(FOLDER, &path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = None;
    for line in std::io::BufRead::lines(output) {
        let line = line.unwrap();
        let Some(number) = line.strip_prefix("acknowledged ") else { continue };
        acknowledged = number.parse::<usize>().ok();
        if acknowledged == Some(40) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    let acknowledged = acknowledged.expect("the child wrote");
    let catalog = folder.catalog();
    let mut found = 0;
    while let Ok(row) = block_on(catalog.job(&found.to_string(), now())) {
        assert_eq!(row.id, found.to_string());
        assert_eq!(block_on(catalog.payload(&row.id)), Ok(b"payload".to_vec()), "a job without its payload");
        found += 1;
    }
    assert!(found > acknowledged, "{found} jobs found, {acknowledged} acknowledged");
}

#[test]
fn a_watch_sees_what_others_commit_and_nothing_else() {
    let folder = Folder::new();
    let catalog = folder.catalog();
    let mut watch = catalog.driver().watch().unwrap();
    assert!(!watch.changed().unwrap());
    block_on(catalog.put_setting("a", "1")).unwrap();
    assert!(watch.changed().unwrap());
    assert!(!watch.changed().unwrap());
    let mut connection = block_on(catalog.driver().connect()).unwrap();
    block_on(connection.begin(Mode::Write)).unwrap();
    block_on(connection.execute("DELETE FROM settings", &[])).unwrap();
    drop(connection);
    assert!(!watch.changed().unwrap(), "rolled back");
    block_on(folder.catalog().put_setting("a", "2")).unwrap();
    assert!(watch.changed().unwrap(), "written through another handle");
}

#[test]
fn files_that_are_no_database_are_refused() {
    let folder = Folder::new();
    let path = folder.0.path().join("note.txt");
    std::fs::write(&path, "no database, but long enough to be looked at: ".repeat(50)).unwrap();
    assert!(matches!(NativeSqlite::open(&path), Err(catalog::Error::Corrupt(_))));
    let nowhere = NativeSqlite::open(folder.0.path().join("absent/catalog.db"));
    assert!(matches!(nowhere, Err(catalog::Error::Unavailable(_))), "{nowhere:?}");
}

/// Native callers spawn these futures on many threads.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: T) {}
    let folder = Folder::new();
    let catalog = folder.catalog();
    let lease = catalog::Lease { job: String::new(), owner: String::new(), attempt: 1 };
    send(catalog.enqueue(&job("a", JobKind::Train, "P"), now()));
    send(catalog.lease("w", &[JobKind::Train], now(), Duration::from_secs(1)));
    send(catalog.publish_labels(&lease, &project(), &block_on(catalog_set(&catalog)), now()));
    send(catalog.served_model("P", "d"));
}

fn project() -> catalog::ProjectChange {
    catalog::ProjectChange {
        name: "P".to_owned(),
        container: "c".to_owned(),
        language: "en".to_owned(),
        multilingual: None,
        description: None,
        confidence_threshold: None,
    }
}

async fn catalog_set(catalog: &Catalog<NativeSqlite>) -> catalog::LabelSet {
    catalog.put_project(&project(), now()).await.unwrap();
    catalog.current_labels("P").await.unwrap()
}
