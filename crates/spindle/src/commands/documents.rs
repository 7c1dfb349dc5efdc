//! Texts from files, folders, the command line and standard input.

use crate::print;
use anyhow::{Context, Result, bail};
use language_api::Limits;
use language_api::runtime::{InputDocument, text_elements};
use std::collections::HashSet;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Files that are no documents are named up to here.
const NAMED_MAX: usize = 5;
/// Names and punctuation around one document in a request's body, generously.
const FRAME_BYTES: u64 = 512;

/// The documents of a folder: what is to be uploaded, and under which key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Key in the container and file, by key.
    pub(crate) documents: Vec<(String, PathBuf)>,
    /// Names of files that are no documents.
    others: Vec<String>,
}

impl Folder {
    /// The `.txt` files at `path` and below it; keys are the paths from there on.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut folder = Self::default();
        folder.add(path, "")?;
        folder.documents.sort();
        folder.others.sort();
        Ok(folder)
    }

    fn add(&mut self, path: &Path, prefix: &str) -> Result<()> {
        let entries =
            fs::read_dir(path).with_context(|| format!("cannot read the folder {}", path.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read the folder {}", path.display()))?;
            let path = entry.path();
            let name = entry.file_name();
            let name =
                name.to_str().with_context(|| format!("the name of {} is not UTF-8", path.display()))?;
            let key = format!("{prefix}{name}");
            if path.is_dir() {
                self.add(&path, &format!("{key}/"))?;
            } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt")) {
                self.documents.push((key, path));
            } else {
                self.others.push(key);
            }
        }
        Ok(())
    }

    /// What to tell people of the files that are no documents.
    pub(crate) fn left_out(&self) -> Option<String> {
        let named = self.others.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if self.others.len() > NAMED_MAX { ", …" } else { "" };
        let count = self.others.len();
        (count > 0).then(|| format!("warning: documents are .txt files; left out ({count}): {named}{more}"))
    }
}

/// One text that is to be read when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Id in the request: the path, `stdin`, or `text-1`.
    pub(crate) id: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Given(String),
    File(PathBuf),
    Stdin,
}

impl Source {
    /// What the command line names; standard input when it names nothing.
    ///
    /// # Errors
    /// A folder can't be read, or a text is named twice.
    pub(crate) fn all(paths: &[PathBuf], texts: &[String]) -> Result<Vec<Self>> {
        let mut sources = vec![];
        for (at, text) in texts.iter().enumerate() {
            sources.push(Self { id: format!("text-{}", at + 1), place: Place::Given(text.clone()) });
        }
        for path in paths {
            Self::add(path, &mut sources)?;
        }
        if texts.is_empty() && paths.is_empty() {
            sources.push(Self::stdin());
        }
        let mut seen = HashSet::new();
        if let Some(twice) = sources.iter().find(|source| !seen.insert(source.id.as_str())) {
            bail!("{} is named twice", twice.id);
        }
        Ok(sources)
    }

    fn add(path: &Path, sources: &mut Vec<Self>) -> Result<()> {
        if path == Path::new("-") {
            sources.push(Self::stdin());
        } else if path.is_dir() {
            let folder = Folder::read(path)?;
            if let Some(warning) = folder.left_out() {
                print::note(&warning);
            }
            sources.extend(folder.documents.into_iter().map(|(_, file)| Self::file(file)));
        } else {
            sources.push(Self::file(path.to_owned()));
        }
        Ok(())
    }

    fn stdin() -> Self {
        Self { id: "stdin".to_owned(), place: Place::Stdin }
    }

    fn file(path: PathBuf) -> Self {
        Self { id: path.display().to_string(), place: Place::File(path) }
    }

    /// The text as a document of a request. A byte-order mark is not part of it.
    ///
    /// # Errors
    /// It can't be read or is not UTF-8.
    pub(crate) fn read(self, language: Option<&str>) -> Result<InputDocument> {
        let id = self.id;
        let bytes = match self.place {
            Place::Given(text) => text.into_bytes(),
            Place::File(path) => fs::read(path).with_context(|| format!("cannot read {id}"))?,
            Place::Stdin => {
                if io::stdin().is_terminal() {
                    print::note("reading a text from the terminal; Ctrl+D ends it");
                }
                let mut bytes = vec![];
                io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
                bytes
            }
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            anyhow::anyhow!("{id} is not UTF-8 from byte {at} on; convert it first")
        })?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(InputDocument { id, language: language.map(str::to_owned), text })
    }
}

/// Documents that go together in one request.
#[derive(Debug)]
pub(super) struct Batch {
    limits: Limits,
    documents: Vec<InputDocument>,
    characters: usize,
    bytes: u64,
}

