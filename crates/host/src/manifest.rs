//! `spin.toml`: the subset of Spin's manifest v2 that Spindle uses. Anything else is refused by name, so that nothing a
//! manifest asks for is silently missing at run time.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a manifest can't be run. The person who wrote it can fix it.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// Not readable.
    #[error("cannot read the manifest {path}: {source}")]
    Read {
        /// The manifest.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not TOML of the expected shape, or a key this host does not offer.
    #[error("{path} is not a manifest this host can run: {reason}")]
    Shape {
        /// The manifest.
        path: PathBuf,
        /// Which key, which line.
        reason: String,
    },
}

/// A checked manifest.
#[derive(Debug)]
pub struct Manifest {
    /// Application name.
    pub name: String,
    /// Variable declarations by name.
    pub variables: BTreeMap<String, Variable>,
    /// Routes in file order.
    pub triggers: Vec<HttpTrigger>,
    /// Components by id.
    pub components: BTreeMap<String, Component>,
}

/// An application variable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Value when nothing else gives one.
    pub default: Option<String>,
    /// Whether start-up fails without a value.
    #[serde(default)]
    pub required: bool,
    /// Whether the value must never be printed.
    #[serde(default)]
    pub secret: bool,
}

/// One `[[trigger.http]]` entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTrigger {
    /// Path pattern, or private.
    pub route: RouteSpec,
    /// Component id.
    pub component: String,
}

/// A trigger's route: a pattern, or `{ private = true }` for components reached only from inside.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum RouteSpec {
    /// `/exact`, `/with/:param`, `/wildcard/...`.
    Pattern(String),
    /// No outside route.
    Private {
        /// Always true.
        private: bool,
    },
}

/// One `[component.<id>]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The wasm file, relative to the manifest.
    pub source: PathBuf,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Hosts it may call: `scheme://host[:port]`, `*` for any; templates over application variables.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<String>,
    /// Database labels it may open.
    #[serde(default)]
    pub sqlite_databases: Vec<String>,
    /// Its variables: templates over application variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Build instructions, for Spin's own `spin build`.
    #[serde(default)]
    pub build: Option<toml::Table>,
    /// Tool settings; ours under `spindle`.
    #[serde(default)]
    tool: Tool,
}

impl Component {
    /// What only this host reads.
    pub fn settings(&self) -> &ComponentSettings {
        &self.tool.spindle
    }
}

#[derive(Debug, Default, Deserialize)]
struct Tool {
    #[serde(default)]
    spindle: ComponentSettings,
}

/// `[component.<id>.tool.spindle]`, ignored by Spin.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSettings {
    /// Whether the component may load models by name over `wasi:nn`.
    #[serde(default)]
    pub models: bool,
    /// Most instances for each processor, every one of which answers one request at a time while others wait. When absent,
    /// instances answer several requests at once, and there are as many as needed.
    pub instances_per_processor: Option<usize>,
    /// Largest request body in bytes; the host's default when absent.
    pub request_body_bytes_max: Option<u64>,
    /// Longest time for one answer in milliseconds; the host's default when absent.
    pub request_milliseconds_max: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    spin_manifest_version: u32,
    application: Application,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    trigger: Triggers,
    #[serde(default)]
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    name: String,
    #[serde(default, rename = "version")]
    _version: String,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
    #[serde(default, rename = "tool")]
    _tool: toml::Table,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Triggers {
    #[serde(default)]
    http: Vec<HttpTrigger>,
}

