//! Prediction as its clients rely on it: job states, pages, odd texts, swaps under load, damaged models.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Client, Example, Server, node, python};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const JOBS: &str = "/language/analyze-text/jobs";
const ANALYZE: &str = "/language/:analyze-text";
const HEALTH: &str = "/language/analyze-text/health";
const TEXT: &str = "Claim by Ana Ruiz under policy PN-4471: hail damage on 3 May 2024, EUR 1,250.";
/// Length of the longest document in text elements.
const CHARACTERS_MAX: usize = 125_000;
/// Places of the longest document at which a paragraph is looked for.
const PLACES: usize = 12;

/// One server and two small models for everything, since its last steps end the server and damage a model.
#[test]
fn prediction_keeps_its_promises_from_submission_to_a_damaged_model() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(&data)?;
    let client = server.client();
    let example = Example::claims_desk("Runtime", "runtime")?;
    example.upload(&server)?;
    example.import(&client)?;
    // Half as many documents make another model, so that answers tell whose they are.
    let halves = json!({ "kind": "percentage", "trainingSplitPercentage": 50, "testingSplitPercentage": 50 });
    for (model, options) in [("one", json!({ "kind": "manual" })), ("two", halves)] {
        let body =
            json!({ "modelLabel": model, "trainingConfigVersion": "lexical", "evaluationOptions": options });
        client.succeed("POST", &example.path("/:train"), Some(&body))?;
    }
    example.deploy(&client, "one", "production")?;
    example.deploy(&client, "two", "trial")?;

    submission(&client, &example)?;
    pages(&client, &example)?;
    cancelling(&client, &example)?;
    odd_texts(&client, &example)?;
    for deployment in ["production", "trial"] {
        found_anywhere(&client, &example, deployment)?;
    }
    odd_bodies(&client, &example)?;
    crate::stream::streams(&client, &example)?;
    let arguments = [server.access_file().into_os_string(), "Runtime".into(), "production".into()];
    println!("{}", node::run("sdk_recognize.cjs", &arguments)?.unwrap_or_default());
    swaps_under_load(&client, &example)?;
    example.deploy(&client, "one", "production")?;
    example.deploy(&client, "two", "trial")?;
    let damaged = deployed(&client, &example, "trial")?;
    let waiting = client.start("POST", JOBS, Some(&job(&example, &["production"], &long_documents())))?;
    let place = waiting.trim_start_matches(&client.endpoint).to_owned();
    server.kill9()?;

    spoil_head(&data, &damaged, alter)?;
    let server = Server::start(&data)?;
    let client = server.client();
    let state = client.wait(&format!("{}{place}", client.endpoint))?;
    assert_eq!(state["status"], "succeeded", "a job outlives the program: {state}");
    a_damaged_model(&client, &example)?;
    what_the_sdks_tell(&server, &example)?;
    spoil_head(&data, &damaged, |path| Ok(fs::remove_file(path)?))?;
    let reason = unhealthy(&client, &example)?;
    ensure!(reason.contains(&format!("{damaged}/head.bin is missing")), "{reason}");
    Ok(())
}

fn documents(texts: &[&str]) -> Value {
    let each = texts.iter().enumerate();
    each.map(|(id, text)| json!({ "id": id.to_string(), "language": "auto", "text": text })).collect()
}

fn long_documents() -> Value {
    let text = format!("{TEXT}\n").repeat(CHARACTERS_MAX / (TEXT.len() + 1));
    documents(&[&text])
}

/// A job of one task for each deployment.
fn job(example: &Example, deployments: &[&str], documents: &Value) -> Value {
    let mut body = example.job(deployments[0], "UnicodeCodePoint", documents);
    let tasks: Vec<Value> = deployments
        .iter()
        .map(|name| {
            let mut task = body["tasks"][0].clone();
            task["taskName"] = json!(format!("on {name}"));
            task["parameters"]["deploymentName"] = json!(name);
            task
        })
        .collect();
    body["tasks"] = json!(tasks);
    body
}

fn deployed(client: &Client, example: &Example, deployment: &str) -> Result<String> {
    let found = client.get(&example.path(&format!("/deployments/{deployment}")))?.expect(200)?;
    Ok(found["modelId"].as_str().context("no model")?.to_owned())
}

