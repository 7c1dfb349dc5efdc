//! The API's scenarios, which are files: every route and every row of the error table, against the real program.

use anyhow::{Context, Result, bail, ensure};
use spindle_tests::openapi::Description;
use spindle_tests::scenario::Seen;
use spindle_tests::{Scenario, Server, places};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, thread};

/// Scenarios run at once: their jobs wait more than they work.
const AT_ONCE: usize = 3;

/// Rows of the contract's error table (authoring 3, runtime 6) that calls can meet: status, outer and inner code.
const ROWS: &[(u16, &str, &str)] = &[
    (401, "Unauthorized", ""),
    (403, "Forbidden", ""),
    (400, "InvalidRequest", "InvalidParameterValue"),
    (400, "InvalidRequest", "InvalidRequestBodyFormat"),
    (400, "InvalidRequest", "EmptyRequest"),
    (400, "InvalidArgument", "InvalidParameterValue"),
    (400, "InvalidArgument", "UnsupportedLanguageCode"),
    (400, "InvalidRequest", "MissingInputDocuments"),
    (400, "InvalidRequest", "InvalidDocumentBatch"),
    (400, "InvalidRequest", "InvalidDocument"),
    (404, "ProjectNotFound", ""),
    (404, "NotFound", ""),
    (404, "OperationNotFound", ""),
    (405, "InvalidRequest", ""),
    (409, "Conflict", ""),
    (400, "QuotaExceeded", ""),
    (413, "InvalidRequest", "InvalidRequest"),
    (429, "TooManyRequests", ""),
];

#[test]
fn every_scenario_is_answered_as_it_says_and_as_described() -> Result<()> {
    let description = Description::load()?;
    let shared = Server::shared()?;
    let files = Mutex::new(files()?);
    let (seen, failures) = (Mutex::new(Seen::default()), Mutex::new(vec![]));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(path) = pop(&files) {
                    match run(&path, &shared, description.as_ref()) {
                        Ok(found) => {
                            let mut seen = seen.lock().expect("no other thread panicked");
                            seen.operations.extend(found.operations);
                            seen.errors.extend(found.errors);
                        }
                        Err(error) => {
                            failures.lock().expect("no other thread panicked").push(format!("{error:#}"));
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner()?;
    ensure!(failures.is_empty(), "{} scenarios failed:\n\n{}", failures.len(), failures.join("\n\n"));
    complete(&seen.into_inner()?, description.as_ref())
}

/// No route of the description and no row of the error table is without a scenario.
fn complete(seen: &Seen, description: Option<&Description>) -> Result<()> {
    let operations = description.map(Description::operations).unwrap_or_default();
    let silent: Vec<_> = operations.iter().filter(|operation| !seen.operations.contains(operation)).collect();
    ensure!(silent.is_empty(), "routes without a scenario that is answered well: {silent:#?}");
    let unseen: Vec<_> = ROWS
        .iter()
        .filter(|(status, outer, inner)| {
            !seen.errors.contains(&(*status, (*outer).to_owned(), (*inner).to_owned()))
        })
        .collect();
    ensure!(unseen.is_empty(), "rows of the error table without a scenario: {unseen:#?}");
    println!("{} described routes, {} kinds of error", operations.len(), seen.errors.len());
    Ok(())
}

fn run(path: &Path, shared: &Server, description: Option<&Description>) -> Result<Seen> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let scenario = Scenario::read(path)?;
    let context = || format!("{}: {}", path.display(), scenario.about);
    if scenario.limits.is_none() && scenario.subscribers.is_none() {
        return scenario.run(&name, shared, description).with_context(context);
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("limits.json");
    fs::write(&file, scenario.limits.clone().unwrap_or_else(|| serde_json::json!({})).to_string())?;
    let subscribers = scenario.subscribers.clone().unwrap_or_default();
    let arguments: [&OsStr; 4] =
        ["--limits".as_ref(), file.as_ref(), "--subscribers".as_ref(), subscribers.as_ref()];
    let server = Server::fresh_with(&arguments)?;
    scenario.run(&name, &server, description).with_context(context)
}

fn pop(files: &Mutex<Vec<PathBuf>>) -> Option<PathBuf> {
    files.lock().ok()?.pop()
}

fn files() -> Result<Vec<PathBuf>> {
    let folder = places::root().join("tests/scenarios");
    let mut files = vec![];
    for entry in fs::read_dir(&folder)? {
        files.push(entry?.path());
    }
    files.sort();
    if files.is_empty() {
        bail!("there are no scenarios in {}", folder.display());
    }
    Ok(files)
}
