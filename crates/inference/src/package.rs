//! Encoder packages: a pretrained encoder in the form this crate computes, under its content's name.
//!
//! A package is a folder named by its digest: `encoder.xml` and `encoder.bin` (OpenVINO IR), `tokenizer.json` as
//! published, and `manifest.json`, which names the others' digests. The package's digest is the SHA-256 of
//! `manifest.json`, so it vouches for every byte.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use model::{EncoderRef, sha256_hex};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::{DigestWriter, is_sha256, sha256_of};
use crate::ir::{Architecture, Checkpoint, IrError, Weights, write_encoder};

/// The file that describes a package.
pub const MANIFEST_FILE: &str = "manifest.json";
/// OpenVINO IR, the graph.
pub const XML_FILE: &str = "encoder.xml";
/// OpenVINO IR, the weights.
pub const BIN_FILE: &str = "encoder.bin";
/// The tokenizer as published with the encoder.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// Version of the package layout.
const FORMAT: u32 = 1;

/// Word pieces of the smallest vocabulary for many languages; multilingual BERT has 119,547, XLM-RoBERTa 250,002.
const MULTILINGUAL_VOCABULARY_MIN: u32 = 100_000;

/// What a package says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EncoderManifest {
    /// Layout version, 1.
    pub format: u32,
    /// The encoder's published name, for people.
    pub name: String,
    /// `bert` or `roberta`.
    pub architecture: String,
    /// Floats per vector.
    pub width: u32,
    /// Longest window in word pieces, special pieces included.
    pub max_pieces: u32,
    /// Number of word pieces in the vocabulary; ids are below it.
    pub vocabulary: u32,
    /// Whether the tokenizer lower-cases, so that the encoder cannot see capitals.
    pub lowercase: bool,
    /// The layers whose mean is the output, counted from 1, rising.
    pub layers: Vec<usize>,
    /// How its matrices are stored; as published where the manifest does not say.
    #[serde(default = "as_published")]
    pub weights: Weights,
    /// SHA-256 of every other file of the package.
    pub files: BTreeMap<String, String>,
    /// SHA-256 of the weights this was written from.
    pub source_sha256: String,
}

fn as_published() -> Weights {
    Weights::F32
}

/// What a conversion may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// The layers whose mean is the output, counted from 1; `None` takes [`default_layers`].
    pub layers: Option<Vec<usize>>,
    /// How matrices are stored.
    pub weights: Weights,
    /// The package's name for people; `None` takes the last component of the folder.
    pub name: Option<String>,
}

/// A package on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderPackage {
    /// SHA-256 of its manifest: its name everywhere.
    pub digest: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// What it says about itself.
    pub manifest: EncoderManifest,
}

/// Why there is no encoder package.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The published encoder cannot be converted. Whoever chose it can fix it.
    #[error("cannot convert encoder {name}: {source}")]
    Convert {
        /// The encoder.
        name: String,
        /// What is wrong with it.
        source: IrError,
    },
    /// A package's file is absent, altered or unreadable. The operator can restore it.
    #[error("encoder file {}: {reason}", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// The package could not be written. The operator can fix the disk.
    #[error("cannot write encoder package in {}: {source}", .folder.display())]
    Write {
        /// Where.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl EncoderManifest {
    /// Reads a manifest and checks that it names what a package must have.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!(
                "package format {} is not {FORMAT}, the one this version reads",
                manifest.format
            ));
        }
        for name in [XML_FILE, BIN_FILE, TOKENIZER_FILE] {
            if !manifest.files.get(name).is_some_and(|digest| is_sha256(digest)) {
                return Err(format!("it gives no SHA-256 for {name}"));
            }
        }
        if manifest.width == 0 || manifest.max_pieces == 0 || manifest.vocabulary == 0 {
            return Err("width, maxPieces and vocabulary must be positive".into());
        }
        Ok(manifest)
    }

    /// Whether it was made for many languages, as far as the size of its vocabulary tells: those of one language have far
    /// fewer pieces.
    pub fn is_multilingual(&self) -> bool {
        self.vocabulary >= MULTILINGUAL_VOCABULARY_MIN
    }

    /// How a model's manifest refers to the package of this manifest and `digest`.
    pub fn reference(&self, digest: &str) -> EncoderRef {
        EncoderRef {
            name: self.name.clone(),
            digest: digest.to_owned(),
            tokenizer_digest: self.files[TOKENIZER_FILE].clone(),
            width: self.width,
            max_pieces: self.max_pieces,
        }
    }
}

