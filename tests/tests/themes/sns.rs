//! Messages of SNS: believed when its certificate fits, and SNS alone is visited. A stand-in for SNS makes them, behind the proxy
//! and the certificate authority that the server is told of as it would be on any closed network.

use crate::events::{settled, until};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::command::{command, run};
use spindle_tests::python::{self, Script};
use spindle_tests::{Answer, Client, Server};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use ureq::http::Request;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:letters";
const CONFIRM: &str = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=1";

/// A server that reaches the stand-in, and nothing else of SNS.
struct Topic {
    script: Script,
    folder: tempfile::TempDir,
    server: Server,
    client: Client,
}

impl Topic {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut script = python::EVENTS.start("sns.py", &[folder.path()])?;
        let proxy = format!("http://127.0.0.1:{}", script.line()?);
        fs::write(folder.path().join("visited"), "")?;
        let authority = folder.path().join("authority.pem");
        let variables: [(&str, &OsStr); 2] =
            [("HTTPS_PROXY", proxy.as_ref()), ("SSL_CERT_FILE", authority.as_ref())];
        let server = Server::start_in(&folder.path().join("data"), &[], &variables)?;
        let client = server.client();
        Ok(Self { script, folder, server, client })
    }

    /// Lets a sender speak for the topic; returns its secret.
    fn allow(&self, name: &str, certificate: Option<&Path>) -> Result<String> {
        let data = self.server.data().to_str().context("the data folder's name is not UTF-8")?;
        let mut arguments =
            vec!["source", "add", name, "--kind", "sns", "--topic", TOPIC, "--data", data, "--json"];
        let certificate = certificate.map(|path| path.display().to_string());
        arguments.extend(certificate.iter().flat_map(|path| ["--certificate", path.as_str()]));
        let made = run(command(&arguments)?, "")?.json()?;
        Ok(made["secret"].as_str().context("no secret")?.to_owned())
    }

    /// Where the subscription stands, and what happened last.
    fn state(&self) -> Result<(String, String)> {
        let data = self.server.data().to_str().context("the data folder's name is not UTF-8")?;
        let listed = run(command(&["source", "list", "--data", data, "--json"])?, "")?.json()?;
        let topic = &listed["value"][0]["topics"][0];
        let text = |key: &str| topic[key].as_str().unwrap_or_default().to_owned();
        Ok((text("state"), text("reason")))
    }

    fn visited(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("visited"))?)
    }

    /// A message with SNS's signature.
    fn signed(&mut self, kind: &str, fields: &Value) -> Result<Value> {
        let mut message = json!({ "Type": kind, "MessageId": "1", "TopicArn": TOPIC, "Timestamp": "2026-01-05T10:00:00.000Z",
            "Message": "You have chosen to subscribe to the topic." });
        if kind != "Notification" {
            message["Token"] = "1".into();
            message["SubscribeURL"] = CONFIRM.into();
        }
        for (name, value) in fields.as_object().context("no fields")? {
            message[name] = value.clone();
        }
        Ok(serde_json::from_str(&self.script.ask(&message.to_string())?)?)
    }

    fn notification(&mut self, key: &str, version: &str) -> Result<Value> {
        let message = records(key).to_string();
        self.signed(
            "Notification",
            &json!({ "Subject": "Amazon S3 Notification", "Message": message, "SignatureVersion": version }),
        )
    }

    /// Delivers as SNS does, which can set no headers.
    fn deliver(&self, secret: &str, message: &Value, headers: &[(&str, &str)]) -> Result<Answer> {
        let address = format!("{}/events/storage?secret={secret}", self.client.endpoint);
        let mut request = Request::post(address).header("Content-Type", "text/plain; charset=UTF-8");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client.run(request.body(message.to_string().into_bytes())?)
    }
}

fn records(key: &str) -> Value {
    json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "letters" },
        "object": { "key": key, "eTag": "1", "sequencer": "01" } } }] })
}

