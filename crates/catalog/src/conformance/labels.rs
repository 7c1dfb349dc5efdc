//! Labels.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use ner::Dataset;

use super::Database;
use super::support::{at, document, imported, model, project, started, succeed, with_project};
use crate::{
    Catalog, Category, DocumentChange, DocumentFilter, DocumentRow, DocumentState, Driver, Error, JobKind,
    LabelTotals, NewDocument, Noted, ObjectNote, PageRequest, ProjectChange, RETIRED_LABELS_KEPT, Resource,
};

fn category(name: &str) -> Category {
    Category { name: name.to_owned(), description: None }
}

async fn all<D: Driver>(catalog: &Catalog<D>, project: &str, filter: &DocumentFilter) -> Vec<DocumentRow> {
    let labels = catalog.current_labels(project).await.expect("the project is there");
    catalog.documents(&labels, filter, PageRequest::first(1000)).await.expect("list").items
}

async fn locations<D: Driver>(catalog: &Catalog<D>, project: &str, filter: &DocumentFilter) -> Vec<String> {
    all(catalog, project, filter).await.into_iter().map(|document| document.location).collect()
}

pub(super) async fn import_shows_old_or_new(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    imported(&catalog, "first", "P", &[document("old.txt", &[("A", 1)])]).await;
    let before = catalog.current_labels("P").await.expect("labels");
    let lease = started(&catalog, "second", JobKind::Import, "P").await;
    let staged = catalog.begin_import(&lease, "P").await.expect("begin").expect("not yet published");
    let schema = [category("B"), Category { name: "A".to_owned(), description: Some("why".to_owned()) }];
    catalog.stage_categories(&lease, &staged, &schema).await.expect("stage");
    catalog.stage_documents(&lease, &staged, &[document("new-1.txt", &[("B", 2)])]).await.expect("stage");
    catalog.stage_documents(&lease, &staged, &[document("new-2.txt", &[])]).await.expect("stage");
    let everything = DocumentFilter::default();
    assert_eq!(locations(&catalog, "P", &everything).await, ["old.txt"], "staged labels show nowhere");
    catalog.publish_labels(&lease, &project("P"), &staged, at(20)).await.expect("publish");
    catalog
        .publish_labels(&lease, &project("P"), &staged, at(21))
        .await
        .expect("publishing twice changes nothing");
    let after = catalog.current_labels("P").await.expect("labels");
    assert_eq!(locations(&database.open().await, "P", &everything).await, ["new-1.txt", "new-2.txt"]);
    assert_eq!(catalog.categories(&after).await, Ok(schema.to_vec()), "in the given order");
    assert_eq!(catalog.project("P").await.map(|project| project.modified_at), Ok(at(20)));
    // Who began to read the old labels can finish.
    let old = catalog.documents_after(&before, None, 9).await.expect("still there");
    assert_eq!(old.len(), 1);
    assert_eq!(catalog.begin_import(&lease, "P").await, Ok(None), "a second attempt finds it done");
}

pub(super) async fn settings_come_with_the_labels(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let lease = started(&catalog, "import", JobKind::Import, "P").await;
    let staged = catalog.begin_import(&lease, "P").await.expect("begin").expect("not yet published");
    let german = ProjectChange { language: "de".to_owned(), ..project("P") };
    let moved = ProjectChange { container: "elsewhere".to_owned(), ..german.clone() };
    let refused = catalog.publish_labels(&lease, &moved, &staged, at(2)).await;
    assert!(matches!(refused, Err(Error::ContainerFixed { .. })), "{refused:?}");
    let shown = catalog.current_labels("P").await.expect("labels");
    assert_ne!(shown, staged, "labels and settings change together or not at all");
    catalog.publish_labels(&lease, &german, &staged, at(3)).await.expect("publish");
    let seen = catalog.project_with_labels("P").await.map(|(found, labels)| (found.language, labels));
    assert_eq!(seen, Ok(("de".to_owned(), staged.clone())));
    assert_eq!(catalog.current_labels("P").await, Ok(staged));
    assert!(catalog.project_with_labels("Q").await.is_err());
}

