//! `spindle config`: every value that decides what the processes do, its default, its variable, and where it comes from.

use crate::print::{self, Align, Paint, Table};
use crate::servers::secret::{
    EVENTS_SECRET, INTERNAL_SECRET, KEY, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, Secret,
};
use crate::servers::{ServeArguments, StorageArguments, UpArguments, WorkerArguments};
use anyhow::Result;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Subcommand};
use serde_json::{Value, json};
use std::env;
use std::ffi::OsStr;

/// List every configuration value of a process, or of all: name, default, variable, value and where it comes from
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle config\n  spindle config serve --json\n  spindle config worker --jobs train\n\nFlags go before variables, variables before defaults. Secrets are shown as set or unset."
)]
pub(crate) struct ConfigArguments {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    process: Option<Process>,
}

// What is parsed is read again by name, with where it came from.
#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Process {
    Up(UpArguments),
    Serve(ServeArguments),
    Worker(WorkerArguments),
    Storage(StorageArguments),
}

/// The processes by name, with the secrets they read.
const PROCESSES: [(&str, &[Secret]); 4] = [
    ("up", &[]),
    ("serve", &[S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, INTERNAL_SECRET, KEY, EVENTS_SECRET]),
    ("worker", &[S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, INTERNAL_SECRET]),
    ("storage", &[S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, EVENTS_SECRET]),
];

/// Read by every process: name, default, what it is.
const PLAIN: [(&str, &str, &str); 4] = [
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "Where traces and metrics go, http://collector:4318; OpenTelemetry's other variables count, too",
    ),
    ("OTEL_SERVICE_NAME", "spindle", "As whom they are sent"),
    ("SPINDLE_LOG", telemetry::DEFAULT_FILTER, "What is logged: error, warn, info, debug, also by part"),
    ("SPINDLE_LOG_FORMAT", "text", "json for one JSON object a line"),
];

/// One value.
struct Setting {
    process: &'static str,
    /// `--flag`, where there is one.
    flag: Option<String>,
    variable: String,
    default: Option<String>,
    /// `None` when it is not set.
    value: Option<String>,
    source: String,
    secret: bool,
    about: String,
}

/// Lists the values.
pub(crate) fn config(arguments: &ConfigArguments) -> Result<()> {
    let command = crate::command();
    let matches = command.clone().get_matches();
    let chosen = matches.subcommand_matches("config").and_then(ArgMatches::subcommand);
    let mut settings = vec![];
    for (process, secrets) in PROCESSES {
        match chosen {
            Some((name, matches)) if name == process => {
                settings.extend(of(process, secrets, &command, matches))
            }
            Some(_) => {}
            None => {
                let words = ["spindle", "config", process];
                let matches = command.clone().get_matches_from(words);
                let matches = matches.subcommand_matches("config").and_then(ArgMatches::subcommand);
                settings.extend(matches.into_iter().flat_map(|(_, own)| of(process, secrets, &command, own)));
            }
        }
    }
    if arguments.json {
        let value: Vec<Value> = settings.iter().map(Setting::wire).collect();
        return Ok(print::out(&json!({ "value": value }).to_string())?);
    }
    Ok(print::out(&table(&settings, Paint::stdout()))?)
}

