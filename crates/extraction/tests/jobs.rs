//! Jobs from submission to results, over a real catalog and a real head (contract: runtime 2 to 7).

mod support;

use catalog::Lease;
use futures::executor::block_on;
use language_api::{Call, ErrorKind};
use model::GraphError;
use serde_json::{Value, json};
use support::{House, SECRET, TEXT, body, call, pass, request};

fn item(state: &Value, index: usize) -> &Value {
    &state["tasks"]["items"][index]
}

#[test]
fn a_job_goes_from_submission_to_results() {
    let house = House::new();
    let id = house.submitted(&request(&[TEXT, "", " \r\n"], &["production"]));
    let fresh = house.state(id, "");
    assert_eq!((&fresh["status"], &fresh["errors"]), (&json!("notStarted"), &json!([])));
    assert_eq!(
        fresh["tasks"],
        json!({ "completed": 0, "failed": 0, "inProgress": 1, "total": 1, "items": [] })
    );
    assert_eq!(house.run_next(id), json!({ "status": "succeeded" }));
    let state = house.state(id, "showStats=True");
    assert_eq!((&state["status"], &state["errors"]), (&json!("succeeded"), &json!([])));
    assert_eq!(state["expirationDateTime"], "2024-05-07T09:41:10Z");
    assert_eq!((&state["nextLink"], &state["lastUpdateDateTime"]), (&Value::Null, &Value::Null));
    let item = item(&state, 0);
    assert_eq!(
        (&item["kind"], &item["taskName"]),
        (&json!("CustomEntityRecognitionLROResults"), &json!("task production"))
    );
    let results = &item["results"];
    let found: Vec<_> = results["documents"][0]["entities"].as_array().expect("a list").clone();
    let shown: Vec<_> =
        found.iter().map(|e| (e["text"].as_str(), e["category"].as_str(), e["offset"].as_u64())).collect();
    let expected =
        [(Some("Ana Ruiz"), Some("Claimant"), Some(9)), (Some("PN-4471"), Some("PolicyNumber"), Some(31))];
    assert_eq!(shown, expected);
    assert_eq!(
        results["documents"][1],
        json!({ "id": "3", "entities": [], "warnings": [],
        "statistics": { "charactersCount": 2, "transactionsCount": 1 } })
    );
    assert_eq!(results["errors"][0]["error"]["innererror"]["message"], "Document text is empty.");
    assert_eq!(
        results["statistics"],
        json!({ "documentsCount": 3, "validDocumentsCount": 2,
        "erroneousDocumentsCount": 1, "transactionsCount": 2 })
    );
    let plain = house.state(id, "");
    assert_eq!(self::item(&plain, 0)["results"]["statistics"], Value::Null);
    assert_eq!(self::item(&plain, 0)["results"]["documents"][0]["statistics"], Value::Null);
}

#[test]
fn all_documents_of_a_task_go_through_the_graph_at_once() {
    let house = House::new();
    let id = house.submitted(&request(&[TEXT; 25], &["production"]));
    house.run_next(id);
    assert_eq!(house.graphs.computed.get(), 1);
    assert_eq!(item(&house.state(id, ""), 0)["results"]["documents"].as_array().map(Vec::len), Some(25));
}

#[test]
fn offsets_count_in_the_unit_asked_for() {
    let house = House::new();
    for (unit, offset) in [
        (None, 11),
        (Some("TextElements_v8"), 11),
        (Some("UnicodeCodePoint"), 12),
        (Some("Utf16CodeUnit"), 14),
    ] {
        let mut body = request(&[&format!("👍🏽 {TEXT}")], &["production"]);
        if let Some(unit) = unit {
            body["tasks"][0]["parameters"]["stringIndexType"] = json!(unit);
        }
        let id = house.submitted(&body);
        house.run_next(id);
        let state = house.state(id, "");
        let entity = &item(&state, 0)["results"]["documents"][0]["entities"][0];
        assert_eq!((&entity["text"], &entity["offset"]), (&json!("Ana Ruiz"), &json!(offset)), "{unit:?}");
    }
}

