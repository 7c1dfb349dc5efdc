//! `spindle subscriber`: who is told what a project extracted, and what became of it.

use super::{Common, or_empty};
use crate::client::{self, project_path};
use crate::print::{self, Align, Paint, Table};
use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use language_api::ids::SubscriberName;
use language_api::subscribers::DeliveryState;
use language_api::{JobId, Page, ProjectName, SubscriberState};
use reqwest::Method;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// Add, list and remove those who are told when entities were extracted, and see what was told
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle subscriber add ClaimsDesk desk https://hooks.example.com/entities\n  spindle subscriber deliveries ClaimsDesk --state dead\n  spindle subscriber retry ClaimsDesk <DELIVERY>\n\nThe server sends to addresses alone that its operator allows: spindle up --subscribers https://hooks.example.com"
)]
pub(crate) struct SubscriberArguments {
    #[command(subcommand)]
    command: SubscriberCommand,
}

#[derive(Subcommand)]
enum SubscriberCommand {
    /// Have somebody told, or change where; a new one's secret is printed, this once
    #[command(
        after_help = "Example:\n  spindle subscriber add ClaimsDesk desk https://hooks.example.com/entities"
    )]
    Add {
        #[command(flatten)]
        subscriber: NamedSubscriber,
        /// Where it listens
        url: String,
        /// File with the secret to sign with (whsec_…); the server makes one when absent
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// All subscribers by name
    #[command(after_help = "Example:\n  spindle subscriber list ClaimsDesk")]
    List {
        /// Name of the project
        project: ProjectName,
        #[command(flatten)]
        common: Common,
    },
    /// Tell somebody nothing more
    #[command(after_help = "Example:\n  spindle subscriber remove ClaimsDesk desk")]
    Remove {
        #[command(flatten)]
        subscriber: NamedSubscriber,
        #[command(flatten)]
        common: Common,
    },
    /// What was told and what is still to be, the newest first
    #[command(after_help = "Example:\n  spindle subscriber deliveries ClaimsDesk --state dead")]
    Deliveries {
        /// Name of the project
        project: ProjectName,
        /// Deliveries in this state alone
        #[arg(long, value_enum)]
        state: Option<State>,
        #[command(flatten)]
        common: Common,
    },
    /// Send the event of a delivery that was given up once more
    #[command(after_help = "Example:\n  spindle subscriber retry ClaimsDesk <DELIVERY>")]
    Retry {
        /// Name of the project
        project: ProjectName,
        /// Id of the delivery, as `deliveries --json` shows it
        delivery: JobId,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct NamedSubscriber {
    /// Name of the project
    project: ProjectName,
    /// Name of the subscriber
    subscriber: SubscriberName,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    /// To be told, perhaps not for the first time
    Waiting,
    /// The subscriber took it
    Delivered,
    /// Given up
    Dead,
}

impl NamedSubscriber {
    fn path(&self) -> String {
        project_path(&self.project, &format!("/subscribers/{}", self.subscriber))
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// Runs the command.
pub(crate) async fn subscriber(arguments: SubscriberArguments) -> Result<()> {
    match arguments.command {
        SubscriberCommand::Add { subscriber, url, secret_file, common } => {
            add(&subscriber, &url, secret_file, &common).await
        }
        SubscriberCommand::List { project, common } => {
            let session = common.open()?;
            let answer = session.client.list(&project_path(&project, "/subscribers")).await?;
            session.show(&answer, |found: Page<SubscriberState>, paint| {
                let empty =
                    format!("{project} tells nobody; `spindle subscriber add {project} <NAME> <URL>`");
                or_empty(found.value.len(), table(&found.value, paint), &empty)
            })
        }
        SubscriberCommand::Remove { subscriber, common } => {
            let session = common.open()?;
            let answer = session.client.send(Method::DELETE, &subscriber.path(), None).await?;
            session.say(&answer, &format!("{} is told nothing more", subscriber.subscriber))
        }
        SubscriberCommand::Deliveries { project, state, common } => {
            let session = common.open()?;
            let filter = state.map(|state| format!("?state={}", state.word())).unwrap_or_default();
            let answer =
                session.client.list(&project_path(&project, &format!("/deliveries{filter}"))).await?;
            session.show(&answer, |found: Page<DeliveryState>, paint| {
                or_empty(
                    found.value.len(),
                    deliveries(&found.value, paint),
                    "no such delivery in the last days",
                )
            })
        }
        SubscriberCommand::Retry { project, delivery, common } => {
            let session = common.open()?;
            let path = project_path(&project, &format!("/deliveries/{delivery}/:retry"));
            let answer = session.client.send(Method::POST, &path, None).await?;
            session.show(&answer, |found: DeliveryState, _| {
                format!(
                    "{} is told of {} once more: {}",
                    found.subscriber_name, found.location, found.delivery_id
                )
            })
        }
    }
}

async fn add(
    subscriber: &NamedSubscriber,
    url: &str,
    secret_file: Option<PathBuf>,
    common: &Common,
) -> Result<()> {
    let mut request = json!({ "url": url });
    if let Some(file) = secret_file {
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("cannot read the secret in {}", file.display()))?;
        request["secret"] = text.trim().into();
    }
    let session = common.open()?;
    let answer = session.client.send(Method::PUT, &subscriber.path(), client::body(&request)?).await?;
    let found: SubscriberState = answer.read()?;
    if let (Some(_), false) = (&found.secret, session.json) {
        print::note(&format!(
            "{} is told from now on; its secret is shown this once:",
            found.subscriber_name
        ));
    }
    let sentence = format!("{} is told at {}", found.subscriber_name, found.url);
    session.say(&answer, found.secret.as_deref().unwrap_or(&sentence))
}

fn table(subscribers: &[SubscriberState], paint: Paint) -> String {
    let mut table =
        Table::new([("subscriber", Align::Left), ("since", Align::Left), ("address", Align::Left)]);
    for subscriber in subscribers {
        let since = print::moment(subscriber.created_date_time);
        table.row([subscriber.subscriber_name.to_string(), since, subscriber.url.clone()]);
    }
    table.text(paint, 0)
}

fn deliveries(deliveries: &[DeliveryState], paint: Paint) -> String {
    let mut table = Table::new([
        ("happened", Align::Left),
        ("subscriber", Align::Left),
        ("state", Align::Left),
        ("attempts", Align::Right),
        ("document", Align::Left),
        ("last attempt", Align::Left),
    ]);
    for delivery in deliveries {
        table.row([
            print::moment(delivery.created_date_time),
            delivery.subscriber_name.clone(),
            delivery.state.clone(),
            delivery.attempts.to_string(),
            delivery.location.clone(),
            delivery.reason.clone().unwrap_or_default(),
        ]);
    }
    table.text(paint, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn what_was_told_is_shown_with_what_came_of_it() {
        let text = r#"{"deliveryId":"8a207877-a5bd-4b51-b820-bbaa4a9ccec1_638505504000000000","subscriberName":"desk","eventId":"1","location":"in/a b.txt","state":"dead","attempts":9,"createdDateTime":"2026-01-05T10:00:00Z","lastUpdatedDateTime":"2026-01-05T14:33:00Z","reason":"the subscriber answered 500"}"#;
        let delivery: DeliveryState = serde_json::from_str(text).unwrap();
        expect![[r#"
            happened              subscriber  state  attempts  document    last attempt
            2026-01-05 10:00:00Z  desk        dead          9  in/a b.txt  the subscriber answered 500
        "#]]
        .assert_eq(&deliveries(&[delivery], Paint::PLAIN));
    }
}
