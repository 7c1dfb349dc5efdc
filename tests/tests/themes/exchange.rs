//! Label files go in and come out the same, whatever happens on the way.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Client, Example, Server, python};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

/// Texts in which every unit of offsets counts differently.
const TEXTS: [(&str, &str); 5] = [
    ("family.txt", "👩🏻‍👩🏽‍👧🏾‍👦🏿 signed by Ana\r\nRuiz on 3 May.\r\n"),
    ("composed.txt", "Jose\u{301} Peña met José Peña.\n"),
    ("cjk.txt", "契約者は山田太郎です。\r\n金額：１２００円\r\n"),
    ("marked.txt", "\u{FEFF}Begins with a mark: Noor Haddad."),
    ("plain.txt", "nothing here was ever looked at"),
];

/// A label of the file, found in the text and counted in UTF-16 units.
fn label(text: &str, category: &str, piece: &str) -> Value {
    let text = text.trim_start_matches('\u{FEFF}');
    let at = text.find(piece).unwrap_or_else(|| panic!("{piece:?} is not in {text:?}"));
    let units = |text: &str| text.encode_utf16().count();
    json!({ "category": category, "offset": units(&text[..at]), "length": units(piece) })
}

fn document(name: &str, labels: &[(&str, &str)]) -> Value {
    let (_, text) = TEXTS.iter().find(|(location, _)| *location == name).expect("one of the texts");
    let units = text.trim_start_matches('\u{FEFF}').encode_utf16().count();
    let labels: Vec<Value> = labels.iter().map(|(category, piece)| label(text, category, piece)).collect();
    json!({ "location": name, "entities": [{ "regionOffset": 0, "regionLength": units, "labels": labels }] })
}

/// A label file with everything a file can say, in the order in which it is exported.
fn rich(project: &str) -> Value {
    let mut cjk = document("cjk.txt", &[("契約者", "山田太郎"), ("Amount", "１２００円")]);
    cjk["language"] = json!("ja");
    cjk["dataset"] = json!("Test");
    let mut family = document("family.txt", &[("Person", "👩🏻‍👩🏽‍👧🏾‍👦🏿"), ("Signer", "Ana\r\nRuiz")]);
    family["dataset"] = json!("Train");
    let mut composed = document("composed.txt", &[("Person", "Jose\u{301} Peña")]);
    // A second region, looked at and empty.
    composed["entities"][0]["regionLength"] = json!(12);
    composed["entities"]
        .as_array_mut()
        .expect("regions")
        .push(json!({ "regionOffset": 16, "regionLength": 9, "labels": [] }));
    let mut plain = json!({ "location": "plain.txt", "dataset": "Test", "entities": [] });
    plain["language"] = json!("de-at");
    json!({
        "projectFileVersion": "2022-05-01",
        "stringIndexType": "Utf16CodeUnit",
        "metadata": {
            "projectKind": "CustomEntityRecognition", "storageInputContainerName": project.to_lowercase(),
            "settings": { "confidenceThreshold": 0.3 }, "projectName": project, "multilingual": true,
            "description": "\"quoted\" \\ ünï 🙂\r\n", "language": "es"
        },
        "assets": {
            "projectKind": "CustomEntityRecognition",
            "entities": [
                { "category": "Signer", "description": "who signed" }, { "category": "Person" },
                { "category": "契約者" }, { "category": "Amount" }, { "category": "Never used" }
            ],
            "documents": [cjk, composed, family, document("marked.txt", &[("Person", "Noor Haddad")]), plain]
        }
    })
}

fn import(client: &Client, file: &Value) -> Result<Value> {
    let name = file["metadata"]["projectName"].as_str().context("the file has no name")?;
    client.succeed("POST", &format!("{PROJECTS}/{name}/:import"), Some(file))
}

fn export(client: &Client, project: &str) -> Result<Value> {
    let place = format!("{PROJECTS}/{project}/:export?stringIndexType=Utf16CodeUnit");
    let state = client.succeed("POST", &place, None)?;
    client.get(state["resultUrl"].as_str().context("no resultUrl")?)?.expect(200)
}

fn upload_texts(server: &Server, bucket: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, text) in TEXTS {
        fs::write(folder.path().join(name), text)?;
    }
    assert_eq!(python::upload(server, bucket, folder.path())?, TEXTS.len());
    Ok(())
}

#[test]
fn an_exported_file_is_the_imported_one() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    upload_texts(&server, "identity")?;
    let file = rich("Identity");
    import(&client, &file)?;
    let exported = export(&client, "Identity")?;
    assert_eq!(exported, file);
    // Into another project, and back: nothing gets lost on the second way either.
    let mut copy = exported;
    copy["metadata"]["projectName"] = json!("Identity-2");
    import(&client, &copy)?;
    assert_eq!(export(&client, "Identity-2")?, copy);
    Ok(())
}

#[test]
fn loading_a_models_labels_restores_them_whole() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let mut example = Example::claims_desk("Restored", "restored")?;
    example.upload(&server)?;
    example.import(&client)?;
    let before = export(&client, "Restored")?;
    let state = client.wait(&example.start_training(&client, "m", "lexical")?)?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let documents = example.labels["assets"]["documents"].as_array_mut().context("no documents")?;
    documents.truncate(10);
    documents[0]["dataset"] = json!("Test");
    example.labels["assets"]["entities"][6]["description"] = json!("another");
    example.import(&client)?;
    let between = export(&client, "Restored")?;
    assert_ne!(between["assets"], before["assets"]);

    let place = example.path("/:export?stringIndexType=Utf16CodeUnit&trainedModelLabel=m");
    let state = client.succeed("POST", &place, None)?;
    let snapshot = client.get(state["resultUrl"].as_str().context("no resultUrl")?)?.expect(200)?;
    assert_eq!(snapshot["assets"], before["assets"], "the labels the model was trained on");
    client.succeed("POST", &example.path("/models/m/:load-snapshot"), None)?;
    assert_eq!(export(&client, "Restored")?["assets"], before["assets"]);
    Ok(())
}

