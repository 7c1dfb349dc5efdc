//! Projects.

use super::Database;
use super::support::{TTL, at, deployed, document, imported, job, project, started, trained, with_project};
use crate::{
    Catalog, DocumentFilter, Driver, Error, JobKind, Outcome, PageRequest, ProjectChange, Resource, Written,
};

pub(super) async fn put_read_list(database: &impl Database) {
    let catalog = database.open().await;
    for (name, second) in [("b", 1), ("a", 2), ("B", 3), ("a.b_c-1", 4)] {
        let (made, written) = catalog.put_project(&project(name), at(second)).await.expect("create");
        assert_eq!((made.created_at, made.modified_at, written), (at(second), at(second), Written::Created));
        assert_eq!(database.open().await.project(name).await, Ok(made));
    }
    let missing = Error::NotFound { resource: Resource::Project, name: "A".to_owned() };
    assert_eq!(catalog.project("A").await, Err(missing.clone()), "names are case-sensitive");
    assert_eq!(catalog.current_labels("A").await, Err(missing));
    let page = catalog.projects(PageRequest { limit: 2, offset: 1 }).await.expect("list");
    let names: Vec<_> = page.items.iter().map(|project| project.name.as_str()).collect();
    assert_eq!((names.as_slice(), page.total, page.has_more), (["a", "a.b_c-1"].as_slice(), 4, true));
    let page = catalog.projects(PageRequest { limit: 2, offset: 2 }).await.expect("list");
    assert_eq!((page.items.len(), page.has_more), (2, false));
    let page = catalog.projects(PageRequest { limit: 2, offset: 9 }).await.expect("list");
    assert_eq!((page.items.len(), page.total, page.has_more), (0, 4, false));
    let found = catalog.projects_of_container("a-files").await.expect("list");
    assert_eq!(found.iter().map(|project| project.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

pub(super) async fn merge_patch(database: &impl Database) {
    let catalog = database.open().await;
    let full = ProjectChange {
        multilingual: Some(true),
        description: Some(Some("claims, né à 🙂".to_owned())),
        confidence_threshold: Some(Some(0.25)),
        ..project("P")
    };
    let (made, _) = catalog.put_project(&full, at(0)).await.expect("create");
    assert_eq!((made.multilingual, made.confidence_threshold), (true, Some(0.25)));
    let (same, written) = catalog.put_project(&project("P"), at(1)).await.expect("absent fields stay");
    assert_eq!(written, Written::Updated);
    assert_eq!(
        (same.multilingual, same.description.as_deref(), same.confidence_threshold, same.created_at),
        (true, Some("claims, né à 🙂"), Some(0.25), at(0))
    );
    let clear = ProjectChange {
        language: "de".to_owned(),
        description: Some(None),
        confidence_threshold: Some(None),
        ..project("P")
    };
    catalog.put_project(&clear, at(2)).await.expect("clear");
    let cleared = catalog.project("P").await.expect("read");
    assert_eq!((cleared.description, cleared.confidence_threshold), (None, None));
    assert_eq!((cleared.language.as_str(), cleared.modified_at), ("de", at(2)));
}

pub(super) async fn the_container_is_fixed(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let moved = ProjectChange { container: "other".to_owned(), language: "de".to_owned(), ..project("P") };
    let refused = catalog.put_project(&moved, at(1)).await.map(drop);
    let expected = Error::ContainerFixed { project: "P".to_owned(), container: "P-files".to_owned() };
    assert_eq!(refused, Err(expected));
    assert_eq!(catalog.project("P").await.map(|project| project.language), Ok("en-us".to_owned()));
}

pub(super) async fn an_import_makes_its_project_or_nothing(database: &impl Database) {
    let catalog = database.open().await;
    let import = |id: &str, project: &str| job(id, JobKind::Import, project);
    catalog.enqueue_import(&project("P"), &import("first", "P"), at(1)).await.expect("a new project");
    assert_eq!(catalog.project("P").await.map(|found| found.created_at), Ok(at(1)));
    let busy = catalog.enqueue_import(&project("P"), &import("second", "P"), at(2)).await;
    assert!(matches!(busy, Err(Error::JobRunning { .. })), "{busy:?}");
    // A deletion that has removed the project's rows and not yet ended.
    catalog.enqueue(&job("delete", JobKind::DeleteProject, "Q"), at(2)).await.expect("enqueued");
    let busy = catalog.enqueue_import(&project("Q"), &import("third", "Q"), at(3)).await;
    assert!(matches!(busy, Err(Error::JobRunning { .. })), "{busy:?}");
    assert!(catalog.project("Q").await.is_err(), "a refused import makes no project");
    let moved = ProjectChange { container: "elsewhere".to_owned(), ..project("P") };
    let refused = catalog.enqueue_import(&moved, &import("fourth", "P"), at(4)).await;
    assert!(matches!(refused, Err(Error::ContainerFixed { .. })), "{refused:?}");
    let later = ProjectChange { language: "de".to_owned(), ..project("P") };
    catalog.request_cancel("first", at(5)).await.expect("cancelled");
    catalog.enqueue_import(&later, &import("fifth", "P"), at(6)).await.expect("enqueued");
    let language = catalog.project("P").await.map(|found| found.language);
    assert_eq!(language, Ok("en-us".to_owned()), "settings wait for the import's success");
}

pub(super) async fn a_failed_first_import_binds_to_nothing(database: &impl Database) {
    let catalog = database.open().await;
    let import = |id: &str| job(id, JobKind::Import, "P");
    let moved = ProjectChange { container: "elsewhere".to_owned(), ..project("P") };
    catalog.enqueue_import(&project("P"), &import("first"), at(1)).await.expect("a new project");
    fail(&catalog).await;
    let settings = catalog.put_project(&moved, at(2)).await.map(drop);
    assert!(matches!(settings, Err(Error::ContainerFixed { .. })), "only an import moves it: {settings:?}");
    catalog.enqueue_import(&moved, &import("second"), at(3)).await.expect("another container");
    assert_eq!(catalog.project("P").await.map(|found| found.container), Ok("elsewhere".to_owned()));
    fail(&catalog).await;
    catalog.enqueue_import(&project("P"), &import("third"), at(3)).await.expect("the first container again");
    fail(&catalog).await;
    imported(&catalog, "fourth", "P", &[document("a.txt", &[("X", 1)])]).await;
    let refused = catalog.enqueue_import(&moved, &import("fifth"), at(5)).await;
    assert!(matches!(refused, Err(Error::ContainerFixed { .. })), "it has documents by now: {refused:?}");
    // Nor does the import move a project that somebody made before.
    with_project(&catalog, "Q").await;
    let lease = started(&catalog, "of Q", JobKind::Import, "Q").await;
    catalog.finish(&lease, &Outcome::failed("[]"), at(6)).await.expect("the lease holds");
    let moved = ProjectChange { container: "elsewhere".to_owned(), ..project("Q") };
    let refused = catalog.enqueue_import(&moved, &job("again", JobKind::Import, "Q"), at(7)).await;
    assert!(matches!(refused, Err(Error::ContainerFixed { .. })), "{refused:?}");
}

/// The import that waits begins and fails.
async fn fail<D: Driver>(catalog: &Catalog<D>) {
    let leased = catalog.lease("worker", &[JobKind::Import], at(3), TTL).await.expect("lease");
    let lease = leased.expect("the job is due").lease().expect("a leased job has a lease");
    catalog.finish(&lease, &Outcome::failed("[]"), at(4)).await.expect("the lease holds");
}

pub(super) async fn delete_removes_everything(database: &impl Database) {
    let catalog = database.open().await;
    for name in ["P", "Q"] {
        with_project(&catalog, name).await;
        imported(&catalog, &format!("import {name}"), name, &[document("a.txt", &[("X", 1)])]).await;
        trained(&catalog, name, "m", &format!("model of {name}")).await;
        deployed(&catalog, name, "production", "m").await;
    }
    let lease = started(&catalog, "delete", JobKind::DeleteProject, "P").await;
    assert_eq!(catalog.delete_project(&lease, "P", at(9)).await, Ok(true));
    assert_eq!(catalog.delete_project(&lease, "P", at(9)).await, Ok(false), "a second attempt finds it done");
    assert!(matches!(catalog.project("P").await, Err(Error::NotFound { resource: Resource::Project, .. })));
    assert_eq!(catalog.models("P", PageRequest::first(9)).await.map(|page| page.total), Ok(0));
    assert_eq!(catalog.deployments("P", PageRequest::first(9)).await.map(|page| page.total), Ok(0));
    assert_eq!(catalog.unused_bundles(9).await, Ok(vec!["model of P".to_owned()]));
    assert!(catalog.served_model("Q", "production").await.is_ok());
    super::support::succeed(&catalog, &lease).await;
    // The name can be used again, and nothing of its past life shows.
    with_project(&catalog, "P").await;
    let labels = catalog.current_labels("P").await.expect("labels");
    let documents = catalog.documents(&labels, &DocumentFilter::default(), PageRequest::first(9)).await;
    assert_eq!(documents.map(|page| page.total), Ok(0));
}
