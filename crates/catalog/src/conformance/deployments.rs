//! Deployments.

use super::Database;
use super::support::{at, deployed, project, started, succeed, trained, with_project};
use crate::{Deployment, Error, JobKind, JobStatus, PageRequest, ProjectChange, Resource, ServedModel};

pub(super) async fn put_swap_delete(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    trained(&catalog, "P", "one", "one-1").await;
    trained(&catalog, "P", "two", "two-1").await;
    deployed(&catalog, "P", "production", "one").await;
    deployed(&catalog, "P", "canary", "two").await;
    let listed = catalog.deployments("P", PageRequest::first(1)).await.expect("list");
    assert_eq!((listed.items[0].name.as_str(), listed.total, listed.has_more), ("canary", 2, true));
    let swap = started(&catalog, "swap", JobKind::Swap, "P").await;
    let missing = Error::NotFound { resource: Resource::Deployment, name: "none".to_owned() };
    assert_eq!(catalog.swap_deployments(&swap, "P", "canary", "none", at(20)).await, Err(missing));
    catalog.swap_deployments(&swap, "P", "canary", "production", at(20)).await.expect("swap");
    let lost = Error::LeaseLost { job: "swap".to_owned() };
    let again = catalog.swap_deployments(&swap, "P", "canary", "production", at(21)).await;
    assert_eq!(again, Err(lost), "the job ended with the swap, so nothing undoes it");
    assert_eq!(catalog.job("swap", at(21)).await.map(|job| job.status), Ok(JobStatus::Succeeded));
    let expected = Deployment {
        name: "production".to_owned(),
        model_id: "two-1".to_owned(),
        model_label: "two".to_owned(),
        training_config_version: "2022-05-01".to_owned(),
        trained_at: at(5),
        deployed_at: at(20),
    };
    assert_eq!(catalog.deployment("P", "production").await, Ok(expected));
    assert_eq!(catalog.deployment("P", "canary").await.map(|canary| canary.model_id), Ok("one-1".to_owned()));
    let lease = started(&catalog, "delete", JobKind::DeleteDeployment, "P").await;
    assert_eq!(catalog.delete_deployment(&lease, "P", "canary", at(30)).await, Ok(true));
    assert_eq!(catalog.delete_deployment(&lease, "P", "canary", at(30)).await, Ok(false));
    assert!(matches!(catalog.deployment("P", "canary").await, Err(Error::NotFound { .. })));
    succeed(&catalog, &lease).await;
    let lease = started(&catalog, "deploy", JobKind::Deploy, "P").await;
    let missing = Error::NotFound { resource: Resource::Model, name: "x".to_owned() };
    assert_eq!(catalog.put_deployment(&lease, "P", "production", "x", at(40)).await, Err(missing));
    let seen = catalog.project("P").await.expect("read");
    assert_eq!(
        (seen.deployed_at, seen.modified_at),
        (Some(at(20)), at(30)),
        "a refused deployment leaves no trace"
    );
}

pub(super) async fn served_model_in_one_look(database: &impl Database) {
    let catalog = database.open().await;
    let change = ProjectChange { confidence_threshold: Some(Some(0.5)), ..project("P") };
    catalog.put_project(&change, at(0)).await.expect("create");
    let no_deployment = Error::NotFound { resource: Resource::Deployment, name: "production".to_owned() };
    assert_eq!(catalog.served_model("P", "production").await, Err(no_deployment));
    trained(&catalog, "P", "m", "m-1").await;
    deployed(&catalog, "P", "production", "m").await;
    let expected = ServedModel { model_id: "m-1".to_owned(), confidence_threshold: Some(0.5) };
    assert_eq!(catalog.served_model("P", "production").await, Ok(expected));
    let no_project = Error::NotFound { resource: Resource::Project, name: "Q".to_owned() };
    assert_eq!(catalog.served_model("Q", "production").await, Err(no_project));
}
