//! What the workers' autoscaling asks the database, asked of a real one.

use super::chart::{of_kind, rendered};
use anyhow::{Context, Result};
use serde_json::Value;
use spindle_tests::Server;
use std::ffi::OsStr;
use test_postgres::PostgresServer;

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
    drop(Server::fresh_with(&arguments)?);
    for kind in ["import", "train", "extract"] {
        database.ask(&address, &JOBS.replace('%', kind))?;
    }
    let made = rendered()?;
    let query = |worker: &str| -> Result<String> {
        let scaled = of_kind(&made["gpu"], "ScaledObject").find(|one| one["metadata"]["name"] == worker);
        let query = scaled.and_then(|one| one.pointer("/spec/triggers/0/metadata/query"));
        Ok(query.and_then(Value::as_str).with_context(|| format!("{worker} is not scaled"))?.to_owned())
    };
    assert_eq!(database.ask(&address, &query("spindle-worker-general")?)?, "4");
    assert_eq!(database.ask(&address, &query("spindle-worker-train")?)?, "2");
    Ok(())
}