impl Batch {
    /// An empty batch below the contract's limits, which every server keeps at least.
    pub(super) fn new() -> Self {
        Self { limits: Limits::default(), documents: vec![], characters: 0, bytes: 0 }
    }

    /// Adds a document. When it does not fit, what was there before is returned and must be sent.
    ///
    /// A document that is too large by itself makes a batch of its own: the server's limits may be wider.
    pub(super) fn add(&mut self, document: InputDocument) -> Option<Vec<InputDocument>> {
        let characters = text_elements(&document.text);
        let bytes = FRAME_BYTES + escaped_bytes(&document.id) + escaped_bytes(&document.text);
        let fits = self.documents.len() < self.limits.request_documents_max as usize
            && self.characters + characters <= self.limits.request_characters_max as usize
            && self.bytes + bytes <= self.limits.request_body_bytes_max;
        let full = if fits { vec![] } else { self.take() };
        self.documents.push(document);
        self.characters += characters;
        self.bytes += bytes;
        (!full.is_empty()).then_some(full)
    }

    /// What has not been returned yet.
    pub(super) fn take(&mut self) -> Vec<InputDocument> {
        (self.characters, self.bytes) = (0, 0);
        std::mem::take(&mut self.documents)
    }
}

/// Length of a text in a JSON body at most: control signs, quotes and backslashes grow.
fn escaped_bytes(text: &str) -> u64 {
    text.bytes()
        .map(|byte| {
            if byte < 0x20 {
                6
            } else if matches!(byte, b'"' | b'\\') {
                2
            } else {
                1
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_the_text_files_below_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(folder.path().join(name), "text").unwrap();
        fs::create_dir(folder.path().join("more")).unwrap();
        ["b.txt", "more/a.TXT", "notes.pdf"].into_iter().for_each(write);
        let found = Folder::read(folder.path()).unwrap();
        let keys: Vec<&str> = found.documents.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b.txt", "more/a.TXT"]);
        assert_eq!(found.left_out().unwrap(), "warning: documents are .txt files; left out (1): notes.pdf");
        assert!(Folder::read(&folder.path().join("absent")).is_err());
    }

    fn document(id: &str, text: &str) -> InputDocument {
        InputDocument { id: id.to_owned(), language: None, text: text.to_owned() }
    }

    #[test]
    fn texts_are_named_once_and_read_without_their_mark() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        fs::write(&file, "\u{feff}text").unwrap();
        let all = |paths: &[PathBuf]| Source::all(paths, &["given".to_owned()]);
        let found = all(&[folder.path().to_owned()]).unwrap();
        assert_eq!(
            found.iter().map(|source| source.id.as_str()).collect::<Vec<_>>(),
            ["text-1", file.to_str().unwrap()]
        );
        assert_eq!(found[1].clone().read(Some("de")).unwrap().text, "text");
        let twice = all(&[folder.path().to_owned(), file.clone()]).unwrap_err().to_string();
        assert!(twice.ends_with("a.txt is named twice"), "{twice}");
        fs::write(&file, b"Pe\xf1a").unwrap();
        let error = found[1].clone().read(None).unwrap_err().to_string();
        assert!(error.ends_with("a.txt is not UTF-8 from byte 2 on; convert it first"), "{error}");
    }

    #[test]
    fn a_batch_holds_25_documents() {
        let mut batch = Batch::new();
        let full: Vec<_> = (0..60).filter_map(|at| batch.add(document(&at.to_string(), "x"))).collect();
        assert_eq!(full.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25]);
        assert_eq!(batch.take().len(), 10);
        assert!(batch.take().is_empty());
    }

    #[test]
    fn a_batch_holds_125000_characters_and_too_long_documents_go_alone() {
        let mut batch = Batch::new();
        assert_eq!(batch.add(document("a", &"x".repeat(100_000))), None);
        assert_eq!(batch.add(document("b", &"x".repeat(25_000))), None);
        let full = batch.add(document("c", &"x".repeat(125_001))).unwrap();
        assert_eq!(full.len(), 2);
        assert_eq!(batch.add(document("d", "x")).unwrap().len(), 1);
        let marks = "e\u{301}".repeat(125_000);
        assert_eq!(batch.add(document("e", &marks)).unwrap().len(), 1);
        assert_eq!(batch.take()[0].id, "e");
    }

    /// The estimate must never be below what is sent.
    #[test]
    fn a_body_is_never_larger_than_its_estimate() {
        for text in ["plain", "\u{1}\n\t\u{7f}\"\\", "🙂é住"] {
            let written = serde_json::to_string(text).unwrap().len() as u64;
            assert!(escaped_bytes(text) + 2 >= written, "{text:?}");
        }
    }
}
