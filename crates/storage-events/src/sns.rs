//! Messages of Amazon SNS: who signed them, and the notification of S3 inside.
//!
//! SNS signs a text of some fields with RSA and says where its certificate lies. A message is believed when a certificate
//! that the operator gave, or that came from an address of SNS itself, fits its signature.

use crate::place::{Malformed, Place};
use crate::{Delivery, Received, StorageEvent};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::der::{DecodePem, Encode};

/// What PKCS #1 puts before a digest: the name of its algorithm in DER.
const SHA1_PREFIX: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];
/// Hosts of SNS are `sns.{region}` and one of these.
const DOMAINS: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];
/// Fields that are signed, in their order; one that is absent is left out.
const NOTIFICATION_SIGNED: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION_SIGNED: [&str; 7] =
    ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// A message of SNS. Nothing in it counts before [`SnsMessage::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnsMessage {
    kind: SnsKind,
    topic: String,
    certificate_url: String,
    message: String,
    signed: String,
    signature: Vec<u8>,
    is_sha256: bool,
}

/// What a message of SNS is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnsKind {
    /// Something was published to the topic.
    Notification,
    /// SNS asks whether it may deliver; a visit to this address says yes.
    Subscription(String),
    /// Nothing more will come.
    Unsubscription,
}

/// Why a message of SNS is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Untrusted {
    /// The certificate is none. Whoever gave it can fix it.
    #[error("the certificate is not readable: {0}")]
    Certificate(String),
    /// Somebody else signed, or changed the message afterwards.
    #[error("the signature does not fit the message and the certificate")]
    Signature,
}

impl SnsMessage {
    /// Reads an envelope.
    pub(crate) fn read(body: &Place<'_>) -> Result<Self, Malformed> {
        let topic = body.field("TopicArn")?.text()?.to_owned();
        let (kind, names) = match body.field("Type")?.text()? {
            "Notification" => (SnsKind::Notification, NOTIFICATION_SIGNED.as_slice()),
            "SubscriptionConfirmation" => {
                let url = body.field("SubscribeURL")?;
                if !is_address(url.text()?) {
                    return Err(url.wrong("is no address of SNS: https://sns.{region}.amazonaws.com/…"));
                }
                (SnsKind::Subscription(url.text()?.to_owned()), CONFIRMATION_SIGNED.as_slice())
            }
            "UnsubscribeConfirmation" => (SnsKind::Unsubscription, CONFIRMATION_SIGNED.as_slice()),
            _ => return Err(body.field("Type")?.wrong("SNS has no such type of message")),
        };
        let version = body.field("SignatureVersion")?;
        let is_sha256 = match version.text()? {
            "1" => false,
            "2" => true,
            _ => return Err(version.wrong("signatures of versions 1 and 2 are known")),
        };
        let signature = body.field("Signature")?;
        let certificate = body.field("SigningCertURL")?;
        if !is_certificate_address(certificate.text()?) {
            return Err(
                certificate.wrong("is no certificate of SNS: https://sns.{region}.amazonaws.com/….pem")
            );
        }
        Ok(Self {
            kind,
            topic,
            certificate_url: certificate.text()?.to_owned(),
            message: body.field("Message")?.text()?.to_owned(),
            signed: signed_text(body, names)?,
            signature: STANDARD
                .decode(signature.text()?)
                .map_err(|_| signature.wrong("must be in Base64"))?,
            is_sha256,
        })
    }

    /// What it is about.
    pub fn kind(&self) -> &SnsKind {
        &self.kind
    }

    /// The topic's ARN.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Where SNS has its certificate: an address of SNS itself, over https.
    pub fn certificate_url(&self) -> &str {
        &self.certificate_url
    }

