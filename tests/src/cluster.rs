//! One installation as many processes: PostgreSQL, the object storage, hosts and workers.

use crate::api::Client;
use crate::command::command;
use crate::python;
use crate::server::{START_MAX, show_last, signal, wait};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use test_postgres::PostgresServer;

const STOP_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// The owner's API key.
pub const KEY: &str = "an-owners-key-of-the-test";
/// Where the program keeps models unless it is told otherwise.
const MODELS_CONTAINER: &str = "spindle-models";
const S3_KEY_ID: &str = "TESTKEYID";
const S3_SECRET: &str = "test-secret-access-key";
const EVENTS_SECRET: &str = "test-events-secret";
const INTERNAL_SECRET: &str = "test-internal-secret";

/// The data of an installation; processes are started beside it.
pub struct Cluster {
    /// The database server.
    pub database: PostgresServer,
    /// The address of the installation's database.
    pub address: String,
    folder: TempDir,
    storage_port: u16,
}

/// One process; it is killed when dropped.
pub struct Process {
    name: String,
    words: Vec<String>,
    variables: Vec<(String, String)>,
    /// Where it says whether it is ready.
    port: u16,
    ready: Ready,
    log: PathBuf,
    child: Child,
    shows_output: bool,
}

#[derive(Clone, Copy)]
enum Ready {
    /// It listens.
    Listens,
    /// `/readyz` answers 200.
    Says,
}

