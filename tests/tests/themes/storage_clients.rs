//! The clients that people have, at the embedded storage: everything they write, copy and delete is told once.

use crate::events::{aws, settled, until};
use anyhow::{Context, Result};
use serde_json::Value;
use spindle_tests::{Client, Server, python};
use std::collections::BTreeMap;
use std::fs;

/// What was told of each key: the changes in the order in which they came.
fn told(client: &Client, container: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in settled(client, container)?.iter().rev() {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        found.entry(text("location")).or_default().push(text("change"));
    }
    Ok(found)
}

fn until_told(client: &Client, container: &str, expected: &[(&str, &[&str])]) -> Result<()> {
    let expected: BTreeMap<String, Vec<String>> = expected
        .iter()
        .map(|(key, changes)| {
            ((*key).to_owned(), changes.iter().map(|change| (*change).to_owned()).collect())
        })
        .collect();
    let mut last = BTreeMap::new();
    until("the events", || {
        last = told(client, container)?;
        let count = |all: &BTreeMap<String, Vec<String>>| all.values().map(Vec::len).sum::<usize>();
        Ok((count(&last) >= count(&expected)).then_some(()))
    })?;
    assert_eq!(last, expected);
    Ok(())
}

#[test]
fn a_synchronized_folder_is_told_file_by_file() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let folder = tempfile::tempdir()?;
    let (here, there) = (folder.path().display().to_string(), "s3://synchronized");
    fs::create_dir(folder.path().join("in"))?;
    for name in ["a.txt", "b + ü.txt", "in/日本.txt", "unchanged.txt"] {
        fs::write(folder.path().join(name), name)?;
    }
    aws(&server, &["mb", there])?;
    aws(&server, &["sync", &here, there])?;
    fs::write(folder.path().join("a.txt"), "another text")?;
    fs::remove_file(folder.path().join("b + ü.txt"))?;
    aws(&server, &["sync", "--delete", &here, there])?;
    aws(&server, &["sync", "--delete", &here, there])?;
    let expected: [(&str, &[&str]); 4] = [
        ("a.txt", &["written", "written"]),
        ("b + ü.txt", &["written", "removed"]),
        ("in/日本.txt", &["written"]),
        ("unchanged.txt", &["written"]),
    ];
    until_told(&client, "synchronized", &expected)
}

#[test]
fn parts_copies_and_deletions_are_told_when_they_are_whole() -> Result<()> {
    let server = Server::shared()?;
    let access = server.access_file();
    let printed = python::CLIENTS.run("objects.py", &[access.as_os_str(), "by-boto".as_ref()])?;
    let expected: [(&str, &[&str]); 5] = [
        ("in parts.txt", &["written"]),
        ("copy.txt", &["written", "removed"]),
        ("copy in parts.txt", &["written"]),
        ("first.txt", &["written", "removed"]),
        ("second.txt", &["written", "removed"]),
    ];
    until_told(&server.client(), "by-boto", &expected)?;
    let etags: Value = serde_json::from_str(&printed)?;
    let sizes = etags.as_object().context("no entity tags")?;
    assert_eq!(sizes["in parts.txt"], sizes["copy in parts.txt"], "a copy has all parts");
    Ok(())
}
