//! A project's whole life over the REST API.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::example::documents;
use spindle_tests::units::{STRING_INDEX_TYPES, slice};
use spindle_tests::{Client, Example, Server, python};

/// What every recipe must reach on held-back documents.
const MICRO_F1_MIN: f64 = 0.70;

#[test]
fn a_project_lives_from_its_documents_to_its_deletion() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let example = Example::claims_desk("Life", "life")?;
    assert_eq!(example.upload(&server)?, 60);

    create(&client, &example)?;
    let imported = example.import(&client)?;
    assert_eq!(imported.get("errors"), None, "{imported}");
    for (config, model) in
        [("latest", "chosen"), ("lexical", "quick"), ("contextual", "deep"), ("tuned", "own")]
    {
        train(&client, &example, config, model)?;
    }
    lists(&client, &example)?;
    evaluation_by_document(&client, &example)?;
    let deployments = [("chosen", "production"), ("quick", "fast"), ("deep", "careful"), ("own", "tuned")];
    for (model, deployment) in deployments {
        let id = deploy(&client, &example, model, deployment)?;
        extraction(&client, &example, deployment)?;
        wasm_agrees_with_the_evaluation(&client, &example, model, deployment)?;
        recipe(&server, &id, model)?;
    }
    delete(&client, &example)?;
    assert_eq!(python::keys(&server, "life")?.len(), 60, "the documents belong to the user");
    Ok(())
}

fn create(client: &Client, example: &Example) -> Result<()> {
    let metadata = &example.labels["metadata"];
    let made = client.send("PATCH", &example.path(""), Some(metadata))?.expect(201)?;
    assert_eq!(made["projectName"], "Life");
    let changed = json!({ "description": "Another description" });
    let changed = client.send("PATCH", &example.path(""), Some(&changed))?.expect(200)?;
    assert_eq!(changed["description"], "Another description");
    assert_eq!(changed["storageInputContainerName"], "life");
    assert_eq!(client.get(&example.path(""))?.expect(200)?, changed);
    Ok(())
}

/// Trains `model` and checks progress, result and scores.
fn train(client: &Client, example: &Example, config: &str, model: &str) -> Result<()> {
    let job = example.start_training(client, model, config)?;
    let mut percent = 0;
    let mut backwards = false;
    let state = client.wait_watching(&job, |state| {
        let now = state["result"]["trainingStatus"]["percentComplete"].as_u64().unwrap_or(0);
        backwards |= now < percent;
        percent = now;
    })?;
    assert!(!backwards, "progress went backwards");
    assert_eq!(state["status"], "succeeded", "{state}");
    let result = &state["result"];
    assert_eq!(result["modelLabel"], model);
    assert_ne!(result["trainingConfigVersion"], "latest", "a finished training names its real version");
    for phase in ["trainingStatus", "evaluationStatus"] {
        assert_eq!(result[phase]["percentComplete"], 100, "{state}");
        assert_eq!(result[phase]["status"], "succeeded", "{state}");
    }
    let place = example.path(&format!("/models/{model}/evaluation/summary-result"));
    let summary = client.get(&place)?.expect(200)?;
    let scores = &summary["customEntityRecognitionEvaluation"];
    let micro_f1 = scores["microF1"].as_f64().context("no microF1")?;
    println!("{config}: micro F1 {micro_f1:.3} on the 12 Test documents");
    assert!(micro_f1 >= MICRO_F1_MIN, "{config}: micro F1 {micro_f1}");
    assert_eq!(scores["entities"].as_object().map(serde_json::Map::len), Some(7), "{scores}");
    assert_eq!(summary["evaluationOptions"], json!({ "kind": "manual" }));
    Ok(())
}

fn lists(client: &Client, example: &Example) -> Result<()> {
    let names = |place: &str, field: &str| -> Result<Vec<String>> {
        let list = client.get(place)?.expect(200)?;
        let values = list["value"].as_array().with_context(|| format!("no list: {list}"))?;
        Ok(values.iter().filter_map(|entry| entry[field].as_str().map(str::to_owned)).collect())
    };
    assert!(names(PROJECTS, "projectName")?.contains(&example.project));
    let mut models = names(&example.path("/models"), "label")?;
    models.sort();
    assert_eq!(models, ["chosen", "deep", "own", "quick"]);
    let jobs = client.get(&example.path("/train/jobs"))?.expect(200)?;
    assert_eq!(jobs["value"].as_array().map(Vec::len), Some(4), "{jobs}");
    // Two pages of three and one, and the second is the last.
    let first = client.get(&example.path("/models?maxpagesize=3"))?.expect(200)?;
    let next = first["nextLink"].as_str().context("the first page has no next link")?;
    let second = client.get(next)?.expect(200)?;
    assert_eq!(first["value"].as_array().map(Vec::len), Some(3));
    assert_eq!(second["value"].as_array().map(Vec::len), Some(1));
    assert!(second.get("nextLink").is_none_or(Value::is_null), "{second}");
    Ok(())
}

