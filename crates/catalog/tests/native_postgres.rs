//! The native PostgreSQL driver keeps the same promises, over a real server.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use catalog::conformance::{CHECKS, Database, run};
use catalog::driver::{Either, Mode, Native, NativePostgres};
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
    let server = Arc::new(PostgresServer::start().unwrap());
    tokio::runtime::Runtime::new().unwrap().block_on(test(server));
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
        let listening = tokio::spawn(database.driver().await.listen(move |heard| ring.send(heard).unwrap()));
        assert_eq!(heard.recv().await, Some(Ok(())), "it listens");
        catalog.enqueue(&job("a", JobKind::Train, "P"), now()).await.unwrap();
        assert_eq!(heard.recv().await, Some(Ok(())), "a new job");
        let mut connection = catalog.driver().connect().await.unwrap();
        connection.begin(Mode::Write).await.unwrap();
        connection.execute("UPDATE jobs SET target = 'rolled back'", &[]).await.unwrap();
        connection.rollback().await.unwrap();
        catalog.put_setting("other", "table").await.unwrap();
        // What was said before the connection ended would be heard first.
        let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        assert_eq!(connection.query(end, &[]).await.unwrap().remove(0).count(), Ok(1));
        let lost = heard.recv().await;
        assert!(matches!(lost, Some(Err(Error::Unavailable(_)))), "{lost:?}");
        assert_eq!(heard.recv().await, Some(Ok(())), "it listens again");
        listening.abort();
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
        let cases = [
            (good.replace("se%2F", "wrong"), "password authentication failed"),
            (server.address("absent"), "\"absent\" does not exist"),
            (good.replace(&port, "1"), "onnect"),
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
