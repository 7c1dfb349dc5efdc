//! The formats of other tools: files in, a labelled set in the middle, files out, and a report of what did not
//! come along.
//!
//! Malformed input is refused with every problem at its file and line or pointer. What is well-formed but has no
//! place on the other side is named in the [`FidelityReport`]; nothing is lost silently.

mod brat;
mod conll;
mod conll_tags;
mod detect;
mod json_lines;
mod label_studio;
mod project;
mod report;
mod set;
mod spans;

pub use detect::{Undetected, detect};
pub use project::{labels_file, placeholder_project};
pub use report::{Case, Change, Effect, FidelityReport, Tally};
pub use set::LabeledSet;

use language_api::{FileMetadata, Problem, ProjectFile};
use std::fmt;

/// A file with its path below the folder it came from or goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Relative path, parts apart by `/`.
    pub name: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// A format of label files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The contract's project file beside its documents; offsets in UTF-16 code units (authoring 7).
    Contract,
    /// Columns of the CoNLL-2003 shared task: a token a line, the tag last; BIO, IOB1 or IOBES.
    Conll,
    /// JSON Lines as spaCy's users write it: `text` and `entities`; offsets in code points.
    Spacy,
    /// JSON Lines of doccano: `text` and `label`; offsets in code points.
    Doccano,
    /// Label Studio's JSON export; offsets in code points since its version 1.5, in UTF-16 units before.
    LabelStudio,
    /// brat's standoff: `.txt` and `.ann`; offsets in code points.
    Brat,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::Contract, Self::Conll, Self::Spacy, Self::Doccano, Self::LabelStudio, Self::Brat];

    /// The word that names the format on a command line or in a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Conll => "conll",
            Self::Spacy => "spacy",
            Self::Doccano => "doccano",
            Self::LabelStudio => "label-studio",
            Self::Brat => "brat",
        }
    }

    /// The format of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set that was read.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What was read.
    pub set: LabeledSet,
    /// What of the files is not in it, or differs.
    pub report: FidelityReport,
}

/// A set as files.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The files, names distinct.
    pub files: Vec<File>,
    /// What of the set is not in them.
    pub report: FidelityReport,
}

/// A set as the contract has it.
#[derive(Clone, Debug)]
pub struct ContractSet {
    /// The project file, its documents' entries in UTF-16 code units.
    pub file: ProjectFile,
    /// Location and text of each document.
    pub texts: Vec<(String, String)>,
    /// What did not come along, import and export together.
    pub report: FidelityReport,
}

/// Largest file in bytes: positions are kept in 32 bits.
const FILE_BYTES_MAX: usize = u32::MAX as usize;

/// Reads `files` as `format`. For [`Format::Contract`] the texts are among them, beside the label file or below
/// `documents/`; for [`Format::Conll`] a `.txt` with the name of a column file is its original text.
///
/// # Errors
/// Every problem of malformed input, at most 100, each at `file:line` or `file#/pointer`. The author of the files
/// can fix them.
pub fn import(format: Format, files: &[File]) -> Result<Imported, Vec<Problem>> {
    let large = files.iter().filter(|file| file.bytes.len() >= FILE_BYTES_MAX);
    let problems: Vec<_> = large
        .map(|file| Problem::new(&file.name, "has 4 GiB or more; split it into smaller files"))
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    match format {
        Format::Contract => project::import(files),
        Format::Conll => conll::import(files),
        Format::Spacy | Format::Doccano => json_lines::import(files),
        Format::LabelStudio => label_studio::import(files),
        Format::Brat => brat::import(files),
    }
}

/// Writes `set` as `format`.
pub fn export(format: Format, set: &LabeledSet) -> Exported {
    match format {
        Format::Contract => project::export(set),
        Format::Conll => conll::export(set),
        Format::Spacy => json_lines::export(set, json_lines::Shape::Spacy),
        Format::Doccano => json_lines::export(set, json_lines::Shape::Doccano),
        Format::LabelStudio => label_studio::export(set),
        Format::Brat => brat::export(set),
    }
}

/// Reads `files` as `format` and gives them as the contract's label file with its texts. `project` describes the
/// project they are for, and takes the place of what the files say about theirs.
///
/// # Errors
/// See [`import`].
pub fn to_contract(
    format: Format,
    files: &[File],
    project: &FileMetadata,
) -> Result<ContractSet, Vec<Problem>> {
    let Imported { mut set, mut report } = import(format, files)?;
    set.project = Some(project.clone());
    let (file, proof) = project::contract_file(&set);
    report.absorb(proof);
    let text = |document: ner::LabeledDocument| (document.document.location, document.document.text);
    Ok(ContractSet { file, texts: set.documents.into_iter().map(text).collect(), report })
}
