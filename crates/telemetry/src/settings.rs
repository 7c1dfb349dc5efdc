//! What the environment says (OpenTelemetry specification 1.40, "SDK environment variables" and "OTLP exporter").
//!
//! OpenTelemetry's crates read the variables themselves, but send to this machine when there are none, and go on with
//! defaults where one can't be followed. So this decides whether anything is sent, and refuses what they would ignore.

use opentelemetry_otlp::{ExporterBuildError, OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT};
use percent_encoding::percent_decode_str;
use std::time::Duration;
use thiserror::Error;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "http/protobuf";
/// Variables that hold whole numbers.
const NUMBERS: [&str; 6] = [
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_METRIC_EXPORT_INTERVAL",
];

/// A variable that can't be followed; whoever runs the process can correct it.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Another transport than the one there is.
    #[error(
        "{variable} is {found:?}, but this program speaks {PROTOCOL} alone; unset it, and name a collector's port for OTLP over HTTP (4318)"
    )]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
    },
    /// Not what such a variable holds.
    #[error("{variable} is {found:?}; expected {expected}")]
    Value {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// What OpenTelemetry's exporter refuses: an endpoint that is no address.
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// What is sent, and who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) traces: Option<String>,
    pub(crate) metrics: Option<String>,
    pub(crate) resource: Vec<(String, String)>,
    timeout: Duration,
}

