//! What callers get who ask for something wrong.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Answer, Client, Example, Server};

/// Status, outer and inner code.
#[track_caller]
fn is(answer: &Answer, status: u16, code: &str, inner: &str) {
    let error = answer.error().unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(error, (status, code.to_owned(), inner.to_owned()), "{}", answer.text());
    if answer.status != 404 {
        return;
    }
    let named = answer.header("x-ms-error-code");
    assert!(named.is_empty() || named == code, "x-ms-error-code is {named}");
}

#[test]
fn keys_and_versions_are_checked_on_every_route() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let job = "/language/analyze-text/jobs/7669f653-2ff2-4db7-bf52-aa3e813bcb8b";
    for place in [PROJECTS, job] {
        for key in ["", "0123456789abcdef0123456789abcdef"] {
            let answer = client.with_key(key).get(place)?;
            assert_eq!(answer.error()?.0, 401, "{place} with key {key:?}: {}", answer.text());
        }
        is(
            &client.get(&format!("{}{place}", client.endpoint))?,
            400,
            "InvalidRequest",
            "InvalidParameterValue",
        );
        let odd = format!("{}{place}?api-version=yesterday", client.endpoint);
        is(&client.get(&odd)?, 400, "InvalidRequest", "InvalidParameterValue");
    }
    // Every well-formed version is served.
    client.get(&format!("{}{PROJECTS}?api-version=2031-01-01-preview", client.endpoint))?.expect(200)?;
    Ok(())
}

#[test]
fn what_is_not_there_is_named_by_its_code() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    is(&client.get(&format!("{PROJECTS}/Absent"))?, 404, "ProjectNotFound", "");
    is(&client.send("DELETE", &format!("{PROJECTS}/Absent"), None)?, 404, "ProjectNotFound", "");
    let train = json!({ "modelLabel": "m", "trainingConfigVersion": "latest" });
    is(&client.send("POST", &format!("{PROJECTS}/Absent/:train"), Some(&train))?, 404, "ProjectNotFound", "");
    is(&client.get(&format!("{PROJECTS}/Absent/no/such/route"))?, 404, "NotFound", "");
    is(&client.get("/language/no-such-route")?, 404, "NotFound", "");
    let job = "/language/analyze-text/jobs/7669f653-2ff2-4db7-bf52-aa3e813bcb8b";
    is(&client.get(job)?, 404, "OperationNotFound", "");
    let example = Example::claims_desk("Absent", "absent")?;
    let sent = json!([{ "id": "1", "text": "some text" }]);
    let asked = example.question("production", "UnicodeCodePoint", &sent);
    is(&client.send("POST", "/language/:analyze-text", Some(&asked))?, 404, "ProjectNotFound", "");
    let asked = example.job("production", "UnicodeCodePoint", &sent);
    is(&client.send("POST", "/language/analyze-text/jobs", Some(&asked))?, 404, "ProjectNotFound", "");
    let wrong = client.send("PUT", PROJECTS, Some(&json!({})))?;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET"), "{}", wrong.text());
    Ok(())
}

#[test]
fn bodies_that_are_no_project_are_refused_with_the_field_at_fault() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let place = format!("{PROJECTS}/Wrong");
    let bytes =
        |body: &str| client.send_bytes("PATCH", &place, Some(("application/merge-patch+json", body.into())));
    is(&bytes("")?, 400, "InvalidRequest", "EmptyRequest");
    is(&bytes("{")?, 400, "InvalidRequest", "InvalidRequestBodyFormat");
    let mut metadata = Example::claims_desk("Wrong", "wrong")?.labels["metadata"].clone();
    metadata["multilingual"] = json!("yes");
    let answer = client.send("PATCH", &place, Some(&metadata))?;
    is(&answer, 400, "InvalidArgument", "InvalidParameterValue");
    assert_eq!(answer.json()?["error"]["target"], "multilingual");
    metadata["multilingual"] = json!(false);
    metadata["language"] = json!("tlh");
    is(&client.send("PATCH", &place, Some(&metadata))?, 400, "InvalidArgument", "UnsupportedLanguageCode");
    is(&client.get(&place)?, 404, "ProjectNotFound", "");
    Ok(())
}

