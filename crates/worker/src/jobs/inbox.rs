//! The inbox of a container: what its storage events come to.
//!
//! An event only says where to look: what counts is the object as it is now. So events may come twice, in any order or
//! late, and come to the same.

use super::extract_document::wanted_extraction;
use super::look::{Look, look};
use crate::failure::Failure;
use crate::run::Run;
use crate::watching::Watching;
use catalog::{Asked, EventState, NewExtraction, Noted, ObjectNote, Project, SettledEvent, StorageEvent};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use language_api::storage_events::{EventOutcome, is_document, key_refusal};
use std::collections::{BTreeMap, BTreeSet};

/// Events worked on together.
const BATCH: u32 = 256;
/// Objects looked at at once.
const LOOKS_AT_ONCE: usize = 16;

/// Runs the job, which ends itself when nothing waits any more.
pub(crate) async fn inbox(run: &Run) -> Result<(), Failure> {
    let catalog = &run.services.catalog;
    let container = &run.job.target;
    loop {
        run.stop.check()?;
        let waiting = catalog.waiting_events(container, BATCH).await?;
        if waiting.is_empty() {
            if catalog.finish_inbox(&run.lease, container, Timestamp::now()).await? {
                return Ok(());
            }
            continue;
        }
        let settled = settle(run, container, waiting).await?;
        catalog.settle_events(&run.lease, &settled, Timestamp::now()).await?;
    }
}

/// What each object came to.
#[derive(Default)]
struct Outcomes {
    refused: bool,
    did: bool,
    told: Vec<EventOutcome>,
}

impl Outcomes {
    fn tell(&mut self, project: Option<&str>, did: bool, message: impl Into<String>, job: Option<String>) {
        self.did |= did;
        let project_name = project.map(str::to_owned);
        self.told.push(EventOutcome { project_name, message: message.into(), job_id: job });
    }

    fn state(&self) -> EventState {
        match (self.did, self.refused) {
            (true, _) => EventState::Done,
            (false, true) => EventState::Refused,
            (false, false) => EventState::Ignored,
        }
    }
}

async fn settle(
    run: &Run,
    container: &str,
    waiting: Vec<StorageEvent>,
) -> Result<Vec<SettledEvent>, Failure> {
    let locations: BTreeSet<&str> = waiting.iter().map(|event| event.event.location.as_str()).collect();
    let mut outcomes: BTreeMap<&str, Outcomes> =
        locations.iter().map(|location| (*location, Outcomes::default())).collect();
    let projects = match container == run.services.models_container {
        true => vec![],
        false => projects(run, container).await?,
    };
    if projects.is_empty() {
        for outcome in outcomes.values_mut() {
            outcome.tell(None, false, "no project has its documents in this container", None);
        }
    } else {
        let looks = looks(run, container, &locations, &projects, &mut outcomes).await?;
        // What was seen is old news when this worker stood still since, and another one may have written newer.
        run.still_ours().await?;
        for watching in &projects {
            apply(run, watching, &looks, &mut outcomes).await?;
        }
    }
    settled(&waiting, &outcomes)
}

/// The projects of the container with what they do by themselves.
async fn projects(run: &Run, container: &str) -> Result<Vec<Watching>, Failure> {
    let services = &run.services;
    let mut found = vec![];
    for project in services.catalog.projects_of_container(container).await? {
        found.push(Watching::of(services, project).await?);
    }
    Ok(found)
}

/// Looks at every object that some project has a use for.
async fn looks<'a>(
    run: &Run,
    container: &str,
    locations: &BTreeSet<&'a str>,
    projects: &[Watching],
    outcomes: &mut BTreeMap<&'a str, Outcomes>,
) -> Result<BTreeMap<&'a str, Look>, Failure> {
    let mut wanted = vec![];
    for location in locations {
        let outcome = outcomes.entry(location).or_default();
        let label_file = projects.iter().any(|watching| watching.settings.is_label_file(location));
        if let Some(reason) = key_refusal(location) {
            outcome.refused = true;
            outcome.tell(None, false, reason, None);
        } else if is_document(location) || label_file {
            wanted.push(*location);
        } else {
            outcome.tell(None, false, "this is neither a document (.txt) nor a project's label file", None);
        }
    }
    let services = &run.services;
    let look = |location: &'a str| async move {
        look(&services.blobs, container, location, services.limits.document_characters_max)
            .await
            .map(|look| (location, look))
    };
    let mut looks = stream::iter(wanted).map(look).buffer_unordered(LOOKS_AT_ONCE);
    let mut found = BTreeMap::new();
    while let Some(look) = looks.next().await {
        let (location, look) = look?;
        found.insert(location, look);
    }
    Ok(found)
}