fn submission(client: &Client, example: &Example) -> Result<()> {
    let mut body = example.job("production", "UnicodeCodePoint", &documents(&[TEXT, "", " \r\n "]));
    body["tasks"][0].as_object_mut().context("no task")?.remove("taskName");
    let version = "2022-05-01";
    let place = client.start("POST", &format!("{JOBS}?api-version={version}"), Some(&body))?;
    let (path, query) = place.split_once('?').context("no version")?;
    assert_eq!(query, format!("api-version={version}"));
    let id = path.rsplit('/').next().unwrap_or_default();
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "the last segment is a GUID");
    let mut polls = vec![];
    let state = client.wait_watching(&place, |state| polls.push(state.clone()))?;
    for state in polls {
        assert_eq!((&state["jobId"], &state["errors"]), (&json!(id), &json!([])), "{state}");
        let items = state["tasks"]["items"].as_array().map_or(0, Vec::len);
        assert_eq!(items, usize::from(state["status"] == "succeeded"), "one task ends with its job: {state}");
    }
    println!("submitted {}, ended {}", state["createdDateTime"], state["lastUpdatedDateTime"]);
    let item = &state["tasks"]["items"][0];
    assert_eq!(state["status"], "succeeded");
    assert_eq!(item.get("taskName"), None, "a name is repeated when it was sent, and only then");
    let results = &item["results"];
    assert_eq!(results["documents"][1], json!({ "id": "2", "entities": [], "warnings": [] }));
    assert_eq!(results["errors"][0]["error"]["innererror"]["message"], "Document text is empty.");
    // Two tasks of two deployments, each with its own name.
    let two = job(example, &["production", "trial"], &documents(&[TEXT]));
    let state = client.succeed("POST", JOBS, Some(&two))?;
    let names: Vec<&Value> = (0..2).map(|at| &state["tasks"]["items"][at]["taskName"]).collect();
    assert_eq!(names, ["on production", "on trial"]);
    Ok(())
}

fn pages(client: &Client, example: &Example) -> Result<()> {
    let body = example.job("production", "UnicodeCodePoint", &documents(&[TEXT; 25]));
    let place = client.start("POST", JOBS, Some(&body))?;
    client.wait(&place)?;
    let read = |place: &str| -> Result<(Vec<String>, Value)> {
        let state = client.get(place)?.expect(200)?;
        let documents = state["tasks"]["items"][0]["results"]["documents"].as_array().context("no list")?;
        let ids = documents.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
        Ok((ids, state))
    };
    let all: Vec<String> = (0..25).map(|id| id.to_string()).collect();
    let (ids, state) = read(&place)?;
    assert_eq!((&ids, state.get("nextLink")), (&all, None), "everything at once without top");
    let (first, state) = read(&format!("{place}&top=20&showStats=True"))?;
    let next = state["nextLink"].as_str().context("20 of 25 have no next page")?;
    let (second, last) = read(next)?;
    assert_eq!((first.len(), [first, second].concat()), (20, all));
    assert_eq!(last.get("nextLink"), None);
    for (state, count) in [(state, 20), (last, 5)] {
        assert_eq!(state["tasks"]["items"][0]["results"]["statistics"]["documentsCount"], count, "per page");
    }
    for (query, shown) in [("&showStats=true", true), ("&showStats=True", true), ("&showStats=false", false)]
    {
        let (_, state) = read(&format!("{place}{query}"))?;
        let results = &state["tasks"]["items"][0]["results"];
        assert_eq!(results.get("statistics").is_some(), shown, "{query}");
        assert_eq!(results["documents"][0].get("statistics").is_some(), shown, "{query}");
    }
    Ok(())
}

