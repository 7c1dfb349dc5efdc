//! What the workers' autoscaling asks the database, asked of a real one.

use super::chart::{of_kind, rendered};
use anyhow::{Context, Result};
use serde_json::Value;
use spindle_tests::Server;
use std::ffi::OsStr;
use std::process::Command;
use test_postgres::{PASSWORD, PostgresServer, USER};

/// Waiting, at work, due tomorrow and ended, of a kind: 2 of them count.
const JOBS: &str = "INSERT INTO jobs SELECT '%' || n, '%', 'p', 't', 0, 'x', NULL, NULL, '[]', '[]', 0, 0, 0, \
    CASE n WHEN 4 THEN 1 END, 0, CASE n WHEN 3 THEN (EXTRACT(EPOCH FROM now()) + 86400) * 1000000 ELSE 0 END, \
    CASE n WHEN 2 THEN 'w' END, CASE n WHEN 2 THEN (EXTRACT(EPOCH FROM now()) + 60) * 1000000 END, 0 \
    FROM generate_series(1, 4) n";

#[test]
fn infra_autoscaling_counts_jobs_that_are_due_or_running() -> Result<()> {
    let Some(database) = PostgresServer::start()? else { return Ok(()) };
    let address = database.database()?;
    let arguments: [&OsStr; 2] = ["--database".as_ref(), address.as_ref()];
    // Makes the tables.
    Server::fresh_with(&arguments)?.stop()?;
    for kind in ["import", "train", "extract"] {
        ask(&database, &address, &JOBS.replace('%', kind))?;
    }
    let made = rendered()?;
    let query = |worker: &str| -> Result<String> {
        let scaled = of_kind(&made["gpu"], "ScaledObject").find(|one| one["metadata"]["name"] == worker);
        let query = scaled.and_then(|one| one.pointer("/spec/triggers/0/metadata/query"));
        Ok(query.and_then(Value::as_str).with_context(|| format!("{worker} is not scaled"))?.to_owned())
    };
    assert_eq!(ask(&database, &address, &query("spindle-worker-general")?)?, "4");
    assert_eq!(ask(&database, &address, &query("spindle-worker-train")?)?, "2");
    Ok(())
}

fn ask(database: &PostgresServer, address: &str, query: &str) -> Result<String> {
    let name = address.rsplit('/').next().unwrap_or_default();
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--host", "127.0.0.1"]);
    psql.args([
        "--port",
        &database.port().to_string(),
        "--username",
        USER,
        "--dbname",
        name,
        "--command",
        query,
    ]);
    let answer = psql.env("PGPASSWORD", PASSWORD).output().context("psql comes with PostgreSQL's package")?;
    anyhow::ensure!(answer.status.success(), "{query}: {}", String::from_utf8_lossy(&answer.stderr));
    Ok(String::from_utf8(answer.stdout)?.trim().to_owned())
}
