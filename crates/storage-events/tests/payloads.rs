//! What each provider's documented payload is read as.

use expect_test::expect_file;
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use storage_events::{
    Delivery, Received, SnsKind, SnsMessage, StorageEvent, Untrusted, check_certificate, handshake,
};

fn read(headers: &[(&str, &str)], body: &[u8]) -> Result<Received, storage_events::Malformed> {
    let header =
        |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Delivery { header: &header, body }.read()
}

fn line(event: &StorageEvent) -> String {
    let StorageEvent { container, location, change, etag, version, order } = event;
    format!("{change:?} {container}/{location} etag {etag:?} version {version:?} order {order}\n")
}

fn shown(received: Result<Received, storage_events::Malformed>) -> String {
    match received {
        Ok(Received::Events(events)) => events.iter().map(line).collect(),
        Ok(Received::Validation(code)) => format!("answers {code}\n"),
        Ok(Received::Sns(message)) => sns_shown(&message),
        Err(error) => format!("refused at {}: {}\n", error.target, error.reason),
    }
}

fn payloads() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}

fn sns_shown(message: &SnsMessage) -> String {
    let topic = message.topic();
    assert_eq!(message.verify(&certificate()), Ok(()), "{topic}");
    match message.kind() {
        SnsKind::Notification => {
            format!("of topic {topic}:\n{}", shown(message.events().map(Received::Events)))
        }
        SnsKind::Subscription(url) => format!("subscription to {topic} is confirmed at {url}\n"),
        SnsKind::Unsubscription => format!("subscription to {topic} ended\n"),
    }
}

fn certificate() -> String {
    fs::read_to_string(payloads().join("sns-certificate.pem")).expect("a file")
}

fn sns(body: &Value) -> Result<Box<SnsMessage>, storage_events::Malformed> {
    match read(&[], body.to_string().as_bytes())? {
        Received::Sns(message) => Ok(message),
        other => panic!("no message of SNS: {other:?}"),
    }
}

fn recorded(name: &str) -> Value {
    serde_json::from_slice(&fs::read(payloads().join(name)).expect("a file")).expect("JSON")
}

#[test]
fn a_message_of_sns_counts_as_it_was_signed_alone() {
    for name in ["sns-notification-1.json", "sns-notification-2.json", "sns-subscription.json"] {
        let body = recorded(name);
        let names: Vec<_> = body.as_object().expect("an object").keys().cloned().collect();
        for field in
            names.iter().filter(|field| !field.starts_with("Signature") && *field != "UnsubscribeURL")
        {
            let mut forged = body.clone();
            let text = forged[field].as_str().expect("a text");
            forged[field] = match field.as_str() {
                "SigningCertURL" => continue,
                "SubscribeURL" => format!("{text}0").into(),
                "Type" => "UnsubscribeConfirmation".into(),
                _ => format!("{text} ").into(),
            };
            let verified = sns(&forged).expect("well-formed").verify(&certificate());
            assert_eq!(verified, Err(Untrusted::Signature), "{name}: {field}");
        }
        // A version says how the digest is made, so another one does not fit either.
        let mut other = body.clone();
        other["SignatureVersion"] = if body["SignatureVersion"] == "1" { "2" } else { "1" }.into();
        assert_eq!(sns(&other).expect("well-formed").verify(&certificate()), Err(Untrusted::Signature));
    }
    // A subject that was added counts as signed.
    let mut forged = recorded("sns-notification-2.json");
    forged["Subject"] = "Amazon S3 Notification".into();
    assert_eq!(sns(&forged).expect("well-formed").verify(&certificate()), Err(Untrusted::Signature));
}

#[test]
fn messages_of_sns_that_lead_elsewhere_are_refused_with_their_place() {
    let body = recorded("sns-subscription.json");
    for (field, value) in [
        ("SigningCertURL", "https://example.com/sns.us-west-2.amazonaws.com/a.pem"),
        ("SigningCertURL", "http://sns.us-west-2.amazonaws.com/a.pem"),
        ("SubscribeURL", "https://sns.us-west-2.amazonaws.com@example.com/"),
        ("SubscribeURL", "file:///etc/passwd"),
        ("SignatureVersion", "3"),
        ("Signature", "%"),
        ("Type", "Confirmation"),
        ("Message", ""),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value.into();
        assert_eq!(sns(&wrong).map_err(|error| error.target).err(), Some(format!("#/{field}")), "{value}");
        wrong.as_object_mut().expect("an object").remove(field);
        assert!(read(&[], wrong.to_string().as_bytes()).is_err(), "{field}");
    }
    assert!(matches!(check_certificate("no certificate"), Err(Untrusted::Certificate(_))));
    let cut = certificate().replace("MII", "MIJ");
    assert!(matches!(check_certificate(&cut), Err(Untrusted::Certificate(_))));
    assert_eq!(check_certificate(&certificate()), Ok(()));
}

