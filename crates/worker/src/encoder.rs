//! The encoders that trainings use: converted once, published once, opened once.

use crate::Catalog;
use crate::failure::Failure;
use blobs::Blobs;
use inference::{Conversion, EncoderManifest, EncoderPackage, Engine, MANIFEST_FILE, OpenVinoEncoder};
use language_api::ErrorKind;
use model::EncoderRef;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the installation's encoders come from.
pub struct EncoderSource {
    published: Option<PathBuf>,
    store: PathBuf,
    added: PathBuf,
    opened: Mutex<BTreeMap<PathBuf, Arc<InstalledEncoder>>>,
}

/// An encoder ready for training.
pub(crate) struct InstalledEncoder {
    pub(crate) encoder: Arc<OpenVinoEncoder>,
    pub(crate) reference: EncoderRef,
    pub(crate) tokenizer_json: Vec<u8>,
    pub(crate) multilingual: bool,
    pub(crate) package: EncoderPackage,
}

/// What the documents of a project ask of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Languages {
    /// English, which most encoders for one language read.
    English,
    /// Another language, or several.
    Others,
}

impl Languages {
    /// Those of a project.
    pub(crate) fn of(language: &str, multilingual: bool) -> Self {
        let english = language.split(['-', '_']).next().is_some_and(|code| code.eq_ignore_ascii_case("en"));
        if english && !multilingual { Self::English } else { Self::Others }
    }
}

impl EncoderSource {
    /// A source that has not opened anything yet. `published` is the folder of the default encoder (`config.json`,
    /// `tokenizer.json`, `model.safetensors`, or a package), absent when there is none; `store` takes what is converted from
    /// it; `added` holds packages.
    pub fn new(published: Option<PathBuf>, store: PathBuf, added: PathBuf) -> Self {
        Self { published, store, added, opened: Mutex::default() }
    }

    /// The encoder for `languages`, converted and opened at first use, shared with the models the engine serves; `None`
    /// when none is installed. The default one, unless it is for one language where others are asked for and one for many
    /// languages was added.
    pub(crate) fn open(
        &self,
        engine: &Engine,
        languages: Languages,
    ) -> Result<Option<Arc<InstalledEncoder>>, Failure> {
        let many = languages == Languages::Others;
        let default = self.published.as_deref().map(|folder| self.opened(engine, folder)).transpose()?;
        if default.as_ref().is_some_and(|default| !many || default.multilingual) {
            return Ok(default);
        }
        let added = self.packages();
        let fitting = added.iter().find(|(_, manifest)| manifest.is_multilingual() == many);
        match (default, fitting.or(added.first())) {
            (Some(default), _) if fitting.is_none() => Ok(Some(default)),
            (_, Some((folder, _))) => self.opened(engine, folder).map(Some),
            (default, None) => Ok(default),
        }
    }

    /// The added packages by name.
    fn packages(&self) -> Vec<(PathBuf, EncoderManifest)> {
        let entries = fs::read_dir(&self.added).into_iter().flatten().flatten();
        let package = |entry: fs::DirEntry| {
            let json = fs::read(entry.path().join(MANIFEST_FILE)).ok()?;
            Some((entry.path(), EncoderManifest::parse(&json).ok()?))
        };
        let mut packages: Vec<_> = entries.filter_map(package).collect();
        packages.sort_by(|(one, a), (other, b)| (&a.name, one).cmp(&(&b.name, other)));
        packages
    }

    fn opened(&self, engine: &Engine, folder: &Path) -> Result<Arc<InstalledEncoder>, Failure> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = opened.get(folder) {
            return Ok(Arc::clone(encoder));
        }
        let encoder = Arc::new(self.install(engine, folder)?);
        opened.insert(folder.to_owned(), Arc::clone(&encoder));
        Ok(encoder)
    }

    fn install(&self, engine: &Engine, folder: &Path) -> Result<InstalledEncoder, Failure> {
        let unusable = |reason: String| {
            let message = format!(
                "the encoder in {} can't be used: {reason}; install it again, or train with the lexical configuration, which \
                 needs none",
                folder.display()
            );
            Failure::refused(ErrorKind::Unavailable, message)
        };
        let package = if folder.join(MANIFEST_FILE).exists() {
            EncoderPackage::open(folder)
        } else {
            EncoderPackage::convert(folder, &self.store, &Conversion::default())
        };
        let package = package.map_err(|error| unusable(error.to_string()))?;
        let tokenizer = package.folder.join(inference::TOKENIZER_FILE);
        let tokenizer_json = fs::read(&tokenizer).map_err(|error| unusable(error.to_string()))?;
        let encoder = engine.install(package.clone()).map_err(|error| unusable(error.to_string()))?;
        let (reference, multilingual) = (encoder.reference(), encoder.manifest().is_multilingual());
        Ok(InstalledEncoder { encoder, reference, tokenizer_json, multilingual, package })
    }
}

impl InstalledEncoder {
    /// Puts the encoder where every host finds it, before a model that needs it is known: files to the object storage,
    /// tokenizer to the catalog, which components read.
    pub(crate) async fn publish(
        &self,
        blobs: &Blobs,
        container: &str,
        catalog: &Catalog,
    ) -> Result<(), Failure> {
        let digest = &self.reference.digest;
        let missing = |error: std::io::Error| {
            Failure::refused(ErrorKind::Unavailable, format!("encoder {digest}: {error}"))
        };
        for entry in fs::read_dir(&self.package.folder).map_err(missing)? {
            let path = entry.map_err(missing)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let key = format!("encoders/{digest}/{name}");
            match blobs.head(container, &key).await {
                Ok(_) => {}
                Err(blobs::Error::NotFound { .. }) => {
                    blobs.put_file(container, &key, &path).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let encoder = catalog::Encoder {
            digest: digest.clone(),
            name: self.reference.name.clone(),
            tokenizer: self.tokenizer_json.clone(),
        };
        Ok(catalog.put_encoder(&encoder).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_english_alone_is_english() {
        for (language, multilingual, expected) in [
            ("en-us", false, Languages::English),
            ("EN", false, Languages::English),
            ("en-gb", true, Languages::Others),
            ("enm", false, Languages::Others),
            ("pt-br", false, Languages::Others),
        ] {
            assert_eq!(Languages::of(language, multilingual), expected, "{language}");
        }
    }
}
