//! Who is told what a project extracted, on the wire, and which addresses an installation sends to. Ours, the contract has
//! none.

use crate::error::{ApiError, ErrorKind};
use crate::ids::SubscriberName;
use crate::read::object_of;
use crate::timestamps::WholeSeconds;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Longest address in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// What an event that tells of extracted entities is called.
pub const ENTITIES_EXTRACTED: &str = "spindle.entities.extracted";

/// The body of `PUT /{projectName}/subscribers/{subscriberName}`.
#[derive(Clone, PartialEq, Eq)]
pub struct PutSubscriberRequest {
    /// Where it listens.
    pub url: SubscriberUrl,
    /// Its secret from now on; absent, it keeps the one it has, and a new one is given one.
    pub secret: Option<String>,
}

/// A subscriber as answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriberState {
    /// Name.
    pub subscriber_name: SubscriberName,
    /// Where it listens.
    pub url: String,
    /// Since when it is told.
    pub created_date_time: WholeSeconds,
    /// Its secret, in the answer to the call that made it and never again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// One event on its way to one subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryState {
    /// Id of the job that delivers.
    pub delivery_id: String,
    /// To whom.
    pub subscriber_name: String,
    /// The event, the same for every subscriber and every attempt.
    pub event_id: String,
    /// The document it is about.
    pub location: String,
    /// `waiting`, `delivered` or `dead`.
    pub state: String,
    /// Attempts that were begun.
    pub attempts: u64,
    /// When the event happened.
    pub created_date_time: WholeSeconds,
    /// Last change of this state.
    pub last_updated_date_time: WholeSeconds,
    /// When it is tried next, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_date_time: Option<WholeSeconds>,
    /// What the last attempt came to, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Debug for PutSubscriberRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutSubscriberRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for SubscriberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberState")
            .field("subscriber_name", &self.subscriber_name)
            .finish_non_exhaustive()
    }
}

impl PutSubscriberRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 with every field that is missing, unknown or wrong.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        object_of(body, ErrorKind::Field, |object| {
            object.only(&["url", "secret"]);
            let secret = match object.optional("secret") {
                Some(node) => Some(node.text()?.to_owned()),
                None => None,
            };
            let url = object.required("url")?.parsed(SubscriberUrl::new)?;
            Some(Self { url, secret })
        })
    }
}

/// An address that events can be sent to: `http` or `https`, a host without a user, in signs on which all parsers agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberUrl {
    text: String,
    place: Place,
}

/// Scheme, host and port of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    is_https: bool,
    /// In lower case.
    host: String,
    port: u16,
}

/// Why a text is no address that events can be sent to. Whoever wrote it can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SubscriberUrlError {
    /// It is too long.
    #[error("an address has at most {max} bytes", max = URL_BYTES_MAX)]
    Length,
    /// It holds a sign that addresses hold encoded.
    #[error("an address is made of visible ASCII signs without backslash, < and >; encode others as %XX")]
    Sign,
    /// It is no web address.
    #[error(
        "an address is https://host[:port]/path or http://host[:port]/path, without a user and without a fragment"
    )]
    Form,
}

impl SubscriberUrl {
    /// Checks `text`.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn new(text: &str) -> Result<Self, SubscriberUrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(SubscriberUrlError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\<>\"`{}|^".contains(&byte)) {
            return Err(SubscriberUrlError::Sign);
        }
        let (origin, rest) = split(text).ok_or(SubscriberUrlError::Form)?;
        let place = Place::read(origin).filter(|place| !place.host.contains('*') && !rest.contains('#'));
        Ok(Self { text: text.to_owned(), place: place.ok_or(SubscriberUrlError::Form)? })
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Scheme and authority, and what follows them.
fn split(text: &str) -> Option<(&str, &str)> {
    let authority = text.find("://")? + 3;
    let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |end| authority + end);
    Some(text.split_at(end))
}

impl Place {
    fn read(origin: &str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let number = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None if is_https => 443,
            None => 80,
        };
        let is_name = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_*".contains(&byte));
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_number = inside.is_some_and(|inside| {
            !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
        });
        (is_name || is_number).then(|| Self { is_https, host: host.to_ascii_lowercase(), port: number })
    }

    /// Whether this place, as a rule, holds for `other`: `*.example.com` stands for every name below `example.com`.
    fn holds_for(&self, other: &Self) -> bool {
        let host = match self.host.strip_prefix('*') {
            Some(end) => other.host.len() > end.len() && other.host.ends_with(end),
            None => self.host == other.host,
        };
        host && self.is_https == other.is_https && self.port == other.port
    }
}

/// Where an installation sends events: nowhere unless its operator says so, so that nobody who may configure a project
/// can have the server call into its own network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSubscribers(Vec<Place>);

/// An entry that is no rule. The operator can fix it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not https://host[:port] or http://host[:port], where the host may begin with \"*.\"")]
pub struct AllowedSubscribersError(String);

impl AllowedSubscribers {
    /// Reads entries between commas: `https://hooks.example.com, https://*.example.org, http://10.0.0.7:9000`.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn parse(text: &str) -> Result<Self, AllowedSubscribersError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(rule).collect::<Result<_, _>>().map(Self)
    }

    /// Whether events may be sent to `url`.
    pub fn allows(&self, url: &SubscriberUrl) -> bool {
        self.0.iter().any(|rule| rule.holds_for(&url.place))
    }
}

