//! The native PostgreSQL driver keeps the same promises, over a real server.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use catalog::conformance::{CHECKS, Database, run};
use catalog::driver::{Either, Mode, Native, NativePostgres, Place};
use catalog::{Catalog, Connection, Driver, Error, JobKind, NewJob};
use jiff::{SignedDuration, Timestamp};
use test_postgres::PostgresServer;
use tokio::sync::mpsc;

struct Fresh(String);

impl Fresh {
    fn new(server: &PostgresServer) -> Self {
        Self(server.database().unwrap())
    }

    async fn catalog(&self) -> Catalog<NativePostgres> {
        Catalog::open(self.driver().await).await.unwrap()
    }
}

impl Database for Fresh {
    type Driver = NativePostgres;

    async fn driver(&self) -> NativePostgres {
        NativePostgres::new(&self.0).unwrap()
    }
}

/// Runs `test` with a server and a runtime of its own.
fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Arc<PostgresServer>) -> F) {
    let Some(server) = PostgresServer::start().unwrap() else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(test(Arc::new(server)));
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
    with_server(async |server| {
        for check in CHECKS {
            println!("{check}");
            run(check, &Fresh::new(&server)).await;
        }
    });
}

/// Workers in several processes: every job is won exactly once, and no writer fails for another's sake.
#[test]
fn every_job_has_exactly_one_winner() {
    with_server(async |server| {
        let database = Fresh::new(&server);
        let catalog = database.catalog().await;
        for number in 0..24 {
            let new = job(&format!("{number:02}"), JobKind::Extract, &format!("project {}", number % 3));
            catalog.enqueue(&new, now()).await.unwrap();
        }
        let mut workers = vec![];
        for number in 0..6 {
            // Half of the workers share a pool, the others are strangers.
            let catalog = if number % 2 == 0 { catalog.clone() } else { database.catalog().await };
            workers.push(tokio::spawn(async move {
                let (owner, mut won) = (format!("worker {number}"), vec![]);
                let ttl = Duration::from_secs(30);
                while let Some(job) = catalog.lease(&owner, &[JobKind::Extract], now(), ttl).await.unwrap() {
                    won.push(job.id);
                }
                won
            }));
        }
        let mut won = vec![];
        for worker in workers {
            won.extend(worker.await.unwrap());
        }
        won.sort();
        assert_eq!(won, (0..24).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    });
}

#[test]
fn more_callers_than_connections_wait_for_their_turn() {
    with_server(async |server| {
        let catalog = Fresh::new(&server).catalog().await;
        let calls = (0..200).map(|number| {
            let catalog = catalog.clone();
            tokio::spawn(async move { catalog.put_setting(&format!("{number}"), "value").await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), Ok(()));
        }
    });
}

#[test]
fn changed_jobs_ring_and_nothing_else_does() {
    with_server(async |server| {
        let database = Fresh::new(&server);
        let (catalog, (ring, mut heard)) = (database.catalog().await, mpsc::unbounded_channel());
        let watch = database.driver().await.watch(Place::Alone).await.unwrap();
        let listening = tokio::spawn(watch.run(move |heard| ring.send(heard).unwrap()));
        catalog.enqueue(&job("a", JobKind::Train, "P"), now()).await.unwrap();
        assert_eq!(heard.recv().await, Some(Ok(())), "a new job");
        let mut connection = catalog.driver().connect().await.unwrap();
        connection.begin(Mode::Write).await.unwrap();
        connection.execute("UPDATE jobs SET target = 'rolled back'", &[]).await.unwrap();
        connection.rollback().await.unwrap();
        catalog.put_setting("other", "table").await.unwrap();
        // A heartbeat makes no job due.
        connection.execute("UPDATE jobs SET lease_expires_at = 1, progress = '{}'", &[]).await.unwrap();
        // What was said before the connection ended would be heard first.
        let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' \
                   AND pid <> pg_backend_pid()";
        assert_eq!(connection.query(end, &[]).await.unwrap().remove(0).count(), Ok(1));
        let lost = heard.recv().await;
        assert!(matches!(lost, Some(Err(Error::Unavailable(_)))), "{lost:?}");
        assert_eq!(heard.recv().await, Some(Ok(())), "it listens again");
        listening.abort();
    });
}

#[test]
fn one_program_at_a_time_runs_the_jobs_of_a_database() {
    with_server(async |server| {
        let (database, other) = (Fresh::new(&server), Fresh::new(&server));
        let watch = database.driver().await.watch(Place::Alone).await.unwrap();
        other.driver().await.watch(Place::Alone).await.expect("another database is another place");
        let waiting = tokio::spawn({
            let driver = database.driver().await;
            async move { driver.watch(Place::Alone).await.map(drop) }
        });
        // It has asked, and goes on waiting until the place is free.
        let mut connection = database.driver().await.connect().await.unwrap();
        let asks = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        while connection.query(asks, &[]).await.unwrap().remove(0).count() == Ok(0) {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        drop(watch);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    });
}

#[test]
fn many_processes_share_a_database_or_one_program_has_it_alone() {
    with_server(async |server| {
        let database = Fresh::new(&server);
        let first = database.driver().await.watch(Place::AmongOthers).await.unwrap();
        let second = database.driver().await.watch(Place::AmongOthers).await.unwrap();
        let waiting = tokio::spawn({
            let driver = database.driver().await;
            async move { driver.watch(Place::Alone).await.map(drop) }
        });
        let mut connection = database.driver().await.connect().await.unwrap();
        let asks = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        while connection.query(asks, &[]).await.unwrap().remove(0).count() == Ok(0) {
            tokio::task::yield_now().await;
        }
        drop(first);
        assert_eq!(connection.query(asks, &[]).await.unwrap().remove(0).count(), Ok(1), "one is there yet");
        drop(second);
        assert_eq!(waiting.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_failed_transaction_cannot_be_kept() {
    with_server(async |server| {
        let catalog = Fresh::new(&server).catalog().await;
        let mut connection = catalog.driver().connect().await.unwrap();
        connection.begin(Mode::Write).await.unwrap();
        let insert = "INSERT INTO settings (name, value) VALUES (?1, ?2)";
        connection.execute(insert, &["a".into(), "1".into()]).await.unwrap();
        let twice = connection.execute(insert, &["a".into(), "2".into()]).await;
        assert!(matches!(twice, Err(Error::Refused(_))), "{twice:?}");
        assert!(matches!(connection.commit().await, Err(Error::Refused(_))));
        assert_eq!(
            connection.execute(insert, &["a".into(), "3".into()]).await,
            Ok(1),
            "and nothing was kept"
        );
    });
}

#[test]
fn servers_that_cannot_be_used_say_why_and_show_no_password() {
    with_server(async |server| {
        let good = server.database().unwrap();
        let port = server.port().to_string();
        let owner = NativePostgres::new(&good).unwrap();
        let mut connection = owner.connect().await.unwrap();
        // The second is the default since version 15.
        for sql in ["CREATE ROLE guest LOGIN PASSWORD 'cr@t'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"] {
            connection.execute(sql, &[]).await.unwrap();
        }
        let guest = good.replace("spindle:se%2Fcr%40t%3Aword@", "guest:cr%40t@");
        let cases = [
            (good.replace("se%2F", "wrong"), "correct the user or the password"),
            (server.address("absent"), "\"absent\" does not exist"),
            (good.replace(&port, "1"), "onnect"),
            (guest, "granted CREATE"),
        ];
        for (address, reason) in cases {
            let opened = Catalog::open(Native::Postgres(NativePostgres::new(&address).unwrap())).await;
            let error = opened.map(drop).unwrap_err();
            assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(reason) && !text.contains("wrong") && !text.contains("cr@t"), "{text}");
        }
    });
}

/// Something else has the port, and waits for the client to speak first.
#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("postgres://u@{}/d?connect_timeout=1", silent.local_addr().unwrap());
    let driver = NativePostgres::new(&address).unwrap();
    let opened = tokio::runtime::Runtime::new().unwrap().block_on(driver.watch(Place::Alone)).map(drop);
    assert!(matches!(&opened, Err(Error::Unavailable(reason)) if reason.contains("answers")), "{opened:?}");
}

/// A server that restarts ends every connection; they are replaced unnoticed.
#[test]
fn connections_that_broke_are_replaced() {
    let Some(mut server) = PostgresServer::start().unwrap() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let catalog = runtime.block_on(Fresh::new(&server).catalog());
    server.stop();
    let away = runtime.block_on(catalog.put_setting("a", "1"));
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    server.start_again().unwrap();
    assert_eq!(runtime.block_on(catalog.put_setting("a", "2")), Ok(()));
}

/// Native callers spawn these futures on many threads, whichever engine they chose.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: T) {}
    let driver = NativePostgres::new("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let catalog: Catalog<Native> = Catalog::new(Either::Postgres(driver));
    send(catalog.enqueue(&job("a", JobKind::Train, "P"), now()));
    send(catalog.lease("w", &[JobKind::Train], now(), Duration::from_secs(1)));
    send(catalog.served_model("P", "d"));
}
