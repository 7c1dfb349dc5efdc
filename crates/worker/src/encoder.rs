//! The encoder that trainings use: converted once, published once, opened once.

use crate::Catalog;
use crate::failure::Failure;
use blobs::Blobs;
use inference::{Conversion, EncoderPackage, Engine, OpenVinoEncoder};
use language_api::ErrorKind;
use model::EncoderRef;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Where the installation's encoder comes from.
pub struct EncoderSource {
    /// Folder as published (`config.json`, `tokenizer.json`, `model.safetensors`); absent when there is none.
    pub published: Option<PathBuf>,
    /// Folder of converted encoders.
    pub store: PathBuf,
    opened: OnceCell<Arc<InstalledEncoder>>,
}

/// An encoder ready for training.
pub(crate) struct InstalledEncoder {
    pub(crate) encoder: Arc<OpenVinoEncoder>,
    pub(crate) reference: EncoderRef,
    pub(crate) tokenizer_json: Vec<u8>,
    folder: PathBuf,
}

impl EncoderSource {
    /// A source that has not opened anything yet.
    pub fn new(published: Option<PathBuf>, store: PathBuf) -> Self {
        Self { published, store, opened: OnceCell::new() }
    }

    /// The encoder, converted and opened at first use, shared with the models the engine serves; `None` when none is
    /// installed.
    pub(crate) async fn open(&self, engine: &Engine) -> Result<Option<Arc<InstalledEncoder>>, Failure> {
        let Some(published) = &self.published else { return Ok(None) };
        let opened =
            self.opened.get_or_try_init(|| async { self.convert(engine, published).map(Arc::new) }).await?;
        Ok(Some(Arc::clone(opened)))
    }

    fn convert(&self, engine: &Engine, published: &Path) -> Result<InstalledEncoder, Failure> {
        let unusable = |reason: String| {
            let message = format!("the encoder in {} can't be used: {reason}", published.display());
            Failure::refused(ErrorKind::Unavailable, message)
        };
        let package = EncoderPackage::convert(published, &self.store, &Conversion::default())
            .map_err(|e| unusable(e.to_string()))?;
        let folder = package.folder.clone();
        let tokenizer = folder.join(inference::TOKENIZER_FILE);
        let tokenizer_json = fs::read(&tokenizer).map_err(|error| unusable(error.to_string()))?;
        let encoder = engine.install(package).map_err(|e| unusable(e.to_string()))?;
        let manifest = encoder.manifest();
        let reference = EncoderRef {
            name: manifest.name.clone(),
            digest: encoder.digest().to_owned(),
            tokenizer_digest: model::sha256_hex(&tokenizer_json),
            width: manifest.width,
            max_pieces: manifest.max_pieces,
        };
        Ok(InstalledEncoder { encoder, reference, tokenizer_json, folder })
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
        for entry in fs::read_dir(&self.folder).map_err(missing)? {
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
