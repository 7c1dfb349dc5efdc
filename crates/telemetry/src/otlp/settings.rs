//! What the environment says (OpenTelemetry specification 1.40, "SDK environment variables" and "OTLP exporter").

use percent_encoding::percent_decode_str;
use std::time::Duration;
use thiserror::Error;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "http/protobuf";

/// A variable that can't be followed; whoever runs the process can correct it.
#[derive(Debug, PartialEq, Eq, Error)]
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
}

/// Where to send what, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) traces: Option<String>,
    pub(crate) metrics: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) metrics_every: Duration,
    pub(crate) traces_every: Duration,
    pub(crate) queue: usize,
    pub(crate) batch: usize,
    /// Share of new traces, as a bound for the last eight bytes of their ids.
    pub(crate) sample_below: u64,
    pub(crate) by_caller: bool,
    /// Who sends.
    pub(crate) resource: Vec<(String, String)>,
}

impl Settings {
    /// What the process's environment says; `None` when nothing is to be sent. `version` and `process` describe who sends.
    ///
    /// # Errors
    /// [`SettingsError`] with the variable.
    pub fn from_environment(version: &str, process: &str) -> Result<Option<Self>, SettingsError> {
        Self::read(version, process, |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
    }

    /// Whether traces are to be sent.
    pub fn has_traces(&self) -> bool {
        self.traces.is_some()
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
        let number = |variable: &'static str, default: u64| match get(variable) {
            None => Ok(default),
            Some(found) => match found.trim().parse().ok().filter(|number| *number > 0) {
                Some(number) => Ok(number),
                None => Err(SettingsError::Value { variable, found, expected: "a whole number above 0" }),
            },
        };
        let milliseconds =
            |variable: &'static str, default: u64| number(variable, default).map(Duration::from_millis);
        let size = |variable: &'static str, default: u64| {
            number(variable, default).map(|size| usize::try_from(size).unwrap_or(usize::MAX))
        };
        let (sample_below, by_caller) = sampler(&get)?;
        Ok(Some(Self {
            traces,
            metrics,
            headers: pairs("OTEL_EXPORTER_OTLP_HEADERS", &get)?,
            timeout: milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)?,
            metrics_every: milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?,
            traces_every: milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
            queue: size("OTEL_BSP_MAX_QUEUE_SIZE", 2_048)?,
            batch: size("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?,
            sample_below,
            by_caller,
            resource: resource(version, process, &get)?,
        }))
    }
}

/// The share of traces that are kept, and whether a caller's decision counts more.
fn sampler(get: &impl Fn(&'static str) -> Option<String>) -> Result<(u64, bool), SettingsError> {
    let variable = "OTEL_TRACES_SAMPLER";
    let found = get(variable).unwrap_or_else(|| "parentbased_always_on".to_owned());
    let (name, by_caller) = match found.strip_prefix("parentbased_") {
        Some(name) => (name, true),
        None => (found.as_str(), false),
    };
    let expected = "always_on, always_off or traceidratio, or one of them after parentbased_";
    let below = match name {
        "always_on" => u64::MAX,
        "always_off" => 0,
        "traceidratio" => ratio(get("OTEL_TRACES_SAMPLER_ARG"))?,
        _ => return Err(SettingsError::Value { variable, found, expected }),
    };
    Ok((below, by_caller))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn ratio(argument: Option<String>) -> Result<u64, SettingsError> {
    let Some(found) = argument else { return Ok(u64::MAX) };
    match found.trim().parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share)) {
        // The conversion saturates: 1 means all.
        Some(share) => Ok((share * u64::MAX as f64) as u64),
        None => {
            let variable = "OTEL_TRACES_SAMPLER_ARG";
            Err(SettingsError::Value { variable, found, expected: "a number from 0 to 1" })
        }
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
        assert_eq!(read(&[]), Ok(None));
        let asked = (ENDPOINT, "http://c:4318/");
        assert_eq!(read(&[asked, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
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
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20a%2Cb, x = y"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,site=here"),
            ("OTEL_SERVICE_NAME", "named"),
        ]);
        let settings = settings.unwrap().unwrap();
        let headers = [("authorization", "Bearer a,b"), ("x", "y")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(settings.headers, headers);
        let of = |key: &str| settings.resource.iter().filter(|(known, _)| known == key).collect::<Vec<_>>();
        assert_eq!(of("service.name"), [&("service.name".to_owned(), "named".to_owned())]);
        assert_eq!(of("site").len(), 1);
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let refusal = |variable, value| {
            read(&[(ENDPOINT, "http://c:4318"), (variable, value)]).expect_err("must be refused").to_string()
        };
        assert!(refusal("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").contains("4318"));
        assert!(refusal("OTEL_TRACES_SAMPLER", "sometimes").contains("traceidratio"));
        assert!(refusal("OTEL_METRIC_EXPORT_INTERVAL", "0").contains("above 0"));
        let secret = refusal("OTEL_EXPORTER_OTLP_HEADERS", "s3cret");
        assert!(!secret.contains("s3cret"), "{secret}");
    }

    #[test]
    fn samplers_keep_their_share() {
        let share = |sampler, argument| {
            let with = [
                (ENDPOINT, "http://c"),
                ("OTEL_TRACES_SAMPLER", sampler),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ];
            read(&with).unwrap().map(|settings| (settings.sample_below, settings.by_caller)).unwrap()
        };
        assert_eq!(share("always_off", "1"), (0, false));
        assert_eq!(share("parentbased_traceidratio", "1"), (u64::MAX, true));
        assert_eq!(share("traceidratio", "0.5"), (1 << 63, false));
    }
}