/// The values of one process, as its parsed arguments and the environment have them.
fn of(process: &'static str, secrets: &[Secret], command: &Command, matches: &ArgMatches) -> Vec<Setting> {
    let own = command.find_subcommand("config").and_then(|config| config.find_subcommand(process));
    let arguments = own.into_iter().flat_map(Command::get_arguments);
    let flags = arguments.filter_map(|argument| Setting::of_argument(process, argument, matches));
    let secrets = secrets.iter().map(|secret| Setting::of_secret(process, *secret));
    let plain = PLAIN.iter().map(|plain| Setting::of_variable(process, plain));
    flags.chain(secrets).chain(plain).collect()
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

impl Setting {
    fn of_argument(process: &'static str, argument: &clap::Arg, matches: &ArgMatches) -> Option<Self> {
        let variable = argument.get_env()?.to_string_lossy().into_owned();
        let id = argument.get_id().as_str();
        let text = |values: Vec<&OsStr>| {
            let words: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
            Some(words.join(",")).filter(|text| !text.is_empty())
        };
        let raw = matches.get_raw(id).and_then(|values| text(values.collect()));
        let secret = argument.is_hide_env_values_set();
        let file = secret.then(|| set(&format!("{variable}_FILE"))).flatten();
        let source = match (matches.value_source(id), &raw, file) {
            (Some(ValueSource::CommandLine), ..) => "flag".to_owned(),
            (Some(ValueSource::EnvVariable), Some(_), _) => "environment".to_owned(),
            (_, None, Some(file)) => file,
            (_, Some(_), _) => "default".to_owned(),
            (_, None, None) => "unset".to_owned(),
        };
        Some(Self {
            process,
            flag: argument.get_long().map(|long| format!("--{long}")),
            variable,
            default: text(argument.get_default_values().iter().map(|value| value.as_os_str()).collect()),
            value: raw.or_else(|| (source != "unset").then(String::new)),
            source,
            secret,
            about: argument.get_help().map(ToString::to_string).unwrap_or_default(),
        })
    }

    fn of_secret(process: &'static str, secret: Secret) -> Self {
        let (value, file) = (set(secret.variable), set(&secret.file_variable()));
        let source = match (&value, &file) {
            (Some(_), _) => "environment".to_owned(),
            (None, Some(file)) => file.clone(),
            (None, None) => "unset".to_owned(),
        };
        Self {
            process,
            flag: None,
            variable: secret.variable.to_owned(),
            default: None,
            value: value.or(file),
            source,
            secret: true,
            about: secret.about.to_owned(),
        }
    }

    fn of_variable(process: &'static str, (variable, default, about): &(&str, &str, &str)) -> Self {
        let (value, default) =
            (set(variable), Some((*default).to_owned()).filter(|default| !default.is_empty()));
        let source = match (&value, &default) {
            (Some(_), _) => "environment",
            (None, Some(_)) => "default",
            (None, None) => "unset",
        };
        Self {
            process,
            flag: None,
            variable: (*variable).to_owned(),
            value: value.or_else(|| default.clone()),
            default,
            source: source.to_owned(),
            secret: false,
            about: (*about).to_owned(),
        }
    }

    /// What may be shown of the value.
    fn shown(&self) -> Option<&str> {
        if self.secret { self.value.as_ref().map(|_| "set") } else { self.value.as_deref() }
    }

    fn wire(&self) -> Value {
        json!({
            "process": self.process, "flag": self.flag, "variable": self.variable, "default": self.default,
            "value": self.shown(), "source": self.source, "secret": self.secret, "about": self.about,
        })
    }
}

fn table(settings: &[Setting], paint: Paint) -> String {
    let mut table = Table::new([
        ("process", Align::Left),
        ("flag", Align::Left),
        ("variable", Align::Left),
        ("default", Align::Left),
        ("value", Align::Left),
        ("from", Align::Left),
    ]);
    for setting in settings {
        table.row([
            setting.process.to_owned(),
            setting.flag.clone().unwrap_or_default(),
            setting.variable.clone(),
            setting.default.clone().unwrap_or_default(),
            setting.shown().unwrap_or(if setting.secret { "unset" } else { "" }).to_owned(),
            setting.source.clone(),
        ]);
    }
    table.text(paint, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_of_a_process_has_a_variable() {
        let command = crate::command();
        for (process, _) in PROCESSES {
            let own = command.find_subcommand(process).expect("a process");
            for argument in own.get_arguments().filter(|argument| argument.get_id() != "help") {
                let (id, variable) = (argument.get_id(), argument.get_env());
                assert!(
                    variable.is_some_and(|name| name.to_string_lossy().starts_with("SPINDLE_")),
                    "{process} {id}"
                );
            }
        }
    }
}