#[test]
fn a_topic_is_confirmed_and_believed_by_its_signature() -> Result<()> {
    let mut topic = Topic::start()?;
    let secret = topic.allow("letters-topic", None)?;
    let subscription = topic.signed("SubscriptionConfirmation", &json!({}))?;
    assert_eq!(topic.deliver("wrong", &subscription, &[])?.status, 401);
    let foreign =
        topic.signed("SubscriptionConfirmation", &json!({ "TopicArn": format!("{TOPIC}-of-another") }))?;
    assert_eq!(topic.deliver(&secret, &foreign, &[])?.status, 403);

    // Nobody knows the certificate yet: a job fetches it, and finds that this was altered.
    let mut forged = subscription.clone();
    forged["SubscribeURL"] = "https://sns.us-east-1.amazonaws.com/?Action=DeleteTopic".into();
    let queued = json!({ "accepted": 0, "repeated": 0, "queued": 1 });
    assert_eq!(topic.deliver(&secret, &forged, &[])?.expect(200)?, queued);
    until("the refusal", || Ok(topic.state()?.1.contains("the signature fits none").then_some(())))?;
    assert_eq!((topic.state()?.0, topic.visited()?), ("allowed".to_owned(), String::new()));

    assert_eq!(topic.deliver(&secret, &subscription, &[])?.expect(200)?, queued);
    until("the confirmation", || Ok((topic.state()?.0 == "confirmed").then_some(())))?;
    assert_eq!(topic.visited()?, "/?Action=ConfirmSubscription&Token=1\n");

    for (version, key) in [("1", "a+b.txt"), ("2", "c.txt")] {
        let message = topic.notification(key, version)?;
        for (accepted, repeated) in [(1, 0), (0, 1)] {
            let answer = topic.deliver(&secret, &message, &[])?.expect(200)?;
            assert_eq!(answer, json!({ "accepted": accepted, "repeated": repeated }));
        }
        let mut forged = message.clone();
        forged["Message"] = records("forged.txt").to_string().into();
        assert_eq!(topic.deliver(&secret, &forged, &[])?.status, 403);
    }
    let raw = |arn: &'static str| [("x-amz-sns-rawdelivery", "true"), ("x-amz-sns-topic-arn", arn)];
    assert_eq!(topic.deliver(&secret, &records("raw.txt"), &raw(TOPIC))?.expect(200)?["accepted"], 1);
    assert_eq!(
        topic.deliver(&secret, &records("forged.txt"), &raw("arn:aws:sns:us-east-1:1:other"))?.status,
        403
    );
    let events = settled(&topic.client, "letters")?;
    let mut keys: Vec<_> = events.iter().filter_map(|event| event["location"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a b.txt", "c.txt", "raw.txt"]);
    assert!(events.iter().all(|event| event["source"] == "letters-topic" && event["state"] == "ignored"));

    let end = topic.signed("UnsubscribeConfirmation", &json!({}))?;
    topic.deliver(&secret, &end, &[])?.expect(200)?;
    assert_eq!(topic.state()?.0, "ended");
    assert_eq!(topic.visited()?.lines().count(), 1, "what ended is not begun anew");
    Ok(())
}

#[test]
fn given_certificates_are_the_only_ones_that_count() -> Result<()> {
    let mut topic = Topic::start()?;
    let folder = topic.folder.path().to_path_buf();
    let right = topic.allow("right", Some(&folder.join("signer.pem")))?;
    let wrong = topic.allow("wrong", Some(&folder.join("authority.pem")))?;
    let message = topic.notification("a.txt", "2")?;
    assert_eq!(topic.deliver(&wrong, &message, &[])?.status, 403);
    assert_eq!(topic.deliver(&right, &message, &[])?.expect(200)?["accepted"], 1);
    let data = topic.server.data().to_str().context("the data folder's name is not UTF-8")?;
    let host = folder.join("visited").display().to_string();
    for (arguments, reason) in [
        (vec!["--kind", "sns"], "--topic"),
        (vec!["--kind", "sns", "--topic", "letters"], "no topic of SNS"),
        (vec!["--topic", TOPIC], "--kind sns"),
        (vec!["--kind", "sns", "--topic", TOPIC, "--certificate", &host], "certificate"),
    ] {
        let refused =
            run(command(&[&["source", "add", "other", "--data", data], arguments.as_slice()].concat())?, "")?;
        assert!(refused.code > 0 && refused.stderr.contains(reason), "{refused:?}");
    }
    Ok(())
}