/// Does for one project what the objects ask for.
async fn apply<'a>(
    run: &Run,
    watching: &Watching,
    looks: &BTreeMap<&'a str, Look>,
    outcomes: &mut BTreeMap<&'a str, Outcomes>,
) -> Result<(), Failure> {
    let Watching { project, settings } = watching;
    for (location, look) in looks.iter().filter(|(location, _)| settings.is_label_file(location)) {
        let outcome = outcomes.entry(location).or_default();
        label_file(run, project, look, outcome).await?;
    }
    let documents: Vec<(&str, &Look)> =
        looks.iter().filter(|(location, _)| is_document(location)).map(|(key, look)| (*key, look)).collect();
    let (mut notes, mut extractions) = (vec![], vec![]);
    for (location, look) in documents {
        let outcome = outcomes.entry(location).or_default();
        let wanted = match look {
            Look::Text { etag } => wanted_extraction(settings, project, location, etag)?,
            Look::Gone | Look::Unusable { .. } => None,
        };
        let is_extracted = settings.extracts(location);
        let belongs = !location.contains('/') || watching.knows(&run.services, location).await?;
        if let (Look::Unusable { reason, .. }, true) = (look, belongs || is_extracted) {
            outcome.refused = true;
            outcome.tell(Some(&project.name), false, reason, None);
        }
        match (belongs, settings.register) {
            (true, true) => notes.extend(note(run, watching, location, look).await?),
            (true, false) if !is_extracted => {
                outcome.tell(
                    Some(&project.name),
                    false,
                    "the project registers no documents by itself",
                    None,
                );
            }
            (false, _) if !is_extracted => {
                let message =
                    "documents lie at the root of the container, or under the prefix to extract from";
                outcome.tell(Some(&project.name), false, message, None);
            }
            _ => {}
        }
        match (wanted, look) {
            (Some(extraction), _) => extractions.push(extraction),
            (None, Look::Gone) if is_extracted => {
                run.services.catalog.forget_extraction(&project.name, location).await?;
                outcome.tell(Some(&project.name), false, "the document is gone; its entities stay", None);
            }
            _ => {}
        }
    }
    register(run, project, &notes, outcomes).await?;
    extract(run, watching, &extractions, outcomes).await
}

async fn label_file(
    run: &Run,
    project: &Project,
    look: &Look,
    outcome: &mut Outcomes,
) -> Result<(), Failure> {
    let name = project.name.as_str();
    let Some(etag) = look.etag() else {
        outcome.tell(Some(name), false, "the label file is gone; the labels stay", None);
        return Ok(());
    };
    let changed = run.services.catalog.see_label_file(name, etag, Timestamp::now()).await?;
    let message =
        if changed { "the label file changed: it is imported" } else { "the label file is as it was" };
    outcome.tell(Some(name), changed, message, None);
    Ok(())
}

/// How a document of the project is noted: an object that can't be one joins no project, but changes one it was in.
async fn note(
    run: &Run,
    watching: &Watching,
    location: &str,
    look: &Look,
) -> Result<Option<ObjectNote>, Failure> {
    if matches!(look, Look::Unusable { .. }) && !watching.knows(&run.services, location).await? {
        return Ok(None);
    }
    Ok(Some(ObjectNote { location: location.to_owned(), etag: look.etag().map(str::to_owned) }))
}

async fn register(
    run: &Run,
    project: &Project,
    notes: &[ObjectNote],
    outcomes: &mut BTreeMap<&str, Outcomes>,
) -> Result<(), Failure> {
    let noted = match run.services.catalog.note_objects(&project.name, notes, Timestamp::now()).await {
        // A project that was deleted in the meantime has nothing to note.
        Err(catalog::Error::NotFound { .. }) => return Ok(()),
        noted => noted?,
    };
    for (note, noted) in notes.iter().zip(noted) {
        let Some(outcome) = outcomes.get_mut(note.location.as_str()) else { continue };
        outcome.tell(Some(&project.name), noted != Noted::Unchanged, told(noted), None);
    }
    Ok(())
}

fn told(noted: Noted) -> &'static str {
    match noted {
        Noted::New => "the document is new in the project",
        Noted::Replaced => "the document has another text now",
        Noted::Flagged => "the labelled document has another text now: its labels must be checked",
        Noted::Returned => "the document is back as it was",
        Noted::Left => "the document left the project",
        Noted::Missing => "the labelled document is missing now; its labels stay",
        Noted::Unchanged => "nothing changed",
    }
}

async fn extract(
    run: &Run,
    watching: &Watching,
    extractions: &[NewExtraction],
    outcomes: &mut BTreeMap<&str, Outcomes>,
) -> Result<(), Failure> {
    let Watching { project, settings } = watching;
    let Some(step) = settings.extract.as_ref().filter(|_| !extractions.is_empty()) else { return Ok(()) };
    let deployment = step.deployment_name.as_str();
    let catalog = &run.services.catalog;
    let asked = catalog.request_extractions(&project.name, deployment, extractions, Timestamp::now()).await?;
    for (extraction, asked) in extractions.iter().zip(asked) {
        let Some(outcome) = outcomes.get_mut(extraction.location.as_str()) else { continue };
        let (did, message, job) = match asked {
            Asked::Started(job) => (true, "entities are extracted".to_owned(), Some(job)),
            Asked::Waits => {
                let message = format!(
                    "there is no deployment {deployment:?} yet: entities are extracted as soon as there is"
                );
                (true, message, None)
            }
            Asked::Known => (false, "entities were extracted from this text before".to_owned(), None),
        };
        outcome.tell(Some(&project.name), did, message, job);
    }
    Ok(())
}

/// Every event with what its object came to. Of several events of one object the latest stands for all.
fn settled(
    waiting: &[StorageEvent],
    outcomes: &BTreeMap<&str, Outcomes>,
) -> Result<Vec<SettledEvent>, Failure> {
    let mut latest: BTreeMap<&str, &StorageEvent> = BTreeMap::new();
    for event in waiting {
        let known = latest.entry(&event.event.location).or_insert(event);
        if event.event.position > known.event.position {
            *known = event;
        }
    }
    let one = |event: &StorageEvent| {
        let location = event.event.location.as_str();
        let is_latest = latest.get(location).is_some_and(|latest| latest.event.id == event.event.id);
        let outcome = outcomes.get(location).filter(|_| is_latest);
        let state = outcome.map_or(EventState::Superseded, Outcomes::state);
        let told = outcome.map(|outcome| outcome.told.as_slice()).unwrap_or_default();
        Ok(SettledEvent { id: event.event.id.clone(), state, outcomes: serde_json::to_string(told)? })
    };
    waiting.iter().map(one).collect()
}
