//! Runs of the program's commands, as a shell runs them.

use crate::{Server, places};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

/// What decides about servers and colours, and must not leak in from outside.
const VARIABLES: [&str; 10] = [
    "SPINDLE_ENDPOINT",
    "SPINDLE_KEY",
    "SPINDLE_DATA",
    "SPINDLE_DATABASE",
    "SPINDLE_DATABASE_FILE",
    "SPINDLE_LOG",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
];

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Ran {
    /// The run, when it ended with `code`.
    ///
    /// # Errors
    /// It ended otherwise; the message holds its output.
    pub fn ended(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "ended with {}, expected {code}: {self:#?}", self.code);
        Ok(self)
    }

    /// The data of a run that ended well, as JSON.
    ///
    /// # Errors
    /// It did not end well, or its data are something else.
    pub fn json(self) -> Result<Value> {
        let ran = self.ended(0)?;
        serde_json::from_str(&ran.stdout).with_context(|| format!("no JSON: {}", ran.stdout))
    }
}

/// The program with `arguments` in the repository's folder, cut off from the outer environment's servers.
///
/// # Errors
/// It is not built.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(places::program()?);
    command.current_dir(places::root()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    Ok(command)
}

/// Runs a prepared command with `input` on standard input.
///
/// # Errors
/// It can't be started.
pub fn run(mut command: Command, input: &str) -> Result<Ran> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // A command that does not read its input closes it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    Ok(Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// Starts a prepared command, waits until a line of its standard error begins with one of `beginnings`, and presses
/// Ctrl+C.
///
/// # Errors
/// It ends before such a line.
pub fn interrupt(mut command: Command, beginnings: &[&str]) -> Result<Ran> {
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("no standard error")?);
    let mut stderr = String::new();
    loop {
        let mut line = String::new();
        ensure!(lines.read_line(&mut line)? > 0, "it ended before it was interrupted: {stderr}");
        stderr.push_str(&line);
        if beginnings.iter().any(|beginning| line.starts_with(beginning)) {
            break;
        }
    }
    press_ctrl_c(&child)?;
    lines.read_to_string(&mut stderr)?;
    let mut stdout = String::new();
    child.stdout.take().context("no standard output")?.read_to_string(&mut stdout)?;
    Ok(Ran { code: child.wait()?.code().unwrap_or(-1), stdout, stderr })
}

/// Makes an access key of a role in a running installation and returns it.
///
/// # Errors
/// The command fails.
pub fn add_key(server: &Server, name: &str, role: &str) -> Result<String> {
    let data = server.data().to_str().context("the data folder's name is not UTF-8")?;
    let made = run(command(&["key", "add", name, "--role", role, "--data", data])?, "")?.ended(0)?;
    Ok(made.stdout.trim().to_owned())
}

/// What a command that needs no input printed.
///
/// # Errors
/// It can't be started, or fails; the message holds its output.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let name = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not start {name}"))?;
    if !output.status.success() {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("{name} ended with {}\n{out}{err}", output.status);
    }
    Ok(output)
}

fn press_ctrl_c(child: &Child) -> Result<()> {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    ensure!(sent.success(), "kill -INT ended with {sent}");
    Ok(())
}
