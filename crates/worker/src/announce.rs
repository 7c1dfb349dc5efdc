//! Objects that no event announced: a look through every project's container, now and then and at the start.
//!
//! What is found goes into the inbox like any event. A look remembers how new the newest object was, by the storage's
//! own clock, so that the next one announces only what came later; documents that are not there any more are announced, too.

use crate::failure::Failure;
use crate::services::Services;
use crate::watching::Watching;
use blobs::{BlobInfo, Depth};
use catalog::{DocumentState, NewStorageEvent, PageRequest, Project};
use jiff::Timestamp;
use language_api::storage_events::is_document;
use std::collections::{BTreeMap, BTreeSet};
use storage_events::{Change, StorageEvent};

/// The source under which the inbox shows what was found.
const SOURCE: &str = "sweep";
/// Projects read from the catalog at a time.
const PROJECTS: u32 = 500;
/// Documents read from the catalog at a time.
const DOCUMENTS: u32 = 1_000;

/// Looks through all containers; one that can't be read does not keep the others waiting.
pub(crate) async fn announce(services: &Services) -> Result<(), Failure> {
    services.catalog.resume_inboxes(Timestamp::now()).await?;
    for (container, projects) in containers(services).await? {
        match look_through(services, &container, &projects).await {
            Ok(0) => {}
            Ok(found) => tracing::info!(container, found, "objects were found that no event announced"),
            Err(error) => tracing::debug!(container, %error, "a container could not be looked through"),
        }
    }
    Ok(())
}

async fn containers(services: &Services) -> Result<BTreeMap<String, Vec<Watching>>, Failure> {
    let catalog = &services.catalog;
    let mut found: BTreeMap<String, Vec<Watching>> = BTreeMap::new();
    let mut page = PageRequest::first(PROJECTS);
    loop {
        let projects = catalog.projects(page).await?;
        page.offset += PROJECTS;
        for project in projects.items {
            let container = project.container.clone();
            found.entry(container).or_default().push(Watching::of(services, project).await?);
        }
        if !projects.has_more {
            return Ok(found);
        }
    }
}

/// How many objects were new to the inbox.
async fn look_through(services: &Services, container: &str, projects: &[Watching]) -> Result<u64, Failure> {
    let catalog = &services.catalog;
    let remembered = format!("newest object of {container}");
    let since = catalog.setting(&remembered).await?.and_then(|text| text.parse::<Timestamp>().ok());
    let mut newest = since;
    let mut listing = services.blobs.list(container, "", Depth::All);
    let mut listed = BTreeSet::new();
    let mut accepted = 0;
    while let Some(objects) = listing.next_page().await? {
        let mut events = vec![];
        for object in objects {
            if is_document(&object.key) {
                listed.insert(object.key.clone());
            }
            newest = newest.max(object.modified_at);
            // Storages tell whole seconds: what is as new as the newest one may have come after it.
            let is_old =
                since.is_some_and(|since| object.modified_at.is_some_and(|modified| modified < since));
            if !is_old && is_wanted(services, projects, &object, since.is_none()).await? {
                events.push(written(container, object));
            }
        }
        accepted += catalog.accept_events(SOURCE, &events, Timestamp::now()).await?;
    }
    for watching in projects.iter().filter(|watching| watching.settings.register) {
        accepted += announce_missing(services, watching, &listed).await?;
    }
    if let Some(newest) = newest.filter(|_| newest != since) {
        catalog.put_setting(&remembered, &newest.to_string()).await?;
    }
    Ok(accepted)
}

/// Tells of the project's documents that were not listed: nobody told that they were deleted. One that came during the
/// listing is told of in vain, since every event is but an occasion to look.
async fn announce_missing(
    services: &Services,
    watching: &Watching,
    listed: &BTreeSet<String>,
) -> Result<u64, Failure> {
    let catalog = &services.catalog;
    let Project { name, container, .. } = &watching.project;
    let labels = match catalog.current_labels(name).await {
        Err(catalog::Error::NotFound { .. }) => return Ok(0),
        labels => labels?,
    };
    let moment = Timestamp::now();
    let (mut accepted, mut last) = (0, None);
    loop {
        let rows = match catalog.documents_after(&labels, last.as_deref(), DOCUMENTS).await {
            // An import replaced the labels: the next look sees to them.
            Err(catalog::Error::NotFound { .. }) => return Ok(accepted),
            rows => rows?,
        };
        let Some(row) = rows.last() else { return Ok(accepted) };
        last = Some(row.location.clone());
        let gone = rows
            .into_iter()
            .filter(|row| row.state != DocumentState::Missing)
            .filter(|row| is_document(&row.location) && !listed.contains(&row.location));
        let events: Vec<_> = gone.map(|row| removed(container, row.location, moment)).collect();
        accepted += catalog.accept_events(SOURCE, &events, moment).await?;
    }
}

/// Whether a project has a use for the object. The first look announces no documents that projects know already.
async fn is_wanted(
    services: &Services,
    projects: &[Watching],
    object: &BlobInfo,
    first: bool,
) -> Result<bool, Failure> {
    let key = object.key.as_str();
    for watching in projects {
        let settings = &watching.settings;
        if settings.is_label_file(key) || settings.extracts(key) {
            return Ok(true);
        }
        if is_document(key)
            && settings.register
            && !key.contains('/')
            && !(first && watching.knows(services, key).await?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn written(container: &str, object: BlobInfo) -> NewStorageEvent {
    let modified = object.modified_at.map(|modified| modified.to_string()).unwrap_or_default();
    new_event(StorageEvent {
        container: container.to_owned(),
        location: object.key,
        change: Change::Written,
        // The listing's own time tells two versions apart where it has no entity tags.
        version: Some(format!("{SOURCE} {modified}")),
        etag: object.etag,
        order: String::new(),
    })
}

/// An object that was not listed. `moment` tells this miss from an earlier one of the same name.
fn removed(container: &str, location: String, moment: Timestamp) -> NewStorageEvent {
    new_event(StorageEvent {
        container: container.to_owned(),
        location,
        change: Change::Removed,
        version: Some(format!("{SOURCE} {moment}")),
        etag: None,
        order: String::new(),
    })
}

/// An event as the inbox takes it.
pub(crate) fn new_event(event: StorageEvent) -> NewStorageEvent {
    NewStorageEvent {
        id: event.id(),
        container: event.container,
        location: event.location,
        removed: event.change == Change::Removed,
        etag: event.etag,
        position: event.order,
    }
}
