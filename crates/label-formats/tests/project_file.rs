//! Project files of every shape: read, judged, resolved against texts, and written back.

use label_formats::{SourceFormat, check, entry_of, read, resolve_document};
use language_api::project_file::{FileMetadata, LabelEntry};
use language_api::{Limits, Problem, ProjectFile};
use ner::Dataset;
use proptest::prelude::*;
use serde_json::{Value, json};

const FIRST: &str = "Claim by Ana Ruiz under policy PN-4471: hail damage on 3 May 2024, EUR 1,250.\r\nHandled by Noor Haddad.\r\n";
const SECOND: &str = "Policy PN-9010, claimant José Peña 🙂, loss date 2024-06-11, amount EUR 90.";

fn label(category: &str, offset: u32, length: u32) -> Value {
    json!({ "category": category, "offset": offset, "length": length })
}

fn example() -> Value {
    json!({
        "projectFileVersion": "2022-05-01",
        "stringIndexType": "Utf16CodeUnit",
        "metadata": { "projectKind": "CustomEntityRecognition", "storageInputContainerName": "claims-letters",
            "settings": {}, "projectName": "ClaimsDesk", "multilingual": false, "language": "en-us" },
        "assets": { "projectKind": "CustomEntityRecognition",
            "entities": [ { "category": "Claimant" }, { "category": "PolicyNumber" }, { "category": "LossDate" },
                { "category": "Amount" } ],
            "documents": [
                { "location": "claim-001.txt", "language": "en-us", "dataset": "Train", "entities": [
                    { "regionOffset": 0, "regionLength": 104, "labels": [ label("Claimant", 9, 8),
                        label("PolicyNumber", 31, 7), label("LossDate", 55, 10), label("Amount", 67, 9) ] } ] },
                { "location": "claim-002.txt", "language": "en-us", "dataset": "Test", "entities": [
                    { "regionOffset": 0, "regionLength": 75, "labels": [ label("PolicyNumber", 7, 7),
                        label("Claimant", 25, 9), label("LossDate", 49, 10), label("Amount", 68, 6) ] } ] }
            ] }
    })
}

fn file(value: &Value) -> ProjectFile {
    read(value.to_string().as_bytes(), None).unwrap().0
}

fn problems(value: &Value) -> Vec<Problem> {
    check(&file(value), &Limits::default())
}

fn pointers(value: &Value) -> Vec<String> {
    problems(value).into_iter().map(|problem| problem.pointer).collect()
}

#[test]
fn labels_are_what_the_contract_says_they_are() {
    let file = file(&example());
    assert_eq!(check(&file, &Limits::default()), []);
    let documents = &file.assets.as_ref().unwrap().documents;
    let pieces = |index: usize, text: &str| -> Vec<String> {
        let document = resolve_document(&documents[index], index, text, &Limits::default()).unwrap();
        assert_eq!(entry_of(&document), documents[index]);
        document.labels().map(|label| label.span.slice(&document.document.text).to_owned()).collect()
    };
    assert_eq!(pieces(0, FIRST), ["Ana Ruiz", "PN-4471", "3 May 2024", "EUR 1,250"]);
    assert_eq!(pieces(1, SECOND), ["PN-9010", "José Peña", "2024-06-11", "EUR 90"]);
    assert_eq!(pieces(1, &format!("\u{FEFF}{SECOND}")), pieces(1, SECOND));
    assert_eq!(documents[1].dataset, Some(Dataset::Test));
}

#[test]
fn every_content_problem_is_found_with_its_place() {
    let mut file = example();
    file["projectFileVersion"] = json!("one");
    file["stringIndexType"] = json!("UnicodeCodePoint");
    file["metadata"]["projectName"] = json!("Claims Desk");
    file["metadata"]["language"] = json!("tlh");
    file["metadata"]["projectKind"] = json!("CustomSingleLabelClassification");
    file["assets"]["entities"][1]["category"] = json!("claimant");
    file["assets"]["entities"][3]["category"] = json!("Am$unt");
    let documents = &mut file["assets"]["documents"];
    documents[0]["location"] = json!("../claim.txt");
    documents[0]["entities"][0]["regionLength"] = json!(60);
    documents[1]["language"] = json!("xx");
    documents[1]["entities"][0]["labels"][1]["length"] = json!(30);
    documents[1]["entities"][0]["labels"][3]["length"] = json!(0);
    assert_eq!(
        pointers(&file),
        [
            "#/projectFileVersion",
            "#/stringIndexType",
            "#/metadata/projectKind",
            "#/metadata/projectName",
            "#/metadata/language",
            "#/assets/projectKind",
            "#/assets/entities/1/category",
            "#/assets/entities/3/category",
            "#/assets/documents/0/location",
            "#/assets/documents/0/entities/0/labels/1/category",
            "#/assets/documents/0/entities/0/labels/2",
            "#/assets/documents/0/entities/0/labels/3/category",
            "#/assets/documents/0/entities/0/labels/3",
            "#/assets/documents/1/language",
            "#/assets/documents/1/entities/0/labels/0/category",
            "#/assets/documents/1/entities/0/labels/3/category",
            "#/assets/documents/1/entities/0/labels/3/length",
            "#/assets/documents/1/entities/0/labels/2",
        ]
    );
}