#[test]
fn overlapping_labels_are_refused_at_once() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let mut example = Example::claims_desk("Overlap", "overlap")?;
    let labels = &mut example.labels["assets"]["documents"][2]["entities"][0]["labels"];
    let mut again = labels[0].clone();
    again["length"] = json!(again["length"].as_u64().context("no length")? + 1);
    labels.as_array_mut().context("no labels")?.push(again);
    let answer = client.send("POST", &example.path("/:import"), Some(&example.labels))?;
    is(&answer, 400, "InvalidArgument", "InvalidParameterValue");
    let error = answer.json()?["error"].clone();
    let place = error["target"].as_str().unwrap_or_default();
    assert!(place.starts_with("#/assets/documents/2/entities/0/labels/"), "{error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("overlap")), "{error}");
    Ok(())
}

/// One project for everything that needs labels and a model; its steps build on each other.
#[test]
fn labels_that_do_not_fit_change_nothing_and_wrong_documents_are_told_one_by_one() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let example = Example::claims_desk("Errors", "errors")?;
    example.upload(&server)?;
    example.import(&client)?;
    import_that_does_not_fit(&client)?;
    missing_container(&client)?;

    // Trains from the labels of the good file, which is the proof that they are still there.
    let job = example.start_training(&client, "m", "lexical")?;
    let busy = client.send("POST", &example.path("/:import"), Some(&example.labels))?;
    is(&busy, 409, "Conflict", "");
    let state = client.wait(&job)?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let summary = client.get(&example.path("/models/m/evaluation/summary-result"))?.expect(200)?;
    let scores = &summary["customEntityRecognitionEvaluation"]["entities"];
    let support = |name: &str| {
        let count = |field: &str| scores[name][field].as_u64().unwrap_or(0);
        count("truePositiveCount") + count("falseNegativeCount")
    };
    assert_eq!((support("Claimant"), support("Amount")), (21, 25), "support as the good file has it");

    example.deploy(&client, "m", "production")?;
    let in_use = client.send("DELETE", &example.path("/models/m"), None)?;
    is(&in_use, 409, "Conflict", "");
    too_many_documents(&client, &example)?;
    documents_that_fail_alone(&client, &example)
}

fn import_that_does_not_fit(client: &Client) -> Result<()> {
    let mut bad = Example::claims_desk("Errors", "errors")?;
    bad.labels["assets"]["entities"] = json!([{ "category": "Claimant" }]);
    let documents = bad.labels["assets"]["documents"].as_array_mut().context("no documents")?;
    documents.truncate(3);
    for document in documents.iter_mut() {
        document["entities"][0]["labels"] = json!([{ "category": "Claimant", "offset": 0, "length": 3 }]);
    }
    let region = &mut documents[1]["entities"][0];
    region["regionLength"] = json!(100_000);
    region["labels"] = json!([{ "category": "Claimant", "offset": 90_000, "length": 12 }]);
    let job = client.start("POST", &bad.path("/:import"), Some(&bad.labels))?;
    let state = client.wait(&job)?;
    assert_eq!(state["status"], "failed", "{state}");
    let errors = state["errors"].as_array().context("a failed job has no errors")?;
    let of_label = |error: &&Value| error["target"] == "#/assets/documents/1/entities/0/labels/0";
    let error = errors.iter().find(of_label).with_context(|| format!("no error for the label: {state}"))?;
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("email-002.txt") && message.contains("90012"), "{message}");
    assert!(
        errors
            .iter()
            .all(|error| error["target"].as_str().is_some_and(|at| at.starts_with("#/assets/documents/1/"))),
        "{state}"
    );
    Ok(())
}

