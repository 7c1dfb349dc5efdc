//! Permissions to copy: used once, for one project, for a while.

use super::Database;
use super::support::{at, job, project};
use crate::{CopyGrant, Error, JobKind, ProjectChange, Resource};

const TOKEN: &str = "5d0f1a52-1a2b-4c3d-8e4f-5a6b7c8d9e0f";

fn grant(replaces: bool) -> CopyGrant {
    CopyGrant { project: "P".to_owned(), container: None, replaces, expires_at: at(10) }
}

pub(super) async fn a_grant_is_good_for_one_copy(database: &impl Database) {
    let catalog = database.open().await;
    let nothing = Error::NotFound { resource: Resource::CopyGrant, name: "accessToken".to_owned() };
    catalog.add_copy_grant(TOKEN, &grant(false), at(0)).await.expect("add");
    assert_eq!(database.open().await.copy_grant(TOKEN, at(9)).await, Ok(grant(false)));
    assert_eq!(catalog.copy_grant(TOKEN, at(10)).await, Err(nothing.clone()), "it has expired");
    assert_eq!(catalog.copy_grant("another", at(1)).await, Err(nothing.clone()));

    let copy = |id: &str, name: &str| job(id, JobKind::Copy, name);
    let elsewhere = catalog.enqueue_copy(TOKEN, &project("Q"), &copy("first", "Q"), at(1)).await;
    assert_eq!(elsewhere, Err(nothing.clone()), "it is for one project");
    assert!(catalog.project("Q").await.is_err(), "a refused copy makes no project");
    catalog.enqueue_copy(TOKEN, &project("P"), &copy("second", "P"), at(1)).await.expect("enqueued");
    assert_eq!(catalog.project("P").await.map(|found| found.created_at), Ok(at(1)));
    let again = catalog.enqueue_copy(TOKEN, &project("P"), &copy("third", "P"), at(2)).await;
    assert_eq!(again, Err(nothing), "it is used up");
}

pub(super) async fn a_refused_copy_keeps_its_grant(database: &impl Database) {
    let catalog = database.open().await;
    catalog.put_project(&project("P"), at(0)).await.expect("a project");
    let copy = |id: &str| job(id, JobKind::Copy, "P");
    catalog.add_copy_grant(TOKEN, &grant(false), at(0)).await.expect("add");
    let there = catalog.enqueue_copy(TOKEN, &project("P"), &copy("first"), at(1)).await;
    let expected = Error::Exists { resource: Resource::Project, name: "P".to_owned() };
    assert_eq!(there, Err(expected), "it may not replace");

    let second = "9a8b7c6d-0000-4000-8000-5a6b7c8d9e0f";
    catalog.add_copy_grant(second, &grant(true), at(0)).await.expect("add");
    let moved = ProjectChange { container: "elsewhere".to_owned(), ..project("P") };
    let refused = catalog.enqueue_copy(second, &moved, &copy("second"), at(1)).await;
    assert!(matches!(refused, Err(Error::ContainerFixed { .. })), "{refused:?}");
    catalog.enqueue(&job("import", JobKind::Import, "P"), at(1)).await.expect("enqueued");
    let busy = catalog.enqueue_copy(second, &project("P"), &copy("third"), at(2)).await;
    assert!(matches!(busy, Err(Error::JobRunning { .. })), "{busy:?}");
    catalog.request_cancel("import", at(3)).await.expect("cancelled");
    let later = ProjectChange { language: "de".to_owned(), ..project("P") };
    catalog.enqueue_copy(second, &later, &copy("fourth"), at(4)).await.expect("enqueued");
    let language = catalog.project("P").await.map(|found| found.language);
    assert_eq!(language, Ok("en-us".to_owned()), "settings wait for the copy's success");
}

pub(super) async fn an_installation_has_one_id(database: &impl Database) {
    let first = database.open().await.installation_id().await.expect("an id");
    assert_eq!(database.open().await.installation_id().await, Ok(first));
}