pub(super) async fn a_second_attempt_starts_over(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let first = started(&catalog, "import", JobKind::Import, "P").await;
    let staged = catalog.begin_import(&first, "P").await.expect("begin").expect("not yet published");
    catalog.stage_documents(&first, &staged, &[document("stale.txt", &[])]).await.expect("stage");
    let again = catalog.lease("other", &[JobKind::Import], at(1000), super::support::TTL).await;
    let second = again.expect("lease").expect("the lease ran out").lease().expect("leased");
    let staged = catalog.begin_import(&second, "P").await.expect("begin").expect("not yet published");
    let row = document("fresh.txt", &[("A", 1)]);
    catalog.stage_documents(&second, &staged, std::slice::from_ref(&row)).await.expect("stage");
    catalog.stage_documents(&second, &staged, &[row]).await.expect("staging twice is staging once");
    // The first worker wakes up: everything it tries is refused.
    let lost = Error::LeaseLost { job: "import".to_owned() };
    let late = [document("late.txt", &[])];
    assert_eq!(catalog.stage_documents(&first, &staged, &late).await, Err(lost.clone()));
    assert_eq!(catalog.publish_labels(&first, &project("P"), &staged, at(2)).await, Err(lost.clone()));
    assert_eq!(catalog.begin_import(&first, "P").await, Err(lost));
    catalog.publish_labels(&second, &project("P"), &staged, at(2)).await.expect("publish");
    assert_eq!(locations(&catalog, "P", &DocumentFilter::default()).await, ["fresh.txt"]);
}

pub(super) async fn documents_filter_and_page(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let test = NewDocument { dataset: Some(Dataset::Test), ..document("b_1.txt", &[("A", 1), ("B", 2)]) };
    let train = NewDocument {
        dataset: Some(Dataset::Train),
        language: Some("de".to_owned()),
        ..document("c.txt", &[])
    };
    let rows = [train.clone(), document("B11.txt", &[("B", 1)]), test, document("a%.txt", &[])];
    imported(&catalog, "import", "P", &rows).await;
    let everything = DocumentFilter::default();
    for (filter, expected) in [
        (everything.clone(), vec!["B11.txt", "a%.txt", "b_1.txt", "c.txt"]),
        (DocumentFilter { labeled: Some(true), ..everything.clone() }, vec!["B11.txt", "b_1.txt"]),
        (DocumentFilter { labeled: Some(false), ..everything.clone() }, vec!["a%.txt", "c.txt"]),
        (
            DocumentFilter { dataset: Some(Dataset::Train), ..everything.clone() },
            vec!["B11.txt", "a%.txt", "c.txt"],
        ),
        (DocumentFilter { dataset: Some(Dataset::Test), ..everything.clone() }, vec!["b_1.txt"]),
        (DocumentFilter { category: Some("B".to_owned()), ..everything.clone() }, vec!["B11.txt", "b_1.txt"]),
        (DocumentFilter { category: Some("C".to_owned()), ..everything.clone() }, vec![]),
        (DocumentFilter { location_contains: Some("b_1".to_owned()), ..everything.clone() }, vec!["b_1.txt"]),
        (DocumentFilter { location_contains: Some("%".to_owned()), ..everything.clone() }, vec!["a%.txt"]),
        (DocumentFilter { location_contains: Some("b1".to_owned()), ..everything.clone() }, vec!["B11.txt"]),
    ] {
        assert_eq!(locations(&catalog, "P", &filter).await, expected, "{filter:?}");
    }
    let labels = catalog.current_labels("P").await.expect("labels");
    let page =
        catalog.documents(&labels, &everything, PageRequest { limit: 2, offset: 1 }).await.expect("list");
    assert_eq!((page.items.len(), page.total, page.has_more), (2, 4, true));
    let mut walked = Vec::new();
    let mut after = None;
    loop {
        let step = catalog.documents_after(&labels, after.as_deref(), 3).await.expect("step");
        let Some(last) = step.last() else { break };
        after = Some(last.location.clone());
        walked.extend(step.into_iter().map(|document| document.location));
    }
    assert_eq!(walked, ["B11.txt", "a%.txt", "b_1.txt", "c.txt"]);
    let row = catalog.document(&labels, "c.txt").await.expect("read");
    let expected = DocumentRow {
        location: train.location,
        language: train.language,
        dataset: train.dataset,
        state: DocumentState::Present,
        etag: train.etag,
        characters: Some(100),
        regions: None,
        labels: 0,
        version: 1,
    };
    assert_eq!(row, expected);
    let missing = Error::NotFound { resource: Resource::Document, name: "d.txt".to_owned() };
    assert_eq!(catalog.document(&labels, "d.txt").await, Err(missing));
}