impl Manifest {
    /// Reads and checks the manifest at `path`; component sources become absolute.
    ///
    /// # Errors
    /// Unreadable, malformed, a key this host does not offer, or a trigger without its component.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::Read { path: path.to_path_buf(), source })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).map_err(|reason| ManifestError::Shape { path: path.to_path_buf(), reason })
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if file.spin_manifest_version != 2 {
            return Err(format!("spin_manifest_version is {}, only 2 is known", file.spin_manifest_version));
        }
        let mut components = file.component;
        for trigger in &file.trigger.http {
            if !components.contains_key(&trigger.component) {
                return Err(format!(
                    "a trigger names component {:?}, which is not declared",
                    trigger.component
                ));
            }
        }
        for (id, component) in &mut components {
            component.source = folder.join(&component.source);
            let variables = component.variables.iter();
            let templates = variables.map(|(name, template)| (format!("variable {name:?}"), template)).chain(
                component.allowed_outbound_hosts.iter().map(|host| (format!("allowed host {host:?}"), host)),
            );
            for (what, template) in templates {
                check_template(template, &file.variables)
                    .map_err(|reason| format!("{what} of component {id:?} {reason}"))?;
            }
        }
        Ok(Self {
            name: file.application.name,
            variables: file.variables,
            triggers: file.trigger.http,
            components,
        })
    }
}

/// Every variable that a template names must be declared.
fn check_template(template: &str, declared: &BTreeMap<String, Variable>) -> Result<(), String> {
    match template_names(template)?.iter().find(|name| !declared.contains_key(**name)) {
        Some(unknown) => Err(format!("uses the undeclared variable {unknown:?}")),
        None => Ok(()),
    }
}

/// The variable names in a template such as `"{{ internal_secret }}"`.
pub(crate) fn template_names(template: &str) -> Result<Vec<&str>, String> {
    let mut names = vec![];
    let mut rest = template;
    while let Some(open) = rest.find("{{") {
        let Some(close) = rest[open..].find("}}") else {
            return Err("has an unclosed {{".to_owned());
        };
        names.push(rest[open + 2..open + close].trim());
        rest = &rest[open + close + 2..];
    }
    Ok(names)
}

/// Fills a template from resolved application variables.
pub(crate) fn fill_template(template: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let (Some(open), Some(close)) = (rest.find("{{"), rest.find("}}")) {
        filled.push_str(&rest[..open]);
        filled.push_str(values.get(rest[open + 2..close].trim()).map_or("", String::as_str));
        rest = &rest[close + 2..];
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "small"
        [variables]
        secret = { required = true, secret = true }
        [[trigger.http]]
        route = "/a/..."
        component = "a"
        [component.a]
        source = "a.wasm"
        variables = { key = "x-{{ secret }}" }
        [component.a.tool.spindle]
        models = true
    "#;

    fn refusal(change: impl Fn(&str) -> String) -> String {
        Manifest::parse(&change(SMALL), Path::new("/app")).expect_err("must be refused")
    }

    #[test]
    fn reads_what_the_host_offers() {
        let manifest = Manifest::parse(SMALL, Path::new("/app")).expect("valid");
        let component = &manifest.components["a"];
        assert_eq!(component.source, Path::new("/app/a.wasm"));
        assert!(component.settings().models);
        let values = BTreeMap::from([("secret".to_owned(), "s".to_owned())]);
        assert_eq!(fill_template(&component.variables["key"], &values), "x-s");
    }

    #[test]
    fn refuses_by_name_what_the_host_lacks() {
        let reason = refusal(|text| text.replace("source =", "key_value_stores = [\"default\"]\nsource ="));
        assert!(reason.contains("key_value_stores"), "{reason}");
        let reason = refusal(|text| format!("{text}\n[[trigger.redis]]\nchannel = \"x\"\ncomponent = \"a\""));
        assert!(reason.contains("redis"), "{reason}");
        let reason = refusal(|text| text.replace("spin_manifest_version = 2", "spin_manifest_version = 1"));
        assert!(reason.contains("only 2"), "{reason}");
    }

    #[test]
    fn refuses_dangling_names() {
        let reason = refusal(|text| text.replace("component = \"a\"", "component = \"b\""));
        assert!(reason.contains("\"b\""), "{reason}");
        let reason = refusal(|text| text.replace("{{ secret }}", "{{ other }}"));
        assert!(reason.contains("other"), "{reason}");
        let reason = refusal(|text| {
            text.replace("source =", "allowed_outbound_hosts = [\"postgres://{{ host }}\"]\nsource =")
        });
        assert!(reason.contains("\"host\""), "{reason}");
        let reason = refusal(|text| text.replace("{{ secret }}", "{{ secret"));
        assert!(reason.contains("unclosed"), "{reason}");
    }
}