fn cancelling(client: &Client, example: &Example) -> Result<()> {
    // Twenty times the longest document: nobody is done with it when the next call arrives.
    let place = client.start("POST", JOBS, Some(&job(example, &["production"; 20], &long_documents())))?;
    let (path, query) = place.split_once('?').context("no version")?;
    let answer = client.send("POST", &format!("{path}:cancel?{query}"), None)?;
    assert_eq!((answer.status, answer.header("operation-location")), (202, place.as_str()));
    let mut seen = BTreeSet::new();
    let state = client.wait_watching(&place, |state| {
        let _ = seen.insert(state["status"].to_string());
    })?;
    assert_eq!(state["status"], "cancelled", "{seen:?}");
    let items = state["tasks"]["items"].as_array().context("no items")?;
    assert_eq!(items.len(), 20, "a cancelled job keeps its items");
    let last = items.last().context("no items")?;
    assert_eq!((&last["status"], &last["taskName"]), (&json!("cancelled"), &json!("on production")));
    assert_eq!(last["results"]["documents"], json!([]));
    assert_eq!(last["results"]["errors"], json!([]));
    // Again, and of a job that has ended: no effect, no error.
    assert_eq!(client.send("POST", &format!("{path}:cancel?{query}"), None)?.status, 202);
    assert_eq!(client.get(&place)?.expect(200)?["status"], "cancelled");
    Ok(())
}

/// Every text is answered, and what surrounds an entity's letter does not hide it from the counting.
fn odd_texts(client: &Client, example: &Example) -> Result<()> {
    let word = "x".repeat(10_000);
    let unbroken = "ab1".repeat(CHARACTERS_MAX / 3);
    let ideographs = "保険".repeat(CHARACTERS_MAX / 2);
    let marks = format!("a{}", "\u{301}".repeat(20_000));
    let blanks = " \t\r\n\u{3000}".repeat(1_000);
    let texts = [
        format!("{TEXT} {word} {TEXT}"),
        unbroken,
        ideographs,
        marks,
        blanks,
        format!("\u{0}{TEXT}\u{0}"),
        format!("\u{200F}\u{202E}{TEXT}\u{202C}\u{200E} سلام"),
        TEXT.chars().flat_map(|letter| [letter, '\u{200B}']).collect(),
        "\u{FEFF}\u{FFFE}\u{10FFFF}\u{200D}".to_owned(),
    ];
    for text in texts {
        for deployment in ["production", "trial"] {
            let question = example.question(deployment, "UnicodeCodePoint", &documents(&[&text]));
            let answer = client.send("POST", ANALYZE, Some(&question))?.expect(200)?;
            let found = answer["results"]["documents"][0]["entities"].as_array().context("no entities")?;
            let letters: Vec<char> = text.chars().collect();
            for entity in found {
                let number =
                    |name: &str| entity[name].as_u64().and_then(|number| usize::try_from(number).ok());
                let (offset, length) = number("offset").zip(number("length")).context("no place")?;
                let piece: String = letters[offset..offset + length].iter().collect();
                assert_eq!(entity["text"], piece);
            }
        }
    }
    let around = format!("{TEXT}\n{word}\n{TEXT}");
    let question = example.question("production", "UnicodeCodePoint", &documents(&[TEXT, &around]));
    let answer = client.send("POST", ANALYZE, Some(&question))?.expect(200)?;
    let count = |at: usize| answer["results"]["documents"][at]["entities"].as_array().map_or(0, Vec::len);
    ensure!(count(0) > 0 && count(1) >= 2 * count(0), "a long word hides its neighbours: {answer}");
    Ok(())
}

