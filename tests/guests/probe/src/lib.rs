//! A guest for tests of the host: uses what a host grants, and tries what it must not.
//!
//! The path says what to do; the answer is 200 with what came of it, as text. A broken promise panics.

use catalog::conformance::{CHECKS, Database, run};
use catalog::driver::{Guest, Mode, SpinSqlite};
use catalog::{Connection, Driver};
use spin_sdk::http::{IntoResponse, Request, Response, StatusCode};
use spin_sdk::{http, http_service, variables};
use std::time::Duration;

const MEBIBYTE: usize = 1 << 20;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let path = request.uri().path().to_owned();
    let argument = request.uri().query().unwrap_or_default();
    match act(path.trim_start_matches('/'), argument).await {
        Some(text) => Response::new(text),
        None => {
            let mut response = Response::new(format!("{path} is nothing to try"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

async fn act(what: &str, argument: &str) -> Option<String> {
    Some(match what {
        "checks" => CHECKS.join("\n"),
        "check" => check(argument).await,
        "sqlite" | "postgres" => outcome(open(&Place(argument)).await),
        "session" => outcome(leave_open(&Place(argument)).await),
        "variable" => outcome(variables::get(argument).await),
        "send" => outcome(http::get(argument).await.map(|response| response.status().as_u16())),
        "file" => outcome(std::fs::read(argument).map(|bytes| bytes.len())),
        "environment" => std::env::vars_os().count().to_string(),
        "memory" => allocate(argument.parse().unwrap_or(0)),
        "compute" => compute(),
        "wait" => {
            std::thread::sleep(Duration::from_secs(3_600));
            "waited".to_owned()
        }
        _ => return None,
    })
}

fn outcome<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: Result<T, E>) -> String {
    format!("{outcome:?}")
}

/// A database: a SQLite database's label, or a PostgreSQL database's address.
struct Place<'a>(&'a str);

impl Database for Place<'_> {
    type Driver = Guest;

    async fn driver(&self) -> Guest {
        if self.0.starts_with("postgres:") {
            Guest::at(self.0)
        } else {
            Guest::Sqlite(SpinSqlite::new(self.0))
        }
    }
}

/// Runs `name=place`, or `name` in the SQLite database of that name.
async fn check(argument: &str) -> String {
    let (name, place) = argument.split_once('=').unwrap_or((argument, argument));
    run(name, &Place(place)).await;
    "kept".to_owned()
}

async fn open(place: &Place<'_>) -> Result<usize, catalog::Error> {
    let mut connection = place.driver().await.connect().await?;
    connection.query("SELECT 1", &[]).await.map(|rows| rows.len())
}

/// Says which session of a PostgreSQL server it was given, and leaves it with a transaction and a setting of its own.
async fn leave_open(place: &Place<'_>) -> Result<i64, catalog::Error> {
    let mut connection = place.driver().await.connect().await?;
    let clean = "SELECT CASE WHEN current_setting('statement_timeout') = '0' AND NOT EXISTS \
                 (SELECT 1 FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') \
                 THEN pg_backend_pid() ELSE 0 END";
    let session = connection.query(clean, &[]).await?.remove(0).integer()?;
    assert_ne!(session, 0, "it was left as another had it");
    connection.begin(Mode::Write).await?;
    connection.query("SELECT set_config('statement_timeout', '5min', false)", &[]).await?;
    Ok(session)
}

/// Takes memory, one mebibyte after the other, and writes to each.
fn allocate(mebibytes: usize) -> String {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mebibytes {
        let mut one = Vec::new();
        if one.try_reserve_exact(MEBIBYTE).is_err() {
            return format!("refused after {}", taken.len());
        }
        one.resize(MEBIBYTE, 1_u8);
        taken.push(one);
    }
    format!("took {}", taken.len())
}

/// Never ends, and the compiler must not know.
fn compute() -> String {
    let mut number = std::hint::black_box(1_u64);
    while number != 0 {
        number = std::hint::black_box(number | 1);
    }
    number.to_string()
}
