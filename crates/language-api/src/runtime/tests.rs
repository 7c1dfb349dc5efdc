//! The contract's examples and refusals, as text.

use super::*;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::JobStatus;
use crate::limits::Limits;
use crate::timestamps::WholeSeconds;
use crate::version::ApiVersion;
use ner::StringIndexType;
use serde_json::{Value, json};

fn body() -> Value {
    json!({
        "displayName": "monday letters",
        "analysisInput": { "documents": [
            { "id": "1", "language": "en-us", "text": "Claim by Ana Ruiz under policy PN-4471." },
            { "id": "2", "language": "auto", "text": "" }
        ] },
        "tasks": [ { "kind": "CustomEntityRecognition", "taskName": "fields", "parameters": {
            "projectName": "ClaimsDesk", "deploymentName": "production", "loggingOptOut": true,
            "stringIndexType": "UTF16CodeUnit", "unknown": {} } } ]
    })
}

fn parse(body: &Value) -> Result<SubmitRequest, ApiError> {
    SubmitRequest::parse(body.to_string().as_bytes(), &Limits::default())
}

/// The body with the value at `pointer` replaced, or removed when `value` is null.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = body();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

fn refused(body: &Value) -> (ErrorKind, String, String) {
    let error = parse(body).unwrap_err();
    (error.kind, error.target.unwrap_or_default(), error.message)
}

#[test]
fn a_request_is_read_and_reads_back() {
    let request = parse(&body()).unwrap();
    let parameters = &request.tasks[0].parameters;
    assert_eq!(parameters.string_index_type, StringIndexType::Utf16CodeUnit);
    assert_eq!(request.analysis_input.documents[0].language.as_deref(), Some("en-us"));
    assert_eq!(request.analysis_input.documents[1].language, None);
    let stored = serde_json::to_value(&request).unwrap();
    assert_eq!(stored["tasks"][0]["parameters"]["stringIndexType"], "Utf16CodeUnit");
    assert_eq!(parse(&stored), Ok(request.clone()));
    assert_eq!(serde_json::from_value::<SubmitRequest>(stored).unwrap(), request);
}

#[test]
fn defaults_are_those_of_the_service() {
    let mut body = with("/tasks/0/taskName", Value::Null);
    body["tasks"][0]["parameters"] = json!({ "projectName": "P", "deploymentName": "d" });
    body["displayName"] = Value::Null;
    let request = parse(&body).unwrap();
    assert_eq!((request.display_name, request.cancel_after_seconds), (None, None));
    assert_eq!(request.tasks[0].task_name, None);
    assert_eq!(request.tasks[0].parameters.string_index_type, StringIndexType::TextElements);
}

#[test]
fn documents_are_refused_by_their_row() {
    let documents = "/analysisInput/documents";
    for (value, kind) in [
        (Value::Null, ErrorKind::DocumentsMissing),
        (json!([]), ErrorKind::DocumentsMissing),
        (json!({}), ErrorKind::DocumentsMissing),
        (json!([{ "text": "a" }]), ErrorKind::Document),
        (json!([{ "id": "", "text": "a" }]), ErrorKind::Document),
        (json!([{ "id": 1, "text": "a" }]), ErrorKind::Document),
        (json!([{ "id": "1" }]), ErrorKind::Document),
        (json!([{ "id": "1", "text": "a" }, { "id": "1", "text": "b" }]), ErrorKind::Document),
        (json!([{ "id": "1", "text": "a".repeat(125_001) }]), ErrorKind::Document),
        (
            json!([{ "id": "1", "text": "a".repeat(125_000) }, { "id": "2", "text": "b" }]),
            ErrorKind::DocumentBatch,
        ),
        (
            json!((0..26).map(|id| json!({ "id": id.to_string(), "text": "" })).collect::<Vec<_>>()),
            ErrorKind::DocumentBatch,
        ),
    ] {
        let shown = value.to_string();
        let shown = &shown[..shown.len().min(60)];
        let (found, target, _) = refused(&with(documents, value.clone()));
        assert_eq!(found, kind, "{shown}");
        assert!(target.starts_with("#/analysisInput/documents"), "{target}");
    }
    let (_, _, message) = refused(&with("/analysisInput/documents/0/id", Value::Null));
    assert_eq!(message, "At least one input is missing an Id attribute.");
    assert_eq!(refused(&json!({ "tasks": [] })).0, ErrorKind::DocumentsMissing);
}

