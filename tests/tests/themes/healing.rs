//! What went unseen, came too early or would make things worse: the project finds its way, and says why.

use crate::events::{Desk, aws, settled, until};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::{Client, Example, Server};
use std::fs;

/// Labels that teach the opposite of what the test documents say.
fn worse(example: &Example) -> Value {
    let mut labels = example.labels.clone();
    let entities = labels["assets"]["entities"].as_array().cloned().unwrap_or_default();
    let names: Vec<_> = entities.iter().filter_map(|entity| entity["category"].as_str()).collect();
    let next = |name: &str| {
        let index = names.iter().position(|known| *known == name).unwrap_or(0);
        names[(index + 1) % names.len()].to_owned()
    };
    for document in labels["assets"]["documents"].as_array_mut().into_iter().flatten() {
        if document["dataset"] == "Test" {
            continue;
        }
        let regions = document["entities"].as_array_mut().into_iter().flatten();
        for label in regions.filter_map(|region| region["labels"].as_array_mut()).flatten() {
            label["category"] = next(label["category"].as_str().unwrap_or_default()).into();
        }
    }
    labels
}

/// What an ended automation job said, if one said this.
fn said(desk: &Desk, client: &Client, words: &str) -> Result<String> {
    until(words, || {
        let jobs = desk.jobs(client)?;
        let mut outcomes = jobs.iter().filter_map(|job| job["outcome"].as_str());
        Ok(outcomes.find(|outcome| outcome.contains(words)).map(str::to_owned))
    })
}

#[test]
fn a_worse_model_is_not_deployed_and_early_documents_wait_for_the_first() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let desk = Desk::open(&server, "Careful", "careful")?;
    let (_, text) = desk.example.unseen()?.into_iter().next().context("no unseen document")?;
    for name in ["early", "gone"] {
        desk.upload(&server, &format!("incoming/{name}.txt"), &text)?;
    }
    let early = until("the event of an early document", || {
        let events = settled(&client, desk.example.container())?;
        Ok(events.into_iter().find(|event| event["location"] == "incoming/early.txt"))
    })?;
    let message = early["outcomes"][0]["message"].as_str().unwrap_or_default();
    assert!(early["state"] == "done" && message.contains("there is no deployment"), "{early}");
    aws(&server, &["rm", &desk.bucket("incoming/gone.txt")])?;
    desk.upload_all(&server)?;
    desk.until_deployed(&client)?;
    desk.check_entities(&server, "early", &text)?;
    assert_eq!(desk.succeeded(&client, "extractDocument")?, 1, "what was deleted waits no more");

    let path = desk.example.path("/deployments/production");
    let first = client.get(&path)?.expect(200)?["modelId"].clone();
    desk.upload(&server, "labels.json", &worse(&desk.example).to_string())?;
    let verdict = said(&desk, &client, "the present model stays")?;
    assert!(verdict.contains("is worse by more than 0"), "{verdict}");
    let model = client.get(&desk.example.path("/models/own"))?.expect(200)?;
    let now = client.get(&path)?.expect(200)?;
    assert!(now["modelId"] == first && model["modelId"] != first, "{now} {model}");
    assert_eq!(desk.succeeded(&client, "deploy")?, 1);
    Ok(())
}

#[test]
fn what_was_deleted_unseen_is_found_at_the_next_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(&data)?;
    let desk = Desk::open(&server, "Unseen", "unseen")?;
    for name in ["stays.txt", "goes.txt"] {
        desk.upload(&server, name, "A letter.")?;
    }
    until("both events", || {
        let events = settled(&server.client(), desk.example.container())?;
        Ok((events.len() == 2).then_some(()))
    })?;
    server.kill9()?;
    fs::remove_file(data.join("s3/unseen/goes.txt"))?;
    let server = Server::start(&data)?;
    let gone = until("the deletion", || {
        let events = settled(&server.client(), desk.example.container())?;
        Ok(events.into_iter().find(|event| event["change"] == "removed"))
    })?;
    assert_eq!((&gone["location"], &gone["source"]), (&json!("goes.txt"), &json!("sweep")));
    assert_eq!(gone["outcomes"][0]["message"], "the document left the project");
    Ok(())
}

#[test]
fn labels_that_lost_their_text_are_flagged_and_not_learned_from() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let example = Example::claims_desk("Flagged", "flagged")?;
    example.upload(&server)?;
    example.import(&client)?;
    let (changed, _) = example.texts("Train")?.into_iter().next().context("no document")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("short.txt");
    fs::write(&file, "Short.")?;
    aws(&server, &["cp", &file.display().to_string(), &format!("s3://flagged/{changed}")])?;
    let flag = "the labelled document has another text now: its labels must be checked";
    until("the flag", || {
        let events = settled(&client, "flagged")?;
        let of = events.into_iter().find(|event| event["location"] == changed.as_str());
        Ok(of.filter(|event| event["outcomes"][0]["message"] == flag))
    })?;
    let job = example.start_training(&client, "careful", "lexical")?;
    let state = client.wait(&job)?;
    let warnings = state["warnings"].to_string();
    assert!(state["status"] == "succeeded" && warnings.contains("no longer fit its text"), "{state}");
    assert!(warnings.contains(&changed), "{warnings}");
    Ok(())
}

#[test]
fn labels_count_over_imports_until_there_are_enough_to_train() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let mut example = Example::claims_desk("Counting", "counting")?;
    example.upload(&server)?;
    let documents = example.labels["assets"]["documents"].as_array().cloned().context("no documents")?;
    let mut import = |count: usize| {
        example.labels["assets"]["documents"] = documents[..count].into();
        example.import(&client).map(drop)
    };
    import(12)?;
    let settings = json!({ "train": { "afterNewlyLabeledDocuments": 3, "modelLabel": "own", "trainingConfigVersion": "lexical",
        "evaluationOptions": { "kind": "percentage", "trainingSplitPercentage": 80, "testingSplitPercentage": 20 } } });
    let path = |rest: &str| format!("{}/Counting{rest}", spindle_tests::api::PROJECTS);
    client.send("PUT", &path("/automation"), Some(&settings))?.expect(200)?;
    let automated = |count: usize| {
        until("the automation", || {
            let jobs = client.get(&path("/jobs?maxpagesize=1000"))?.expect(200)?;
            let jobs = jobs["value"].as_array().cloned().unwrap_or_default();
            let ended: Vec<_> =
                jobs.iter().filter(|job| job["kind"] == "automate" && job["status"] == "succeeded").collect();
            Ok((ended.len() >= count).then(|| ended[ended.len() - count]["outcome"].clone()))
        })
    };
    import(14)?;
    assert_eq!(automated(1)?, "nothing is due", "two are not enough");
    import(15)?;
    let outcome = automated(2)?;
    let outcome = outcome.as_str().unwrap_or_default();
    assert!(outcome.starts_with("3 documents were labelled: model \"own\" is trained"), "{outcome}");
    Ok(())
}
