//! Label files on disk: read with the texts that belong to them, written as a whole or not at all.

use anyhow::{Context, Result, bail};
use label_formats::exchange::{File, Format, detect};
use label_formats::{exchange, read};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a command was given.
pub(super) struct Inputs {
    pub(super) format: Format,
    pub(super) files: Vec<File>,
    /// Files of a folder that are none of the format's.
    pub(super) ignored: Vec<String>,
}

impl Inputs {
    /// Reads files and folders, with the texts beside them or below `texts`.
    pub(super) fn read(paths: &[PathBuf], texts: Option<&Path>, format: Option<Format>) -> Result<Self> {
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut named = BTreeSet::new();
        for path in paths {
            if path.is_dir() {
                for (name, path) in walk(path)? {
                    insert(&mut found, name, path)?;
                }
                continue;
            }
            let name = path.file_name().with_context(|| format!("{} is no file", path.display()))?;
            let name = name.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
            named.insert(name.to_owned());
            insert(&mut found, name.to_owned(), path.clone())?;
        }
        for path in paths.iter().filter(|path| path.is_file()) {
            for (name, sibling) in siblings(path) {
                found.entry(name).or_insert(sibling);
            }
        }
        if let Some(folder) = texts {
            for (name, path) in walk(folder)? {
                found.entry(name).or_insert(path);
            }
        }
        let mut files = found.iter().map(|(name, path)| load(name, path)).collect::<Result<Vec<_>>>()?;
        let format = match format {
            Some(format) => format,
            None => detect(&files)?,
        };
        let (kept, ignored): (Vec<File>, Vec<File>) =
            files.drain(..).partition(|file| named.contains(&file.name) || belongs(format, &file.name));
        let ignored = ignored.into_iter().map(|file| file.name).collect();
        Ok(Self { format, files: kept, ignored })
    }
}

fn insert(found: &mut BTreeMap<String, PathBuf>, name: String, path: PathBuf) -> Result<()> {
    if let Some(other) = found.get(&name).filter(|other| **other != path) {
        bail!("{} and {} have one name; convert them one after the other", other.display(), path.display());
    }
    found.insert(name, path);
    Ok(())
}

fn load(name: &str, path: &Path) -> Result<File> {
    let bytes = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(File { name: name.to_owned(), bytes })
}

/// Files below a folder with their relative names; hidden ones are left out.
fn walk(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = vec![];
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        let entries = fs::read_dir(&current).with_context(|| format!("can't read {}", current.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("can't read {}", current.display()))?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(folder).unwrap_or(&path);
            let name = relative.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
            found.push((name.replace(std::path::MAIN_SEPARATOR, "/"), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Files that belong to a single one: the documents a label file names, the text of annotations or columns.
fn siblings(path: &Path) -> Vec<(String, PathBuf)> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut found = vec![];
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if is_json && let Ok(bytes) = fs::read(path) {
        // A file that can't be read as one is spoken of by the import.
        let labels = read(&bytes, Some(&exchange::placeholder_project())).ok();
        let assets = labels.and_then(|(file, _)| file.assets).unwrap_or_default();
        for document in assets.documents {
            let names = [document.location.clone(), format!("documents/{}", document.location)];
            // A name that leaves the folder is refused by the import, not followed.
            let plain = |name: &String| !name.split('/').any(|part| part == "..") && !name.starts_with('/');
            found.extend(names.into_iter().filter(plain).map(|name| (name.clone(), folder.join(name))));
        }
    }
    for extension in ["txt", "ann"] {
        let sibling = path.with_extension(extension);
        let name = sibling.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        found.extend(name.map(|name| (name, sibling)));
    }
    found.retain(|(_, sibling)| sibling.is_file());
    found
}

/// Whether a file of a folder can be one of a format's.
fn belongs(format: Format, name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let extension = extension.unwrap_or("").to_ascii_lowercase();
    let any = |known: &[&str]| known.contains(&extension.as_str());
    match format {
        // Documents may have any name.
        Format::Contract => true,
        Format::Conll => !any(&["json", "jsonl", "md", "xml", "conf", "ann"]),
        Format::Spacy | Format::Doccano => any(&["json", "jsonl", "ndjson"]),
        Format::LabelStudio => any(&["json", "xml"]),
        Format::Brat => any(&["txt", "ann"]) || name.rsplit('/').next() == Some("annotation.conf"),
    }
}

/// Refuses an output folder that holds something, unless it may be replaced; never one that holds the input.
pub(super) fn refuse_output(output: &Path, inputs: &[PathBuf], force: bool) -> Result<()> {
    let Ok(real) = output.canonicalize() else { return Ok(()) };
    if !real.is_dir() {
        bail!("{} is a file; name a folder to write", output.display());
    }
    if inputs.iter().filter_map(|path| path.canonicalize().ok()).any(|path| path.starts_with(&real)) {
        bail!("the output {} holds the input; name another folder", output.display());
    }
    let empty = fs::read_dir(&real)?.next().is_none();
    if !empty && !force {
        bail!("{} is there already; name a new folder, or replace it with --force", output.display());
    }
    Ok(())
}

/// Writes all files beside `output` and then puts them in its place, so that it never holds half of them.
pub(super) fn write(output: &Path, files: &[File], force: bool) -> Result<()> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))?;
    let workplace = tempfile::Builder::new().prefix(".spindle-labels-").tempdir_in(parent)?;
    let fresh = workplace.path().join("new");
    fs::create_dir(&fresh)?;
    for file in files {
        let path = fresh.join(&file.name);
        let written =
            path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, &file.bytes));
        written.with_context(|| format!("can't write {} of {}", file.name, output.display()))?;
    }
    if force && output.exists() {
        fs::rename(output, workplace.path().join("old"))
            .with_context(|| format!("can't replace {}", output.display()))?;
    }
    if let Err(error) = fs::rename(&fresh, output) {
        let old = workplace.path().join("old");
        if old.exists() {
            fs::rename(&old, output).with_context(|| format!("can't put {} back", output.display()))?;
        }
        return Err(error).with_context(|| format!("can't write {}", output.display()));
    }
    Ok(())
}
