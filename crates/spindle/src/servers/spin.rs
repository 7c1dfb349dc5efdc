//! `spindle spin up`: the host as SpinKube calls an image that runs Spin in a container.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// What SpinKube puts before the names of a SpinApp's variables.
const GIVEN: &str = "SPIN_VARIABLE_";
const OWN: &str = "SPINDLE_";

/// Answer the API with the arguments of Spin, as SpinKube's spinImage is called
#[derive(Args)]
#[command(
    after_help = "Example:\n  SPIN_VARIABLE_DATABASE=postgres://… SPIN_VARIABLE_S3_ENDPOINT=http://s3:9000 … \\\n  spindle spin up --listen 0.0.0.0:80 --from /opt/spindle/spin.toml\n\nVariables of the SpinApp are the settings of `spindle serve`: SPIN_VARIABLE_X is read as SPINDLE_X. `spindle config serve`\nlists them."
)]
pub(crate) struct SpinArguments {
    #[command(subcommand)]
    command: SpinCommand,
}

#[derive(Subcommand)]
enum SpinCommand {
    /// Run `spindle serve`
    Up {
        /// Address of the API
        #[arg(long, default_value = "127.0.0.1:3000")]
        listen: SocketAddr,
        /// The Spin manifest on this machine: the SpinApp's image. Nothing is pulled
        #[arg(short, long)]
        from: PathBuf,
        /// What a SpinApp's runtimeConfig became; it must be empty, since Spindle's stores are settings of its own
        #[arg(long, value_name = "FILE")]
        runtime_config_file: Option<PathBuf>,
        /// Refused: the components of Spindle belong together
        #[arg(long, value_name = "ID")]
        component_id: Vec<String>,
    },
}

/// Becomes `spindle serve`.
pub(crate) fn spin(arguments: SpinArguments) -> Result<()> {
    let SpinCommand::Up { listen, from, runtime_config_file, component_id } = arguments.command;
    if let Some(component) = component_id.first() {
        bail!("the component {component:?} can't run alone: leave out the SpinApp's components");
    }
    if !from.is_file() {
        bail!(
            "{} is no file of this image, and nothing is pulled: the application lies in the image; give the SpinApp the image \
             /opt/spindle/spin.toml",
            from.display()
        );
    }
    if let Some(file) = runtime_config_file {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if !text.trim().is_empty() {
            bail!(
                "{} holds settings, of which none has an effect here: leave out the SpinApp's runtimeConfig, and give its \
                 variables what `spindle config serve` lists",
                file.display()
            );
        }
    }
    let given: Vec<(String, String)> = env::vars().collect();
    let mut serve = Command::new(env::current_exe().context("cannot find this program")?);
    serve.args(["serve", "--listen", &listen.to_string()]).arg("--manifest").arg(from);
    for (name, _) in given.iter().filter(|(name, _)| name.starts_with(GIVEN)) {
        serve.env_remove(name);
    }
    serve.envs(settings(&given));
    // Comes back only when it failed.
    Err(serve.exec()).context("cannot start spindle serve")
}

/// The settings among `given`; one that is set by its own name stays as it is.
fn settings(given: &[(String, String)]) -> Vec<(String, String)> {
    let own = |name: &str| name.strip_prefix(GIVEN).map(|name| format!("{OWN}{name}"));
    let meant = given.iter().filter_map(|(name, value)| Some((own(name)?, value.clone())));
    meant.filter(|(name, _)| given.iter().all(|(known, _)| known != name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_settings() {
        let given = [
            ("SPIN_VARIABLE_S3_ENDPOINT", "http://s3"),
            ("SPIN_VARIABLE_KEY_FILE", "/run/key"),
            ("SPIN_VARIABLE_LOG", "debug"),
            ("SPINDLE_LOG", "warn"),
            ("HOME", "/"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = [("SPINDLE_S3_ENDPOINT", "http://s3"), ("SPINDLE_KEY_FILE", "/run/key")];
        assert_eq!(settings(&given), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