pub(super) async fn counts_and_totals(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let empty = catalog.current_labels("P").await.expect("labels");
    assert_eq!(catalog.label_totals(&empty).await, Ok(LabelTotals::default()));
    let test = NewDocument { dataset: Some(Dataset::Test), ..document("t.txt", &[("A", 5)]) };
    let gone = NewDocument { state: DocumentState::Missing, ..document("m.txt", &[("A", 1), ("B", 1)]) };
    let rows = [document("a.txt", &[("A", 2)]), document("u.txt", &[]), test, gone];
    imported(&catalog, "import", "P", &rows).await;
    catalog.put_categories("P", &[category("B"), category("A"), category("C")], at(3)).await.expect("put");
    let labels = catalog.current_labels("P").await.expect("labels");
    let totals = LabelTotals { documents: 4, labeled: 3, labeled_test: 1, missing: 1, labels: 9 };
    assert_eq!(catalog.label_totals(&labels).await, Ok(totals));
    let counts = catalog.category_counts(&labels).await.expect("counts");
    let counts: Vec<_> = counts
        .iter()
        .map(|c| (c.category.as_str(), c.train_labels, c.train_documents, c.test_labels, c.test_documents))
        .collect();
    assert_eq!(counts, [("B", 1, 1, 0, 0), ("A", 3, 2, 5, 1), ("C", 0, 0, 0, 0)]);
}

pub(super) async fn edits_check_the_version(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    imported(&catalog, "import", "P", &[document("a.txt", &[("A", 2)])]).await;
    let change = DocumentChange {
        location: "a.txt".to_owned(),
        language: Some("fr".to_owned()),
        dataset: Some(Dataset::Test),
        regions: Some("[]".to_owned()),
        label_counts: BTreeMap::from([("B".to_owned(), 3)]),
        version: Some(1),
    };
    assert_eq!(catalog.put_document("P", &change, at(30)).await, Ok(2));
    let changed = Error::Changed { resource: Resource::Document, name: "a.txt".to_owned() };
    assert_eq!(
        catalog.put_document("P", &change, at(31)).await,
        Err(changed),
        "somebody saw an older version"
    );
    assert_eq!(catalog.project("P").await.map(|project| project.modified_at), Ok(at(30)));
    let labels = catalog.current_labels("P").await.expect("labels");
    let row = catalog.document(&labels, "a.txt").await.expect("read");
    assert_eq!((row.labels, row.version, row.dataset), (3, 2, Some(Dataset::Test)));
    let with_a = DocumentFilter { category: Some("A".to_owned()), ..DocumentFilter::default() };
    assert!(locations(&catalog, "P", &with_a).await.is_empty(), "old counts are gone");
    let blind =
        DocumentChange { version: None, regions: None, label_counts: BTreeMap::new(), ..change.clone() };
    assert_eq!(catalog.put_document("P", &blind, at(32)).await, Ok(3));
    let elsewhere = DocumentChange { location: "b.txt".to_owned(), ..change };
    let missing = Error::NotFound { resource: Resource::Document, name: "b.txt".to_owned() };
    assert_eq!(catalog.put_document("P", &elsewhere, at(33)).await, Err(missing));
}

