//! Which service, and as whom.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::Error;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the service may take from the end of a request to the first byte of its answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a request is made in all before its fault is reported.
const ATTEMPTS_MAX: u32 = 4;

/// An S3 service and the right to use it.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobConfig {
    /// `http://host:port` or `https://host`; `None` is AWS's own service in [`BlobConfig::region`].
    pub endpoint: Option<String>,
    /// The region requests are signed for; services without regions take `us-east-1`.
    pub region: String,
    /// Access key id.
    pub access_key: String,
    /// Secret access key; never shown.
    pub secret_key: String,
    /// Whether containers are part of the path (`host/container/key`) and not of the host name. Most services other
    /// than AWS's want that.
    pub path_style: bool,
}

impl fmt::Debug for BlobConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobConfig")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("access_key", &self.access_key)
            .field("path_style", &self.path_style)
            .finish_non_exhaustive()
    }
}

impl BlobConfig {
    /// How the service is called in messages.
    pub(crate) fn service_name(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("AWS S3 in {}", self.region))
    }

    pub(crate) fn client(&self) -> Result<aws_sdk_s3::Client, Error> {
        let credentials = Credentials::new(&self.access_key, &self.secret_key, None, None, "configuration");
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(credentials)
            .force_path_style(self.path_style)
            .http_client(self.http_client()?)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build(),
            )
            // The SDK adds checksums to everything by default, in a form that services other than AWS's refuse.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Ok(aws_sdk_s3::Client::from_conf(builder.build()))
    }

    fn http_client(&self) -> Result<SharedHttpClient, Error> {
        let invalid = |reason: &str| Error::Config(format!("{}: {reason}", self.service_name()));
        // Without TLS the machine's certificates are not needed, and some small machines have none.
        let tls = match self.endpoint.as_deref() {
            Some(endpoint) if endpoint.starts_with("http://") => false,
            Some(endpoint) if !endpoint.starts_with("https://") => {
                return Err(invalid("an endpoint begins with http:// or https://"));
            }
            _ => true,
        };
        let trusted = TrustStore::empty().with_native_roots(tls);
        let context = TlsContext::builder()
            .with_trust_store(trusted)
            .build()
            .map_err(|error| invalid(&format!("TLS can't be set up: {error}")))?;
        Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: Option<&str>) -> BlobConfig {
        BlobConfig {
            endpoint: endpoint.map(str::to_owned),
            region: "eu-central-1".to_owned(),
            access_key: "AKID".to_owned(),
            secret_key: "the secret".to_owned(),
            path_style: true,
        }
    }

    #[test]
    fn the_secret_is_never_shown() {
        let shown = format!("{:?}", config(None));
        assert!(shown.contains("AKID") && !shown.contains("the secret"), "{shown}");
    }

    #[test]
    fn endpoints_need_a_scheme() {
        assert!(config(Some("http://127.0.0.1:9000")).client().is_ok());
        for endpoint in ["127.0.0.1:9000", "s3://host", ""] {
            assert!(matches!(config(Some(endpoint)).client(), Err(Error::Config(_))), "{endpoint}");
        }
    }
}