    /// Whether the owner of `certificate`, in PEM, signed the message.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn verify(&self, certificate: &str) -> Result<(), Untrusted> {
        let key = public_key(certificate)?;
        let (scheme, digest) = if self.is_sha256 {
            (scheme(&SHA256_PREFIX, Sha256::output_size()), Sha256::digest(&self.signed).to_vec())
        } else {
            (scheme(&SHA1_PREFIX, Sha1::output_size()), Sha1::digest(&self.signed).to_vec())
        };
        key.verify(scheme, &digest, &self.signature).map_err(|_| Untrusted::Signature)
    }

    /// The events of a notification; none in another message.
    ///
    /// # Errors
    /// [`Malformed`]: what was published is no notification of a storage service.
    pub fn events(&self) -> Result<Vec<StorageEvent>, Malformed> {
        if self.kind != SnsKind::Notification {
            return Ok(vec![]);
        }
        let published = Delivery { header: &|_| None, body: self.message.as_bytes() };
        match published.read() {
            Ok(Received::Events(events)) => Ok(events),
            Ok(_) => Err(Malformed::new("#/Message", "holds no events of objects")),
            Err(error) => Err(Malformed::new(format!("#/Message{}", error.target), error.reason)),
        }
    }
}

/// Whether `certificate`, in PEM, holds a key that signatures can be checked with.
///
/// # Errors
/// [`Untrusted::Certificate`].
pub fn check_certificate(certificate: &str) -> Result<(), Untrusted> {
    public_key(certificate).map(drop)
}

fn public_key(certificate: &str) -> Result<RsaPublicKey, Untrusted> {
    let unreadable = |error: &dyn std::fmt::Display| Untrusted::Certificate(error.to_string());
    let certificate = Certificate::from_pem(certificate.trim_start()).map_err(|error| unreadable(&error))?;
    let key = certificate.tbs_certificate.subject_public_key_info.to_der();
    RsaPublicKey::from_public_key_der(&key.map_err(|error| unreadable(&error))?)
        .map_err(|error| unreadable(&error))
}

fn scheme(prefix: &[u8], digest_bytes: usize) -> Pkcs1v15Sign {
    Pkcs1v15Sign { hash_len: Some(digest_bytes), prefix: prefix.into() }
}

/// Name and value of every signed field, each ended by a line feed.
fn signed_text(body: &Place<'_>, names: &[&str]) -> Result<String, Malformed> {
    let mut text = String::new();
    for name in names {
        let Some(field) = body.optional(name) else { continue };
        let value = field.value.as_str().ok_or_else(|| field.wrong("must be a string"))?;
        for part in [name, value] {
            text.push_str(part);
            text.push('\n');
        }
    }
    Ok(text)
}

/// Whether a value is an envelope of SNS.
pub(crate) fn is_one(body: &Value) -> bool {
    body.get("TopicArn").is_some() && body.get("Type").is_some()
}

fn is_certificate_address(url: &str) -> bool {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    is_address(url) && path.is_some_and(|path| path.ends_with(".pem") && plain(path))
}

/// Whether `url` leads to SNS over https and nowhere else: no other port, no user, no sign that parsers disagree on.
fn is_address(url: &str) -> bool {
    let host = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')).map(|(host, _)| host);
    let region = host.and_then(|host| {
        let rest = host.strip_prefix("sns.")?;
        DOMAINS.iter().find_map(|domain| rest.strip_suffix(domain))
    });
    let plain = |region: &str| {
        !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    region.is_some_and(plain) && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_sns_alone() {
        for url in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem",
        ] {
            assert!(is_certificate_address(url), "{url}");
        }
        assert!(is_address("https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=23"));
        for url in [
            "http://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
            "https://evil@sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com:444/a.pem",
            "https://sns.evil.example/.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://bucket.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com\\.evil.example/a.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem\n",
            "https://sns.us-east-1.amazonaws.com",
            "//sns.us-east-1.amazonaws.com/a.pem",
            "",
        ] {
            assert!(!is_certificate_address(url) && !is_address(url), "{url}");
        }
        assert!(!is_certificate_address("https://sns.us-east-1.amazonaws.com/?Action=Publish&x=.pem"));
    }
}
