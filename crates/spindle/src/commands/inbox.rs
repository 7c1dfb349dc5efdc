//! `spindle inbox`: what storage services told, and what came of it.

use super::{Common, Session, or_empty};
use crate::print::{self, Align, Paint, Table};
use anyhow::Result;
use clap::Args;
use language_api::storage_events::StorageEventState;
use language_api::{AuthoringRoute, ContainerName, Page};
use std::collections::HashMap;
use std::time::Duration;

/// Between two looks at a server that is watched.
const PAUSE: Duration = Duration::from_secs(1);
/// Events of one look; more in a second are shown by the next looks.
const LATEST: usize = 200;

/// Show what uploads set going: storage events and what came of them
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle inbox --container claims-letters\n  spindle inbox --watch\n  spindle inbox --json | jq '.value[] | select(.state == \"refused\")'"
)]
pub(crate) struct InboxArguments {
    /// Events of this container alone
    #[arg(long)]
    container: Option<ContainerName>,
    /// Go on showing events as they come, until Ctrl+C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(crate) async fn inbox(arguments: InboxArguments) -> Result<()> {
    let session = arguments.common.open()?;
    let filter = arguments.container.map(|name| format!("container={name}")).unwrap_or_default();
    let path = format!("{}/global/storage-events?{filter}", AuthoringRoute::PREFIX);
    if arguments.watch {
        let path = format!("{path}&top={LATEST}");
        tokio::select! {
            watched = watch(&session, &path) => return watched,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
    let answer = session.client.list(&path).await?;
    session.show(&answer, |events: Page<StorageEventState>, paint| {
        or_empty(events.value.len(), table(&events.value, paint), "no storage event came in the last days")
    })
}

/// Prints every event when it comes and again when it came to something.
async fn watch(session: &Session, path: &str) -> Result<()> {
    let mut seen: HashMap<String, String> = HashMap::new();
    loop {
        let events: Page<StorageEventState> = session.client.list(path).await?.read()?;
        let now: HashMap<_, _> =
            events.value.iter().map(|event| (event.event_id.clone(), event.state.clone())).collect();
        for event in events.value.iter().rev().filter(|event| seen.get(&event.event_id) != Some(&event.state))
        {
            print::out(&if session.json { serde_json::to_string(event)? } else { line(event) })?;
        }
        seen = now;
        tokio::time::sleep(PAUSE).await;
    }
}

fn line(event: &StorageEventState) -> String {
    let moment = print::moment(event.handled_date_time.unwrap_or(event.received_date_time));
    let place = format!("{}/{}", event.container_name, event.location);
    format!("{moment}  {:10}  {:7}  {place}{}", event.state, event.change, told(event))
}

fn told(event: &StorageEventState) -> String {
    let one = |outcome: &language_api::storage_events::EventOutcome| match &outcome.project_name {
        Some(project) => format!("{project}: {}", outcome.message),
        None => outcome.message.clone(),
    };
    let all: Vec<_> = event.outcomes.iter().map(one).collect();
    if all.is_empty() { String::new() } else { format!("  ({})", all.join("; ")) }
}

fn table(events: &[StorageEventState], paint: Paint) -> String {
    let mut table = Table::new([
        ("received", Align::Left),
        ("state", Align::Left),
        ("change", Align::Left),
        ("object", Align::Left),
    ]);
    for event in events {
        table.row([
            print::moment(event.received_date_time),
            event.state.clone(),
            event.change.clone(),
            format!("{}/{}{}", event.container_name, event.location, told(event)),
        ]);
    }
    table.text(paint, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn an_event_is_shown_with_what_came_of_it() {
        let text = r#"{"eventId":"0a","source":"installation","containerName":"letters","location":"a b.txt","change":"written","state":"done","receivedDateTime":"2026-01-05T10:00:00Z","handledDateTime":"2026-01-05T10:00:01Z","outcomes":[{"projectName":"Desk","message":"the document is new in the project"}]}"#;
        let event: StorageEventState = serde_json::from_str(text).unwrap();
        expect![[r#"
            received              state  change   object
            2026-01-05 10:00:00Z  done   written  letters/a b.txt  (Desk: the document is new in the project)
            2026-01-05 10:00:01Z  done        written  letters/a b.txt  (Desk: the document is new in the project)"#]]
        .assert_eq(&(table(std::slice::from_ref(&event), Paint::PLAIN) + &line(&event)));
    }
}