pub(super) async fn objects_that_changed(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let lost = NewDocument { state: DocumentState::Missing, etag: None, ..document("lost.txt", &[("A", 1)]) };
    imported(&catalog, "import", "P", &[document("a.txt", &[("A", 1)]), document("u.txt", &[]), lost]).await;
    let labels = catalog.current_labels("P").await.expect("labels");
    let state = async |location: &str| catalog.document(&labels, location).await.map(|row| row.state);
    let noted = async |location: &str, etag: Option<&str>, second| {
        let object = ObjectNote { location: location.to_owned(), etag: etag.map(str::to_owned) };
        catalog.note_objects("P", &[object], at(second)).await.map(|noted| noted[0])
    };
    assert_eq!(noted("new.txt", Some("1"), 40).await, Ok(Noted::New));
    assert_eq!(noted("new.txt", Some("1"), 41).await, Ok(Noted::Unchanged), "the same event again");
    assert_eq!(catalog.project("P").await.map(|project| project.modified_at), Ok(at(40)));
    assert_eq!(noted("new.txt", Some("2"), 42).await, Ok(Noted::Replaced));
    assert_eq!(state("new.txt").await, Ok(DocumentState::Present), "nothing to check without labels");
    assert_eq!(noted("a.txt", Some("etag of a.txt"), 43).await, Ok(Noted::Unchanged));
    assert_eq!(noted("a.txt", Some("2"), 43).await, Ok(Noted::Flagged));
    assert_eq!(state("a.txt").await, Ok(DocumentState::Changed));
    assert_eq!(noted("lost.txt", Some("1"), 43).await, Ok(Noted::Flagged), "its labels were never proved");
    assert_eq!(noted("a.txt", None, 44).await, Ok(Noted::Missing));
    assert_eq!(noted("a.txt", None, 44).await, Ok(Noted::Unchanged));
    assert_eq!(state("a.txt").await, Ok(DocumentState::Missing));
    assert_eq!(
        catalog.document(&labels, "a.txt").await.map(|row| row.labels),
        Ok(1),
        "labels outlive the object"
    );
    assert_eq!(noted("a.txt", Some("2"), 45).await, Ok(Noted::Returned));
    assert_eq!(noted("u.txt", None, 46).await, Ok(Noted::Left));
    assert!(matches!(state("u.txt").await, Err(Error::NotFound { .. })), "nothing to keep without labels");
    assert_eq!(noted("never.txt", None, 46).await, Ok(Noted::Unchanged));
    assert!(catalog.note_objects("none", &[], at(47)).await.is_err());

    let import = started(&catalog, "again", JobKind::Import, "P").await;
    let staged = catalog.begin_import(&import, "P").await.expect("begin").expect("not yet published");
    assert_eq!(noted("during.txt", Some("1"), 48).await, Ok(Noted::New));
    catalog.publish_labels(&import, &project("P"), &staged, at(49)).await.expect("publish");
    succeed(&catalog, &import).await;
    let labels = catalog.current_labels("P").await.expect("labels");
    let kept = catalog.document(&labels, "during.txt").await.map(|row| row.etag);
    assert_eq!(kept, Ok(Some("1".to_owned())), "what came during an import is not lost with the old labels");
}