#[test]
fn pages_are_cut_only_when_asked_for() {
    let house = House::new();
    let mut texts = [TEXT; 25];
    texts[3] = "";
    let id = house.submitted(&request(&texts, &["production"]));
    house.run_next(id);
    let first = house.state(id, "top=20&showStats=true");
    let results = &item(&first, 0)["results"];
    assert_eq!(results["statistics"]["documentsCount"], 20);
    assert_eq!(results["statistics"]["erroneousDocumentsCount"], 1);
    let next = format!(
        "https://ner.example.org/language/analyze-text/jobs/{id}?showStats=True&top=5&skip=20&api-version=2023-04-01"
    );
    assert_eq!(first["nextLink"], next);
    let second = house.state(id, "showStats=True&top=5&skip=20");
    assert_eq!(item(&second, 0)["results"]["documents"][0]["id"], "21");
    assert_eq!(item(&second, 0)["results"]["statistics"]["documentsCount"], 5);
    assert_eq!(second["nextLink"], Value::Null);
}

#[test]
fn what_is_not_there_is_refused_at_submission() {
    let house = House::new();
    let error = house.submit(&request(&[TEXT], &["production", "nowhere"])).expect_err("unknown");
    assert_eq!((error.kind, error.target.as_deref()), (ErrorKind::NotFound, Some("#/tasks/1")));
    let mut body = request(&[TEXT], &["production"]);
    body["tasks"][0]["parameters"]["projectName"] = json!("Nobody");
    let error = house.submit(&body).expect_err("unknown");
    assert_eq!((error.kind, error.target.as_deref()), (ErrorKind::ProjectNotFound, Some("#/tasks/0")));
    let stranger = Call { key: Some("x".into()), ..call("", &request(&[TEXT], &["production"])) };
    let error = block_on(house.extraction().submit(&stranger, uuid::Uuid::nil())).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Unauthorized);
}

#[test]
fn one_failed_task_of_one_fails_the_job() {
    let house = House::new();
    let reason = GraphError::Damaged { model: "model-1".into(), reason: "head.bin is gone".into() };
    *house.graphs.failure.borrow_mut() = Some(reason);
    let id = house.submitted(&request(&[TEXT], &["production"]));
    assert_eq!(house.run_next(id), json!({ "status": "failed" }));
    let state = house.state(id, "");
    assert_eq!(state["status"], "failed");
    assert_eq!(state["errors"][0]["target"], "#/tasks/items/0");
    assert_eq!(state["errors"][0]["code"], "ServiceUnavailable");
    assert_eq!(state["tasks"]["failed"], 1);
    assert_eq!(
        (&item(&state, 0)["status"], &item(&state, 0)["results"]["documents"]),
        (&json!("failed"), &json!([]))
    );
}

#[test]
fn one_failed_task_of_two_leaves_the_other() {
    let house = House::new();
    let id = house.submitted(&request(&[TEXT], &["production", "trial"]));
    let lease = house.lease();
    // The second deployment goes away between submission and run.
    remove_deployment(&house, "trial");
    assert_eq!(body(house.run(id, &lease)), json!({ "status": "partiallyCompleted" }));
    let state = house.state(id, "");
    assert_eq!(state["errors"][0]["target"], "#/tasks/items/1");
    assert_eq!(state["tasks"]["completed"], 1);
    assert_eq!(
        (&item(&state, 0)["status"], &item(&state, 1)["status"]),
        (&json!("succeeded"), &json!("failed"))
    );
}

#[test]
fn a_cancelled_job_keeps_its_items() {
    let house = House::new();
    let waiting = house.submitted(&request(&[TEXT], &["production"]));
    assert_eq!(house.cancel(waiting).map(|reply| reply.status), Ok(202));
    let state = house.state(waiting, "");
    assert_eq!(state["status"], "cancelled");
    let expected =
        json!({ "documents": [], "errors": [], "projectName": "ClaimsDesk", "deploymentName": "production" });
    assert_eq!(
        (&item(&state, 0)["taskName"], &item(&state, 0)["results"]),
        (&json!("task production"), &expected)
    );
    let running = house.submitted(&request(&[TEXT], &["production"]));
    let lease = house.lease();
    assert!(house.cancel(running).is_ok());
    assert_eq!(house.state(running, "")["status"], "cancelling");
    assert_eq!(body(house.run(running, &lease)), json!({ "status": "cancelled" }));
    assert_eq!(house.state(running, "")["status"], "cancelled");
    assert_eq!(house.graphs.computed.get(), 0);
    assert_eq!(house.cancel(running).map(|reply| reply.status), Ok(202), "an ended job stays as it is");
}

#[test]
fn a_job_ends_itself_when_its_time_is_over() {
    let house = House::new();
    let mut body = request(&[TEXT], &["production"]);
    body["cancelAfter"] = json!(29.5);
    let (looked_at, run) = (house.submitted(&body), house.submitted(&body));
    pass(29);
    assert_eq!(house.state(looked_at, "")["status"], "notStarted");
    pass(1);
    assert_eq!(house.state(looked_at, "")["status"], "cancelled");
    assert_eq!(house.run_next(run), json!({ "status": "cancelled" }));
}