fn missing_container(client: &Client) -> Result<()> {
    let lost = Example::claims_desk("Lost", "no-such-bucket")?;
    let job = client.start("POST", &lost.path("/:import"), Some(&lost.labels))?;
    let state = client.wait(&job)?;
    assert_eq!(state["status"], "failed", "{state}");
    assert!(state["errors"].to_string().contains("no-such-bucket"), "{state}");
    Ok(())
}

fn too_many_documents(client: &Client, example: &Example) -> Result<()> {
    let sent: Value = (0..26).map(|id| json!({ "id": id.to_string(), "text": "some text" })).collect();
    let question = example.question("production", "UnicodeCodePoint", &sent);
    is(
        &client.send("POST", "/language/:analyze-text", Some(&question))?,
        400,
        "InvalidRequest",
        "InvalidDocumentBatch",
    );
    let job = example.job("production", "UnicodeCodePoint", &sent);
    is(
        &client.send("POST", "/language/analyze-text/jobs", Some(&job))?,
        400,
        "InvalidRequest",
        "InvalidDocumentBatch",
    );
    let twice = json!([{ "id": "1", "text": "some text" }, { "id": "1", "text": "some text" }]);
    let question = example.question("production", "UnicodeCodePoint", &twice);
    is(
        &client.send("POST", "/language/:analyze-text", Some(&question))?,
        400,
        "InvalidRequest",
        "InvalidDocument",
    );
    let one = json!([{ "id": "1", "text": "some text" }]);
    let absent = example.question("absent", "UnicodeCodePoint", &one);
    is(&client.send("POST", "/language/:analyze-text", Some(&absent))?, 404, "NotFound", "");
    let sentiment = json!({ "kind": "SentimentAnalysis", "analysisInput": { "documents": one } });
    let answer = client.send("POST", "/language/:analyze-text", Some(&sentiment))?;
    is(&answer, 400, "InvalidRequest", "InvalidParameterValue");
    assert!(answer.text().contains("CustomEntityRecognition"), "the kinds there are: {}", answer.text());
    Ok(())
}

fn documents_that_fail_alone(client: &Client, example: &Example) -> Result<()> {
    let sent = json!([
        { "id": "first", "language": "en-us", "text": "Claim by Ana Ruiz under policy PN-4471." },
        { "id": "empty", "language": "en-us", "text": "" },
        { "id": "blank", "language": "en-us", "text": " \r\n " },
        { "id": "foreign", "language": "tlh", "text": "nuqneH" },
        { "id": "last", "text": "Hail damage on 3 May 2024, EUR 1,250." },
    ]);
    let job = client.start(
        "POST",
        "/language/analyze-text/jobs",
        Some(&example.job("production", "Utf16CodeUnit", &sent)),
    )?;
    let state = client.wait(&job)?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let with_statistics = client.get(&format!("{job}&showStats=True"))?.expect(200)?;
    let results = &with_statistics["tasks"]["items"][0]["results"];
    let ids = |list: &Value| -> Vec<String> {
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["id"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(ids(&results["documents"]), ["first", "blank", "last"]);
    assert_eq!(ids(&results["errors"]), ["empty", "foreign"]);
    assert_eq!(results["documents"][1]["entities"], json!([]));
    let codes: Vec<&Value> = (0..2).map(|at| &results["errors"][at]["error"]["innererror"]["code"]).collect();
    assert_eq!(codes, ["InvalidDocument", "UnsupportedLanguageCode"]);
    let statistics = &results["statistics"];
    assert_eq!(statistics["documentsCount"], 5, "{statistics}");
    assert_eq!(statistics["validDocumentsCount"], 3, "{statistics}");
    assert_eq!(statistics["erroneousDocumentsCount"], 2, "{statistics}");
    assert_eq!(state["tasks"]["items"][0]["results"].get("statistics"), None, "only when asked for");
    Ok(())
}