/// A port that nobody listens at now, the same after every start of a process.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Cluster {
    /// Starts PostgreSQL with an empty database; `None` where it is not installed, which is said.
    ///
    /// # Errors
    /// It does not start.
    pub fn start() -> Result<Option<Self>> {
        let Some(database) = PostgresServer::start()? else { return Ok(None) };
        let address = database.database()?;
        let folder = tempfile::Builder::new().prefix("spindle-cluster-").tempdir()?;
        let storage_port = free_port()?;
        let access = json!({ "s3": { "endpoint": format!("http://127.0.0.1:{storage_port}"), "region": "us-east-1",
            "accessKeyId": S3_KEY_ID, "secretAccessKey": S3_SECRET } });
        fs::write(folder.path().join("access.json"), access.to_string())?;
        fs::write(folder.path().join("internal-secret"), format!("{INTERNAL_SECRET}\n"))?;
        Ok(Some(Self { database, address, folder, storage_port }))
    }

    /// A file that tells S3 clients where the storage is.
    pub fn access_file(&self) -> PathBuf {
        self.folder.path().join("access.json")
    }

    /// The process of the object storage, which tells the host at `events` of changes.
    ///
    /// # Errors
    /// It does not start.
    pub fn storage(&self, events: Option<&str>) -> Result<Process> {
        let mut words = vec!["storage".to_owned(), "--data".to_owned(), self.data("storage")];
        words.extend(["--s3-listen".to_owned(), format!("127.0.0.1:{}", self.storage_port)]);
        words.extend(
            events.into_iter().flat_map(|events| ["--events-endpoint".to_owned(), events.to_owned()]),
        );
        self.process("storage", words, self.storage_port, Ready::Listens)
    }

    /// A host with more arguments, ready when this returns.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn host(&self, name: &str, more: &[&str]) -> Result<Process> {
        let port = free_port()?;
        let mut words = vec!["serve".to_owned(), "--listen".to_owned(), format!("127.0.0.1:{port}")];
        words.extend(self.common(name));
        words.extend(more.iter().map(|word| (*word).to_owned()));
        // Nobody here reads TLS to ask for more.
        let ready = if more.contains(&"--tls-key") { Ready::Listens } else { Ready::Says };
        self.process(name, words, port, ready)
    }

    /// A host that is started as SpinKube starts its images, ready when this returns.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn spin_host(&self, name: &str, manifest: &Path) -> Result<Process> {
        let port = free_port()?;
        let manifest = manifest.display().to_string();
        let words = ["spin", "up", "--listen", &format!("127.0.0.1:{port}"), "-f", &manifest];
        let told = self.common(name);
        let told =
            told.chunks(2).map(|pair| (pair[0].trim_start_matches('-').replace('-', "_"), pair[1].clone()));
        let own = self.variables().into_iter().map(|(name, value)| (name.replace("SPINDLE_", ""), value));
        let variables =
            own.chain(told).map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value));
        self.process_with(name, words.map(str::to_owned).to_vec(), variables.collect(), port, Ready::Says)
    }

    /// A worker of `hosts` with more arguments, ready when this returns.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn worker(&self, name: &str, hosts: &[&Process], more: &[&str]) -> Result<Process> {
        let port = free_port()?;
        let endpoints: Vec<String> = hosts.iter().map(|host| host.endpoint()).collect();
        let mut words = vec!["worker".to_owned(), "--health-listen".to_owned(), format!("127.0.0.1:{port}")];
        words.extend(["--endpoint".to_owned(), endpoints.join(",")]);
        words.extend(self.common(name));
        words.extend(more.iter().map(|word| (*word).to_owned()));
        self.process(name, words, port, Ready::Says)
    }

    /// A number that the database answers.
    ///
    /// # Errors
    /// The server refuses the question, or answers no number.
    pub fn count(&self, sql: &str) -> Result<u64> {
        let answer = self.database.ask(&self.address, sql)?;
        answer.parse().with_context(|| format!("{sql} answered {answer:?}"))
    }

    /// Proves that the storage holds the models that the catalog knows, and no others.
    ///
    /// # Errors
    /// It holds others; database or storage refuse.
    pub fn check_models(&self) -> Result<()> {
        let known = self.database.ask(&self.address, "SELECT model_id FROM bundles")?;
        let known: BTreeSet<&str> = known.lines().collect();
        let keys = python::keys_at(&self.access_file(), MODELS_CONTAINER)?;
        let stored = keys.iter().filter_map(|key| key.strip_prefix("models/")?.split('/').next());
        let stored: BTreeSet<&str> = stored.collect();
        ensure!(stored == known, "the storage holds {stored:?}, the catalog knows {known:?}");
        Ok(())
    }

    fn data(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn common(&self, name: &str) -> Vec<String> {
        let storage = format!("http://127.0.0.1:{}", self.storage_port);
        vec!["--data".to_owned(), self.data(name), "--s3-endpoint".to_owned(), storage]
    }

    /// Secrets by environment and by file.
    fn variables(&self) -> Vec<(String, String)> {
        let secret = self.folder.path().join("internal-secret").display().to_string();
        let variables = [
            ("SPINDLE_DATABASE", self.address.as_str()),
            ("SPINDLE_S3_ACCESS_KEY_ID", S3_KEY_ID),
            ("SPINDLE_S3_SECRET_ACCESS_KEY", S3_SECRET),
            ("SPINDLE_INTERNAL_SECRET_FILE", &secret),
            ("SPINDLE_EVENTS_SECRET", EVENTS_SECRET),
            ("SPINDLE_KEY", KEY),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    fn process(&self, name: &str, words: Vec<String>, port: u16, ready: Ready) -> Result<Process> {
        self.process_with(name, words, self.variables(), port, ready)
    }

    fn process_with(
        &self,
        name: &str,
        words: Vec<String>,
        variables: Vec<(String, String)>,
        port: u16,
        ready: Ready,
    ) -> Result<Process> {
        let log = self.folder.path().join(format!("{name}.log"));
        let child = spawn(&words, &variables, &log)?;
        let mut process =
            Process { name: name.to_owned(), words, variables, port, ready, log, child, shows_output: true };
        process.until_ready()?;
        Ok(process)
    }
}

impl Process {
    /// The same process, which keeps its output to itself: for benches, whose own output is read.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.shows_output = false;
        self
    }

    /// Scheme, host and port.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client with the owner's key.
    pub fn client(&self) -> Client {
        Client::new(&self.endpoint(), KEY)
    }

    /// Everything it printed so far, in all of its lives.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL: no goodbye.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop).map_err(Into::into)
    }

    /// SIGTERM, without waiting for the end.
    ///
    /// # Errors
    /// The system refuses.
    pub fn tell_to_end(&self) -> Result<()> {
        signal(&self.child, "TERM")
    }

    /// SIGSTOP: it stands still, and knows nothing of it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn freeze(&self) -> Result<()> {
        signal(&self.child, "STOP")
    }

    /// SIGCONT, after [`Self::freeze`].
    ///
    /// # Errors
    /// The system refuses.
    pub fn thaw(&self) -> Result<()> {
        signal(&self.child, "CONT")
    }

    /// Waits for the end that it was told.
    ///
    /// # Errors
    /// It does not come.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        wait(&mut self.child, STOP_MAX)
            .with_context(|| format!("{} does not end:\n{}", self.name, self.output()))
    }

    /// Starts it again as it was, after its end; ready when this returns.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.words, &self.variables, &self.log)?;
        self.until_ready()
    }

    /// The status of `/readyz`; `None` when nobody answers.
    pub fn readiness(&self) -> Option<u16> {
        self.client().get(&format!("{}/readyz", self.endpoint())).ok().map(|answer| answer.status)
    }

    fn until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let ready = match self.ready {
                Ready::Listens => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
                Ready::Says => self.readiness() == Some(200),
            };
            if ready {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.output());
            }
            if begun.elapsed() > START_MAX {
                bail!("{} is not ready after {START_MAX:?}:\n{}", self.name, self.output());
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.shows_output {
            show_last(&self.name, &self.output());
        }
    }
}

fn spawn(words: &[String], variables: &[(String, String)], log: &Path) -> Result<Child> {
    let output = File::options().create(true).append(true).open(log)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = command(&words)?;
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    command.spawn().context("could not start the program")
}
