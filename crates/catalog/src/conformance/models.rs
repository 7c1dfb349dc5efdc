//! Models.

use super::Database;
use super::support::{at, deployed, model, started, succeed, trained, with_project};
use crate::{Error, EvaluationDocument, JobKind, Lease, Model, NewModel, PageRequest, Resource};

pub(super) async fn put_list_evaluate(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let documents: Vec<_> = (0..30)
        .map(|number| EvaluationDocument {
            location: format!("{}.txt", 99 - number),
            result: number.to_string(),
        })
        .collect();
    let lease = started(&catalog, "train", JobKind::Train, "P").await;
    let snapshot = catalog.take_snapshot(&lease, "P").await.expect("snapshot");
    let new = NewModel {
        evaluation_documents: documents.clone(),
        ..model("P", "m", "m-1", Some(snapshot.clone()))
    };
    catalog.put_model(&lease, &new).await.expect("put");
    catalog.put_model(&lease, &new).await.expect("putting twice is putting once");
    succeed(&catalog, &lease).await;
    trained(&catalog, "P", "a", "a-1").await;
    let expected = Model {
        label: "m".to_owned(),
        model_id: "m-1".to_owned(),
        recipe: "lexical".to_owned(),
        training_config_version: "2022-05-01".to_owned(),
        snapshot: Some(snapshot),
        trained_at: at(5),
        training_seconds: 267,
    };
    assert_eq!(catalog.model("P", "m").await, Ok(expected));
    let listed = catalog.models("P", PageRequest::first(1)).await.expect("list");
    assert_eq!((listed.items[0].label.as_str(), listed.total, listed.has_more), ("a", 2, true));
    assert_eq!(catalog.bundle_manifest("m-1").await, Ok("{\"id\":\"m-1\"}".to_owned()));
    assert_eq!(catalog.evaluation_summary("P", "m").await, Ok(Some("{\"f1\":0.5}".to_owned())));
    let page =
        catalog.evaluation_documents("P", "m", PageRequest { limit: 25, offset: 20 }).await.expect("page");
    assert_eq!((page.items.as_slice(), page.total, page.has_more), (&documents[20..], 30, false));
    let project = catalog.project("P").await.expect("read");
    assert_eq!((project.trained_at, project.modified_at), (Some(at(5)), at(5)));
    let unknown = Error::NotFound { resource: Resource::Model, name: "x".to_owned() };
    assert_eq!(catalog.model("P", "x").await, Err(unknown.clone()));
    assert_eq!(catalog.evaluation_summary("P", "x").await, Err(unknown.clone()));
    let page = catalog.evaluation_documents("P", "x", PageRequest::first(1)).await;
    assert_eq!(page, Err(unknown.clone()));
    assert_eq!(catalog.delete_model("P", "x", at(6)).await, Err(unknown));
    let stranger = Lease { job: "train".to_owned(), owner: "worker".to_owned(), attempt: 1 };
    let lost = Error::LeaseLost { job: "train".to_owned() };
    assert_eq!(catalog.put_model(&stranger, &new).await, Err(lost), "the job has ended");
}

pub(super) async fn overwriting_keeps_deployed_bundles(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    trained(&catalog, "P", "m", "m-1").await;
    deployed(&catalog, "P", "production", "m").await;
    trained(&catalog, "P", "m", "m-2").await;
    trained(&catalog, "P", "m", "m-3").await;
    assert_eq!(
        catalog.served_model("P", "production").await.map(|model| model.model_id),
        Ok("m-1".to_owned())
    );
    assert_eq!(catalog.model("P", "m").await.map(|model| model.model_id), Ok("m-3".to_owned()));
    assert_eq!(catalog.unused_bundles(9).await, Ok(vec!["m-2".to_owned()]));
    assert_eq!(catalog.forget_bundle("m-1", at(9)).await, Ok(false), "deployed");
    assert_eq!(catalog.forget_bundle("m-3", at(9)).await, Ok(false), "a model");
    assert_eq!(catalog.forget_bundle("m-2", at(9)).await, Ok(true));
    assert_eq!(catalog.forget_bundle("m-2", at(9)).await, Ok(false), "gone");
    let gone = Error::NotFound { resource: Resource::Bundle, name: "m-2".to_owned() };
    assert_eq!(catalog.bundle_manifest("m-2").await, Err(gone));
    let lease = started(&catalog, "redeploy", JobKind::Deploy, "P").await;
    catalog.put_deployment(&lease, "P", "production", "m", at(9)).await.expect("deploy");
    assert_eq!(catalog.unused_bundles(9).await, Ok(vec!["m-1".to_owned()]));
}

pub(super) async fn deployed_models_stay(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    trained(&catalog, "P", "m", "m-1").await;
    deployed(&catalog, "P", "production", "m").await;
    let used = Error::ModelDeployed { label: "m".to_owned(), deployment: "production".to_owned() };
    assert_eq!(catalog.delete_model("P", "m", at(9)).await, Err(used));
    let lease = started(&catalog, "undeploy", JobKind::DeleteDeployment, "P").await;
    assert_eq!(catalog.delete_deployment(&lease, "P", "production", at(9)).await, Ok(true));
    catalog.delete_model("P", "m", at(10)).await.expect("delete");
    assert_eq!(catalog.models("P", PageRequest::first(9)).await.map(|page| page.total), Ok(0));
    assert_eq!(catalog.unused_bundles(9).await, Ok(vec!["m-1".to_owned()]));
}

pub(super) async fn an_evaluation_is_replaced_whole(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    trained(&catalog, "P", "m", "m-1").await;
    let before = catalog.model("P", "m").await.expect("the model");
    let lease = started(&catalog, "evaluate", JobKind::Evaluate, "P").await;
    let row = |name: &str| EvaluationDocument { location: name.to_owned(), result: format!("[\"{name}\"]") };
    for documents in [vec![row("b.txt"), row("a.txt")], vec![row("c.txt")]] {
        catalog.put_evaluation(&lease, "P", &before, "{\"f1\":0.75}", &documents, at(9)).await.expect("put");
        let found =
            catalog.evaluation_documents("P", "m", PageRequest::first(9)).await.map(|page| page.items);
        assert_eq!(found, Ok(documents));
    }
    assert_eq!(catalog.evaluation_summary("P", "m").await, Ok(Some("{\"f1\":0.75}".to_owned())));
    assert_eq!(catalog.project("P").await.map(|project| project.modified_at), Ok(at(9)));
    let other = Model { model_id: "m-2".to_owned(), ..before };
    let gone = Error::NotFound { resource: Resource::Model, name: "m".to_owned() };
    assert_eq!(catalog.put_evaluation(&lease, "P", &other, "{}", &[], at(10)).await, Err(gone));
}
