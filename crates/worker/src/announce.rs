//! Objects that no event announced: a look through every project's container, now and then and at the start.
//!
//! What is found goes into the inbox like any event. A look remembers how new the newest object was, by the storage's
//! own clock, so that the next one announces only what came later.

use crate::failure::Failure;
use crate::run::Services;
use crate::watching::Watching;
use blobs::{BlobInfo, Depth};
use catalog::{NewStorageEvent, PageRequest};
use jiff::Timestamp;
use language_api::storage_events::is_document;
use std::collections::BTreeMap;

/// The source under which the inbox shows what was found.
const SOURCE: &str = "sweep";
/// Projects read from the catalog at a time.
const PROJECTS: u32 = 500;

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
    let mut accepted = 0;
    while let Some(objects) = listing.next_page().await? {
        let mut events = vec![];
        for object in objects {
            newest = newest.max(object.modified_at);
            // Storages tell whole seconds: what is as new as the newest one may have come after it.
            let is_old =
                since.is_some_and(|since| object.modified_at.is_some_and(|modified| modified < since));
            if !is_old && is_wanted(services, projects, &object, since.is_none()).await? {
                events.push(event(container, object));
            }
        }
        accepted += catalog.accept_events(SOURCE, &events, Timestamp::now()).await?;
    }
    if let Some(newest) = newest.filter(|_| newest != since) {
        catalog.put_setting(&remembered, &newest.to_string()).await?;
    }
    Ok(accepted)
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

fn event(container: &str, object: BlobInfo) -> NewStorageEvent {
    let modified = object.modified_at.map(|modified| modified.to_string()).unwrap_or_default();
    let event = storage_events::StorageEvent {
        container: container.to_owned(),
        location: object.key,
        change: storage_events::Change::Written,
        // The listing's own time tells two versions apart where it has no entity tags.
        version: Some(format!("{SOURCE} {modified}")),
        etag: object.etag,
        order: String::new(),
    };
    NewStorageEvent {
        id: event.id(),
        container: event.container,
        location: event.location,
        removed: false,
        etag: event.etag,
        position: event.order,
    }
}
