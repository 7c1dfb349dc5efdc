//! Rows the checks begin with.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    Catalog, DocumentState, Driver, JobKind, LabelSet, Lease, NewDocument, NewJob, NewModel, Outcome,
    ProjectChange,
};

pub(super) const TTL: Duration = Duration::from_secs(30);

/// `seconds` after the beginning of the check's time.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_700_000_000, 123_456_000) + SignedDuration::from_secs(seconds)
}

pub(super) fn project(name: &str) -> ProjectChange {
    ProjectChange {
        name: name.to_owned(),
        container: format!("{name}-files"),
        language: "en-us".to_owned(),
        multilingual: None,
        description: None,
        confidence_threshold: None,
    }
}

pub(super) async fn with_project<D: Driver>(catalog: &Catalog<D>, name: &str) {
    catalog.put_project(&project(name), at(0)).await.expect("a new project");
}

pub(super) fn job(id: &str, kind: JobKind, project: &str) -> NewJob {
    NewJob {
        id: id.to_owned(),
        kind,
        project: project.to_owned(),
        target: String::new(),
        payload: Vec::new(),
        progress: None,
        expires_at: at(7 * 24 * 3600),
    }
}

/// Enqueues a job and leases it.
pub(super) async fn started<D: Driver>(
    catalog: &Catalog<D>,
    id: &str,
    kind: JobKind,
    project: &str,
) -> Lease {
    catalog.enqueue(&job(id, kind, project), at(1)).await.expect("no other job runs");
    let leased = catalog.lease("worker", &[kind], at(1), TTL).await.expect("lease").expect("the job is due");
    assert_eq!(leased.id, id);
    leased.lease().expect("a leased job has a lease")
}

pub(super) async fn succeed<D: Driver>(catalog: &Catalog<D>, lease: &Lease) {
    catalog.finish(lease, &Outcome::succeeded(), at(2)).await.expect("the lease holds");
}

/// A document; with `counts` it is labeled.
pub(super) fn document(location: &str, counts: &[(&str, u64)]) -> NewDocument {
    let label_counts: BTreeMap<_, _> =
        counts.iter().map(|(name, labels)| ((*name).to_owned(), *labels)).collect();
    NewDocument {
        location: location.to_owned(),
        language: None,
        dataset: None,
        state: DocumentState::Present,
        etag: Some(format!("etag of {location}")),
        characters: Some(100),
        regions: (!counts.is_empty()).then(|| format!("[\"regions of {location}\"]")),
        label_counts,
    }
}

/// Imports `documents` into `project` with a job called `id`.
pub(super) async fn imported<D: Driver>(
    catalog: &Catalog<D>,
    id: &str,
    project: &str,
    documents: &[NewDocument],
) {
    let lease = started(catalog, id, JobKind::Import, project).await;
    let staged = catalog.begin_import(&lease, project).await.expect("begin").expect("not yet published");
    catalog.stage_documents(&lease, &staged, documents).await.expect("stage");
    catalog.publish_labels(&lease, &self::project(project), &staged, at(2)).await.expect("publish");
    succeed(catalog, &lease).await;
}

pub(super) fn model(project: &str, label: &str, model_id: &str, snapshot: Option<LabelSet>) -> NewModel {
    NewModel {
        project: project.to_owned(),
        label: label.to_owned(),
        model_id: model_id.to_owned(),
        recipe: "lexical".to_owned(),
        training_config_version: "2022-05-01".to_owned(),
        manifest: format!("{{\"id\":\"{model_id}\"}}"),
        snapshot,
        evaluation_summary: Some("{\"f1\":0.5}".to_owned()),
        evaluation_documents: Vec::new(),
        trained_at: at(5),
        training_seconds: 267,
    }
}

/// Trains a model without labels.
pub(super) async fn trained<D: Driver>(catalog: &Catalog<D>, project: &str, label: &str, model_id: &str) {
    let lease = started(catalog, &format!("train {model_id}"), JobKind::Train, project).await;
    catalog.put_model(&lease, &model(project, label, model_id, None)).await.expect("put");
    succeed(catalog, &lease).await;
}

pub(super) async fn deployed<D: Driver>(catalog: &Catalog<D>, project: &str, name: &str, label: &str) {
    let id = format!("deploy {label} of {project} as {name}");
    let lease = started(catalog, &id, JobKind::Deploy, project).await;
    catalog.put_deployment(&lease, project, name, label, at(6)).await.expect("deploy");
    succeed(catalog, &lease).await;
}
