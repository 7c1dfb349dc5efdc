//! The whole test suite, in the order in which failures are cheapest.

use crate::run::{build_dir, cargo, output, run, say};
use crate::{components, setup, tidy};
use anyhow::{Result, bail};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Python takes its time on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Tidy, set-up, then every test; with a filter only the tests whose names hold it.
pub(crate) fn test(filter: Option<&str>) -> Result<()> {
    if filter.is_none() {
        tidy::tidy()?;
        run(cargo("cargo").args(["fmt", "--all", "--check"]))?;
    }
    setup::everything()?;
    components::build_test_guests()?;
    if output(Command::new("python3").args(["-c", "import ensurepip"])).is_none() {
        // The vendor's SDKs run in virtual environments.
        setup::debian(&["python3-venv"])?;
    }
    // Tests start servers of their own from it.
    if let Err(error) = setup::debian(&["postgresql"]) {
        say(format!("PostgreSQL cannot be installed, so its tests are skipped: {error:#}"));
    }
    say("running the tests");
    let mut cargo = cargo("cargo");
    // The profile of the program itself: its dependencies are built once, and the numbers run at their real speed.
    cargo.args(["test", "--release", "--no-fail-fast"]);
    let native = tidy::native_packages()?;
    for package in &native {
        cargo.args(["--package", package]);
    }
    run(cargo.args(filter))?;
    if filter.is_none() { foreign_storage(&native) } else { Ok(()) }
}

/// Builds the program with CUDA and runs the tuning tests; those for a GPU say so where there is none.
pub(crate) fn gpu() -> Result<()> {
    say("building with CUDA, which needs no toolkit");
    run(cargo("cargo").args(["build", "--release", "--package", "spindle", "--features", "cuda"]))?;
    say("running the tuning tests");
    let mut tests = cargo("cargo");
    tests.args(["test", "--release", "--package", "tuning", "--features", "cuda", "--", "--nocapture"]);
    run(&mut tests)
}

/// The tests of the object store once more, against an S3 service that was not written here. Its package was installed by
/// the tests before.
fn foreign_storage(native: &[String]) -> Result<()> {
    let python = std::env::var_os("SPINDLE_TEST_EVENTS_PYTHON")
        .map_or_else(|| build_dir().join("python-events/bin/python"), PathBuf::from);
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let mut server = Command::new(&python);
    server.args(["-m", "moto.server", "--host", "127.0.0.1", "--port", &port]);
    let mut server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    say("running the tests of the object store against moto");
    let mut cargo = cargo("cargo");
    // The same packages as before: what is built stays built.
    cargo.args(["test", "--release", "--test", "s3"]);
    for package in native {
        cargo.args(["--package", package]);
    }
    cargo.env("BLOBS_TEST_ENDPOINT", format!("http://127.0.0.1:{port}"));
    cargo.envs([("BLOBS_TEST_ACCESS_KEY", "test"), ("BLOBS_TEST_SECRET_KEY", "test")]);
    let tested = answers(&port).and_then(|()| run(&mut cargo));
    server.kill()?;
    server.wait()?;
    tested
}

/// Waits until somebody listens at a port of this machine.
fn answers(port: &str) -> Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        if begun.elapsed() > START_MAX {
            bail!("moto's server does not answer; its package is installed in build/python-events");
        }
        thread::sleep(POLL);
    }
    Ok(())
}