impl Settings {
    /// What the process's environment says; `None` when nothing is to be sent. `version` and `process` describe who sends.
    ///
    /// # Errors
    /// [`SettingsError`] with the variable.
    pub fn from_environment(version: &str, process: &str) -> Result<Option<Self>, SettingsError> {
        Self::read(version, process, |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
    }

    /// Most that one call to the collector may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether some address is not plain HTTP.
    pub fn needs_tls(&self) -> bool {
        [&self.traces, &self.metrics].into_iter().flatten().any(|address| !address.starts_with("http://"))
    }

    fn read(
        version: &str,
        process: &str,
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        if get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let address = |own: &'static str, path: &str, exporter: &'static str| {
            let common = get(ENDPOINT).map(|base| format!("{}/v1/{path}", base.trim_end_matches('/')));
            let off = get(exporter).is_some_and(|exporter| exporter == "none");
            get(own).or(common).filter(|_| !off)
        };
        let traces = address("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "traces", "OTEL_TRACES_EXPORTER");
        let metrics = address("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "metrics", "OTEL_METRICS_EXPORTER");
        if traces.is_none() && metrics.is_none() {
            return Ok(None);
        }
        for variable in [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ] {
            if let Some(found) = get(variable).filter(|found| found != PROTOCOL) {
                return Err(SettingsError::Protocol { variable, found });
            }
        }
        for variable in NUMBERS {
            number(variable, &get)?;
        }
        check_sampler(&get)?;
        pairs("OTEL_EXPORTER_OTLP_HEADERS", &get)?;
        let timeout = number("OTEL_EXPORTER_OTLP_TIMEOUT", &get)?;
        let timeout = timeout.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis);
        Ok(Some(Self { traces, metrics, resource: resource(version, process, &get)?, timeout }))
    }
}

fn number(
    variable: &'static str,
    get: &impl Fn(&'static str) -> Option<String>,
) -> Result<Option<u64>, SettingsError> {
    let Some(found) = get(variable) else { return Ok(None) };
    match found.parse().ok().filter(|number| *number > 0) {
        Some(number) => Ok(Some(number)),
        None => Err(SettingsError::Value { variable, found, expected: "a whole number above 0" }),
    }
}

fn check_sampler(get: &impl Fn(&'static str) -> Option<String>) -> Result<(), SettingsError> {
    let variable = "OTEL_TRACES_SAMPLER";
    let Some(found) = get(variable) else { return Ok(()) };
    match found.strip_prefix("parentbased_").unwrap_or(&found) {
        "always_on" | "always_off" => Ok(()),
        "traceidratio" => check_ratio(get),
        _ => {
            let expected = "always_on, always_off or traceidratio, or one of them after parentbased_";
            Err(SettingsError::Value { variable, found, expected })
        }
    }
}

fn check_ratio(get: &impl Fn(&'static str) -> Option<String>) -> Result<(), SettingsError> {
    let variable = "OTEL_TRACES_SAMPLER_ARG";
    let Some(found) = get(variable) else { return Ok(()) };
    match found.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(()),
        _ => Err(SettingsError::Value { variable, found, expected: "a number from 0 to 1" }),
    }
}

/// `key=value` between commas, values percent-encoded.
fn pairs(
    variable: &'static str,
    get: &impl Fn(&'static str) -> Option<String>,
) -> Result<Vec<(String, String)>, SettingsError> {
    let Some(text) = get(variable) else { return Ok(vec![]) };
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned())).filter(|(key, _)| !key.is_empty())
    };
    let entries = text.split(',').filter(|entry| !entry.trim().is_empty());
    let read: Option<Vec<_>> = entries.map(pair).collect();
    // Headers hold secrets: the message does not show them.
    let expected = "key=value entries between commas, values percent-encoded";
    read.ok_or_else(|| SettingsError::Value { variable, found: "…".to_owned(), expected })
}

fn resource(
    version: &str,
    process: &str,
    get: &impl Fn(&'static str) -> Option<String>,
) -> Result<Vec<(String, String)>, SettingsError> {
    let mut resource = vec![
        ("service.name".to_owned(), "spindle".to_owned()),
        ("service.version".to_owned(), version.to_owned()),
        ("service.instance.id".to_owned(), uuid::Uuid::new_v4().to_string()),
        ("spindle.process".to_owned(), process.to_owned()),
    ];
    let name = get("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name));
    for (key, value) in pairs("OTEL_RESOURCE_ATTRIBUTES", get)?.into_iter().chain(name) {
        resource.retain(|(known, _)| *known != key);
        resource.push((key, value));
    }
    Ok(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        let get = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read("1", "serve", get)
    }

    #[test]
    fn nothing_is_sent_unless_asked_for() {
        assert_eq!(read(&[]).unwrap(), None);
        let asked = (ENDPOINT, "http://c:4318/");
        assert_eq!(read(&[asked, ("OTEL_SDK_DISABLED", "true")]).unwrap(), None);
        let settings = read(&[asked, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().unwrap();
        assert_eq!(
            (settings.traces.as_deref(), settings.metrics.as_deref()),
            (None, Some("http://c:4318/v1/metrics"))
        );
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t/exactly");
        let settings = read(&[asked, own]).unwrap().unwrap();
        assert_eq!(settings.traces.as_deref(), Some("https://t/exactly"));
        assert!(settings.needs_tls());
    }

    #[test]
    fn who_sends_and_as_whom() {
        let settings = read(&[
            (ENDPOINT, "http://c:4318"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, site=down%20here"),
            ("OTEL_SERVICE_NAME", "named"),
        ]);
        let settings = settings.unwrap().unwrap();
        let of = |key: &str| settings.resource.iter().filter(|(known, _)| known == key).collect::<Vec<_>>();
        assert_eq!(of("service.name"), [&("service.name".to_owned(), "named".to_owned())]);
        assert_eq!(of("site"), [&("site".to_owned(), "down here".to_owned())]);
        assert_eq!(settings.timeout(), Duration::from_secs(10));
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let refusal = |variable, value| {
            read(&[(ENDPOINT, "http://c:4318"), (variable, value)]).expect_err("must be refused").to_string()
        };
        assert!(refusal("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").contains("4318"));
        assert!(refusal("OTEL_TRACES_SAMPLER", "sometimes").contains("traceidratio"));
        assert!(refusal("OTEL_METRIC_EXPORT_INTERVAL", "0").contains("above 0"));
        assert!(refusal("OTEL_BSP_SCHEDULE_DELAY", "soon").contains("above 0"));
        let secret = refusal("OTEL_EXPORTER_OTLP_HEADERS", "s3cret");
        assert!(!secret.contains("s3cret"), "{secret}");
    }

    #[test]
    fn a_share_is_a_number_from_0_to_1() {
        let share = |argument| {
            let sampler = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
            read(&[(ENDPOINT, "http://c"), sampler, ("OTEL_TRACES_SAMPLER_ARG", argument)])
        };
        assert!(share("0.5").is_ok() && share("1").is_ok());
        for wrong in ["1.5", "-0.1", "NaN", "half"] {
            assert!(
                share(wrong).expect_err("must be refused").to_string().contains("from 0 to 1"),
                "{wrong}"
            );
        }
    }
}
