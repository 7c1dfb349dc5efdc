//! Whatever labels a file holds, its import and export give the same file.

use anyhow::{Context, Result};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Client, Server, python};
use std::fs;

const CASES: u32 = 24;
const PROJECT: &str = "AnyLabels";
const CONTAINER: &str = "any-labels";
const CATEGORIES: [&str; 4] = ["Claimant", "Policy Number", "人名", "\"quoted\" \\ sign"];
/// Sorted by name, as files are exported.
const TEXTS: [(&str, &str); 5] = [
    ("a combined.txt", "e\u{301}e\u{301} o\u{308}\r\nJose\u{301} pa\u{303}o"),
    ("b emoji.txt", "👩🏻‍👩🏽‍👧🏾‍👦🏿 🇩🇪🇫🇷 👍🏽 🙂🙂"),
    ("c cjk.txt", "契約者は山田太郎です。\r\n金額：１２００円\r\n한국어 𠮷野家"),
    ("d lines.txt", "\r\n\r\na\rb\nc\u{85}d\u{2028}e\r\n"),
    ("é plain.txt", "Claim by Ana Ruiz under policy PN-4471: hail damage."),
];

#[test]
fn import_and_export_of_any_labels_is_identity() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let folder = tempfile::tempdir()?;
    for (name, text) in TEXTS {
        fs::write(folder.path().join(name), text)?;
    }
    assert_eq!(python::upload(&server, CONTAINER, folder.path())?, TEXTS.len());
    let config =
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new(config)
        .run(&files(), |file| {
            let exported =
                there_and_back(&client, &file).map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
            prop_assert_eq!(exported, file);
            Ok(())
        })
        .map_err(|error| anyhow::anyhow!("{error}"))
}

fn there_and_back(client: &Client, file: &Value) -> Result<Value> {
    client.succeed("POST", &format!("{PROJECTS}/{PROJECT}/:import"), Some(file))?;
    let place = format!("{PROJECTS}/{PROJECT}/:export?stringIndexType=Utf16CodeUnit");
    let state = client.succeed("POST", &place, None)?;
    client.get(state["resultUrl"].as_str().context("no resultUrl")?)?.expect(200)
}

fn files() -> impl Strategy<Value = Value> {
    let settings = prop_oneof![Just(json!({})), Just(json!({ "confidenceThreshold": 0.25 }))];
    let description = option::of("[a-zé🙂\"\\\\ \r\n]{0,12}");
    let documents: Vec<_> = TEXTS.map(|(location, text)| document(location, text)).into();
    (settings, any::<bool>(), description, documents).prop_map(
        |(settings, multilingual, description, documents)| {
            let mut metadata = json!({
                "projectKind": "CustomEntityRecognition",
                "storageInputContainerName": CONTAINER,
                "settings": settings,
                "projectName": PROJECT,
                "multilingual": multilingual,
                "language": "en-us",
            });
            if let Some(description) = description {
                metadata["description"] = json!(description);
            }
            json!({
                "projectFileVersion": "2022-05-01",
                "stringIndexType": "Utf16CodeUnit",
                "metadata": metadata,
                "assets": {
                    "projectKind": "CustomEntityRecognition",
                    "entities": CATEGORIES.map(|category| json!({ "category": category })),
                    "documents": documents,
                },
            })
        },
    )
}

/// A document with regions and labels between any of its characters, in the order of the text.
fn document(location: &'static str, text: &'static str) -> impl Strategy<Value = Value> {
    let borders: Vec<usize> = text
        .chars()
        .scan(0, |at, sign| {
            *at += sign.len_utf16();
            Some(*at)
        })
        .collect();
    let cuts = btree_set(0..borders.len(), 0..borders.len().min(12));
    let dataset = option::of(prop_oneof![Just("Train"), Just("Test")]);
    let language = option::of(prop_oneof![Just("de"), Just("ja"), Just("en-GB")]);
    (cuts, vec(0..CATEGORIES.len(), 6), any::<bool>(), dataset, language).prop_map(
        move |(cuts, categories, split, dataset, language)| {
            let cuts: Vec<usize> = cuts.into_iter().map(|cut| borders[cut]).collect();
            let labels: Vec<Value> = cuts
                .chunks_exact(2)
                .zip(&categories)
                .map(|(pair, category)| label(CATEGORIES[*category], pair[0], pair[1]))
                .collect();
            let end = borders.last().copied().unwrap_or_default();
            let mut document = json!({ "location": location, "entities": regions(&labels, split, end) });
            if let Some(dataset) = dataset {
                document["dataset"] = json!(dataset);
            }
            if let Some(language) = language {
                document["language"] = json!(language);
            }
            document
        },
    )
}

fn label(category: &str, start: usize, end: usize) -> Value {
    json!({ "category": category, "offset": start, "length": end - start })
}

/// One region over everything, or one up to the end of the first label and one behind it.
fn regions(labels: &[Value], split: bool, end: usize) -> Value {
    let region = |start: usize, end: usize, labels: &[Value]| json!({ "regionOffset": start, "regionLength": end - start, "labels": labels });
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let middle = labels.first().map(|first| number(&first["offset"]) + number(&first["length"]));
    match middle.filter(|middle| split && *middle < end) {
        Some(middle) => json!([region(0, middle, &labels[..1]), region(middle, end, &labels[1..])]),
        None => json!([region(0, end, labels)]),
    }
}