/// Two files that differ in settings and in every label.
fn versions(project: &str, container: &str) -> Result<[Value; 2]> {
    let mut old = Example::claims_desk(project, container)?.labels;
    let mut new = old.clone();
    old["metadata"]["description"] = json!("old");
    new["metadata"]["description"] = json!("new");
    new["assets"]["entities"] = json!([{ "category": "New" }]);
    let documents = new["assets"]["documents"].as_array_mut().context("no documents")?;
    for label in
        documents.iter_mut().flat_map(|document| document["entities"][0]["labels"].as_array_mut()).flatten()
    {
        label["category"] = json!("New");
    }
    Ok([old, new])
}

/// Fails unless the export is one of the two versions, whole.
fn whole<'a>(exported: &Value, versions: &'a [Value; 2]) -> Result<&'a str> {
    let version = versions.iter().find(|version| version["metadata"] == exported["metadata"]);
    let version = version.with_context(|| format!("settings of no version: {}", exported["metadata"]))?;
    ensure!(exported["assets"]["entities"] == version["assets"]["entities"], "another version's categories");
    let of = |file: &Value| -> Vec<String> {
        let documents = file["assets"]["documents"].as_array().cloned().unwrap_or_default();
        let mut all: Vec<String> = documents.iter().map(Value::to_string).collect();
        all.sort();
        all
    };
    ensure!(of(exported) == of(version), "another version's labels");
    version["metadata"]["description"].as_str().context("no description")
}

#[test]
fn labels_and_settings_are_the_old_or_the_new_ones_also_when_the_server_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut server = Server::start(&data)?;
    let versions = versions("Atomic", "atomic")?;
    Example::claims_desk("Atomic", "atomic")?.upload(&server)?;
    import(&server.client(), &versions[0])?;
    for turn in 1..4 {
        let client = server.client();
        let (next, before) = (&versions[turn % 2], &versions[(turn + 1) % 2]["metadata"]["description"]);
        let job = client.start("POST", &format!("{PROJECTS}/Atomic/:import"), Some(next))?;
        // Readers meanwhile; the import ends in between, or is killed in its midst.
        for _ in 0..turn {
            whole(&export(&client, "Atomic")?, &versions)?;
        }
        let endpoint = client.endpoint.clone();
        server.kill9()?;
        server = Server::start(&data)?;
        let client = server.client();
        whole(&export(&client, "Atomic")?, &versions)?;
        let path = job.strip_prefix(&endpoint).context("a foreign job")?;
        let state = client.wait(&format!("{}{path}", client.endpoint))?;
        assert_eq!(state["status"], "succeeded", "{state}");
        let now = export(&client, "Atomic")?;
        assert_ne!(json!(whole(&now, &versions)?), *before);
        assert_eq!(now["metadata"], next["metadata"]);
    }
    Ok(())
}

#[test]
fn of_two_imports_at_once_one_is_refused_or_they_follow_each_other() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let versions = versions("Both", "both")?;
    Example::claims_desk("Both", "both")?.upload(&server)?;
    for _ in 0..5 {
        let place = format!("{PROJECTS}/Both/:import");
        let answers: Vec<_> = thread::scope(|scope| {
            let (client, place) = (&client, place.as_str());
            let send =
                versions.iter().map(|file| scope.spawn(move || client.send("POST", place, Some(file))));
            let sent: Vec<_> = send.collect();
            sent.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<_>>()
        })?;
        let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
        ensure!(!accepted.is_empty(), "both were refused");
        for answer in &answers {
            if answer.status != 202 {
                assert_eq!(answer.error()?, (409, "Conflict".to_owned(), String::new()));
            }
        }
        for answer in accepted {
            let state = client.wait(answer.header("operation-location"))?;
            assert_eq!(state["status"], "succeeded", "{state}");
        }
        whole(&export(&client, "Both")?, &versions)?;
    }
    Ok(())
}

#[test]
fn bodies_that_are_huge_or_break_off_leave_no_trace() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let place = format!("{PROJECTS}/Huge/:import");
    // 200 MB that are no JSON, because the last bracket is missing.
    let mut body = b"{\"projectFileVersion\": \"".to_vec();
    body.resize(200_000_000, b'x');
    let answer = client.send_bytes("POST", &place, Some(("application/json", body)))?;
    assert_eq!(answer.error()?, (400, "InvalidRequest".to_owned(), "InvalidRequestBodyFormat".to_owned()));
    assert!(!answer.text().contains("xxx"), "no part of a body is repeated");

    let address = client.endpoint.trim_start_matches("http://");
    let head = |length: u64| {
        format!(
            "POST {place}?api-version=2023-04-01 HTTP/1.1\r\nHost: {address}\r\nOcp-Apim-Subscription-Key: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            client.key
        )
    };
    let mut declared = TcpStream::connect(address)?;
    declared.write_all(head(300 << 20).as_bytes())?;
    let mut answer = [0; 12];
    declared.read_exact(&mut answer)?;
    assert_eq!(&answer, b"HTTP/1.1 413", "refused by its declared length");

    let mut cut = TcpStream::connect(address)?;
    cut.write_all(format!("{}{{\"projectFileVersion\":", head(10_000)).as_bytes())?;
    cut.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    // Whether a caller that went away gets an answer is nobody's business.
    let _ = cut.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(client.get(&format!("{PROJECTS}/Huge"))?.error()?.1, "ProjectNotFound");
    Ok(())
}