fn evaluation_by_document(client: &Client, example: &Example) -> Result<()> {
    let place = example.path("/models/chosen/evaluation/result?stringIndexType=Utf16CodeUnit");
    let result = client.get(&place)?.expect(200)?;
    let documents = result["value"].as_array().context("no list")?;
    let texts = example.texts("Test")?;
    assert_eq!(documents.len(), texts.len());
    for document in documents {
        let location = document["location"].as_str().unwrap_or_default();
        let (_, text) = texts.iter().find(|(name, _)| name == location).context("no Test document")?;
        let units = text.encode_utf16().count();
        for region in
            document["customEntityRecognitionResult"]["entities"].as_array().context("no regions")?
        {
            for entity in region["predictedEntities"].as_array().context("no predictions")? {
                let end = entity["offset"]
                    .as_u64()
                    .unwrap_or(u64::MAX)
                    .saturating_add(entity["length"].as_u64().unwrap_or(0));
                assert!(end <= units as u64, "{location}: {entity} ends after {units}");
            }
        }
    }
    Ok(())
}

/// What the component extracts through `wasi:nn` is what the native evaluation predicted: one code, two machines.
fn wasm_agrees_with_the_evaluation(
    client: &Client,
    example: &Example,
    model: &str,
    deployment: &str,
) -> Result<()> {
    let place = example.path(&format!("/models/{model}/evaluation/result?stringIndexType=Utf16CodeUnit"));
    let result = client.get(&place)?.expect(200)?;
    let places = |entities: &Value| -> Vec<(Value, Value, Value)> {
        let all = entities.as_array().into_iter().flatten();
        all.map(|one| (one["category"].clone(), one["offset"].clone(), one["length"].clone())).collect()
    };
    for (location, text) in example.texts("Test")? {
        let documents = result["value"].as_array().context("no list")?;
        let evaluated = documents.iter().find(|document| document["location"] == location.as_str());
        let evaluated = evaluated.with_context(|| format!("{location} was not evaluated"))?;
        let native = &evaluated["customEntityRecognitionResult"]["entities"][0]["predictedEntities"];
        let sent = json!([{ "id": "1", "language": "en-us", "text": text }]);
        let question = example.question(deployment, "Utf16CodeUnit", &sent);
        let answer = client.send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
        let served = &answer["results"]["documents"][0]["entities"];
        assert_eq!(places(served), places(native), "{model}: {location}");
    }
    Ok(())
}

/// Deploys a model and returns the id of what is deployed.
fn deploy(client: &Client, example: &Example, model: &str, deployment: &str) -> Result<String> {
    example.deploy(client, model, deployment)?;
    let found = client.get(&example.path(&format!("/deployments/{deployment}")))?.expect(200)?;
    assert_eq!(found["deploymentName"], deployment);
    let id = found["modelId"].as_str().unwrap_or_default();
    assert!(id.starts_with(&format!("{model}-")), "{found}");
    Ok(id.to_owned())
}

/// The stored bundle was made with the recipe that was asked for; the trainer chose the one of `chosen`.
fn recipe(server: &Server, id: &str, model: &str) -> Result<()> {
    let manifest = python::object(server, "spindle-models", &format!("models/{id}/manifest.json"))?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    assert_eq!(manifest["modelId"], id);
    let kind = &manifest["recipe"]["kind"];
    println!("{model}: recipe {kind}");
    assert_eq!(
        manifest["encoder"].is_object(),
        kind != "lexical",
        "an encoder comes with the recipes that read one"
    );
    assert_eq!(manifest["files"]["layers.bin"].is_object(), kind == "tuned", "{manifest}");
    match model {
        "quick" => assert_eq!(kind, "lexical"),
        "deep" => assert_eq!(kind, "contextual"),
        "own" => assert_eq!(kind, "tuned"),
        _ => assert!(kind == "lexical" || kind == "contextual", "{kind}"),
    }
    Ok(())
}

