//! Exported models: copies that nothing depends on.

use std::collections::BTreeMap;

use super::Database;
use super::support::{at, deployed, started, succeed, trained, with_project};
use crate::{Error, ExportedModel, JobKind, PageRequest, Resource};

fn exported(name: &str, model_id: &str) -> ExportedModel {
    ExportedModel {
        name: name.to_owned(),
        model_id: model_id.to_owned(),
        training_config_version: "2022-05-01".to_owned(),
        trained_at: at(5),
        exported_at: at(7),
    }
}

pub(super) async fn put_replace_delete(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let large: Vec<u8> = (0..=255).cycle().take((2 << 20) + 17).collect();
    let files = BTreeMap::from([("head.bin".to_owned(), large.clone()), ("none".to_owned(), vec![])]);
    let lease = started(&catalog, "first", JobKind::ExportModel, "P").await;
    for name in ["b", "a"] {
        catalog.put_exported_model(&lease, "P", &exported(name, "m1"), &files).await.expect("put");
    }
    let names = catalog.exported_models("P", PageRequest::first(1)).await.expect("a page");
    assert_eq!((names.total, names.items), (2, vec![exported("a", "m1")]));
    let found = catalog.exported_files("P", "a").await;
    assert_eq!(found, Ok(vec!["head.bin".to_owned(), "none".to_owned()]));
    assert_eq!(database.open().await.exported_file("P", "a", "head.bin").await, Ok(large));
    assert_eq!(catalog.exported_file("P", "a", "none").await, Ok(vec![]));
    let less = BTreeMap::from([("head.bin".to_owned(), vec![7])]);
    catalog.put_exported_model(&lease, "P", &exported("a", "m2"), &less).await.expect("replace");
    assert_eq!(catalog.exported_model("P", "a").await, Ok(exported("a", "m2")));
    assert_eq!(catalog.exported_file("P", "a", "head.bin").await, Ok(vec![7]));
    let gone = Error::NotFound { resource: Resource::ExportedFile, name: "none".to_owned() };
    assert_eq!(catalog.exported_file("P", "a", "none").await, Err(gone));
    assert_eq!(catalog.delete_exported_model(&lease, "P", "a").await, Ok(true));
    assert_eq!(catalog.delete_exported_model(&lease, "P", "a").await, Ok(false), "a second attempt");
    let gone = Error::NotFound { resource: Resource::ExportedModel, name: "a".to_owned() };
    assert_eq!(catalog.exported_files("P", "a").await, Err(gone));
    succeed(&catalog, &lease).await;
    let late = catalog.put_exported_model(&lease, "P", &exported("c", "m1"), &less).await;
    assert!(matches!(late, Err(Error::LeaseLost { .. })), "{late:?}");
    let lease = started(&catalog, "delete", JobKind::DeleteProject, "P").await;
    assert_eq!(catalog.delete_project(&lease, "P", at(9)).await, Ok(true));
    let gone = Error::NotFound { resource: Resource::ExportedFile, name: "head.bin".to_owned() };
    assert_eq!(catalog.exported_file("P", "b", "head.bin").await, Err(gone), "it goes with its project");
}

pub(super) async fn deployments_do_not_notice(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    trained(&catalog, "P", "m", "m1").await;
    deployed(&catalog, "P", "production", "m").await;
    let lease = started(&catalog, "export", JobKind::ExportModel, "P").await;
    let files = BTreeMap::from([("head.bin".to_owned(), vec![7])]);
    catalog.put_exported_model(&lease, "P", &exported("e", "m1"), &files).await.expect("put");
    assert_eq!(catalog.delete_exported_model(&lease, "P", "e").await, Ok(true));
    assert_eq!(
        catalog.served_model("P", "production").await.map(|model| model.model_id),
        Ok("m1".to_owned())
    );
    assert_eq!(catalog.unused_bundles(9).await, Ok(vec![]));
}
