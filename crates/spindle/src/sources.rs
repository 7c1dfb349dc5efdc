//! `spindle source`: who may send storage events. Works on the catalog itself, as `spindle key` does.

use crate::access::random;
use crate::keys::{Place, can_be_typed};
use crate::print::{self, Align, Paint, Table};
use anyhow::{Context, Result, bail};
use catalog::{EventSource, NewEventSource};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use storage_events::check_certificate;

/// Add, list and remove senders of storage events
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle source add minio\n  spindle source add letters-topic --kind sns --topic arn:aws:sns:us-east-1:123456789012:letters\n  spindle source list\n  spindle source remove minio\n\nA sender posts to <ENDPOINT>/events/storage with the header \"Authorization: Bearer <SECRET>\"; one that can't set headers\nadds ?secret=<SECRET> to the address."
)]
pub(crate) struct SourceArguments {
    #[command(subcommand)]
    command: SourceCommand,
}

#[derive(Subcommand)]
enum SourceCommand {
    /// Make a secret for a sender and print it, this once: the server keeps its digest alone
    #[command(
        after_help = "Examples:\n  spindle source add minio\n  spindle source add letters-topic --kind sns --topic arn:aws:sns:us-east-1:123456789012:letters\n\nA topic of SNS is subscribed with the address <ENDPOINT>/events/storage?secret=<SECRET>; the subscription is then confirmed by\nitself, and its messages count when they are signed. Raw delivery is taken, too; there, the secret alone is the proof."
    )]
    Add {
        /// What people call the sender
        name: String,
        /// How the sender proves what it says
        #[arg(long, value_enum, default_value_t = Kind::Secret)]
        kind: Kind,
        /// ARN of a topic that the sender speaks for; may be given several times
        #[arg(long, value_name = "ARN", required_if_eq("kind", "sns"))]
        topic: Vec<String>,
        /// PEM file with a certificate that signs its messages; may be given several times. Without, SNS is asked for it,
        /// which needs a way out to sns.<REGION>.amazonaws.com
        #[arg(long, value_name = "FILE")]
        certificate: Vec<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// All senders by name
    #[command(after_help = "Example:\n  spindle source list")]
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Take no more events from a sender
    #[command(after_help = "Example:\n  spindle source remove minio")]
    Remove {
        /// Name of the sender
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// By its secret
    Secret,
    /// By its secret, and the signature of Amazon SNS
    Sns,
}

/// Runs the subcommand.
pub(crate) async fn source(arguments: SourceArguments) -> Result<()> {
    match arguments.command {
        SourceCommand::Add { name, kind, topic, certificate, place } => {
            add(name, kind, topic, &certificate, &place).await
        }
        SourceCommand::List { place } => list(&place).await,
        SourceCommand::Remove { name, place } => {
            place.open().await?.remove_event_source(&name).await?;
            if place.json {
                return Ok(print::out(&json!({ "name": name, "removed": true }).to_string())?);
            }
            print::note(&format!("no more events are taken from {name}"));
            Ok(())
        }
    }
}

async fn add(
    name: String,
    kind: Kind,
    topics: Vec<String>,
    certificates: &[PathBuf],
    place: &Place,
) -> Result<()> {
    if !can_be_typed(&name) {
        bail!("a sender needs a name, under which its events are shown, without blanks around it");
    }
    if kind == Kind::Secret && !(topics.is_empty() && certificates.is_empty()) {
        bail!("topics and certificates belong to a sender of SNS: add --kind sns");
    }
    if let Some(topic) = topics.iter().find(|topic| !is_topic(topic)) {
        bail!("{topic:?} is no topic of SNS; its ARN is arn:aws:sns:<REGION>:<ACCOUNT>:<NAME>");
    }
    let certificates = certificates.iter().map(|file| certificate(file)).collect::<Result<_>>()?;
    let secret = random();
    let source = NewEventSource { name, topics, certificates };
    place.open().await?.add_event_source(&source, &secret, Timestamp::now()).await?;
    let name = &source.name;
    if place.json {
        return Ok(print::out(&json!({ "name": name, "secret": secret }).to_string())?);
    }
    print::note(&format!("events of {name} are taken from now on; its secret is shown this once:"));
    Ok(print::out(&secret)?)
}

fn is_topic(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let [arn, partition, service, region, account, name] = parts.as_slice() else { return false };
    *arn == "arn"
        && partition.starts_with("aws")
        && *service == "sns"
        && [region, account, name].iter().all(|part| !part.is_empty() && !part.contains(char::is_whitespace))
}

fn certificate(file: &Path) -> Result<String> {
    let named = || format!("cannot use the certificate {}", file.display());
    let pem = fs::read_to_string(file).with_context(named)?;
    check_certificate(&pem).with_context(named)?;
    Ok(pem)
}

async fn list(place: &Place) -> Result<()> {
    let sources = place.open().await?.event_sources().await?;
    if place.json {
        let value: Vec<_> = sources.iter().map(wire).collect();
        return Ok(print::out(&json!({ "value": value }).to_string())?);
    }
    if sources.is_empty() {
        print::note("no senders but the server's own storage");
        return Ok(());
    }
    Ok(print::out(&table(&sources, Paint::stdout()))?)
}

fn wire(source: &EventSource) -> serde_json::Value {
    let topic = |topic: &catalog::SnsTopic| json!({ "topic": topic.topic, "state": topic.state.word(), "reason": topic.reason });
    json!({ "name": source.name, "topics": source.topics.iter().map(topic).collect::<Vec<_>>() })
}

fn table(sources: &[EventSource], paint: Paint) -> String {
    let mut table =
        Table::new(["sender", "topic", "subscription", "last"].map(|heading| (heading, Align::Left)));
    for source in sources {
        if source.topics.is_empty() {
            table.row([source.name.clone(), String::new(), String::new(), String::new()]);
        }
        for topic in &source.topics {
            let state = topic.state.word().to_owned();
            table.row([source.name.clone(), topic.topic.clone(), state, topic.reason.clone()]);
        }
    }
    table.text(paint, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::{SnsTopic, TopicState};
    use expect_test::expect;

    #[test]
    fn topics_have_six_parts() {
        assert!(is_topic("arn:aws:sns:us-east-1:123456789012:letters"));
        assert!(is_topic("arn:aws-cn:sns:cn-north-1:123456789012:letters"));
        for text in
            ["letters", "arn:aws:sqs:us-east-1:1:letters", "arn:aws:sns::1:letters", "arn:aws:sns:a:1:b c"]
        {
            assert!(!is_topic(text), "{text}");
        }
    }

    #[test]
    fn senders_are_shown_with_what_became_of_their_topics() {
        let topic = SnsTopic {
            topic: "arn:aws:sns:us-east-1:1:letters".to_owned(),
            state: TopicState::Confirmed,
            reason: "SNS was told that it may deliver".to_owned(),
        };
        let source =
            |name: &str, topics: &[SnsTopic]| EventSource { name: name.to_owned(), topics: topics.to_vec() };
        expect![[r#"
            sender  topic                            subscription  last
            minio
            topic   arn:aws:sns:us-east-1:1:letters  confirmed     SNS was told that it may deliver
        "#]]
        .assert_eq(&table(&[source("minio", &[]), source("topic", &[topic])], Paint::PLAIN));
    }
}
