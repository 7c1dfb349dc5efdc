//! `spindle labels` on files, as scripts use it.

use anyhow::{Context, Result};
use serde_json::Value;
use spindle_tests::places;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn labels(arguments: &[&str], paths: &[&Path]) -> Result<Output> {
    let mut command = Command::new(places::program()?);
    Ok(command.arg("labels").args(arguments).args(paths).output()?)
}

/// Runs with `--json`; the answer, whatever the exit code.
fn json(arguments: &[&str], paths: &[&Path]) -> Result<(bool, Value)> {
    let all = [arguments, &["--json"]].concat();
    let output = labels(&all, paths)?;
    let answer = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.success(), answer))
}

fn example() -> PathBuf {
    places::root().join("examples/claims-desk")
}

/// Location and labels of every document of a label file.
fn said(folder: &Path) -> Result<Vec<(Value, Value)>> {
    let file: Value = serde_json::from_slice(&fs::read(folder.join("labels.json"))?)?;
    let documents = file["assets"]["documents"].as_array().context("documents")?.clone();
    Ok(documents.into_iter().map(|d| (d["location"].clone(), d["entities"].clone())).collect())
}

#[test]
fn the_example_goes_through_every_format_and_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (good, found) = json(&["check"], &[&example()])?;
    assert!(good && found["changes"] == serde_json::json!([]), "{found}");
    let given = said(&example())?;
    for format in ["contract", "conll", "spacy", "doccano", "label-studio", "brat"] {
        let (there, back) = (folder.path().join(format), folder.path().join(format!("{format}-back")));
        let (good, out) = json(&["convert", "--to", format], &[&example(), &there])?;
        assert!(good && out["written"] == true && out["labels"] == found["labels"], "{format}: {out}");
        let (good, home) = json(&["convert", "--to", "contract"], &[&there, &back])?;
        assert!(good && home["from"] == format, "{format}: {home}");
        let mut returned = said(&back)?;
        returned.sort_by_key(|(location, _)| location.to_string());
        let mut expected = given.clone();
        expected.sort_by_key(|(location, _)| location.to_string());
        assert_eq!(returned, expected, "{format}");
        let name = given[0].0.as_str().context("location")?;
        let text = |folder: &Path| fs::read(folder.join("documents").join(name));
        assert_eq!(text(&back)?, text(&example())?, "{format}");
    }
    Ok(())
}

#[test]
fn all_problems_of_a_label_file_are_told_and_nothing_is_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (set, output) = (folder.path().join("set"), folder.path().join("out"));
    assert!(json(&["convert", "--to", "contract"], &[&example(), &set])?.0);
    let path = set.join("labels.json");
    let mut file: Value = serde_json::from_slice(&fs::read(&path)?)?;
    file["assets"]["documents"][0]["entities"][0]["labels"][0]["category"] = "Unknown".into();
    fs::write(&path, file.to_string())?;
    let missing = file["assets"]["documents"][1]["location"].as_str().context("location")?.to_owned();
    fs::remove_file(set.join("documents").join(&missing))?;
    let (good, found) = json(&["check"], &[&path])?;
    let problems: Vec<_> = found["problems"].as_array().context("problems")?.iter().collect();
    let at = |index: usize| problems[index]["place"].as_str().unwrap_or_default();
    assert!(!good && problems.len() == 2, "{found}");
    assert_eq!(at(0), "labels.json#/assets/documents/0/entities/0/labels/0/category");
    assert_eq!(at(1), "labels.json#/assets/documents/1/location");
    assert!(!json(&["convert", "--to", "brat"], &[&set, &output])?.0 && !output.exists());
    Ok(())
}

#[test]
fn an_output_is_replaced_on_request_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (lines, output) = (folder.path().join("a.jsonl"), folder.path().join("out"));
    fs::write(&lines, "{\"text\":\"Ana Ruiz\",\"entities\":[[0,3,\"P\"],[0,8,\"P\"]]}\n")?;
    let convert = ["convert", "--to", "contract"];
    let strict = labels(&[&convert[..], &["--strict"]].concat(), &[&lines, &output])?;
    assert!(!strict.status.success() && !output.exists());
    assert!(String::from_utf8_lossy(&strict.stdout).contains("labels that overlap a longer one"));
    assert!(!labels(&["check"], &[&lines])?.status.success());
    assert!(labels(&convert, &[&lines, &output])?.status.success());
    fs::write(output.join("mine.txt"), "mine")?;
    let again = labels(&convert, &[&lines, &output])?;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        !again.status.success() && said.contains("--force") && output.join("mine.txt").exists(),
        "{said}"
    );
    assert!(labels(&[&convert[..], &["--force"]].concat(), &[&lines, &output])?.status.success());
    assert!(!output.join("mine.txt").exists());
    let inside = labels(&["convert", "--to", "brat", "--force"], &[&output, &output])?;
    assert!(!inside.status.success() && output.join("labels.json").exists());
    assert_eq!(fs::read_dir(folder.path())?.count(), 2, "no workplace is left");
    Ok(())
}

#[test]
fn what_will_hurt_a_training_is_told_and_does_not_fail() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let lines = [
        ["Oslo B-PLACE", "is O", "far O", ". O"],
        ["Oslo B-PLACE", "is O", "near O", ". O"],
        ["Oslo B-NAME", "wrote O", "to O", "Oslo O"],
    ];
    let text = lines.map(|sentence| sentence.join("\n")).join("\n\n");
    fs::write(folder.path().join("news.conll"), text)?;
    let (good, found) = json(&["check"], &[folder.path()])?;
    assert!(good, "{found}");
    let guidance = found["guidance"].as_array().context("no guidance")?;
    let rules: Vec<_> = guidance.iter().filter_map(|one| one["rule"].as_str()).collect();
    assert_eq!(rules, ["fewLabels", "fewLabels", "labeledDifferently", "labelForgotten"], "{found}");
    let output = labels(&["check"], &[folder.path()])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Guidance") && said.contains("“Oslo”"), "{said}");
    Ok(())
}