/// A paragraph's entities are found at any place of the longest document as in a short one. The models look at other
/// places of the same words, so the paragraph stands once in each document and its neighbourhood stays the same.
fn found_anywhere(client: &Client, example: &Example, deployment: &str) -> Result<()> {
    let words: Vec<&str> =
        "Nobody saw where the rain came from that night and the road was closed a while".split(' ').collect();
    // The same words at its end whatever their number of rounds.
    let filler = |rounds: usize| -> String {
        let round = words.len() * 11;
        let word = |at: usize| {
            if at % 11 == 10 {
                ".
"
            } else {
                words[at % words.len()]
            }
        };
        (0..rounds * round).map(word).collect::<Vec<_>>().join(" ")
    };
    let ask = |lead: usize, before: usize, after: usize| -> Result<(usize, Vec<(String, String, usize)>)> {
        let start = format!(
            "{}{}

",
            "Rain. ".repeat(lead),
            filler(before)
        );
        let text = format!(
            "{start}{TEXT}

{}",
            filler(after)
        );
        let question = example.question(deployment, "UnicodeCodePoint", &documents(&[&text]));
        let answer = client.send("POST", ANALYZE, Some(&question))?.expect(200)?;
        let entities = answer["results"]["documents"][0]["entities"].as_array().context("no entities")?;
        let inside = entities.iter().filter_map(|entity| {
            let at = usize::try_from(entity["offset"].as_u64()?).ok()?.checked_sub(start.len())?;
            let name = |field: &str| entity[field].as_str().unwrap_or_default().to_owned();
            (at < TEXT.len()).then(|| (name("category"), name("text"), at))
        });
        Ok((text.len(), inside.collect()))
    };
    let (_, expected) = ask(0, 1, 1)?;
    ensure!(!expected.is_empty(), "there is nothing to find");
    let rounds = (CHARACTERS_MAX - 1_000) / filler(1).len();
    for place in 0..PLACES {
        let before = 1 + (rounds - 2) * place / (PLACES - 1);
        // Leads of every length, so that borders of windows and sequences fall elsewhere each time.
        let (length, found) = ask(place * 5, before, rounds - before)?;
        ensure!(length > CHARACTERS_MAX * 95 / 100, "{length} characters are no long document");
        assert_eq!(found, expected, "{deployment}: after {before} of {rounds} rounds");
    }
    Ok(())
}

/// Bodies that are no text at all: the caller is told, and never that the server failed.
fn odd_bodies(client: &Client, example: &Example) -> Result<()> {
    let question = example.question("production", "UnicodeCodePoint", &documents(&["TEXT"])).to_string();
    let with = |text: &[u8]| {
        let (before, after) = question.split_once("TEXT").unwrap_or_default();
        [before.as_bytes(), text, after.as_bytes()].concat()
    };
    let send = |body: Vec<u8>| client.send_bytes("POST", ANALYZE, Some(("application/json", body)));
    for (text, problem) in [
        (&b"\\ud800"[..], "a lone surrogate"),
        (b"\\ude00 x", "a lone second surrogate"),
        (b"\xff\xfe", "bytes that are no UTF-8"),
        (b"\xed\xa0\x80", "a surrogate in UTF-8"),
        (b"\n", "a raw line's end in a text"),
    ] {
        let answer = send(with(text))?;
        let error = answer.error().with_context(|| problem.to_owned())?;
        assert_eq!(error, (400, "InvalidRequest".into(), "InvalidRequestBodyFormat".into()), "{problem}");
        assert!(answer.text().contains(", column "), "{problem} is named by its place: {}", answer.text());
    }
    send(with(b"\\ud83d\\ude00 \\u0000"))?.expect(200)?;
    send(vec![b'['; 100_000])?.error().map(|error| assert_eq!(error.0, 400, "deep nesting"))?;
    let long = "x".repeat(CHARACTERS_MAX + 1);
    let question = example.question("production", "UnicodeCodePoint", &documents(&[&long]));
    let answer = client.send("POST", ANALYZE, Some(&question))?;
    assert_eq!(answer.error()?, (400, "InvalidRequest".into(), "InvalidDocument".into()));
    assert!(answer.text().contains("125001") && answer.text().contains("125000"), "{}", answer.text());
    Ok(())
}

/// While two deployments change places and models, every answer is wholly one model's.
fn swaps_under_load(client: &Client, example: &Example) -> Result<()> {
    let texts: Vec<String> = example.texts("Test")?.into_iter().map(|(_, text)| text).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let question = example.question("production", "UnicodeCodePoint", &documents(&texts));
    let ask = || -> Result<Value> {
        Ok(client.send("POST", ANALYZE, Some(&question))?.expect(200)?["results"]["documents"].clone())
    };
    let one = ask()?;
    example.deploy(client, "two", "production")?;
    let two = ask()?;
    ensure!(one != two, "the models answer alike, so nothing can be told");
    let (ended, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while !ended.load(Ordering::Relaxed) {
                        let found = ask()?;
                        ensure!(found == one || found == two, "an answer of neither model: {found}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let changed = change_often(client, example, &|model| {
            // Whoever asks after the change is answered by the new model.
            let found = ask()?;
            ensure!(found == *if model == "one" { &one } else { &two }, "a stale answer after {model}");
            Ok(())
        });
        ended.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
        }
        changed
    })?;
    println!("{} answers while models changed", asked.load(Ordering::Relaxed));
    ensure!(asked.load(Ordering::Relaxed) > 0, "nobody asked meanwhile");
    Ok(())
}

