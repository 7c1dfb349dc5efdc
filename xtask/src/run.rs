//! Running other programs and finding the project's folders.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where set-up puts what it fetched; ignored by git.
pub(crate) fn build_dir() -> PathBuf {
    root().join("build")
}

/// The cargo at `program`, in the repository, without what the cargo that runs this program said of it: build scripts
/// look at such variables, and would run again whenever a build is called another way.
pub(crate) fn cargo(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_this_run = ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| text.starts_with(prefix))
            || ["CARGO", "CARGO_BIN_NAME", "CARGO_CRATE_NAME"].contains(&text.as_ref());
        if of_this_run {
            command.env_remove(&name);
        }
    }
    command.current_dir(root());
    command
}

/// Says what happens next, on its own line.
pub(crate) fn say(text: impl AsRef<str>) {
    println!("• {}", text.as_ref());
}

/// Runs `command` with the terminal's output; fails with its name and exit status.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("could not start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs `command` without showing its output unless it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start {:?}", command.get_program()))?;
    if !output.status.success() {
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}\n{}{}", line(command), output.status, out.trim_end(), err.trim_end());
    }
    Ok(())
}

/// The trimmed standard output of `command`, or `None` when it can't run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