#[test]
fn an_envelope_holds_no_other_envelope() {
    let mut outer = recorded("sns-notification-2.json");
    outer["Message"] = recorded("sns-notification-1.json").to_string().into();
    let found = sns(&outer).expect("well-formed").events().map_err(|error| error.target);
    assert_eq!(found, Err("#/Message".to_owned()));
    outer["Message"] = r#"{"Records": [{}]}"#.into();
    let found = sns(&outer).expect("well-formed").events().map_err(|error| error.target);
    assert_eq!(found, Err("#/Message#/Records/0/eventName".to_owned()));
}

#[test]
fn every_providers_payload_is_read() {
    let folder = payloads();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".json"))
        .collect();
    names.sort();
    assert!(names.len() >= 10);
    let mut all = String::new();
    for name in names {
        let body = fs::read(folder.join(&name)).expect("a file");
        let _ = write!(all, "── {name}\n{}", shown(read(&[], &body)));
    }
    expect_file!["payloads/golden.txt"].assert_eq(&all);
}

#[test]
fn a_binary_cloud_event_has_its_attributes_in_headers() {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-type", "Microsoft.Storage.BlobCreated"),
        ("ce-source", "/subscriptions/0"),
        ("ce-id", "1"),
        ("ce-subject", "/blobServices/default/containers/letters/blobs/J%C3%BCrgen.txt"),
        ("ce-time", "2026-01-05T10:00:00Z"),
    ];
    let found = shown(read(&headers, br#"{ "eTag": "0x1", "sequencer": "0A" }"#));
    assert!(found.starts_with("Written letters/Jürgen.txt etag Some(\"0x1\")"), "{found}");
    // What other senders say about other things is no fault of theirs.
    let others =
        [("ce-specversion", "1.0"), ("ce-type", "org.example.opened"), ("ce-source", "/"), ("ce-id", "1")];
    assert_eq!(read(&others, b"{}"), Ok(Received::Events(vec![])));
    assert_eq!(read(&others[..3], b"{}").map_err(|error| error.target), Err("#/id".to_owned()));
}

#[test]
fn a_sender_that_asks_for_permission_is_answered() {
    let asks = |headers: &'static [(&'static str, &'static str)]| {
        let header = move |name: &str| {
            headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        handshake(&Delivery { header: &header, body: b"" })
    };
    let allowed = ("webhook-allowed-origin", "eventgrid.azure.net".to_owned());
    assert_eq!(asks(&[("webhook-request-origin", "eventgrid.azure.net")]), Ok(vec![allowed.clone()]));
    let rated = asks(&[("webhook-request-origin", "eventgrid.azure.net"), ("webhook-request-rate", "120")]);
    assert_eq!(rated, Ok(vec![allowed, ("webhook-allowed-rate", "*".to_owned())]));
    assert!(asks(&[]).is_err());
}

#[test]
fn what_has_no_known_form_is_refused_with_its_place() {
    for (body, place) in [
        ("", "#"),
        ("{", "#"),
        ("null", "#"),
        ("17", "#"),
        ("{}", "#/Records"),
        (r#"[{}]"#, "#/0/eventType"),
        (
            r#"[{"eventType":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/c"}]"#,
            "#/0/subject",
        ),
        (r#"{"specversion":"0.3"}"#, "#/specversion"),
        (
            r#"{"detail-type":"Object Created","detail":{"bucket":{"name":"c"},"object":{}}}"#,
            "#/detail/object/key",
        ),
        (
            r#"{"Type":"Notification","TopicArn":"arn:aws:sns:us-east-1:1:t","Message":"{}"}"#,
            "#/SignatureVersion",
        ),
    ] {
        assert_eq!(read(&[], body.as_bytes()).map_err(|error| error.target), Err(place.to_owned()), "{body}");
    }
    assert_eq!(read(&[], b"[]"), Ok(Received::Events(vec![])));
}

proptest! {
    #[test]
    fn a_payload_cut_anywhere_is_refused(index in 0_usize..15, cut in 0.0_f64..1.0) {
        let mut files: Vec<_> = fs::read_dir(payloads()).expect("a folder").map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
        files.sort();
        let body = fs::read(&files[index]).expect("a file");
        let body = body.trim_ascii_end();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a file")]
        let place = (cut * body.len() as f64) as usize;
        prop_assert!(read(&[], &body[..place]).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&[], &bytes);
        let _ = read(&[("ce-specversion", "1.0")], &bytes);
    }
}
