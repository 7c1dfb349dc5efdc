//! What operators deploy with, as far as it can be tried without a registry, a cluster or a cloud.

mod chart;
mod compose;
mod image;
mod names;
mod queue;
mod terraform;

use anyhow::{Context, Result};
use serde_json::Value;
use spindle_tests::places::root;
use spindle_tests::python::INFRA;
use std::path::PathBuf;

/// A folder or file of `infra/`.
fn place(path: &str) -> PathBuf {
    root().join("infra").join(path)
}

/// What `tests/python/infra.py` reads.
fn read(command: &str, places: &[PathBuf]) -> Result<Value> {
    let arguments: Vec<_> = [PathBuf::from(command)].into_iter().chain(places.iter().cloned()).collect();
    let printed = INFRA.run("infra.py", &arguments)?;
    serde_json::from_str(&printed).with_context(|| format!("infra.py {command} printed no JSON"))
}

/// The texts in a list.
fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The items of a list, none when it is absent.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
