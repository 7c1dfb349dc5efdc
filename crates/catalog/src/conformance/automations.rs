//! What projects do by themselves.

use super::Database;
use super::support::{TTL, at, deployed, document, imported, started, succeed, trained, with_project};
use crate::{Asked, AutomationStep, JobKind, NewExtraction, PageRequest};

pub(super) async fn a_step_follows_the_end_of_a_job(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    imported(&catalog, "first", "P", &[document("a.txt", &[("A", 1)]), document("b.txt", &[])]).await;
    let due = async || {
        let leased = catalog.lease("w", &[JobKind::Automate], at(9), TTL).await.expect("lease");
        leased.and_then(|job| job.lease())
    };
    assert_eq!(due().await, None, "there is no automation yet");
    assert_eq!(catalog.see_label_file("P", "1", at(3)).await, Ok(false));
    assert!(catalog.put_automation("none", "{}", false, at(3)).await.is_err());
    catalog.put_automation("P", "{}", false, at(3)).await.expect("put");
    let found = catalog.automation("P").await.expect("read").expect("there");
    assert_eq!((found.trained_set.as_str(), found.trained_labeled), ("first", 1));

    assert_eq!(catalog.see_label_file("P", "1", at(4)).await, Ok(true));
    assert_eq!(catalog.see_label_file("P", "1", at(4)).await, Ok(false), "the same event again");
    assert_eq!(catalog.see_label_file("P", "2", at(4)).await, Ok(true));
    let automate = due().await.expect("one job for both");
    assert_eq!(due().await, None);
    let import = started(&catalog, "import", JobKind::Import, "P").await;
    catalog.put_automation_step("P", &AutomationStep::Imported("2".to_owned())).await.expect("remember");
    succeed(&catalog, &automate).await;
    assert_eq!(due().await, None, "an automation does not follow itself");
    succeed(&catalog, &import).await;
    let next = due().await.expect("the end of an exclusive job is followed by the next step");
    let set = "import".to_owned();
    let step = AutomationStep::Trained { set, labeled: 7, job: Some("train".to_owned()) };
    catalog.put_automation_step("P", &step).await.expect("remember");
    succeed(&catalog, &next).await;
    let found = catalog.automation("P").await.expect("read").expect("there");
    assert_eq!(
        (found.label_file_imported.as_deref(), found.label_file_seen.as_deref()),
        (Some("2"), Some("2"))
    );
    assert_eq!((found.trained_labeled, found.training_job.as_deref()), (7, Some("train")));
    catalog.put_automation_step("P", &AutomationStep::Judged).await.expect("remember");
    catalog.put_automation("P", "{\"train\":{}}", true, at(8)).await.expect("put");
    let found = catalog.automation("P").await.expect("read").expect("there");
    assert_eq!((found.trained_set.as_str(), found.trained_labeled, found.training_job), ("first", 1, None));
    assert_eq!(
        (found.settings.as_str(), found.label_file_imported.as_deref()),
        ("{\"train\":{}}", Some("2"))
    );

    let jobs = catalog.project_jobs("P", PageRequest::first(10), at(9)).await.expect("list");
    assert_eq!(jobs.items.iter().filter(|job| job.kind == JobKind::Automate).count(), 2);
    assert_eq!(jobs.total, 4);
    let delete = started(&catalog, "delete", JobKind::DeleteProject, "P").await;
    catalog.delete_project(&delete, "P", at(10)).await.expect("delete");
    succeed(&catalog, &delete).await;
    assert_eq!((catalog.automation("P").await, due().await), (Ok(None), None));
}

fn letter(etag: &str) -> NewExtraction {
    NewExtraction { location: "in/a.txt".to_owned(), etag: etag.to_owned(), payload: b"{}".to_vec() }
}

pub(super) async fn a_document_is_extracted_from_once(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    trained(&catalog, "P", "model", "model-1").await;
    catalog.put_automation("P", "{}", false, at(1)).await.expect("put");
    deployed(&catalog, "P", "production", "model").await;
    let asked = async |etag: &str| {
        let asked =
            catalog.request_extractions("P", "production", &[letter(etag)], at(2)).await.expect("ask");
        match asked.as_slice() {
            [Asked::Started(job)] => Some(job.clone()),
            [Asked::Known] => None,
            other => panic!("{other:?}"),
        }
    };
    let first = asked("1").await.expect("a job");
    assert_eq!(asked("1").await, None, "the same event again");
    assert_eq!(catalog.payload(&first).await, Ok(b"{}".to_vec()));
    assert!(asked("2").await.is_some(), "another text");
    catalog.forget_extraction("P", "in/a.txt").await.expect("forget");
    assert!(asked("2").await.is_some(), "it was gone in between");
    let counts = catalog.job_counts(&[JobKind::ExtractDocument], at(3)).await.expect("counts");
    assert_eq!(counts.waiting, 3);
}

pub(super) async fn a_document_waits_for_its_deployment(database: &impl Database) {
    let catalog = database.open().await;
    with_project(&catalog, "P").await;
    trained(&catalog, "P", "model", "model-1").await;
    catalog.put_automation("P", "{}", false, at(1)).await.expect("put");
    let ask = async |etag: &str| {
        catalog.request_extractions("P", "production", &[letter(etag)], at(2)).await.expect("ask")
    };
    let waiting = async || catalog.waiting_extractions("P", 9).await.expect("list");
    assert_eq!((ask("1").await, ask("2").await), (vec![Asked::Waits], vec![Asked::Waits]));
    assert_eq!(waiting().await, [("in/a.txt".to_owned(), "2".to_owned())], "the latest text alone");
    catalog.put_automation("P", "{}", false, at(3)).await.expect("put");
    let automate = catalog.lease("w", &[JobKind::Automate], at(4), TTL).await.expect("lease");
    assert!(automate.is_some(), "other settings may name a deployment that is there");
    deployed(&catalog, "P", "production", "model").await;
    assert!(matches!(ask("2").await.as_slice(), [Asked::Started(_)]));
    assert_eq!((waiting().await, ask("2").await), (vec![], vec![Asked::Known]));
    ask("3").await;
    catalog.forget_extraction("P", "in/a.txt").await.expect("forget");
    let gone = catalog.request_extractions("P", "other", &[letter("3")], at(6)).await;
    assert_eq!(gone, Ok(vec![Asked::Waits]));
    catalog.forget_extraction("P", "in/a.txt").await.expect("forget");
    assert_eq!(waiting().await, []);
}
