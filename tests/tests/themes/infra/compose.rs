//! The Compose file: whatever it refers to is there, and nobody is more powerful than needed.

use super::{items, place, read, texts};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use spindle_tests::places::root;

/// Services that end, and so have no health.
const ONE_SHOT: [&str; 2] = ["secrets", "init"];

#[test]
fn infra_compose_holds_together() -> Result<()> {
    let file = read("yaml", &[place("compose/compose.yaml")])?;
    let services = file[0]["services"].as_object().context("no services")?;
    for name in ["host", "worker", "database", "storage", "secrets", "init"] {
        ensure!(services.contains_key(name), "there is no service {name}");
    }
    for (name, service) in services {
        check(&file[0], name, service).with_context(|| format!("service {name}"))?;
    }
    Ok(())
}

fn check(file: &Value, name: &str, service: &Value) -> Result<()> {
    ensure!(service["read_only"] == true, "may write to its root file system");
    ensure!(texts(&service["cap_drop"]) == ["ALL"], "has capabilities");
    ensure!(texts(&service["security_opt"]) == ["no-new-privileges:true"], "may gain privileges");
    let image = service["image"].as_str().context("no image")?;
    let (_, tag) = image.rsplit_once(':').context("the image has no version")?;
    ensure!(
        tag.starts_with(|first: char| first.is_ascii_digit()) && tag.contains('.'),
        "{image} is not pinned"
    );
    if let Some(build) = service["build"].as_object() {
        let context = root().join("infra/compose").join(build["context"].as_str().unwrap_or_default());
        let containerfile = context.join(build["dockerfile"].as_str().unwrap_or_default());
        let text = std::fs::read_to_string(&containerfile)?;
        let target = format!(" AS {}\n", build["target"].as_str().unwrap_or_default());
        ensure!(text.contains(&target), "the Containerfile has no target{target}");
    }
    for volume in texts(&service["volumes"]) {
        let Some((source, _)) = volume.split_once(':') else { continue };
        ensure!(file["volumes"].get(source).is_some(), "the volume {source} is not declared");
    }
    waits_for_what_comes(file, service)?;
    secrets_are_files(service)?;
    let waits_for_end =
        |other: &Value| other["depends_on"][name]["condition"] == "service_completed_successfully";
    let one_shot = items(&Value::Array(
        file["services"].as_object().into_iter().flatten().map(|(_, one)| one.clone()).collect(),
    ))
    .any(waits_for_end);
    ensure!(one_shot == ONE_SHOT.contains(&name), "is it a service or a step?");
    ensure!(one_shot || service["restart"] == "unless-stopped", "is not started again");
    Ok(())
}

/// A dependency exists, and can come to the state that is waited for.
fn waits_for_what_comes(file: &Value, service: &Value) -> Result<()> {
    for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
        let needed = file["services"].get(other).with_context(|| format!("there is no service {other}"))?;
        let ours = needed["build"].is_object();
        if condition["condition"] == "service_healthy" {
            ensure!(ours || needed["healthcheck"]["test"].is_array(), "{other} never tells its health");
        }
    }
    Ok(())
}

/// What is secret is named as a file, and the file lies in a volume that is mounted.
fn secrets_are_files(service: &Value) -> Result<()> {
    for (name, value) in service["environment"].as_object().into_iter().flatten() {
        let word = ["SECRET", "PASSWORD", "TOKEN", "DATABASE", "_KEY"].iter().any(|word| name.contains(word));
        let is_secret = word && name != "POSTGRES_DB";
        ensure!(!is_secret || name.ends_with("_FILE"), "{name} is in the environment");
        let Some(path) = value.as_str().filter(|value| value.starts_with("/run/secrets/")) else { continue };
        let mounted = texts(&service["volumes"]).into_iter().filter_map(|volume| volume.split(':').nth(1));
        ensure!(mounted.into_iter().any(|folder| path.starts_with(folder)), "nothing is mounted for {path}");
    }
    Ok(())
}
