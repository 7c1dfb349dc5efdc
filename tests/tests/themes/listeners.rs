//! How hosts listen: with TLS and certificates that are renewed, and as SpinKube calls them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::Cluster;
use spindle_tests::api::PROJECTS;
use spindle_tests::cluster::KEY;
use spindle_tests::command::{Ran, command, run};
use spindle_tests::places::root;
use spindle_tests::python::EVENTS;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const RENEWED_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

fn make(folder: &Path) -> Result<String> {
    let [certificate, key] = files(folder);
    Ok(EVENTS.run("tls.py", &["make", &certificate, &key])?.trim().to_owned())
}

fn files(folder: &Path) -> [String; 2] {
    ["tls.crt", "tls.key"].map(|name| folder.join(name).display().to_string())
}

fn ask(port: &str, folder: &Path, method: &str, path: &str, body: &[&str]) -> Result<Value> {
    let [certificate, _] = files(folder);
    let words = ["ask", port, &certificate, method, path, KEY];
    let printed = EVENTS.run("tls.py", &[&words[..], body].concat())?;
    serde_json::from_str(&printed).with_context(|| printed.clone())
}

#[test]
fn listeners_speak_tls_and_answer_as_spin_does() -> Result<()> {
    let Some(cluster) = Cluster::start()? else { return Ok(()) };
    let _storage = cluster.storage(None)?;
    let folder = tempfile::tempdir()?;
    let first = make(folder.path())?;
    let [certificate, key] = files(folder.path());
    let host = cluster.host("secure", &["--tls-certificate", &certificate, "--tls-key", &key])?;
    let port = host.endpoint().rsplit(':').next().context("no port")?.to_owned();
    ensure!(host.client().get(PROJECTS).is_err(), "plain HTTP is answered");

    let answer = ask(&port, folder.path(), "GET", "/readyz", &[])?;
    assert_eq!((answer["number"].as_str(), answer["status"].as_u64()), (Some(first.as_str()), Some(200)));
    let project = json!({ "projectName": "Safe", "language": "en-us", "projectKind": "CustomEntityRecognition",
        "storageInputContainerName": "safe", "multilingual": false });
    let path = format!("{PROJECTS}/Safe?api-version=2023-04-01");
    assert_eq!(ask(&port, folder.path(), "PATCH", &path, &[&project.to_string()])?["status"], 201);
    let begun = ask(&port, folder.path(), "DELETE", &path, &[])?;
    let job = begun["headers"]["operation-location"].as_str().context("no job")?;
    assert!(job.starts_with(&format!("https://127.0.0.1:{port}/")), "links say how to come back: {job}");

    // Half a renewal changes nothing, a whole one is taken without a restart.
    let old = fs::read(&certificate)?;
    fs::write(&certificate, "no certificate")?;
    let begun = Instant::now();
    while !host.output().contains("the certificate stays as it was") {
        let other = tempfile::tempdir()?;
        fs::write(other.path().join("tls.crt"), &old)?;
        assert_eq!(ask(&port, other.path(), "GET", "/healthz", &[])?["number"], first.as_str());
        ensure!(begun.elapsed() < RENEWED_MAX, "the damaged file was not noticed: {}", host.output());
        thread::sleep(POLL);
    }
    let second = make(folder.path())?;
    let begun = Instant::now();
    while !ask(&port, folder.path(), "GET", "/readyz", &[])
        .is_ok_and(|answer| answer["number"] == second.as_str())
    {
        ensure!(begun.elapsed() < RENEWED_MAX, "the new certificate is not shown: {}", host.output());
        thread::sleep(POLL);
    }

    let spin = cluster.spin_host("spun", &root().join("spin.toml"))?;
    spin.client().get(PROJECTS)?.expect(200)?;
    let worker = cluster.worker("worker", &[&spin], &["--jobs", "train"])?;
    let metrics = spin.client().get(&format!("{}/metrics", worker.endpoint()))?.text();
    assert!(metrics.contains("spindle_build_info{process=\"worker\","), "{metrics}");
    Ok(())
}

#[test]
fn listeners_say_what_is_wrong_with_their_files() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let other = tempfile::tempdir()?;
    make(folder.path())?;
    make(other.path())?;
    let [certificate, key] = files(folder.path());
    let [_, foreign] = files(other.path());
    for (files, words) in [
        (vec!["--tls-certificate", certificate.as_str()], vec!["both", "--tls-key", "SPINDLE_TLS_KEY"]),
        (vec!["--tls-certificate", "/nonexistent", "--tls-key", &key], vec!["cannot read /nonexistent"]),
        (vec!["--tls-certificate", &key, "--tls-key", &key], vec![key.as_str(), "certificate in PEM form"]),
        (vec!["--tls-certificate", &certificate, "--tls-key", &certificate], vec!["private key in PEM form"]),
        (vec!["--tls-certificate", &certificate, "--tls-key", &foreign], vec![&foreign, "do not fit"]),
    ] {
        let refused = serve(&[&["serve"][..], &files].concat(), folder.path())?.ended(1)?.stderr;
        for word in words {
            assert!(refused.contains(word), "{files:?} says no {word:?}: {refused}");
        }
    }
    let spin = |words: &[&str]| {
        Ok::<_, anyhow::Error>(serve(&[&["spin", "up"][..], words].concat(), folder.path())?.ended(1)?.stderr)
    };
    let pulled = spin(&["-f", "registry.example.com/spindle:1"])?;
    assert!(pulled.contains("nothing is pulled") && pulled.contains("/opt/spindle/spin.toml"), "{pulled}");
    let manifest = root().join("spin.toml").display().to_string();
    let alone = spin(&["-f", &manifest, "--component-id", "studio"])?;
    assert!(alone.contains("studio"), "{alone}");
    let configured = spin(&["-f", &manifest, "--runtime-config-file", &certificate])?;
    assert!(configured.contains("runtimeConfig"), "{configured}");
    Ok(())
}

/// A start that is told where everything would be, and does not get so far.
fn serve(words: &[&str], data: &Path) -> Result<Ran> {
    let mut command = command(words)?;
    command.env("SPINDLE_DATABASE", "postgres://nobody:nothing@127.0.0.1:1/none").env("SPINDLE_DATA", data);
    command.env("SPINDLE_S3_ACCESS_KEY_ID", "a").env("SPINDLE_S3_SECRET_ACCESS_KEY", "b");
    run(
        {
            command.env("SPINDLE_INTERNAL_SECRET", "c");
            command
        },
        "",
    )
}
