//! The Helm chart: rendered by Helm's engine, held against schemas, and its parts against each other.

use super::{items, place, read, texts};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use spindle_tests::python::INFRA;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The values that have no default.
const NEEDED: &str = r#"{"secrets": {"database": "postgres://u:p@db:5432/n", "internalSecret": "i", "eventsSecret": "e",
    "key": "k", "s3AccessKeyId": "a", "s3SecretAccessKey": "s"}, "s3": {"endpoint": "http://s3:9000"}}"#;

/// What Helm makes of the chart, by the name of the values: the defaults, and each example.
pub(super) fn rendered() -> Result<BTreeMap<String, Vec<Value>>> {
    let folder = tempfile::tempdir()?;
    let defaults = folder.path().join("defaults.yaml");
    fs::write(&defaults, NEEDED)?;
    let mut places = vec![place("kubernetes/spindle"), defaults];
    for example in fs::read_dir(place("kubernetes/spindle/examples"))? {
        places.push(example?.path());
    }
    let made = read("render", &places)?;
    let made: BTreeMap<String, Vec<Value>> = serde_json::from_value(made)?;
    let stem = |file: String| PathBuf::from(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(made.into_iter().filter_map(|(file, documents)| Some((stem(file)?, documents))).collect())
}

/// The documents of a kind.
pub(super) fn of_kind<'a>(documents: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    documents.iter().filter(move |document| document["kind"] == kind)
}

fn named<'a>(documents: &'a [Value], kind: &'a str, name: &Value) -> Result<&'a Value> {
    let found = of_kind(documents, kind).find(|document| document["metadata"]["name"] == *name);
    found.with_context(|| format!("there is no {kind} {name}"))
}