#[test]
fn text_elements_are_what_counts() {
    let family = "👩🏻‍👩🏽‍👧🏾‍👦🏿".repeat(3_000);
    assert_eq!(text_elements(&family), 3_000);
    assert!(parse(&with("/analysisInput/documents/0/text", json!(family))).is_ok());
}

#[test]
fn tasks_are_refused_with_their_place() {
    for (pointer, value, target) in [
        ("/tasks", json!([]), "#/tasks"),
        ("/tasks", Value::Null, "#/tasks"),
        ("/tasks", json!({}), "#/tasks"),
        ("/tasks/0", json!("x"), "#/tasks/0"),
        ("/tasks/0/kind", json!("EntityRecognition"), "#/tasks/0/kind"),
        ("/tasks/0/parameters", Value::Null, "#/tasks/0/parameters"),
        ("/tasks/0/parameters/projectName", Value::Null, "#/tasks/0/parameters/projectName"),
        ("/tasks/0/parameters/deploymentName", json!(""), "#/tasks/0/parameters/deploymentName"),
        ("/tasks/0/parameters/stringIndexType", json!("Bytes"), "#/tasks/0/parameters/stringIndexType"),
        ("/tasks/0/parameters/loggingOptOut", json!("no"), "#/tasks/0/parameters/loggingOptOut"),
        ("/tasks/0/taskName", json!(1), "#/tasks/0/taskName"),
        ("/displayName", json!(1), "#/displayName"),
    ] {
        let (kind, found, message) = refused(&with(pointer, value));
        assert_eq!((kind, found.as_str()), (ErrorKind::Task, target), "{message}");
    }
    let (_, _, message) = refused(&with("/tasks/0/kind", json!("EntityRecognition")));
    assert!(message.contains("CustomEntityRecognition alone"), "{message}");
}

#[test]
fn a_job_may_end_itself_after_any_time_above_none() {
    for (sent, read) in
        [(json!(30), 30), (json!(30.0), 30), (json!(0.2), 1), (json!(i32::MAX), i32::MAX as u32)]
    {
        let mut body = body();
        body["cancelAfter"] = sent;
        assert_eq!(parse(&body).map(|request| request.cancel_after_seconds), Ok(Some(read)));
    }
    for sent in [json!(0), json!(-1.5), json!(1e12), json!("30")] {
        let mut body = body();
        body["cancelAfter"] = sent;
        let (kind, target, message) = refused(&body);
        assert_eq!((kind, target.as_str()), (ErrorKind::Task, "#/cancelAfter"), "{message}");
    }
}

#[test]
fn impossible_names_are_unknown_names() {
    let (kind, target, _) = refused(&with("/tasks/0/parameters/projectName", json!("a b")));
    assert_eq!((kind, target.as_str()), (ErrorKind::ProjectNotFound, "#/tasks/0"));
    let (kind, target, _) = refused(&with("/tasks/0/parameters/deploymentName", json!("swap")));
    assert_eq!((kind, target.as_str()), (ErrorKind::NotFound, "#/tasks/0"));
}

#[test]
fn size_and_form_of_the_body_are_checked_first() {
    let limits = Limits { request_body_bytes_max: 10, ..Limits::default() };
    assert_eq!(SubmitRequest::parse(b"{          }", &limits).unwrap_err().kind, ErrorKind::BodyTooLarge);
    assert_eq!(SubmitRequest::parse(b"{", &limits).unwrap_err().kind, ErrorKind::BodyNotJson);
    assert_eq!(SubmitRequest::parse(b"", &limits).unwrap_err().kind, ErrorKind::BodyEmpty);
    assert_eq!(SubmitRequest::parse(b"[]", &limits).unwrap_err().kind, ErrorKind::Task);
}

