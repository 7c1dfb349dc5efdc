//! Clients that were not written here, in virtual environments of their own under `build/`.

use crate::command::output;
use crate::places::root;
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

/// A set of Python packages.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    /// Names an interpreter that has the packages.
    variable: &'static str,
    folder: &'static str,
    requirements: &'static str,
}

/// The vendor's prediction SDK and an S3 client.
pub const CLIENTS: Environment = Environment {
    variable: "SPINDLE_TEST_PYTHON",
    folder: "build/python",
    requirements: "tests/python/requirements.txt",
};

/// The vendor's prediction SDK one release earlier.
pub const EARLIER: Environment = Environment {
    variable: "SPINDLE_TEST_EARLIER_PYTHON",
    folder: "build/python-earlier",
    requirements: "tests/python/requirements-earlier.txt",
};

/// The vendor's authoring SDK, which can't live beside the released prediction SDK.
pub const AUTHORING: Environment = Environment {
    variable: "SPINDLE_TEST_AUTHORING_PYTHON",
    folder: "build/python-authoring",
    requirements: "tests/python/requirements-authoring.txt",
};

/// The S3 command line that people have.
pub const AWS: Environment = Environment {
    variable: "SPINDLE_TEST_AWS_PYTHON",
    folder: "build/python-aws",
    requirements: "tests/python/requirements-aws.txt",
};

/// Where storage events come from and go to elsewhere: a foreign S3 service, SNS, a receiver of webhooks.
pub const EVENTS: Environment = Environment {
    variable: "SPINDLE_TEST_EVENTS_PYTHON",
    folder: "build/python-events",
    requirements: "tests/python/requirements-events.txt",
};

/// A tool that makes up calls from a description of an API.
pub const CONFORMANCE: Environment = Environment {
    variable: "SPINDLE_TEST_CONFORMANCE_PYTHON",
    folder: "build/python-conformance",
    requirements: "tests/python/requirements-conformance.txt",
};

/// Readers of what operators deploy with: Helm's engine, Kubernetes' schemas, Terraform's syntax.
pub const INFRA: Environment = Environment {
    variable: "SPINDLE_TEST_INFRA_PYTHON",
    folder: "build/python-infra",
    requirements: "tests/python/requirements-infra.txt",
};

impl Environment {
    /// The interpreter; its environment is made when it is not there or its requirements changed.
    ///
    /// # Errors
    /// Python or its `venv` module is missing, or pip fails.
    pub fn interpreter(self) -> Result<PathBuf> {
        static MAKING: Mutex<()> = Mutex::new(());
        if let Some(program) = env::var_os(self.variable) {
            return Ok(program.into());
        }
        let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let home = root().join(self.folder);
        let program = home.join("bin/python");
        let wanted = fs::read_to_string(root().join(self.requirements))?;
        // Written last, so that an interrupted installation starts over.
        let stamp = home.join("requirements.txt");
        if program.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(program);
        }
        output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))
            .context("python3 can't make a virtual environment; on Debian, install python3-venv")?;
        let mut pip = Command::new(&program);
        pip.current_dir(root()).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--pre",
            "--requirement",
            self.requirements,
        ]);
        output(&mut pip)?;
        fs::write(&stamp, wanted)?;
        Ok(program)
    }

    /// Starts a script of `tests/python` that goes on until it is dropped.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start<A: AsRef<OsStr>>(self, script: &str, arguments: &[A]) -> Result<Script> {
        let mut command = Command::new(self.interpreter()?);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(root().join("tests/python").join(script)).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Script { child, input, output })
    }

    /// Runs a script of `tests/python` and returns what it printed.
    ///
    /// # Errors
    /// It fails; the message holds its output.
    pub fn run<A: AsRef<OsStr>>(self, script: &str, arguments: &[A]) -> Result<String> {
        let mut command = Command::new(self.interpreter()?);
        // The server is on this machine, whatever proxy the machine has.
        command.env("NO_PROXY", "127.0.0.1,localhost").env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(root().join("tests/python").join(script)).args(arguments);
        Ok(String::from_utf8(output(&mut command)?.stdout)?)
    }
}

/// A running script, which speaks in lines; it is killed when dropped.
#[derive(Debug)]
pub struct Script {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Script {
    /// The next line it prints.
    ///
    /// # Errors
    /// It ended.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "the script ended");
        Ok(line.trim_end().to_owned())
    }

    /// What it prints when it is told a line.
    ///
    /// # Errors
    /// It ended.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        self.line()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `aws s3` against the server's storage and returns what it printed.
///
/// # Errors
/// It fails; the message holds its output.
pub fn aws_s3<A: AsRef<OsStr>>(server: &Server, arguments: &[A]) -> Result<String> {
    let mut command = Command::new(AWS.interpreter()?);
    let access = |name: &str| server.text(&format!("/s3/{name}")).to_owned();
    command.env("NO_PROXY", "127.0.0.1,localhost").env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("AWS_ENDPOINT_URL", access("endpoint")).env("AWS_DEFAULT_REGION", access("region"));
    command.env("AWS_ACCESS_KEY_ID", access("accessKeyId"));
    command.env("AWS_SECRET_ACCESS_KEY", access("secretAccessKey"));
    // Whatever this machine's user has set up for other services.
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.args(["-m", "awscli", "s3"]).args(arguments);
    Ok(String::from_utf8(output(&mut command)?.stdout)?)
}

/// Puts the `.txt` files of `folder` into a bucket, which is made when absent; returns how many.
///
/// # Errors
/// The S3 client fails.
pub fn upload(server: &Server, bucket: &str, folder: &Path) -> Result<usize> {
    upload_to(&server.access_file(), bucket, folder)
}

/// [`upload`] to the storage that the file `access` names, as `access.json` of a server does.
///
/// # Errors
/// The S3 client fails.
pub fn upload_to(access: &Path, bucket: &str, folder: &Path) -> Result<usize> {
    let arguments = [access.as_os_str(), "upload".as_ref(), bucket.as_ref(), folder.as_os_str()];
    let count = CLIENTS.run("bucket.py", &arguments)?;
    count.trim().parse().with_context(|| format!("bucket.py printed {count:?}"))
}

/// The keys in a bucket.
///
/// # Errors
/// The S3 client fails.
pub fn keys(server: &Server, bucket: &str) -> Result<Vec<String>> {
    keys_at(&server.access_file(), bucket)
}

/// [`keys`] in the storage that the file `access` names.
///
/// # Errors
/// The S3 client fails.
pub fn keys_at(access: &Path, bucket: &str) -> Result<Vec<String>> {
    let listed = CLIENTS.run("bucket.py", &[access.as_os_str(), "list".as_ref(), bucket.as_ref()])?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// The text of an object.
///
/// # Errors
/// The S3 client fails; there is no such object.
pub fn object(server: &Server, bucket: &str, key: &str) -> Result<String> {
    let access = server.access_file();
    CLIENTS.run("bucket.py", &[access.as_os_str(), "show".as_ref(), bucket.as_ref(), key.as_ref()])
}
