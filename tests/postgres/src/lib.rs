//! A PostgreSQL server of a test's own, from the programs of the system's package, on a free port of this machine.

use std::io::{self, BufRead, BufReader, Error};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};
use tempfile::TempDir;

/// The server's only user.
pub const USER: &str = "spindle";
/// The user's password, with signs that an address must escape.
pub const PASSWORD: &str = "se/cr@t:word";
const ESCAPED_PASSWORD: &str = "se%2Fcr%40t%3Aword";

/// Where distributions put the server's programs.
const INSTALLATIONS: &str = "/usr/lib/postgresql";
/// The system's user for them; the server refuses to run as root.
const SYSTEM_USER: &str = "postgres";
/// What the server says when it takes connections.
const READY: &str = "ready to accept connections";
/// Another process may take the free port first.
const ATTEMPTS: usize = 5;

/// A running server; it ends when dropped, and its data with it.
pub struct PostgresServer {
    child: Child,
    port: u16,
    programs: PathBuf,
    databases: AtomicUsize,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts a server. Its language sorts unlike bytes do, and passwords are asked for. `None` where the system's
    /// package is not installed: the test that asked says so and is skipped.
    ///
    /// # Errors
    /// The server does not start; the message says why.
    pub fn start() -> io::Result<Option<Self>> {
        let Some(programs) = programs() else {
            println!("skipped: {INSTALLATIONS} holds no PostgreSQL server; apt-get install postgresql");
            return Ok(None);
        };
        let folder = tempfile::Builder::new().prefix("spindle-postgres-").tempdir()?;
        let data = data(&folder);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        fs::create_dir(&data)?;
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD)?;
        if is_root()? {
            done(Command::new("chown").arg(SYSTEM_USER).args([&data, &password]))?;
        }
        let mut initdb = as_server(&programs.join("initdb"), &data)?;
        initdb.arg("--pgdata").arg(&data).arg("--pwfile").arg(&password);
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8"]);
        done(initdb.args(["--locale", "C", "--locale-provider", "icu", "--icu-locale", "en-US"]))?;
        let mut failure = Error::other("no attempt was made");
        for _ in 0..ATTEMPTS {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            match serve(&programs, &data, port) {
                Ok(child) => {
                    let databases = AtomicUsize::new(0);
                    return Ok(Some(Self { child, port, programs, databases, folder }));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Makes an empty database; returns its address.
    ///
    /// # Errors
    /// The server refuses.
    pub fn database(&self) -> io::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        let mut create = Command::new(self.programs.join("createdb"));
        create.args(["--host", "127.0.0.1", "--port", &port, "--username", USER, &name]);
        done(create.env("PGPASSWORD", PASSWORD))?;
        Ok(self.address(&name))
    }

    /// The address of the database `name`.
    pub fn address(&self, name: &str) -> String {
        format!("postgres://{USER}:{ESCAPED_PASSWORD}@127.0.0.1:{}/{name}", self.port)
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server at once, and every connection; its data stays.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }

    /// Kills the server and all of its sessions; its data stays as it is in that moment.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill9(&mut self) -> io::Result<()> {
        let id = self.child.id();
        let sessions = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let all = sessions.split_ascii_whitespace().map(str::to_owned).chain([id.to_string()]);
        // A session that ended in the meantime is none to kill.
        let _ = Command::new("kill").arg("-KILL").args(all).stderr(Stdio::null()).status()?;
        self.child.wait().map(drop)
    }

    /// Starts it again where it was, after [`Self::stop`] or [`Self::kill9`].
    ///
    /// # Errors
    /// The server does not start; the message says why.
    pub fn start_again(&mut self) -> io::Result<()> {
        let mut failure = Error::other("no attempt was made");
        for _ in 0..ATTEMPTS {
            // Killed sessions may hold its memory for another moment.
            match serve(&self.programs, &data(&self.folder), self.port) {
                Ok(child) => {
                    self.child = child;
                    return Ok(());
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// What a question to a database answers: rows as lines, values between bars.
    ///
    /// # Errors
    /// The server refuses.
    pub fn ask(&self, address: &str, sql: &str) -> io::Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, address]);
        let output = psql.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// The newest installation's programs.
fn programs() -> Option<PathBuf> {
    let found = fs::read_dir(INSTALLATIONS).ok()?.filter_map(Result::ok).filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        programs.join("initdb").exists().then_some((version, programs))
    });
    Some(found.max()?.1)
}

/// Starts the server and reads its output until it is ready.
fn serve(programs: &Path, data: &Path, port: u16) -> io::Result<Child> {
    let mut server = as_server(&programs.join("postgres"), data)?;
    server.arg("-D").arg(data).args(["-p", &port.to_string(), "-F"]);
    server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "timezone=UTC"]);
    server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = server.spawn()?;
    let output = child.stderr.take().ok_or_else(|| Error::other("the server has no output"))?;
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    for line in lines.by_ref() {
        let line = line?;
        said.push_str(&line);
        said.push('\n');
        if line.contains(READY) {
            // Unread, its output would stop it.
            thread::spawn(move || lines.for_each(drop));
            return Ok(child);
        }
    }
    child.wait()?;
    Err(Error::other(format!("the server does not start:\n{said}")))
}

/// `program`, as the system's user for it where this process is root.
fn as_server(program: &Path, folder: &Path) -> io::Result<Command> {
    let mut command = if is_root()? {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", SYSTEM_USER, "--regid", SYSTEM_USER, "--init-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder);
    Ok(command)
}

fn is_root() -> io::Result<bool> {
    Ok(Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0")
}

fn done(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::other(format!("{:?} ended with {}: {said}", command.get_program(), output.status)))
}
