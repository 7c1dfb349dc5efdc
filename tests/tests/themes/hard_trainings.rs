//! Trainings on labels and machines that make it hard: each ends in a way that says what happened, and leaves no half model.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use spindle_tests::{Client, Example, Marked, Server};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Lines that give a model something to learn; `{}` are a name's and a place's marks.
const NAMES: [&str; 6] = ["Ana Ruiz", "Bo Lind", "Chen Wei", "Dora Kiss", "Emil Roth", "Femi Ade"];
const PLACES: [&str; 6] = ["Oslo", "Lagos", "Kyoto", "Quito", "Sana", "Turin"];

fn letter(at: usize) -> String {
    let (name, place) = (NAMES[at % 6], PLACES[(at * 5 + at / 6) % 6]);
    format!("Dear team,\n[Person:{name}] moved to [Place:{place}] on day {at}.\nKind regards")
}

/// Twelve letters, the last three to score on.
fn letters(name: &str) -> Result<Marked> {
    let mut project = Marked::new(name, "en-us");
    for at in 0..12 {
        project.add(if at < 9 { "Train" } else { "Test" }, &letter(at))?;
    }
    Ok(project)
}

/// Rules of the guidance about a category that a training's state tells.
fn rules(state: &Value, category: &str) -> Vec<String> {
    let all = state["result"]["guidance"].as_array().into_iter().flatten();
    let of = all.filter(|guidance| guidance["category"] == category);
    of.filter_map(|guidance| guidance["rule"].as_str().map(str::to_owned)).collect()
}

fn warned(state: &Value) -> Vec<&str> {
    state["warnings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|warning| warning["code"].as_str())
        .collect()
}

/// What a failed training says, when it says anything.
fn failure(state: &Value) -> Result<String> {
    ensure!(state["status"] == "failed", "it did not fail: {state}");
    let message = state["errors"][0]["message"].as_str();
    Ok(message.with_context(|| format!("no reason is given: {state}"))?.to_owned())
}

fn models(client: &Client, path: &str) -> Result<usize> {
    let list = client.get(path)?.expect(200)?;
    Ok(list["value"].as_array().context("no list")?.len())
}

#[test]
fn a_type_with_one_label_trains_and_is_named() -> Result<()> {
    let server = Server::shared()?;
    let mut project = letters("one-label")?;
    project.add("Train", "The fee of [Fee:EUR 12] is due.")?;
    project.put(&server)?;
    let state = project.train(&server.client(), "m", "latest")?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let rules = rules(&state, "Fee");
    assert!(rules.starts_with(&["fewLabels".to_owned(), "notTested".to_owned()]), "{rules:?}");
    let shown = server.client().get(&project.path("/models/m"))?.expect(200)?;
    assert_eq!(shown["lineage"]["split"]["testDocuments"], 3, "{shown}");
    Ok(())
}

#[test]
fn labels_that_contradict_each_other_train_and_are_named() -> Result<()> {
    let server = Server::shared()?;
    let mut project = Marked::new("contradictory", "en-us");
    for at in 0..12 {
        let category = ["Person", "Place"][at % 2];
        project.add(
            if at < 9 { "Train" } else { "Test" },
            &format!("A note from [{category}:Jordan] came.\n"),
        )?;
    }
    project.put(&server)?;
    let state = project.train(&server.client(), "m", "latest")?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let both = [rules(&state, "Person"), rules(&state, "Place")].concat();
    assert!(both.iter().any(|rule| rule == "labeledDifferently"), "{state}");
    Ok(())
}

#[test]
fn documents_without_text_are_borne_and_a_training_without_labels_says_so() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    for (name, full, expected) in
        [("empty-but-one", "Train", "succeeded"), ("empty-training", "Test", "failed")]
    {
        let mut project = Marked::new(name, "en-us");
        project.add(full, &(0..6).map(letter).collect::<Vec<_>>().join("\n"))?;
        for at in 0..11 {
            project.add(if at == 0 { "Test" } else { "Train" }, "\n")?;
        }
        project.put(&server)?;
        for config in ["latest", "lexical"] {
            let state = project.train(&client, config, config)?;
            assert_eq!(state["status"], expected, "{state}");
            if expected == "failed" {
                let message = failure(&state)?;
                assert!(message.contains("too few labels"), "{message}");
                assert_eq!(models(&client, &project.path("/models"))?, 0);
            }
        }
    }
    // Without a single character there is nothing a label file could speak of.
    let mut project = letters("empty-import")?;
    project.add("Train", "")?;
    let refused = project.put(&server).err().context("it was imported")?.to_string();
    assert!(refused.contains("empty") && refused.contains("012.txt"), "{refused}");
    Ok(())
}

#[test]
fn a_document_as_long_as_they_may_be_is_learned_from() -> Result<()> {
    let server = Server::shared()?;
    let mut project = letters("long-document")?;
    let mut long = String::new();
    while long.chars().count() < 118_000 {
        long.push_str(&letter(long.len()));
        long.push_str("\nThere is nothing more to do at the moment, so please keep the papers ready.\n");
    }
    project.add("Train", &long)?;
    project.put(&server)?;
    for config in ["lexical", "contextual"] {
        let state = project.train(&server.client(), config, config)?;
        assert_eq!(state["status"], "succeeded", "{state}");
    }
    Ok(())
}