fn rule(entry: &str) -> Result<Place, AllowedSubscribersError> {
    let wrong = || AllowedSubscribersError(entry.to_owned());
    let place = Place::read(entry.trim_end_matches('/')).ok_or_else(wrong)?;
    let stars = place.host.matches('*').count();
    // A star for a whole top level would be a rule for everything.
    let is_rule = stars == 0 || (stars == 1 && place.host.starts_with("*.") && place.host[2..].contains('.'));
    if is_rule { Ok(place) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allows(rules: &str, url: &str) -> bool {
        AllowedSubscribers::parse(rules).unwrap().allows(&SubscriberUrl::new(url).unwrap())
    }

    #[test]
    fn what_the_operator_allows_is_told_and_nothing_else() {
        assert!(allows("https://hooks.example.com", "https://hooks.example.com/in?token=1"));
        assert!(allows("https://hooks.example.com/", "HTTPS://Hooks.Example.com:443"));
        assert!(allows(" http://127.0.0.1:9000 , https://[::1]:8443", "http://127.0.0.1:9000/x"));
        assert!(allows("https://[::1]:8443", "https://[::1]:8443/"));
        assert!(allows("https://*.example.org", "https://a.b.example.org/"));
        for (rules, url) in [
            ("", "https://hooks.example.com/"),
            ("https://hooks.example.com", "http://hooks.example.com/"),
            ("https://hooks.example.com", "https://hooks.example.com:444/"),
            ("https://hooks.example.com", "https://hooks.example.com.evil.example/"),
            ("https://*.example.org", "https://example.org/"),
            ("https://*.example.org", "https://evilexample.org/"),
            ("http://127.0.0.1:9000", "http://127.1:9000/"),
            ("http://127.0.0.1:9000", "http://2130706433:9000/"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9001/"),
        ] {
            assert!(!allows(rules, url), "{rules:?} {url}");
        }
        for entry in [
            "example.com",
            "https://",
            "ftp://a",
            "https://*",
            "https://*.com",
            "https://a*.b.c",
            "https://a/b",
        ] {
            assert!(AllowedSubscribers::parse(entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn addresses_have_one_reading() {
        for url in ["https://a", "http://a.b:8080/c?d=e%20f", "https://[2001:db8::1]/", "https://a?b"] {
            assert_eq!(SubscriberUrl::new(url).map(|url| url.as_str().to_owned()), Ok(url.to_owned()));
        }
        for (url, error) in [
            ("", SubscriberUrlError::Form),
            ("a/b", SubscriberUrlError::Form),
            ("file:///etc/passwd", SubscriberUrlError::Form),
            ("https://user@a/", SubscriberUrlError::Form),
            ("https://user:secret@a/", SubscriberUrlError::Form),
            ("https://a@b:80@c/", SubscriberUrlError::Form),
            ("https://a:b/", SubscriberUrlError::Form),
            ("https://a:99999/", SubscriberUrlError::Form),
            ("https://*.a.b/", SubscriberUrlError::Form),
            ("https://a/#b", SubscriberUrlError::Form),
            ("https://a\\@b/", SubscriberUrlError::Sign),
            ("https://a /", SubscriberUrlError::Sign),
            ("https://a/\r\nb: c", SubscriberUrlError::Sign),
            ("https://bücher.example/", SubscriberUrlError::Sign),
        ] {
            assert_eq!(SubscriberUrl::new(url), Err(error), "{url}");
        }
        assert_eq!(
            SubscriberUrl::new(&format!("https://a/{}", "b".repeat(2_048))),
            Err(SubscriberUrlError::Length)
        );
    }

    #[test]
    fn a_body_names_its_address() {
        let target =
            |body: &str| PutSubscriberRequest::parse(body.as_bytes()).unwrap_err().target.unwrap_or_default();
        assert_eq!(target("{}"), "url");
        assert_eq!(target(r#"{"url":"a"}"#), "url");
        assert_eq!(target(r#"{"url":"https://a","secret":1}"#), "secret");
        assert_eq!(target(r#"{"url":"https://a","name":"b"}"#), "name");
        let whole = PutSubscriberRequest::parse(br#"{"url":"https://a","secret":"s"}"#).unwrap();
        assert_eq!((whole.url.as_str(), whole.secret.as_deref()), ("https://a", Some("s")));
        let shown = PutSubscriberRequest::parse(br#"{"url":"https://a","secret":"hidden"}"#).unwrap();
        assert!(!format!("{shown:?}").contains("hidden"));
    }

    proptest! {
        #[test]
        fn an_address_that_is_allowed_lies_at_the_allowed_host(url in "https?://[a-c.@:*\\[\\]\\\\/?#%1-2]{0,12}") {
            let Ok(url) = SubscriberUrl::new(&url) else { return Ok(()) };
            let allowed = AllowedSubscribers::parse("https://a.b").unwrap();
            if allowed.allows(&url) {
                let rest = url.as_str().strip_prefix("https://a.b");
                prop_assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', ':'])), "{}", url.as_str());
            }
        }
    }
}
