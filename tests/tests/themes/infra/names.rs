//! Every setting that `infra/` speaks of is one that the program knows.

use super::chart::{of_kind, rendered};
use super::{items, place, read};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use spindle_tests::command::{command, run};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What both processes can't start without, but for what has a default.
const NEEDED: [&str; 5] = [
    "SPINDLE_DATABASE",
    "SPINDLE_S3_ENDPOINT",
    "SPINDLE_S3_ACCESS_KEY_ID",
    "SPINDLE_S3_SECRET_ACCESS_KEY",
    "SPINDLE_INTERNAL_SECRET",
];

/// A setting with what a process knows of it.
struct Known {
    process: String,
    variable: String,
    secret: bool,
}

/// What `spindle config` says.
fn known() -> Result<Vec<Known>> {
    let config = run(command(&["config", "--json"])?, "")?.json()?;
    let known = items(&config["value"]).map(|setting| {
        let text = |name: &str| {
            setting[name].as_str().map(str::to_owned).with_context(|| format!("{setting} has no {name}"))
        };
        let secret = setting["secret"] == true;
        Ok(Known { process: text("process")?, variable: text("variable")?, secret })
    });
    known.collect()
}

impl Known {
    fn is(&self, name: &str) -> bool {
        let file = name.strip_suffix("_FILE").filter(|_| self.secret);
        self.variable == name || file == Some(self.variable.as_str())
    }
}

/// Fails unless the process knows every name, and is told what it needs.
fn fits(known: &[Known], process: &str, names: &BTreeSet<String>) -> Result<()> {
    let own: Vec<&Known> = known.iter().filter(|setting| setting.process == process).collect();
    for name in names.iter().filter(|name| name.starts_with("SPINDLE_")) {
        ensure!(own.iter().any(|setting| setting.is(name)), "spindle {process} knows no {name}");
    }
    let own_need = if process == "worker" { "SPINDLE_ENDPOINT" } else { "SPINDLE_KEY" };
    for needed in NEEDED.into_iter().chain([own_need]) {
        let given = names.contains(needed) || names.contains(&format!("{needed}_FILE"));
        ensure!(given, "{needed} is not given");
    }
    Ok(())
}

#[test]
fn infra_speaks_of_settings_that_there_are() -> Result<()> {
    let known = known()?;
    let mut checked = 0;
    let mut folders = vec![place("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for name in names_in(&fs::read_to_string(&path)?) {
                ensure!(
                    known.iter().any(|setting| setting.is(&name)),
                    "{}: nobody knows {name}",
                    path.display()
                );
                checked += 1;
            }
        }
    }
    ensure!(checked > 30, "only {checked} names were found");
    Ok(())
}

/// Words that begin with the program's prefix. What stands for any name (`SPINDLE_X`), or for a target of RustFS, is none.
fn names_in(text: &str) -> BTreeSet<String> {
    let word = |sign: char| !(sign.is_ascii_alphanumeric() || sign == '_');
    let words = text.split(word).filter(|word| word.len() > "SPINDLE_X".len());
    words.filter(|word| word.starts_with("SPINDLE_")).map(str::to_owned).collect()
}

#[test]
fn infra_tells_each_process_what_it_needs() -> Result<()> {
    let known = known()?;
    let compose = read("yaml", &[place("compose/compose.yaml")])?;
    for (service, process) in [("host", "serve"), ("worker", "worker")] {
        let environment =
            compose[0]["services"][service]["environment"].as_object().context("no environment")?;
        let names = environment.keys().cloned().chain(of_image(service)?).collect();
        fits(&known, process, &names).with_context(|| format!("compose: {service}"))?;
    }
    for (values, documents) in rendered()? {
        for document in of_kind(&documents, "Deployment") {
            for container in items(&document["spec"]["template"]["spec"]["containers"]) {
                let process = container["args"][0].as_str().context("no process")?;
                let names =
                    items(&container["env"]).filter_map(|one| one["name"].as_str()).map(str::to_owned);
                fits(&known, process, &names.collect()).with_context(|| format!("{values}: {process}"))?;
            }
        }
        for app in of_kind(&documents, "SpinApp") {
            let names = items(&app["spec"]["variables"]).filter_map(|one| one["name"].as_str());
            let names = names.map(|name| format!("SPINDLE_{}", name.to_uppercase())).collect();
            fits(&known, "serve", &names).with_context(|| format!("{values}: SpinApp"))?;
        }
    }
    Ok(())
}

/// What the image itself sets.
fn of_image(target: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(Path::new(&place("containers/Containerfile")))?;
    let stages = text.split("\nFROM ");
    let own =
        stages.filter(|stage| stage.contains(" AS base\n") || stage.contains(&format!(" AS {target}\n")));
    Ok(own.flat_map(names_in).collect())
}

#[test]
fn infra_offers_every_kind_of_job() -> Result<()> {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(place("kubernetes/spindle/values.schema.json"))?)?;
    let offered =
        schema.pointer("/properties/workers/items/properties/jobs/items/enum").context("no kinds")?;
    let offered: BTreeSet<&str> = items(offered).filter_map(Value::as_str).collect();
    // The program names all kinds when it is asked for one that there is not.
    let mut worker = command(&["worker", "--jobs", "none"])?;
    worker.env("SPINDLE_JOBS", "");
    let refused = run(worker, "")?.ended(1)?.stderr;
    let all = refused.split("there are ").nth(1).with_context(|| refused.clone())?;
    let all: BTreeSet<&str> = all.trim().split(',').collect();
    assert_eq!(offered, all);
    Ok(())
}
