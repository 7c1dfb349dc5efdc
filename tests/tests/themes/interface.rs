//! The command line as scripts and operators rely on it.

use anyhow::{Context, Result};
use spindle_tests::server::{Refused, refused};
use spindle_tests::{Server, places};
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn access_json_tells_where_the_server_answers_and_goes_with_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut server = Server::start(&data)?;
    let mode = fs::metadata(server.access_file())?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(keys(&server.access), ["endpoint", "key", "pid", "s3"]);
    assert_eq!(keys(&server.access["s3"]), ["accessKeyId", "endpoint", "region", "secretAccessKey"]);
    assert_eq!(server.access["pid"], server.pid());
    let client = server.client();
    let ready = client.get(&format!("{}/readyz", client.endpoint))?;
    assert_eq!(ready.status, 200, "{}", ready.text());
    for place in ["/endpoint", "/s3/endpoint"] {
        assert!(server.output().contains(server.text(place)), "{place} is printed");
    }

    let second = refused(&data, &["--listen", "127.0.0.1:0"])?;
    clear(&second, &["another spindle uses the data folder", "--data"]);
    assert!(server.access_file().exists(), "the second start must leave the first one's file alone");

    let address = client.endpoint.trim_start_matches("http://");
    let other = folder.path().join("other");
    clear(&refused(&other, &["--listen", address])?, &["cannot listen on", address, "--listen"]);
    assert!(!other.join("access.json").exists());

    let before = names(&data)?;
    let status = server.terminate()?;
    assert!(status.success(), "SIGTERM ended it with {status}");
    let gone: Vec<_> = before.difference(&names(&data)?).cloned().collect();
    assert_eq!(gone, ["access.json"]);
    Ok(())
}

#[test]
fn a_start_that_can_not_succeed_says_why_and_leaves_nothing_in_the_way() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let file = folder.path().join("file");
    fs::write(&file, "no folder")?;
    let listen = ["--listen", "127.0.0.1:0"];

    let below_a_file = file.join("data");
    clear(&refused(&below_a_file, &listen)?, &["data folder", &below_a_file.display().to_string(), "--data"]);
    // The system's own folder takes no new files, whoever asks.
    clear(
        &refused(Path::new("/proc/spindle-data"), &listen)?,
        &["data folder", "/proc/spindle-data", "--data"],
    );
    let absent = refused(&data, &[listen[0], listen[1], "--openvino", "/nonexistent"])?;
    clear(&absent, &["OpenVINO", "/nonexistent", "cargo xtask setup"]);
    clear(&refused(&data, &["--listen", "nowhere"])?, &["nowhere", "--listen"]);
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let busy = refused(&data, &[listen[0], listen[1], "--s3-listen", &address])?;
    clear(&busy, &["cannot listen on", &address]);

    for (name, manifest, words) in manifests()? {
        let path = folder.path().join(format!("{name}.toml"));
        fs::write(&path, manifest)?;
        let path = path.display().to_string();
        let broken = refused(&data, &[listen[0], listen[1], "--manifest", &path])?;
        clear(&broken, words);
        assert!(!data.join("access.json").exists(), "{name}");
    }

    // What the refused starts left behind is a data folder like any other.
    let server = Server::start(&data)?;
    let projects = server.client().get(spindle_tests::api::PROJECTS)?.expect(200)?;
    assert_eq!(projects["value"].as_array().map(Vec::len), Some(0));
    Ok(())
}

type Manifest = (&'static str, String, &'static [&'static str]);

/// Manifests no host can run, and what the message must name.
fn manifests() -> Result<Vec<Manifest>> {
    let root = places::root();
    let own = fs::read_to_string(root.join("spin.toml"))?;
    // Relative to the manifest, so the copies must say where the components are.
    let own = own.replace("target/components/", &format!("{}/target/components/", root.display()));
    Ok(vec![
        ("syntax", "spin_manifest_version = [".to_owned(), &["syntax.toml"]),
        (
            "version",
            own.replace("spin_manifest_version = 2", "spin_manifest_version = 1"),
            &["version.toml", "spin_manifest_version"],
        ),
        (
            "unknown",
            own.replace("[component.studio]\n", "[component.studio]\nkey_value_stores = [\"default\"]\n"),
            &["unknown.toml", "key_value_stores"],
        ),
        ("absent", own.replace("studio.wasm", "absent.wasm"), &["absent.wasm", "cargo xtask components"]),
    ])
}

/// One message, with these words, and a failure.
pub(crate) fn clear(refused: &Refused, words: &[&str]) {
    assert!(!refused.status.success(), "it ended well:\n{}", refused.output);
    assert!(refused.status.code().is_some(), "it ended with {}:\n{}", refused.status, refused.output);
    assert!(!refused.output.contains("panicked"), "{}", refused.output);
    let messages = refused.messages();
    assert_eq!(messages.len(), 1, "one message:\n{}", refused.output);
    for word in words {
        assert!(refused.output.contains(word), "{word:?} is not in:\n{}", refused.output);
    }
}

fn keys(object: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

/// Names in a folder; SQLite's log files come and go with its connections.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.ends_with("-wal") && !name.ends_with("-shm") {
            names.insert(name);
        }
    }
    Ok(names)
}