#[test]
fn the_synchronous_request_has_one_task() {
    let text = json!({ "kind": "CustomEntityRecognition", "analysisInput": body()["analysisInput"],
        "parameters": body()["tasks"][0]["parameters"] });
    let read = |body: &Value| AnalyzeRequest::parse(body.to_string().as_bytes(), &Limits::default());
    let request = read(&text).unwrap();
    assert_eq!(request.parameters.deployment_name.as_str(), "production");
    let mut other = text;
    other["kind"] = json!("KeyPhraseExtraction");
    let error = read(&other).unwrap_err();
    assert_eq!((error.kind, error.target.as_deref()), (ErrorKind::Task, Some("#/kind")));
}

#[test]
fn a_new_job_answers_as_the_contract_prints() {
    let moment = |text: &str| WholeSeconds(text.parse().unwrap());
    let state = RuntimeJobState {
        job_id: "7669f653-2ff2-4db7-bf52-aa3e813bcb8b".parse().unwrap(),
        last_updated_date_time: moment("2024-05-06T09:41:10Z"),
        last_update_date_time: None,
        created_date_time: moment("2024-05-06T09:41:10Z"),
        expiration_date_time: moment("2024-05-07T09:41:10Z"),
        status: JobStatus::NotStarted,
        display_name: None,
        errors: Vec::new(),
        next_link: None,
        tasks: TasksState::new(1, Vec::new()),
    };
    let expected = r#"{"jobId":"7669f653-2ff2-4db7-bf52-aa3e813bcb8b","lastUpdatedDateTime":"2024-05-06T09:41:10Z","createdDateTime":"2024-05-06T09:41:10Z","expirationDateTime":"2024-05-07T09:41:10Z","status":"notStarted","errors":[],"tasks":{"completed":0,"failed":0,"inProgress":1,"total":1,"items":[]}}"#;
    assert_eq!(serde_json::to_string(&state).unwrap(), expected);
    let old = ApiVersion::parse(Some("2022-10-01-preview")).unwrap();
    let both = serde_json::to_value(state.for_version(&old)).unwrap();
    assert_eq!(both["lastUpdateDateTime"], both["lastUpdatedDateTime"]);
}

#[test]
fn a_finished_job_answers_as_the_contract_prints() {
    let text = r#"{"jobId":"7669f653-2ff2-4db7-bf52-aa3e813bcb8b","lastUpdatedDateTime":"2024-05-06T09:41:11Z","createdDateTime":"2024-05-06T09:41:10Z","expirationDateTime":"2024-05-07T09:41:10Z","status":"succeeded","displayName":"monday letters","errors":[],"tasks":{"completed":1,"failed":0,"inProgress":0,"total":1,"items":[{"kind":"CustomEntityRecognitionLROResults","taskName":"fields","lastUpdateDateTime":"2024-05-06T09:41:11.2214906Z","status":"succeeded","results":{"statistics":{"documentsCount":2,"validDocumentsCount":1,"erroneousDocumentsCount":1,"transactionsCount":1},"documents":[{"id":"1","entities":[{"text":"Ana Ruiz","category":"Claimant","offset":9,"length":8,"confidenceScore":0.98},{"text":"PN-4471","category":"PolicyNumber","offset":31,"length":7,"confidenceScore":1.0}],"warnings":[],"statistics":{"charactersCount":77,"transactionsCount":1}}],"errors":[{"id":"2","error":{"code":"InvalidArgument","message":"Invalid Document in request.","innererror":{"code":"InvalidDocument","message":"Document text is empty."}}}],"projectName":"ClaimsDesk","deploymentName":"production"}}]}}"#;
    let state: RuntimeJobState = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&state).unwrap(), text);
    let results = &state.tasks.items[0].results;
    assert_eq!(results.clone().shown(None, true), *results);
    assert_eq!(results.errors, [DocumentError::empty("2")]);
}

#[test]
fn a_failed_task_is_found_by_its_target() {
    let error = task_failed(&ApiError::new(ErrorKind::Unavailable, "the model could not be loaded"), 1);
    assert_eq!(
        (error.code.as_str(), error.target.as_deref()),
        ("ServiceUnavailable", Some("#/tasks/items/1"))
    );
}