pub(super) async fn snapshots_come_back(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    imported(&catalog, "import", "P", &[document("a.txt", &[("A", 1)]), document("b.txt", &[])]).await;
    catalog.put_categories("P", &[category("A")], at(3)).await.expect("put");
    let train = started(&catalog, "train", JobKind::Train, "P").await;
    let snapshot = catalog.take_snapshot(&train, "P").await.expect("snapshot");
    let edit = DocumentChange {
        location: "b.txt".to_owned(),
        language: None,
        dataset: None,
        regions: Some("[]".to_owned()),
        label_counts: BTreeMap::from([("Z".to_owned(), 1)]),
        version: None,
    };
    catalog.put_document("P", &edit, at(4)).await.expect("people go on labeling");
    assert_eq!(
        catalog.take_snapshot(&train, "P").await.as_ref(),
        Ok(&snapshot),
        "the same for a second attempt"
    );
    assert_eq!(catalog.label_totals(&snapshot).await.map(|totals| totals.labels), Ok(1));
    catalog.put_model(&train, &model("P", "m", "m-1", Some(snapshot))).await.expect("put");
    succeed(&catalog, &train).await;
    let joined = ObjectNote { location: "c.txt".to_owned(), etag: Some("1".to_owned()) };
    catalog.note_objects("P", &[joined], at(5)).await.expect("note");
    catalog.put_categories("P", &[category("Z")], at(5)).await.expect("put");
    let load = started(&catalog, "load", JobKind::LoadSnapshot, "P").await;
    catalog.load_snapshot(&load, "P", "m", at(50)).await.expect("load");
    catalog.load_snapshot(&load, "P", "m", at(51)).await.expect("a second attempt finds it done");
    let labels = catalog.current_labels("P").await.expect("labels");
    assert_eq!(catalog.categories(&labels).await, Ok(vec![category("A")]));
    let labeled: Vec<_> = all(&catalog, "P", &DocumentFilter::default())
        .await
        .into_iter()
        .map(|row| (row.location, row.labels))
        .collect();
    assert_eq!(labeled, [("a.txt".to_owned(), 1), ("b.txt".to_owned(), 0), ("c.txt".to_owned(), 0)]);
    assert_eq!(catalog.project("P").await.map(|project| project.modified_at), Ok(at(50)));
    let unknown = Error::NotFound { resource: Resource::Model, name: "x".to_owned() };
    succeed(&catalog, &load).await;
    let load = started(&catalog, "load again", JobKind::LoadSnapshot, "P").await;
    assert_eq!(catalog.load_snapshot(&load, "P", "x", at(52)).await, Err(unknown));
}

pub(super) async fn retired_labels_leave(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let many: Vec<_> = (0..7_000).map(|number| document(&format!("{number:05}.txt"), &[("A", 1)])).collect();
    imported(&catalog, "first", "P", &many).await;
    let old = catalog.current_labels("P").await.expect("labels");
    imported(&catalog, "second", "P", &many[..3]).await;
    let kept = SignedDuration::try_from(RETIRED_LABELS_KEPT).expect("in range");
    let early = catalog.sweep(at(2) + kept - SignedDuration::from_micros(1)).await.expect("sweep");
    assert_eq!(early.documents, 0, "readers may still need them");
    let late = at(2) + kept;
    let mut deleted = 0;
    loop {
        let swept = catalog.sweep(late).await.expect("sweep");
        deleted += swept.documents;
        let read = catalog.documents_after(&old, None, 1).await;
        assert_eq!(read.is_ok(), deleted == 0, "a part must not pass for the whole");
        if !swept.more {
            break;
        }
    }
    assert_eq!(deleted, 7_000);
    assert_eq!(catalog.label_totals(&old).await, Ok(LabelTotals::default()));
    assert_eq!(all(&catalog, "P", &DocumentFilter::default()).await.len(), 3);
}

pub(super) async fn abandoned_labels_leave(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    let failed = started(&catalog, "fails", JobKind::Import, "P").await;
    let staged = catalog.begin_import(&failed, "P").await.expect("begin").expect("not yet published");
    catalog.stage_documents(&failed, &staged, &[document("a.txt", &[])]).await.expect("stage");
    let late = at(2) + SignedDuration::try_from(RETIRED_LABELS_KEPT).expect("in range");
    catalog.sweep(late).await.expect("sweep");
    assert_eq!(
        catalog.label_totals(&staged).await.map(|totals| totals.documents),
        Ok(1),
        "its job still runs"
    );
    catalog.finish(&failed, &crate::Outcome::failed("[{}]"), at(2)).await.expect("finish");
    catalog.sweep(at(3)).await.expect("sweep retires");
    catalog.sweep(late + SignedDuration::from_secs(1)).await.expect("sweep deletes");
    assert_eq!(catalog.label_totals(&staged).await, Ok(LabelTotals::default()));
}
