//! One `spindle up` on a free port.

use crate::api::Client;
use crate::places;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Compiling the components on a busy machine is the slowest a start can be.
pub(crate) const START_MAX: Duration = Duration::from_secs(240);
/// The promise of SIGTERM.
pub const STOP_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);
/// Lines of a process's output that a failed test shows.
const LOG_LINES: usize = 30;

/// A running server; it is killed when dropped.
pub struct Server {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    /// The contents of `access.json`.
    pub access: Value,
    shows_output: bool,
    _folder: Option<TempDir>,
}

impl Server {
    /// A server on a fresh data folder that goes away with it.
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn fresh() -> Result<Self> {
        Self::fresh_with(&[])
    }

    /// [`Server::fresh`] with more arguments.
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn fresh_with(arguments: &[&OsStr]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("spindle-test-").tempdir()?;
        let mut server = Self::start_with(&folder.path().join("data"), arguments)?;
        server._folder = Some(folder);
        Ok(server)
    }

    /// A server on `data`, which may hold an earlier one's; ready when this returns.
    ///
    /// # Errors
    /// The program is not built, ends early or does not get ready; the message holds its output.
    pub fn start(data: &Path) -> Result<Self> {
        Self::start_with(data, &[])
    }

    /// [`Server::start`] with more arguments.
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn start_with(data: &Path, arguments: &[&OsStr]) -> Result<Self> {
        Self::start_in(data, arguments, &[])
    }

    /// [`Server::start_with`] in an environment with more variables.
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn start_in(data: &Path, arguments: &[&OsStr], variables: &[(&str, &OsStr)]) -> Result<Self> {
        let log = log_beside(data);
        let arguments = [&["--listen".as_ref(), "127.0.0.1:0".as_ref()], arguments].concat();
        let child = up(data, &log, &arguments, variables)?;
        let mut server = Self {
            child,
            data: data.to_path_buf(),
            log,
            access: Value::Null,
            shows_output: true,
            _folder: None,
        };
        let begun = Instant::now();
        loop {
            // A killed server leaves its file behind, which promises nothing.
            if let Some(access) = read_access(data).filter(|access| access["pid"] == server.pid()) {
                server.access = access;
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("spindle up ended with {status}:\n{}", server.output());
            }
            if begun.elapsed() > START_MAX {
                bail!("spindle up is not ready after {START_MAX:?}:\n{}", server.output());
            }
            thread::sleep(POLL);
        }
    }

    /// One server for all tests that don't end it: started by the first, stopped with the last that holds it.
    ///
    /// # Errors
    /// See [`Server::start`].
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::fresh()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// The same server, which keeps its output to itself: for benches, whose own output is read.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.shows_output = false;
        self
    }

    /// A client with the server's address and key.
    pub fn client(&self) -> Client {
        Client::new(self.text("/endpoint"), self.text("/key"))
    }

    /// A text of `access.json` by JSON pointer; empty when there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.access.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The file that tells where the server answers.
    pub fn access_file(&self) -> PathBuf {
        self.data.join("access.json")
    }

    /// Everything the server printed so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL: no goodbye.
    ///
    /// # Errors
    /// The system refuses the signal.
    pub fn kill9(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and how the program ended.
    ///
    /// # Errors
    /// It does not end within [`STOP_MAX`].
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        signal(&self.child, "TERM")?;
        wait(&mut self.child, STOP_MAX).with_context(|| self.output())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.shows_output {
            show_last("spindle up", &self.output());
        }
    }
}

/// The last lines that a process printed: shown by the test harness when the test failed, else thrown away.
pub(crate) fn show_last(name: &str, output: &str) {
    let lines: Vec<&str> = output.lines().collect();
    println!("── output of {name}\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"));
}

/// Sends `child` the signal `name`.
pub(crate) fn signal(child: &Child, name: &str) -> Result<()> {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status()?;
    if sent.success() { Ok(()) } else { bail!("kill -{name} ended with {sent}") }
}

/// How a start ended that must not succeed.
#[derive(Debug)]
pub struct Refused {
    /// Exit status.
    pub status: ExitStatus,
    /// Everything it printed.
    pub output: String,
}

impl Refused {
    /// The lines in which the program itself speaks, without log lines.
    pub fn messages(&self) -> Vec<&str> {
        self.output
            .lines()
            .filter(|line| line.starts_with("spindle: ") || line.starts_with("error: "))
            .collect()
    }
}

/// Runs `spindle up` with `arguments` on `data` until it ends.
///
/// # Errors
/// It does not end by itself.
pub fn refused<A: AsRef<OsStr>>(data: &Path, arguments: &[A]) -> Result<Refused> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("output");
    let mut child = up(data, &log, arguments, &[])?;
    let ended = wait(&mut child, START_MAX);
    let output = fs::read_to_string(&log)?;
    Ok(Refused { status: ended.with_context(|| output.clone())?, output })
}

/// Starts the program with its output in `log`.
fn up<A: AsRef<OsStr>>(
    data: &Path,
    log: &Path,
    arguments: &[A],
    variables: &[(&str, &OsStr)],
) -> Result<Child> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent)?;
    }
    let output = File::options().create(true).append(true).open(log)?;
    Command::new(places::program()?)
        .current_dir(places::root())
        .arg("up")
        .arg("--data")
        .arg(data)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("could not start the program")
}

/// Waits for the end of `child`; kills it after `max`.
pub(crate) fn wait(child: &mut Child, max: Duration) -> Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begun.elapsed() > max {
            child.kill()?;
            child.wait()?;
            bail!("the program did not end within {max:?}");
        }
        thread::sleep(POLL);
    }
}

/// The file appears whole or not at all.
fn read_access(data: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(data.join("access.json")).ok()?).ok()
}

/// The output is kept outside the data folder, whose contents are tested.
fn log_beside(data: &Path) -> PathBuf {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    data.with_file_name(format!("{name}.log"))
}