#[test]
fn running_again_changes_nothing() {
    let house = House::new();
    let id = house.submitted(&request(&[TEXT], &["production"]));
    let lease = house.lease();
    body(house.run(id, &lease));
    let state = house.state(id, "");
    assert_eq!(body(house.run(id, &lease)), json!({ "status": "succeeded" }));
    assert_eq!((house.state(id, ""), house.graphs.computed.get()), (state, 1));
}

#[test]
fn only_the_lease_in_force_runs_a_job() {
    let house = House::new();
    let id = house.submitted(&request(&[TEXT], &["production"]));
    let lease = house.lease();
    let old = Lease { attempt: lease.attempt + 1, ..lease.clone() };
    assert_eq!(house.run(id, &old).map_err(|error| error.kind), Err(ErrorKind::Conflict));
    let body = json!({ "owner": lease.owner, "attempt": lease.attempt });
    let shown = |internal_secret: Option<&str>, body: &Value| {
        let call = Call { internal_secret: internal_secret.map(str::to_owned), ..call("", body) };
        block_on(house.extraction().run_job(&call, id, SECRET)).map_err(|error| error.kind)
    };
    assert_eq!(shown(None, &body), Err(ErrorKind::Unauthorized));
    assert_eq!(shown(Some(SECRET), &json!({})), Err(ErrorKind::Field));
    assert!(shown(Some(SECRET), &body).is_ok());
}

#[test]
fn results_go_after_a_day() {
    let house = House::new();
    let id = house.submitted(&request(&[TEXT], &["production"]));
    house.run_next(id);
    pass(24 * 60 * 60);
    let answer = block_on(house.extraction().get_job(&call("", &Value::Null), id));
    assert_eq!(answer.map_err(|error| error.kind), Err(ErrorKind::OperationNotFound));
}

#[test]
fn entities_below_the_threshold_are_left_out() {
    let house = House::new();
    let score = || {
        let id = house.submitted(&request(&[TEXT], &["production"]));
        house.run_next(id);
        let state = house.state(id, "");
        let entities = item(&state, 0)["results"]["documents"][0]["entities"].as_array().cloned();
        entities.unwrap_or_default().iter().filter_map(|e| e["confidenceScore"].as_f64()).collect::<Vec<_>>()
    };
    let all = score();
    let lowest = all.iter().copied().fold(1.0, f64::min);
    threshold(&house, lowest);
    assert_eq!(score(), all, "an entity at the threshold stays");
    threshold(&house, lowest + 0.01);
    assert!(score().len() < all.len());
}

#[test]
fn the_synchronous_call_answers_at_once() {
    let house = House::new();
    let job = request(&[TEXT, ""], &["production"]);
    let mut one = json!({ "kind": "CustomEntityRecognition", "analysisInput": job["analysisInput"],
        "parameters": job["tasks"][0]["parameters"] });
    let answer = body(block_on(house.extraction().analyze(&call("", &one))));
    assert_eq!(answer["kind"], "CustomEntityRecognitionResults");
    assert_eq!(answer["results"]["documents"][0]["entities"][0]["text"], "Ana Ruiz");
    assert_eq!(answer["results"]["errors"][0]["id"], "2");
    one["kind"] = json!("EntityLinking");
    let error = block_on(house.extraction().analyze(&call("", &one))).expect_err("another kind");
    assert_eq!(error.status(), 400);
    assert!(error.message.contains("CustomEntityRecognition"), "{}", error.message);
    one["kind"] = json!("CustomEntityRecognition");
    one["parameters"]["deploymentName"] = json!("nowhere");
    let error = block_on(house.extraction().analyze(&call("", &one))).expect_err("unknown");
    assert_eq!(error.status(), 404);
}

fn remove_deployment(house: &House, name: &str) {
    let lease = support::exclusive_lease(house, catalog::JobKind::DeleteDeployment);
    let removed = house.catalog.delete_deployment(&lease, "ClaimsDesk", name, support::now());
    assert_eq!(block_on(removed), Ok(true));
}

fn threshold(house: &House, confidence: f64) {
    let change =
        catalog::ProjectChange { confidence_threshold: Some(Some(confidence)), ..support::project() };
    block_on(house.catalog.put_project(&change, support::now())).expect("changed");
}
