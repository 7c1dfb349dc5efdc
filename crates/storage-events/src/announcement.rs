//! What this server tells others: a CloudEvent 1.0 as one JSON object, signed as Standard Webhooks are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use std::fmt;
use thiserror::Error;

/// Media type of the body.
pub const ANNOUNCEMENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// In front of every secret, so that people and scanners know one.
const SECRET_PREFIX: &str = "whsec_";
/// Length of a secret in bytes, as Standard Webhooks have it.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One event for those who subscribed.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement<'a> {
    /// The same for every delivery of one event.
    pub id: &'a str,
    /// Path of what it happened to.
    pub source: &'a str,
    /// What happened.
    pub kind: &'a str,
    /// To which part of the source.
    pub subject: &'a str,
    /// When.
    pub time: Timestamp,
    /// The particulars.
    pub data: Value,
}

impl Announcement<'_> {
    /// The event as a JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.kind,
            "subject": self.subject,
            "time": self.time.to_string(),
            "datacontenttype": "application/json",
            "data": self.data,
        })
    }
}

/// What sender and receiver share: `whsec_` and 24 to 64 bytes in Base64.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

/// A text that is no secret. Whoever chose it can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a webhook's secret is whsec_ and 24 to 64 bytes in Base64")]
pub struct WebhookSecretError;

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// A secret of these bytes, which should be random.
    ///
    /// # Errors
    /// There are fewer than 24 or more than 64.
    pub fn new(bytes: &[u8]) -> Result<Self, WebhookSecretError> {
        SECRET_BYTES.contains(&bytes.len()).then(|| Self(bytes.to_vec())).ok_or(WebhookSecretError)
    }

    /// Reads a secret as people keep it.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let bytes = text.strip_prefix(SECRET_PREFIX).and_then(|text| STANDARD.decode(text).ok());
        Self::new(&bytes.ok_or(WebhookSecretError)?)
    }

    /// The secret as people keep it.
    pub fn to_text(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The headers that prove to whoever knows the secret that `body` is the message `id`, sent at `now`.
    pub fn headers(&self, id: &str, now: Timestamp, body: &[u8]) -> [(&'static str, String); 3] {
        let moment = now.as_second().to_string();
        let signature = self.sign(&[id.as_bytes(), b".", moment.as_bytes(), b".", body]);
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", moment),
            ("webhook-signature", format!("v1,{signature}")),
        ]
    }

    fn sign(&self, parts: &[&[u8]]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in parts {
            mac.update(part);
        }
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let [id, moment, signature] =
            secret.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", now, br#"{"test": 2432232314}"#);
        assert_eq!(id, ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()));
        assert_eq!(moment.1, "1614265330");
        assert_eq!(signature.1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in ["", "whsec_", "whsec_short", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%%"] {
            assert_eq!(WebhookSecret::parse(text), Err(WebhookSecretError), "{text}");
        }
        assert!(WebhookSecret::new(&[0; 23]).is_err() && WebhookSecret::new(&[0; 65]).is_err());
    }

    proptest! {
        #[test]
        fn a_secret_comes_back(bytes in prop::collection::vec(any::<u8>(), 24..=64)) {
            let secret = WebhookSecret::new(&bytes).unwrap();
            prop_assert_eq!(WebhookSecret::parse(&secret.to_text()), Ok(secret));
        }
    }
}