/// The same entities from the job and from the synchronous call, in every unit.
fn extraction(client: &Client, example: &Example, deployment: &str) -> Result<()> {
    let mut texts = example.unseen()?;
    // Everything after the family and the composed letter lies elsewhere in every unit.
    let (_, letter) = texts[0].clone();
    texts.push(("shifted".to_owned(), format!("👩🏻‍👩🏽‍👧🏾‍👦🏿 Jose\u{301} 👍🏽\r\n{letter}")));
    let sent = documents(&texts);
    let mut seen = vec![];
    for unit in STRING_INDEX_TYPES {
        let job = client.start(
            "POST",
            "/language/analyze-text/jobs",
            Some(&example.job(deployment, unit, &sent)),
        )?;
        let state = client.wait(&job)?;
        assert_eq!(state["status"], "succeeded", "{state}");
        assert_eq!(state["displayName"], "a job");
        assert_eq!(state["tasks"]["completed"], 1);
        let item = &state["tasks"]["items"][0];
        assert_eq!(item["taskName"], "fields");
        assert_eq!(item["kind"], "CustomEntityRecognitionLROResults");
        let found = found(&item["results"], &texts, unit)?;
        let question = example.question(deployment, unit, &sent);
        let answer = client.send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
        assert_eq!(answer["kind"], "CustomEntityRecognitionResults");
        assert_eq!(answer["results"]["documents"], item["results"]["documents"], "job and call differ");
        seen.push(found);
    }
    let offsets = |at: usize| -> Vec<u64> {
        seen[at].iter().filter(|one| one.0 == "shifted").map(|one| one.3).collect()
    };
    let names = |at: usize| -> Vec<_> { seen[at].iter().map(|one| (&one.0, &one.1, &one.2)).collect() };
    ensure!(!offsets(0).is_empty(), "nothing was found in the shifted letter");
    for unit in 1..STRING_INDEX_TYPES.len() {
        assert_eq!(names(0), names(unit), "the unit changes offsets alone");
        assert!(offsets(unit - 1) < offsets(unit), "units that count more place entities later");
    }
    Ok(())
}

/// Document, category, text and offset of every entity, each checked against the text it came from.
fn found(
    results: &Value,
    texts: &[(String, String)],
    unit: &str,
) -> Result<Vec<(String, String, String, u64)>> {
    assert_eq!(results["errors"], json!([]));
    let answered = results["documents"].as_array().context("no documents")?;
    let order: Vec<_> = answered.iter().map(|document| document["id"].as_str().unwrap_or_default()).collect();
    assert_eq!(order, texts.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), "input order");
    let mut all = vec![];
    for (document, (id, text)) in answered.iter().zip(texts) {
        assert_eq!(document["warnings"], json!([]));
        let entities = document["entities"].as_array().context("no entities")?;
        ensure!(!entities.is_empty(), "nothing was found in {id}");
        let mut end_before = 0;
        for entity in entities {
            let number =
                |name: &str| entity[name].as_u64().with_context(|| format!("{entity} has no {name}"));
            let (offset, length) = (number("offset")?, number("length")?);
            let piece = slice(text, unit, usize::try_from(offset)?, usize::try_from(length)?);
            assert_eq!(piece.as_deref(), entity["text"].as_str(), "{unit} in {id}: {entity}");
            assert!(offset >= end_before, "{id}: entities are sorted and do not overlap");
            end_before = offset + length;
            let confidence = entity["confidenceScore"].as_f64().context("no confidence")?;
            assert!((0.0..=1.0).contains(&confidence), "{entity}");
            assert!(
                (confidence * 100.0 - (confidence * 100.0).round()).abs() < 1e-9,
                "two decimals: {entity}"
            );
            let text = |name: &str| entity[name].as_str().unwrap_or_default().to_owned();
            all.push((id.clone(), text("category"), text("text"), offset));
        }
    }
    Ok(all)
}

fn delete(client: &Client, example: &Example) -> Result<()> {
    client.succeed("DELETE", &example.path(""), None)?;
    let (status, code, _) = client.get(&example.path(""))?.error()?;
    assert_eq!((status, code.as_str()), (404, "ProjectNotFound"));
    let list = client.get(PROJECTS)?.expect(200)?;
    let names = list["value"].as_array().context("no list")?;
    assert!(names.iter().all(|project| project["projectName"] != "Life"), "{list}");
    let question =
        example.question("production", "UnicodeCodePoint", &json!([{ "id": "1", "text": "some text" }]));
    let (status, _, _) = client.send("POST", "/language/:analyze-text", Some(&question))?.error()?;
    assert_eq!(status, 404, "a deleted project answers nobody");
    Ok(())
}