#[test]
fn five_scripts_train_without_the_encoder_of_one_and_say_so() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let mut project = Marked::new("five-scripts", "en-us").multilingual();
    let texts = [
        "[Person:Ana Ruiz] lives in [Place:Oslo].",
        "[Person:Анна Белова] живёт в [Place:Москве].",
        "[Person:田中]さんは[Place:京都]に住んでいます。",
        "تعيش [Person:ليلى] في [Place:بغداد].",
        "[Person:अनिता] [Place:दिल्ली] में रहती हैं।",
    ];
    for at in 0..15 {
        project.add(if at < 10 { "Train" } else { "Test" }, texts[at % 5])?;
    }
    project.put(&server)?;
    let state = project.train(&client, "m", "latest")?;
    assert_eq!(state["status"], "succeeded", "{state}");
    assert!(warned(&state).contains(&"EncoderLanguage"), "{state}");
    let shown = client.get(&project.path("/models/m"))?.expect(200)?;
    assert_eq!(shown["lineage"]["recipe"]["kind"], "lexical", "{shown}");
    let f1 = shown["lineage"]["scores"]["test.microF1"].as_f64().context("no score")?;
    assert!(f1 > 0.9, "every script was learned: {shown}");
    Ok(())
}

#[test]
fn an_encoder_without_its_weights_is_named_and_lexical_trainings_go_on() -> Result<()> {
    let published = spindle_tests::places::root().join("build/encoders/all-MiniLM-L6-v2");
    let folder = tempfile::tempdir()?;
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(published.join(name), folder.path().join(name))?;
    }
    let server = Server::fresh_with(&["--encoder".as_ref(), folder.path().as_os_str()])?;
    let client = server.client();
    let project = letters("no-weights")?;
    project.put(&server)?;
    for config in ["latest", "contextual"] {
        let message = failure(&project.train(&client, "m", config)?)?;
        assert!(message.contains("model.safetensors") && message.contains("lexical"), "{message}");
    }
    assert_eq!(models(&client, &project.path("/models"))?, 0);
    let state = project.train(&client, "m", "lexical")?;
    assert_eq!(state["status"], "succeeded", "{state}");
    Ok(())
}

#[test]
fn a_training_that_needs_more_memory_than_there_is_is_refused() -> Result<()> {
    let server = Server::fresh_with(&["--training-memory".as_ref(), "1".as_ref()])?;
    let client = server.client();
    let example = Example::claims_desk("Narrow", "narrow")?;
    example.upload(&server)?;
    example.import(&client)?;
    for config in ["lexical", "latest"] {
        let job = example.start_training(&client, "m", config)?;
        let message = failure(&client.wait(&job)?)?;
        assert!(message.contains("MiB of memory and 1 MiB are free"), "{message}");
    }
    assert_eq!(models(&client, &example.path("/models"))?, 0);
    Ok(())
}

/// A file system of its own, which can be full; gone when dropped.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// `None`, after saying so, where this user may not mount one.
    fn of(mebibytes: u64) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Ok(Some(Self { folder }));
        }
        println!("skipped: this user may not mount a file system");
        Ok(None)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it until `left` bytes are free.
    fn fill(&self, left: u64) -> Result<()> {
        let block = vec![0; 1 << 16];
        let filler = self.path().join("filler");
        let mut file = fs::File::create(&filler)?;
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        let full = fs::metadata(&filler)?.len();
        file.set_len(full.saturating_sub(left))?;
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.path().join("filler"))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Bytes of all files in the folders of `folder`.
fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for inner in fs::read_dir(folder)? {
        for file in fs::read_dir(inner?.path())? {
            bytes += file?.metadata()?.len();
        }
    }
    Ok(bytes)
}

#[test]
fn a_full_disk_fails_a_training_with_a_word_and_the_next_one_goes_on() -> Result<()> {
    let Some(disk) = Disk::of(400)? else { return Ok(()) };
    let server = Server::start(&disk.path().join("data"))?;
    let client = server.client();
    let example = Example::claims_desk("Full", "full")?;
    example.upload(&server)?;
    example.import(&client)?;

    // Room for the catalog, none for the encoder that is converted first.
    disk.fill(8 << 20)?;
    let job = example.start_training(&client, "m", "contextual")?;
    let message = failure(&client.wait(&job)?)?;
    assert!(message.contains("No space left") || message.contains("full"), "{message}");
    assert_eq!(models(&client, &example.path("/models"))?, 0);

    disk.make_room()?;
    let job = example.start_training(&client, "m", "contextual")?;
    let state = client.wait(&job)?;
    assert_eq!(state["status"], "succeeded", "{state}");

    // Now the encoder is there: what does not fit is another bundle like the first. What trainings left for later ones would
    // be given up for it.
    fs::remove_dir_all(disk.path().join("data/cache/checkpoints"))?;
    let stored = disk.path().join("data/s3/spindle-models/models");
    disk.fill(bytes_below(&stored)? / 2)?;
    let job = example.start_training(&client, "second", "contextual")?;
    let message = failure(&client.wait(&job)?)?;
    assert!(message.contains("full"), "{message}");
    assert_eq!(models(&client, &example.path("/models"))?, 1);
    for model in fs::read_dir(&stored)? {
        let model = model?.path();
        let whole = model.join("manifest.json").exists();
        let second = model.file_name().is_some_and(|name| name.to_string_lossy().starts_with("second-"));
        assert_eq!(whole, !second, "{} is half a model", model.display());
    }
    disk.make_room()?;
    let job = example.start_training(&client, "second", "contextual")?;
    assert_eq!(client.wait(&job)?["status"], "succeeded");
    Ok(())
}