#[test]
fn overlaps_name_both_labels_and_the_document() {
    let mut file = example();
    file["assets"]["documents"][0]["entities"][0]["labels"] =
        json!([label("Amount", 50, 4), label("Claimant", 0, 80), label("LossDate", 70, 5)]);
    let messages: Vec<_> = problems(&file).into_iter().map(|problem| problem.to_string()).collect();
    assert_eq!(
        messages,
        [
            r#"#/assets/documents/0/entities/0/labels/0: "claim-001.txt": label "Claimant" at 0..80 and label "Amount" at 50..54 overlap"#,
            r#"#/assets/documents/0/entities/0/labels/2: "claim-001.txt": label "Claimant" at 0..80 and label "LossDate" at 70..75 overlap"#,
        ]
    );
    let second = file["assets"]["documents"][1]["entities"][0].clone();
    file["assets"]["documents"][0]["entities"] = json!([]);
    file["assets"]["documents"][1]["entities"] = json!([second, { "regionOffset": 74, "regionLength": 1 }]);
    assert_eq!(pointers(&file), ["#/assets/documents/1/entities/1"]);
}

#[test]
fn a_location_names_one_document() {
    let mut file = example();
    file["assets"]["documents"][1]["location"] = json!("claim-001.txt");
    assert_eq!(pointers(&file), ["#/assets/documents/1/location"]);
    for (location, good) in [
        ("Test 1.txt", true),
        ("folder/ü.txt", true),
        ("", false),
        ("/a.txt", false),
        ("a//b.txt", false),
        ("a/../b.txt", false),
        ("a\\b.txt", false),
        ("a\n.txt", false),
    ] {
        file["assets"]["documents"][1]["location"] = json!(location);
        assert_eq!(pointers(&file).is_empty(), good, "{location:?}");
    }
}

#[test]
fn limits_are_those_given() {
    let limits = Limits { categories_per_project_max: 3, documents_per_project_max: 1, ..Limits::default() };
    let found = check(&file(&example()), &limits);
    let pointers: Vec<_> = found.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["#/assets/entities", "#/assets/documents"]);
}

#[test]
fn at_most_100_problems_are_reported() {
    let mut file = example();
    file["assets"]["entities"] = json!([]);
    file["assets"]["documents"][0]["entities"][0]["labels"] =
        json!((0..100).map(|at| label("Claimant", at, 1)).collect::<Vec<_>>());
    assert_eq!(problems(&file).len(), 100);
}

#[test]
fn borders_are_proved_against_the_text() {
    let refused = |offset, length, text: &str| -> Vec<String> {
        let mut entry = file(&example()).assets.unwrap().documents.remove(1);
        entry.entities[0].labels = vec![LabelEntry { category: "Amount".to_owned(), offset, length }];
        let found = resolve_document(&entry, 7, text, &Limits::default()).unwrap_err();
        found.into_iter().map(|problem| problem.to_string()).collect()
    };
    let inside = r#"#/assets/documents/7/entities/0/labels/0: "claim-002.txt": label "Amount" at 30..36 has a border at 36, inside a character of two UTF-16 units"#;
    assert_eq!(refused(30, 6, SECOND), [inside]);
    let beyond = r#"#/assets/documents/7/entities/0/labels/0: "claim-002.txt": label "Amount" at 68..76 reaches 76, but the document has 75 UTF-16 units"#;
    assert_eq!(refused(68, 8, SECOND), [beyond]);
    let short = refused(0, 1, "abc");
    assert_eq!(short.len(), 1);
    assert!(short[0].contains("region at 0 reaches 75"), "{short:?}");
    let empty = refused(0, 0, "\u{FEFF}");
    assert!(empty[0].contains("has 0 characters"), "{empty:?}");
    let long = refused(0, 501, &"a".repeat(600));
    assert!(long[0].contains("has 501 characters, at most 500"), "{long:?}");
}