impl EncoderPackage {
    /// Opens the package in `folder` and checks every file against its digest.
    ///
    /// # Errors
    /// [`PackageError::Damaged`] naming the first file that is not what the manifest promises.
    pub fn open(folder: &Path) -> Result<Self, PackageError> {
        let manifest_file = folder.join(MANIFEST_FILE);
        let damaged =
            |file: &Path, reason: String| PackageError::Damaged { file: file.to_path_buf(), reason };
        let json = fs::read(&manifest_file).map_err(|error| damaged(&manifest_file, error.to_string()))?;
        let manifest = EncoderManifest::parse(&json).map_err(|reason| damaged(&manifest_file, reason))?;
        for (name, expected) in &manifest.files {
            let file = folder.join(name);
            let found = File::open(&file)
                .and_then(|mut opened| sha256_of(&mut opened))
                .map_err(|error| damaged(&file, error.to_string()))?;
            if found != *expected {
                return Err(damaged(&file, format!("expected sha256 {expected}, found {found}")));
            }
        }
        Ok(Self { digest: sha256_hex(&json), folder: folder.to_path_buf(), manifest })
    }

    /// Converts the published encoder in `source` to a package below `store`, in a folder named by its digest.
    ///
    /// `source` holds `config.json`, `model.safetensors` and `tokenizer.json`; its last component becomes the
    /// package's name unless `conversion` has one. Converting again gives the same digest and leaves an existing package in place, unless it is
    /// damaged.
    ///
    /// # Errors
    /// [`PackageError`]; nothing half-written stays under the final name.
    pub fn convert(source: &Path, store: &Path, conversion: &Conversion) -> Result<Self, PackageError> {
        let own = || source.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = conversion.name.clone().unwrap_or_else(own);
        let convert = |source| PackageError::Convert { name: name.clone(), source };
        let write = |source| PackageError::Write { folder: store.to_path_buf(), source };
        let checkpoint = Checkpoint::open(source).map_err(convert)?;
        let layers = conversion.layers.clone();
        let mut layers = layers.unwrap_or_else(|| default_layers(checkpoint.config.num_hidden_layers));
        layers.sort_unstable();
        layers.dedup();
        // Writers of the same package at the same time must not meet in one folder.
        let draft = store.join(format!(".draft-{}-{:?}", std::process::id(), std::thread::current().id()));
        fs::create_dir_all(&draft).map_err(write)?;
        let result = write_package(&name, source, &checkpoint, (&layers, conversion.weights), &draft)
            .and_then(|digest| {
                let folder = store.join(&digest);
                if folder.exists() && Self::open(&folder).is_ok() {
                    return Ok(folder);
                }
                // What lies there is not what its name says; another writer of the same content may be quicker.
                let _ = fs::remove_dir_all(&folder);
                match fs::rename(&draft, &folder) {
                    Err(_) if folder.join(MANIFEST_FILE).is_file() => Ok(folder),
                    renamed => renamed.map(|()| folder).map_err(write),
                }
            });
        // Absent after a rename; what is left otherwise is of no use to anyone.
        let _ = fs::remove_dir_all(&draft);
        Self::open(&result?)
    }
}

/// The layers whose mean is used when nothing else is asked for: the upper half without the very last, which
/// serves the pretraining task more than the words. Layers 3 to 5 of 6.
pub fn default_layers(layers: usize) -> Vec<usize> {
    let last = layers.saturating_sub(1).max(1);
    (layers.div_ceil(2).min(last)..=last).collect()
}

