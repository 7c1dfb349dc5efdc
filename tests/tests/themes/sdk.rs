//! The vendor's own SDKs, unchanged, against this server.

use anyhow::{Context, Result};
use serde_json::Value;
use spindle_tests::{Example, Server, places, python};
use std::ffi::OsString;
use std::fs;

#[test]
fn the_vendors_sdks_carry_the_loan_agreements_from_label_file_to_entities() -> Result<()> {
    let Some(folder) = places::data_set("loan-agreements") else { return Ok(()) };
    let server = Server::shared()?;
    let label_file = folder.join("loanAgreementsLabels.json");
    let labels: Value = serde_json::from_slice(&fs::read(&label_file)?)?;
    let container = labels["metadata"]["storageInputContainerName"].as_str().context("no container")?;
    assert_eq!(python::upload(&server, container, &folder)?, 23);

    let access = server.access_file();
    let arguments = [access.as_os_str(), label_file.as_os_str(), "loans".as_ref(), "production".as_ref()];
    let made: Value = serde_json::from_str(&python::AUTHORING.run("sdk_author.py", &arguments)?)?;
    let micro_f1 = made["microF1"].as_f64().context("no microF1")?;
    println!("loan agreements: micro F1 {micro_f1:.3} on the held-back documents");
    assert!(micro_f1 >= 0.70, "{made}");
    assert!(made["modelId"].as_str().is_some_and(|id| id.starts_with("loans-")), "{made}");

    let project = made["project"].as_str().context("no project")?;
    let mut arguments: Vec<OsString> = vec![access.into(), project.into(), "production".into()];
    arguments
        .extend(["Test 1.txt", "Test 2.txt", "Test 3.txt"].map(|name| folder.join(name).into_os_string()));
    let found: Value = serde_json::from_str(&python::CLIENTS.run("sdk_recognize.py", &arguments)?)?;
    for (document, categories) in found.as_object().context("no documents")? {
        let categories = categories.as_array().context("no categories")?;
        println!("{document}: {} entities", categories.len());
        // Every agreement names twelve things once; half of them is what a model as good as asked for can't miss.
        assert!(categories.len() >= 6, "{document}: {categories:?}");
    }
    Ok(())
}

#[test]
fn every_operation_of_the_vendors_authoring_sdk_is_carried_out_or_refused_as_the_contract_has_it()
-> Result<()> {
    let server = Server::shared()?;
    let example = Example::claims_desk("Operations", "operations")?;
    example.upload(&server)?;
    let folder = tempfile::tempdir()?;
    let labels = folder.path().join("labels.json");
    fs::write(&labels, example.labels.to_string())?;
    let access = server.access_file();
    let done: Value = serde_json::from_str(
        &python::AUTHORING.run("sdk_operations.py", &[access.as_os_str(), labels.as_os_str()])?,
    )?;
    let outcomes = done.as_object().context("no outcomes")?;
    let succeeded = outcomes.values().filter(|outcome| *outcome == "succeeded").count();
    println!(
        "{} operations: {succeeded} carried out, {} refused",
        outcomes.len(),
        outcomes.len() - succeeded
    );
    assert!(succeeded >= 27, "{done}");
    Ok(())
}