fn old_labels() -> Value {
    json!({
        "extractors": [ { "name": "Claimant" }, { "name": "PolicyNumber" } ],
        "documents": [ { "location": "claim-001.txt", "language": "en-us", "extractors": [
            { "regionOffset": 0, "regionLength": 104, "labels": [
                { "extractorName": "Claimant", "offset": 9, "length": 8 },
                { "extractorName": "PolicyNumber", "offset": 31, "length": 7 } ] } ] } ]
    })
}

#[test]
fn the_labels_file_of_2021_is_converted() {
    let bytes = old_labels().to_string();
    let project: FileMetadata = file(&example()).metadata;
    let (converted, format) = read(bytes.as_bytes(), Some(&project)).unwrap();
    assert_eq!(format, SourceFormat::Labels2021);
    assert_eq!((check(&converted, &Limits::default()), &converted.metadata), (vec![], &project));
    let document = &converted.assets.as_ref().unwrap().documents[0];
    let resolved = resolve_document(document, 0, FIRST, &Limits::default()).unwrap();
    let pieces: Vec<_> = resolved.labels().map(|label| label.span.slice(FIRST)).collect();
    assert_eq!(pieces, ["Ana Ruiz", "PN-4471"]);
    let alone = read(bytes.as_bytes(), None).unwrap_err();
    assert!(alone[0].message.contains("names no project"), "{}", alone[0]);
}

#[test]
fn the_import_body_of_2021_is_converted() {
    let body = json!({ "api-version": "2021-11-01-preview",
        "metadata": { "name": "ClaimsDesk", "multiLingual": true, "description": "d", "modelType": "Extraction",
            "language": "en", "storageInputContainerName": "claims-letters", "settings": {} },
        "assets": old_labels() });
    let (converted, format) = read(body.to_string().as_bytes(), None).unwrap();
    assert_eq!((format, check(&converted, &Limits::default())), (SourceFormat::Import2021, vec![]));
    assert!(converted.metadata.multilingual);
    let mut wrong = body;
    wrong["metadata"]["multiLingual"] = json!("True");
    wrong["assets"]["documents"][0]["extractors"][0]["labels"][1]["extractorName"] = json!(3);
    let found = read(wrong.to_string().as_bytes(), None).unwrap_err();
    let pointers: Vec<_> = found.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        ["#/metadata/multiLingual", "#/assets/documents/0/extractors/0/labels/1/extractorName"]
    );
    assert!(found[0].message.contains("2021-11-01-preview"), "{}", found[0]);
}

#[test]
fn content_problems_of_old_files_point_into_the_old_file() {
    let mut old = old_labels();
    old["extractors"][1]["name"] = json!("Other");
    let project = file(&example()).metadata;
    let (converted, format) = read(old.to_string().as_bytes(), Some(&project)).unwrap();
    let found = format.restate(check(&converted, &Limits::default()));
    assert_eq!(found[0].pointer, "#/documents/0/extractors/0/labels/1/extractorName");
}

proptest! {
    /// Any labels on character borders survive the way to the domain and back.
    #[test]
    fn entries_come_back(text in "[a-zé🙂\r\n\u{301}👩 ]{1,40}", cuts in prop::collection::btree_set(0usize..41, 0..10)) {
        let units: Vec<u32> = text.chars().scan(0, |at, sign| { let start = *at; *at += sign.len_utf16() as u32; Some(start) }).collect();
        let length = text.encode_utf16().count() as u32;
        let borders: Vec<u32> = cuts.iter().filter_map(|cut| units.get(*cut)).copied().collect();
        let labels: Vec<_> = borders.chunks_exact(2).map(|pair| label("A", pair[0], pair[1] - pair[0])).collect();
        let mut value = example();
        value["assets"]["entities"] = json!([{ "category": "A" }]);
        value["assets"]["documents"] = json!([{ "location": "a.txt",
            "entities": [{ "regionOffset": 0, "regionLength": length, "labels": labels }] }]);
        let file = file(&value);
        prop_assert_eq!(check(&file, &Limits::default()), vec![]);
        let entry = &file.assets.as_ref().unwrap().documents[0];
        let document = resolve_document(entry, 0, &text, &Limits::default()).unwrap();
        for (label, wire) in document.labels().zip(&entry.entities[0].labels) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let piece = &units[wire.offset as usize..][..wire.length as usize];
            prop_assert_eq!(label.span.slice(&text), String::from_utf16(piece).unwrap());
        }
        prop_assert_eq!(&entry_of(&document), entry);
    }
}
