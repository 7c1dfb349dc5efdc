//! `wasi:http` outgoing requests, limited to a component's `allowed_outbound_hosts`.

use http::Uri;
use http_body_util::BodyExt;
use std::sync::Arc;
use thiserror::Error;
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, Result as HttpResult, WasiBody, WasiHttpHooks, default_send_request,
};

/// An `allowed_outbound_hosts` entry that can't be read. The person who wrote the manifest can fix it.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("allowed_outbound_hosts entry {0:?} is not scheme://host[:port]")]
pub struct OutboundHostError(String);

/// Where a component may send requests.
#[derive(Clone, Debug)]
pub(crate) struct OutboundHosts(Arc<[Pattern]>);

#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    scheme: Option<String>,
    host: Option<String>,
    port: Option<u16>,
}

impl OutboundHosts {
    /// Reads the entries of a manifest.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, OutboundHostError> {
        entries
            .iter()
            .map(|entry| Pattern::parse(entry))
            .collect::<Result<Vec<_>, _>>()
            .map(|all| Self(all.into()))
    }

    fn allow(&self, uri: &Uri) -> bool {
        let scheme = uri.scheme_str().unwrap_or("https");
        let default_port = if scheme == "http" { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(default_port);
        uri.host().is_some_and(|host| self.allows(scheme, host, port, default_port))
    }

    /// Whether an entry grants `scheme://host:port`; an entry without a port means the scheme's own.
    pub(crate) fn allows(&self, scheme: &str, host: &str, port: u16, default_port: u16) -> bool {
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
        };
        let host = host.trim_matches(['[', ']']);
        self.0.iter().any(|pattern| {
            let wanted_port = pattern.port.unwrap_or(default_port);
            fits(&pattern.scheme, scheme) && fits(&pattern.host, host) && wanted_port == port
        })
    }
}

impl Pattern {
    fn parse(entry: &str) -> Result<Self, OutboundHostError> {
        let wrong = || OutboundHostError(entry.to_owned());
        let (scheme, authority) = entry.split_once("://").ok_or_else(wrong)?;
        let authority = authority.trim_end_matches('/');
        if authority.is_empty() || authority.contains('/') {
            return Err(wrong());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (authority, None),
        };
        let named = |text: &str| (text != "*").then(|| text.to_owned());
        Ok(Self { scheme: named(scheme), host: named(host.trim_matches(['[', ']'])), port })
    }
}

type Sent = HttpResult<(http::Response<WasiBody>, Box<dyn Future<Output = HttpResult<()>> + Send>)>;

impl WasiHttpHooks for OutboundHosts {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = HttpResult<()>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let allowed = self.allow(request.uri());
        Box::new(async move {
            if !allowed {
                tracing::warn!(
                    host = request.uri().host(),
                    "outgoing request refused: host not in allowed_outbound_hosts"
                );
                return Err(HttpError::HttpRequestDenied);
            }
            let (response, connection) = default_send_request(request, options).await?;
            let connection: Box<dyn Future<Output = HttpResult<()>> + Send> = Box::new(connection);
            Ok((response.map(BodyExt::boxed_unsync), connection))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(entries: &[&str], uri: &str) -> bool {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        OutboundHosts::parse(&entries).expect("valid").allow(&uri.parse().expect("a URI"))
    }

    #[test]
    fn only_declared_hosts_are_allowed() {
        assert!(allow(&["https://api.example.org"], "https://api.example.org/x"));
        assert!(!allow(&["https://api.example.org"], "http://api.example.org/x"));
        assert!(!allow(&["https://api.example.org"], "https://example.org/x"));
        assert!(!allow(&["https://api.example.org"], "https://api.example.org:8443/x"));
        assert!(allow(&["http://127.0.0.1:9000"], "http://127.0.0.1:9000/bucket"));
        assert!(allow(&["*://*"], "https://anything.example/"));
        assert!(!allow(&[], "https://anything.example/"));
    }

    #[test]
    fn unreadable_entries_are_refused() {
        for entry in ["example.org", "https://", "https://a/b", "https://a:port"] {
            assert!(OutboundHosts::parse(&[entry.to_owned()]).is_err(), "{entry}");
        }
    }
}
