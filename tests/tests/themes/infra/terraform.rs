//! Terraform: read, and every reference followed. `terraform validate` would need the providers, and so the network.

use super::{items, place, read};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// The providers whose resources may be named.
const PROVIDERS: [&str; 5] = ["aws_", "azurerm_", "helm_", "kubernetes_", "random_"];

/// All blocks of one folder.
#[derive(Default)]
struct Module {
    /// `variable`, `resource` and so on: name to contents; two-part names with a dot between.
    blocks: BTreeMap<&'static str, BTreeMap<String, Value>>,
    /// Every text that is no comment, one after another.
    text: String,
}

#[test]
fn infra_terraform_refers_to_what_is_there() -> Result<()> {
    let modules = modules()?;
    for folder in ["aws", "azure", "modules/s3-events", "modules/azure-events", "modules/release"] {
        let module = modules.get(folder).with_context(|| format!("there is no {folder}"))?;
        module.check(folder, &modules).with_context(|| folder.to_owned())?;
    }
    let notifications = modules["modules/s3-events"].names("resource");
    let notifications = notifications.filter(|name| name.starts_with("aws_s3_bucket_notification.")).count();
    assert_eq!(notifications, 1, "a bucket has one such resource");
    Ok(())
}

#[test]
fn infra_terraform_is_formatted() -> Result<()> {
    let checked =
        Command::new("terraform").args(["fmt", "-check", "-recursive"]).arg(place("terraform")).output();
    match checked {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: there is no terraform on PATH");
            Ok(())
        }
        checked => {
            let checked = checked?;
            let files = String::from_utf8_lossy(&checked.stdout).into_owned();
            ensure!(checked.status.success(), "terraform fmt would change:\n{files}");
            Ok(())
        }
    }
}

fn modules() -> Result<BTreeMap<String, Module>> {
    let files: BTreeMap<String, Map<String, Value>> =
        serde_json::from_value(read("hcl", &[place("terraform")])?)?;
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    for (file, contents) in files {
        let folder = Path::new(&file).parent().unwrap_or(Path::new("")).to_string_lossy().into_owned();
        let module = modules.entry(folder).or_default();
        for (kind, levels) in [("variable", 1), ("output", 1), ("module", 1), ("resource", 2), ("data", 2)] {
            for block in contents.get(kind).into_iter().flat_map(items) {
                module.add(kind, levels, block);
            }
        }
        for block in contents.get("locals").into_iter().flat_map(items) {
            module.add("local", 1, block);
        }
        gather(&Value::Object(contents), &mut module.text);
    }
    Ok(modules)
}

/// The strings in `value` but for comments.
fn gather(value: &Value, text: &mut String) {
    match value {
        Value::String(one) => {
            text.push_str(one);
            text.push('\n');
        }
        Value::Array(all) => all.iter().for_each(|one| gather(one, text)),
        Value::Object(all) => {
            let told = all
                .iter()
                .filter(|(key, _)| !["__comments__", "description", "error_message"].contains(&key.as_str()));
            told.for_each(|(_, one)| gather(one, text));
        }
        _ => {}
    }
}

impl Module {
    fn add(&mut self, kind: &'static str, levels: usize, block: &Value) {
        for (name, contents) in block.as_object().into_iter().flatten() {
            let name = name.trim_matches('"').to_owned();
            if name.starts_with("__") {
                continue;
            }
            let blocks = self.blocks.entry(kind).or_default();
            if levels == 1 {
                blocks.insert(name, contents.clone());
                continue;
            }
            for (inner, contents) in contents.as_object().into_iter().flatten() {
                blocks.insert(format!("{name}.{}", inner.trim_matches('"')), contents.clone());
            }
        }
    }

    fn names(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.blocks.get(kind).into_iter().flatten().map(|(name, _)| name.as_str())
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.names(kind).any(|one| one == name)
    }

    fn check(&self, folder: &str, modules: &BTreeMap<String, Module>) -> Result<()> {
        let mut used = BTreeSet::new();
        let word = |sign: char| !(sign.is_ascii_alphanumeric() || "_.-".contains(sign));
        for token in self.text.split(word) {
            let parts: Vec<&str> = token.split('.').collect();
            let (kind, name) = match parts.as_slice() {
                ["var", name, ..] => ("variable", (*name).to_owned()),
                ["local", name, ..] => ("local", (*name).to_owned()),
                ["module", name, output, ..] => {
                    let other = self.module(folder, name, modules)?;
                    ensure!(other.has("output", output), "module {name} has no output {output}");
                    continue;
                }
                ["data", of, name, ..] => ("data", format!("{of}.{name}")),
                [of, name, ..] if PROVIDERS.iter().any(|one| of.starts_with(one)) => {
                    ("resource", format!("{of}.{name}"))
                }
                _ => continue,
            };
            ensure!(self.has(kind, &name), "there is no {kind} {name}");
            used.insert((kind, name));
        }
        for kind in ["variable", "local"] {
            for name in self.names(kind) {
                ensure!(used.contains(&(kind, name.to_owned())), "{kind} {name} is used nowhere");
            }
        }
        for name in self.names("module") {
            self.given_what_is_asked(folder, name, modules)?;
        }
        Ok(())
    }

    fn module<'a>(
        &self,
        folder: &str,
        name: &str,
        modules: &'a BTreeMap<String, Module>,
    ) -> Result<&'a Module> {
        let called = self.blocks.get("module").and_then(|all| all.get(name));
        let called = called.with_context(|| format!("there is no module {name}"))?;
        let source = called["source"].as_str().unwrap_or_default().trim_matches('"');
        let source =
            source.strip_prefix("../").with_context(|| format!("{folder}: {source} lies elsewhere"))?;
        modules.get(source).with_context(|| format!("there is no folder {source}"))
    }

    /// A module gets each variable that has no default, and nothing else.
    fn given_what_is_asked(
        &self,
        folder: &str,
        name: &str,
        modules: &BTreeMap<String, Module>,
    ) -> Result<()> {
        let other = self.module(folder, name, modules)?;
        let own = ["source", "depends_on", "count", "for_each", "providers"];
        let given: BTreeSet<&str> = self.blocks["module"][name]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .collect();
        for key in given.iter().filter(|key| !own.contains(key) && !key.starts_with("__")) {
            ensure!(other.has("variable", key), "module {name} has no variable {key}");
        }
        for (variable, contents) in other.blocks.get("variable").into_iter().flatten() {
            let needed = contents.get("default").is_none();
            ensure!(!needed || given.contains(variable.as_str()), "module {name} needs {variable}");
        }
        Ok(())
    }
}
