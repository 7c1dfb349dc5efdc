//! Calls to servers of other people: SNS, and those who subscribed.

use language_api::{AllowedSubscribers, Limits};
use reqwest::redirect::Policy;
use std::time::Duration;

/// How long SNS may take.
const SNS_TIME_MAX: Duration = Duration::from_secs(10);

/// What outward jobs call with.
#[derive(Clone, Debug)]
pub struct Outward {
    pub(crate) http: reqwest::Client,
    pub(crate) allowed: AllowedSubscribers,
}

impl Outward {
    /// Calls that follow no redirect, which could lead anywhere, and trust the certificate authorities that this machine
    /// trusts; `allowed` are the addresses of subscribers.
    ///
    /// # Errors
    /// The TLS library can't be set up, which the process does by installing a default provider of `rustls`.
    pub fn new(allowed: AllowedSubscribers) -> Result<Self, reqwest::Error> {
        let http =
            reqwest::Client::builder().redirect(Policy::none()).tls_certs_only(certificate_authorities());
        Ok(Self { http: http.build()?, allowed })
    }

    /// How long subscribers may take.
    pub(crate) fn subscriber_time_max(limits: &Limits) -> Duration {
        Duration::from_millis(u64::from(limits.subscriber_answer_milliseconds_max))
    }

    /// A page of SNS, of at most `bytes_max` bytes. `url` has been checked to be one.
    ///
    /// # Errors
    /// A sentence that says what came instead.
    pub(crate) async fn sns_page(&self, url: &str, bytes_max: usize) -> Result<String, String> {
        let said = |error: reqwest::Error| reason(&error, SNS_TIME_MAX);
        let mut response = self.http.get(url).timeout(SNS_TIME_MAX).send().await.map_err(said)?;
        if !response.status().is_success() {
            return Err(format!("SNS answered {}", response.status().as_u16()));
        }
        let mut page = vec![];
        while let Some(piece) = response.chunk().await.map_err(said)? {
            page.extend_from_slice(&piece);
            if page.len() > bytes_max {
                return Err(format!("SNS answered with more than {bytes_max} bytes"));
            }
        }
        String::from_utf8(page).map_err(|_| "SNS answered with what is no text".to_owned())
    }
}

/// The certificate authorities that this machine trusts; none where it has no list of them, and then no https works.
pub fn certificate_authorities() -> Vec<reqwest::Certificate> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificate authorities could not be read");
    }
    found.certs.iter().filter_map(|certificate| reqwest::Certificate::from_der(certificate).ok()).collect()
}

/// Why there was no answer, for people: without the address, which may hold secrets.
pub(crate) fn reason(error: &reqwest::Error, time_max: Duration) -> String {
    if error.is_timeout() {
        return format!("no answer came within {time_max:?}");
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let what = if error.is_connect() { "no connection" } else { "no answer" };
    format!("{what}: {deepest}")
}