#[test]
fn infra_charts_render_and_fit_kubernetes() -> Result<()> {
    let made = rendered()?;
    let kinds = |name: &str| -> Vec<&str> {
        let mut kinds: Vec<&str> = made[name].iter().filter_map(|one| one["kind"].as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    };
    let always = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget"];
    assert_eq!(kinds("defaults"), [&always[..], &["Secret", "Service", "ServiceAccount"]].concat());
    for kind in
        ["HorizontalPodAutoscaler", "Ingress", "ScaledObject", "ServiceMonitor", "TriggerAuthentication"]
    {
        assert!(kinds("gpu").contains(&kind), "{kind} is missing");
    }
    assert!(kinds("spinkube").contains(&"SpinApp") && kinds("spinkube").contains(&"SpinAppExecutor"));
    for (name, documents) in &made {
        for document in documents {
            pods_are_closed(document).with_context(|| format!("{name}: {}", document["metadata"]["name"]))?;
        }
        selections_meet(documents).with_context(|| name.clone())?;
    }
    Ok(())
}

#[test]
fn infra_charts_say_what_is_missing_or_unknown() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let refusal = |values: &str| -> Result<String> {
        let file = folder.path().join("values.yaml");
        fs::write(&file, values)?;
        let arguments = [PathBuf::from("render"), place("kubernetes/spindle"), file];
        let error = INFRA.run("infra.py", &arguments).err().context("the values were taken")?;
        Ok(format!("{error:#}"))
    };
    let nowhere = refusal(r#"{"secrets": {"existingSecret": "mine"}}"#)?;
    assert!(nowhere.contains("s3.endpoint is needed"), "{nowhere}");
    let open = refusal(r#"{"s3": {"endpoint": "http://s3:9000"}}"#)?;
    assert!(open.contains("is needed, or secrets.existingSecret"), "{open}");
    let misspelt = refusal(&NEEDED.replacen('{', r#"{"hots": {}, "#, 1))?;
    assert!(misspelt.contains("hots"), "{misspelt}");
    let unknown = refusal(&NEEDED.replacen('{', r#"{"workers": [{"name": "a", "jobs": ["bake"]}], "#, 1))?;
    assert!(unknown.contains("/workers/0/jobs/0"), "{unknown}");
    let spin = refusal(&NEEDED.replacen('{', r#"{"host": {"kind": "SpinApp", "tlsSecret": "t"}, "#, 1))?;
    assert!(spin.contains("host.tlsSecret"), "{spin}");
    Ok(())
}

/// The pod that a document makes, and what is mounted where.
fn pods_are_closed(document: &Value) -> Result<()> {
    if document["kind"] == "SpinApp" {
        return mounts_exist(&document["spec"], &document["spec"]["volumeMounts"]);
    }
    let pod = &document["spec"]["template"]["spec"];
    if !pod.is_object() {
        return Ok(());
    }
    ensure!(pod["securityContext"]["runAsNonRoot"] == true, "runs as root");
    ensure!(pod["automountServiceAccountToken"] == false, "gets a token of the cluster");
    for container in items(&pod["containers"]) {
        let security = &container["securityContext"];
        ensure!(security["readOnlyRootFilesystem"] == true, "may write to its root file system");
        ensure!(security["allowPrivilegeEscalation"] == false, "may gain privileges");
        ensure!(texts(&security["capabilities"]["drop"]) == ["ALL"], "has capabilities");
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let port = &container[probe]["httpGet"]["port"];
            ensure!(items(&container["ports"]).any(|one| one["name"] == *port), "{probe} asks no port");
        }
        mounts_exist(pod, &container["volumeMounts"])?;
        let paths: Vec<&str> =
            items(&container["volumeMounts"]).filter_map(|one| one["mountPath"].as_str()).collect();
        for variable in items(&container["env"]) {
            let (name, value) = (variable["name"].as_str().unwrap_or_default(), variable["value"].as_str());
            let secret = ["SECRET", "KEY", "DATABASE"].iter().any(|word| name.contains(word));
            let file = value.filter(|value| value.starts_with('/'));
            ensure!(!secret || file.is_some(), "{name} is no file");
            let inside = |file: &str| paths.iter().any(|path| file.starts_with(&format!("{path}/")));
            ensure!(file.is_none_or(inside), "{name}: nothing is mounted at {file:?}");
        }
    }
    Ok(())
}

fn mounts_exist(pod: &Value, mounts: &Value) -> Result<()> {
    for mount in items(mounts) {
        let volume = items(&pod["volumes"]).find(|volume| volume["name"] == mount["name"]);
        ensure!(volume.is_some(), "nothing is called {}", mount["name"]);
    }
    Ok(())
}

/// Whoever names somebody else names somebody who is there.
fn selections_meet(documents: &[Value]) -> Result<()> {
    let pods = pod_labels(documents);
    let selects = |labels: &Value| {
        let wanted = labels.as_object().cloned().unwrap_or_default();
        !wanted.is_empty()
            && pods.iter().any(|pod| wanted.iter().all(|(key, value)| pod.get(key) == Some(value)))
    };
    for document in documents {
        let (kind, spec, name) =
            (document["kind"].as_str(), &document["spec"], &document["metadata"]["name"]);
        match kind.unwrap_or_default() {
            "Deployment" => ensure!(selects(&spec["selector"]["matchLabels"]), "{name} selects no pods"),
            "Service" => ensure!(selects(&spec["selector"]), "{name} selects no pods"),
            "PodDisruptionBudget" => {
                ensure!(selects(&spec["selector"]["matchLabels"]), "{name} selects no pods")
            }
            "NetworkPolicy" => {
                ensure!(selects(&spec["podSelector"]["matchLabels"]), "{name} selects no pods")
            }
            "ScaledObject" => {
                named(documents, "Deployment", &spec["scaleTargetRef"]["name"])?;
                let authentication = &spec["triggers"][0]["authenticationRef"]["name"];
                named(documents, "TriggerAuthentication", authentication)?;
            }
            "HorizontalPodAutoscaler" => {
                let target = named(documents, "Deployment", &spec["scaleTargetRef"]["name"])?;
                ensure!(
                    target["spec"]["replicas"].is_null(),
                    "replicas and autoscaler contradict each other"
                );
            }
            "SpinApp" => drop(named(documents, "SpinAppExecutor", &spec["executor"])?),
            "Ingress" => {
                let service = &spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"];
                named(documents, "Service", service)?;
            }
            _ => {}
        }
    }
    secrets_are_whole(documents)
}

fn pod_labels(documents: &[Value]) -> Vec<Map<String, Value>> {
    let labels = documents.iter().map(|document| match document["kind"].as_str() {
        Some("Deployment") => &document["spec"]["template"]["metadata"]["labels"],
        Some("SpinApp") => &document["spec"]["podLabels"],
        _ => &Value::Null,
    });
    labels.filter_map(|labels| labels.as_object().cloned()).collect()
}

/// Every file of a Secret that pods ask for is in the one that the chart makes.
fn secrets_are_whole(documents: &[Value]) -> Result<()> {
    let Some(secret) = of_kind(documents, "Secret").next() else { return Ok(()) };
    let mut asked = 0;
    for document in of_kind(documents, "Deployment") {
        let volumes = &document["spec"]["template"]["spec"]["volumes"];
        for item in items(volumes).flat_map(|volume| items(&volume["secret"]["items"])) {
            let key = item["key"].as_str().context("an item without a key")?;
            ensure!(secret["stringData"].get(key).is_some(), "the Secret has no {key}");
            asked += 1;
        }
    }
    ensure!(asked > 0, "no pod asks for a secret");
    Ok(())
}