/// Writes all files of a package into `draft`; returns its digest.
fn write_package(
    name: &str,
    source: &Path,
    checkpoint: &Checkpoint,
    (layers, weights): (&[usize], Weights),
    draft: &Path,
) -> Result<String, PackageError> {
    let convert = |source| PackageError::Convert { name: name.to_owned(), source };
    let write = |source| PackageError::Write { folder: draft.to_path_buf(), source };
    let tokenizer_file = source.join(TOKENIZER_FILE);
    let tokenizer = fs::read(&tokenizer_file).map_err(|error| {
        convert(IrError::Unreadable { file: tokenizer_file.display().to_string(), reason: error.to_string() })
    })?;
    let bin = BufWriter::new(File::create(draft.join(BIN_FILE)).map_err(write)?);
    let (xml, bin) = write_encoder(checkpoint, layers, weights, DigestWriter::new(bin)).map_err(convert)?;
    let (bin_sha256, bin) = bin.finish();
    bin.get_ref().sync_all().map_err(write)?;
    write_file(&draft.join(XML_FILE), xml.as_bytes()).map_err(write)?;
    write_file(&draft.join(TOKENIZER_FILE), &tokenizer).map_err(write)?;
    let config = &checkpoint.config;
    let files = BTreeMap::from([
        (XML_FILE.to_owned(), sha256_hex(xml.as_bytes())),
        (BIN_FILE.to_owned(), bin_sha256),
        (TOKENIZER_FILE.to_owned(), sha256_hex(&tokenizer)),
    ]);
    let manifest = EncoderManifest {
        format: FORMAT,
        name: name.to_owned(),
        architecture: match config.architecture().map_err(convert)? {
            Architecture::Bert => "bert".to_owned(),
            Architecture::Roberta => "roberta".to_owned(),
        },
        width: count("hidden_size", config.hidden_size).map_err(convert)?,
        max_pieces: count("max_position_embeddings", config.max_pieces().map_err(convert)?)
            .map_err(convert)?,
        vocabulary: count("vocab_size", config.vocab_size).map_err(convert)?,
        lowercase: lowercases(&tokenizer).map_err(convert)?,
        layers: layers.to_vec(),
        weights,
        files,
        source_sha256: checkpoint.weights_sha256(),
    };
    let json = serde_json::to_vec_pretty(&manifest).map_err(|error| write(error.into()))?;
    write_file(&draft.join(MANIFEST_FILE), &json).map_err(write)?;
    Ok(sha256_hex(&json))
}

/// A number of `config.json` as the manifest holds it.
fn count(name: &str, value: usize) -> Result<u32, IrError> {
    u32::try_from(value).map_err(|_| IrError::Unsupported(format!("{name} {value} of config.json")))
}

/// Writes and flushes to the disk: a package that is named must be whole after a power cut.
fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether the tokenizer's normalizer lower-cases, alone or in a sequence.
fn lowercases(tokenizer: &[u8]) -> Result<bool, IrError> {
    fn normalizer(value: &serde_json::Value) -> bool {
        match value.get("type").and_then(|kind| kind.as_str()) {
            Some("Lowercase") => true,
            Some("BertNormalizer") => value.get("lowercase").and_then(|flag| flag.as_bool()).unwrap_or(true),
            Some("Sequence") => value
                .get("normalizers")
                .and_then(|parts| parts.as_array())
                .is_some_and(|parts| parts.iter().any(normalizer)),
            _ => false,
        }
    }
    let json: serde_json::Value = serde_json::from_slice(tokenizer)
        .map_err(|error| IrError::Unreadable { file: TOKENIZER_FILE.into(), reason: error.to_string() })?;
    Ok(json.get("normalizer").is_some_and(normalizer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_layers_are_the_upper_half_without_the_last() {
        assert_eq!(default_layers(6), [3, 4, 5]);
        assert_eq!(default_layers(12), [6, 7, 8, 9, 10, 11]);
        assert_eq!(default_layers(2), [1]);
        assert_eq!(default_layers(1), [1]);
    }

    #[test]
    fn lower_casing_is_found_wherever_the_tokenizer_hides_it() {
        for (json, expected) in [
            (r#"{"normalizer":{"type":"BertNormalizer","lowercase":true}}"#, true),
            (r#"{"normalizer":{"type":"BertNormalizer","lowercase":false}}"#, false),
            (
                r#"{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]}}"#,
                true,
            ),
            (r#"{"normalizer":{"type":"Precompiled","precompiled_charsmap":""}}"#, false),
            (r#"{"normalizer":null}"#, false),
        ] {
            assert_eq!(lowercases(json.as_bytes()).ok(), Some(expected), "{json}");
        }
        assert!(lowercases(b"{").is_err());
    }

    #[test]
    fn a_manifest_must_name_every_file() {
        let json = r#"{"format":1,"name":"x","architecture":"bert","width":4,"maxPieces":8,"vocabulary":9,
            "lowercase":false,"layers":[1],"files":{},"sourceSha256":""}"#;
        let error = EncoderManifest::parse(json.as_bytes()).expect_err("no files");
        assert!(error.contains(XML_FILE), "{error}");
        let error = EncoderManifest::parse(json.replace("\"format\":1", "\"format\":2").as_bytes())
            .expect_err("format");
        assert!(error.contains("format 2"), "{error}");
    }
}
