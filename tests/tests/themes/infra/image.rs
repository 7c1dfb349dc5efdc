//! The images' layout, laid out as the Containerfile says and run as plain processes.

use super::place;
use anyhow::{Context, Result, ensure};
use spindle_tests::places::{program, root};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the build stage has the repository.
const SOURCE: &str = "/src/";
const HOME: &str = "/opt/spindle";

/// One stage of the Containerfile: instruction and the rest of its line, continuations joined.
struct Stage {
    name: String,
    from: String,
    lines: Vec<(String, String)>,
}

fn stages() -> Result<Vec<Stage>> {
    let text = fs::read_to_string(place("containers/Containerfile"))?;
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = text.join("\n").replace("\\\n", " ");
    let mut stages: Vec<Stage> = vec![];
    for line in joined.lines().filter(|line| !line.trim().is_empty()) {
        let (instruction, rest) = line.split_once(' ').context("an instruction alone")?;
        if instruction == "FROM" {
            let (from, name) = rest.split_once(" AS ").context("a stage without a name")?;
            stages.push(Stage { name: name.to_owned(), from: from.to_owned(), lines: vec![] });
        } else if let Some(stage) = stages.last_mut() {
            stage.lines.push((instruction.to_owned(), rest.trim().to_owned()));
        }
    }
    Ok(stages)
}

impl Stage {
    fn all<'a>(&'a self, instruction: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |(one, _)| one == instruction).map(|(_, rest)| rest.as_str())
    }
}

#[test]
fn infra_images_hold_what_the_program_needs() -> Result<()> {
    let stages = stages()?;
    let base = stages.iter().find(|stage| stage.name == "base").context("there is no base")?;
    let folder = tempfile::tempdir()?;
    for copy in base.all("COPY") {
        lay_out(copy, folder.path()).with_context(|| format!("COPY {copy}"))?;
    }
    let data = tempfile::tempdir()?;
    let host = stages.iter().find(|stage| stage.name == "host").context("there is no host")?;
    let environment: BTreeMap<&str, String> = base
        .all("ENV")
        .chain(host.all("ENV"))
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.replace("/var/lib/spindle", &data.path().to_string_lossy())))
        .collect();
    ensure!(environment.contains_key("SPINDLE_DATA") && environment.contains_key("SPINDLE_CACHE"));
    let inside = folder.path().join("opt/spindle");
    let mut check = Command::new(inside.join("bin/spindle"));
    // Nothing of this machine but what the image has.
    check.arg("check").env_clear().envs(&environment).current_dir(data.path());
    let checked = check.output()?;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    ensure!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    for part in ["manifest", "OpenVINO", "encoder"] {
        let line = said.lines().find(|line| line.starts_with(part)).with_context(|| said.clone())?;
        ensure!(line.contains(&*inside.to_string_lossy()), "found outside of the image: {line}");
    }
    Ok(())
}

#[test]
fn infra_images_run_as_nobody_special() -> Result<()> {
    let stages = stages()?;
    for name in ["host", "worker", "spinkube"] {
        let stage =
            stages.iter().find(|stage| stage.name == name).with_context(|| format!("no target {name}"))?;
        ensure!(stage.from == "base", "{name} is made from {}", stage.from);
        ensure!(stage.all("USER").next().is_none(), "{name} changes its user");
        ensure!(stage.all("CMD").count() == 1, "{name} has no command");
    }
    let base = stages.iter().find(|stage| stage.name == "base").context("there is no base")?;
    ensure!(base.all("USER").eq(["10001:10001"]), "the image runs as root");
    let text = fs::read_to_string(place("containers/Containerfile"))?;
    for image in
        text.lines().filter_map(|line| line.strip_prefix("ARG ")).filter(|line| line.contains("_IMAGE="))
    {
        let tag = image.rsplit(':').next().unwrap_or_default();
        ensure!(tag.contains('.') || tag.contains("_VERSION}"), "{image} is not pinned");
    }
    Ok(())
}

/// Does what `COPY --from=build FROM… TO` would. The program looks for its parts from where they really lie, so they must
/// not be links to elsewhere.
fn lay_out(copy: &str, image: &Path) -> Result<()> {
    let rest = copy.strip_prefix("--from=build ").context("copies from elsewhere")?;
    let (from, to) = rest.split_once(' ').context("copies nowhere")?;
    let from = from.strip_prefix(SOURCE).context("copies from outside the repository")?;
    ensure!(to.starts_with(HOME), "copies to {to}");
    let target = image.join(to.trim_start_matches('/'));
    if let Some(folder) = from.strip_suffix("/*.wasm") {
        for file in fs::read_dir(root().join(folder))? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "wasm") {
                put(&file, &target.join(file.file_name().unwrap_or_default()))?;
            }
        }
        return Ok(());
    }
    let source: PathBuf = if from == "target/release/spindle" { program()? } else { root().join(from) };
    put(&source, &target)
}

/// A file, or a folder with all that is in it.
fn put(source: &Path, target: &Path) -> Result<()> {
    if source.is_dir() {
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            put(&entry.path(), &target.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::create_dir_all(target.parent().context("copies to the root")?)?;
    let linked = fs::hard_link(source, target).or_else(|_| fs::copy(source, target).map(drop));
    linked.with_context(|| format!("{} is not there", source.display()))
}