fn change_often(client: &Client, example: &Example, check: &dyn Fn(&str) -> Result<()>) -> Result<()> {
    let swap = json!({ "firstDeploymentName": "production", "secondDeploymentName": "trial" });
    for _ in 0..3 {
        example.deploy(client, "two", "trial")?;
        example.deploy(client, "one", "production")?;
        check("one")?;
        client.succeed("POST", &example.path("/deployments/:swap"), Some(&swap))?;
        check("two")?;
    }
    Ok(())
}

/// Changes one byte of a file.
fn alter(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    *bytes.last_mut().context("an empty file")? ^= 1;
    Ok(fs::write(path, bytes)?)
}

/// Does something to every copy of a model's head, in the object storage and beside it.
fn spoil_head(data: &Path, model: &str, spoil: impl Fn(&Path) -> Result<()>) -> Result<()> {
    let mut folders = vec![data.to_path_buf()];
    let mut spoiled: Vec<PathBuf> = vec![];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(model) && path.ends_with("head.bin") {
                spoil(&path)?;
                spoiled.push(path);
            }
        }
    }
    ensure!(!spoiled.is_empty(), "{} has no head of {model}", data.display());
    Ok(())
}

/// The file and its digests are named wherever the model is asked; the other deployment goes on.
fn a_damaged_model(client: &Client, example: &Example) -> Result<()> {
    let ask = |deployment: &str| {
        let question = example.question(deployment, "UnicodeCodePoint", &documents(&[TEXT]));
        client.send("POST", ANALYZE, Some(&question))
    };
    let answer = ask("trial")?;
    assert_eq!(answer.error()?, (503, "ServiceUnavailable".into(), String::new()));
    let names = |text: &str| text.contains("head.bin") && text.contains("is altered: expected");
    assert!(names(&answer.text()), "{}", answer.text());
    ask("production")?.expect(200)?;
    for (deployments, status) in
        [(&["trial"][..], "failed"), (&["production", "trial"], "partiallyCompleted")]
    {
        let place = client.start("POST", JOBS, Some(&job(example, deployments, &documents(&[TEXT]))))?;
        let state = client.wait(&place)?;
        assert_eq!(state["status"], status, "{state}");
        let last = deployments.len() - 1;
        let error = &state["errors"][0];
        assert_eq!(error["target"], format!("#/tasks/items/{last}"), "{state}");
        assert!(names(&error["message"].to_string()), "{state}");
        assert_eq!(state["tasks"]["items"][last]["status"], "failed", "{state}");
        assert_eq!(state["tasks"]["completed"], last, "{state}");
    }
    let listed = client.get(&format!("{PROJECTS}/Runtime/deployments"))?.expect(200)?;
    assert_eq!(listed["value"].as_array().map(Vec::len), Some(2), "{listed}");
    let reason = unhealthy(client, example)?;
    ensure!(names(&reason), "{reason}");
    Ok(())
}

/// What is wrong with the deployment `trial`, while `production` is well.
fn unhealthy(client: &Client, example: &Example) -> Result<String> {
    let ask = |deployment: &str| {
        let project = &example.project;
        client.get(&format!("{HEALTH}?projectName={project}&deploymentName={deployment}"))?.expect(200)
    };
    let (well, ill) = (ask("production")?, ask("trial")?);
    assert_eq!((&well["status"], well.get("reason")), (&json!("healthy"), None));
    assert_eq!(
        (&ill["status"], &ill["modelId"]),
        (&json!("unhealthy"), &deployed(client, example, "trial")?.into())
    );
    Ok(ill["reason"].as_str().context("no reason")?.to_owned())
}

fn what_the_sdks_tell(server: &Server, example: &Example) -> Result<()> {
    let access = server.access_file();
    let arguments = [access.as_os_str(), example.project.as_ref(), "production".as_ref(), "trial".as_ref()];
    for environment in [python::CLIENTS, python::EARLIER] {
        print!("{}", environment.run("sdk_jobs.py", &arguments)?);
    }
    print!("{}", python::AUTHORING.run("sdk_text_jobs.py", &arguments)?);
    Ok(())
}
