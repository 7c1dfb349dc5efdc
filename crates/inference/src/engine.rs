//! Models by name: bundle and encoder fetched, verified, chained, shared.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use model::{
    Bundle, Emissions, Encoder, EncoderRef, FileRef, Graph, GraphError, HEAD_FILE, Head, Inputs, LAYERS_FILE,
    Manifest,
};

use crate::cache::Cache;
use crate::digest::{is_sha256, sha256_of};
use crate::encoder::{OpenError, OpenVinoEncoder};
use crate::layers::{LayersError, TunablePackage, open_with};
use crate::package::{BIN_FILE, EncoderManifest, EncoderPackage, MANIFEST_FILE, XML_FILE};
use crate::settings::Settings;
use crate::source::{BundleSource, SourceError};

/// Longest model name in bytes.
pub const MODEL_NAME_BYTES_MAX: usize = 128;

/// How much an engine keeps loaded. What is in use is never dropped, whatever the limits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Heads, in bytes of their files.
    pub head_bytes: u64,
    /// Encoders, in bytes of their weights.
    pub encoder_bytes: u64,
}

impl Default for EngineLimits {
    /// Hundreds of heads and a few encoders of ordinary size.
    fn default() -> Self {
        Self { head_bytes: 512 << 20, encoder_bytes: 2 << 30 }
    }
}

/// What of a kind is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub count: u64,
    /// Size of their files in bytes.
    pub bytes: u64,
}

/// Models by name. One per process; shared between threads, calls block.
pub struct Engine {
    source: Box<dyn BundleSource>,
    settings: Settings,
    models: Cache<LoadedModel, GraphError>,
    encoders: Cache<OpenVinoEncoder, GraphError>,
}

impl Engine {
    /// An engine over `source`. Loads nothing yet: OpenVINO only with the first model that needs an encoder.
    pub fn new(source: impl BundleSource + 'static, settings: Settings, limits: EngineLimits) -> Self {
        Self {
            source: Box::new(source),
            settings,
            models: Cache::new(limits.head_bytes),
            encoders: Cache::new(limits.encoder_bytes),
        }
    }

    /// The graph of the model `name` (its id), loaded if it is not.
    ///
    /// Callers at the same time share one load. A failure is not remembered.
    ///
    /// # Errors
    /// [`GraphError::NotFound`] for a name without bundle, [`GraphError::Damaged`] naming the file and the
    /// digests where a bundle or its encoder is not what was written, [`GraphError::Failed`] when fetching or OpenVINO
    /// failed.
    pub fn open(&self, name: &str) -> Result<Arc<dyn Graph + Send + Sync>, GraphError> {
        if !is_model_name(name) {
            return Err(GraphError::NotFound(name.to_owned()));
        }
        let model = self.models.get(name, || self.load(name))?;
        Ok(model)
    }

    /// Opens a packaged encoder for training, or gives the one that models are already served with: both share it.
    ///
    /// # Errors
    /// [`GraphError`]: the package is damaged, or the machine can't open it.
    pub fn install(&self, package: EncoderPackage) -> Result<Arc<OpenVinoEncoder>, GraphError> {
        let digest = package.digest.clone();
        self.encoders.get(&digest, || {
            let bytes = fs::metadata(package.folder.join(BIN_FILE)).map_or(0, |metadata| metadata.len());
            OpenVinoEncoder::compile(package, &self.settings)
                .map(|encoder| (encoder, bytes))
                .map_err(|error| GraphError::Failed(error.to_string()))
        })
    }

    /// The layers of a packaged encoder, for tuning.
    ///
    /// # Errors
    /// [`GraphError::Failed`] when the package cannot be read.
    pub fn tunable(&self, package: &EncoderPackage) -> Result<TunablePackage, GraphError> {
        TunablePackage::new(package.clone(), self.settings.clone())
    }

    /// Opens a packaged encoder with the tuned layers in `file`, or gives the one that models are already served with.
    ///
    /// # Errors
    /// [`GraphError::Failed`]: `file` is not of this encoder, or the machine can't open it.
    pub fn tuned(&self, package: &EncoderPackage, file: &[u8]) -> Result<Arc<OpenVinoEncoder>, GraphError> {
        self.encoders.get(&tuned_name(&package.digest, &model::sha256_hex(file)), || {
            let (xml, bin) = (package.folder.join(XML_FILE), package.folder.join(BIN_FILE));
            let bytes = fs::metadata(&bin).map_or(0, |metadata| metadata.len());
            open_with(&package.digest, package.manifest.clone(), (&xml, &bin), file, &self.settings)
                .map(|encoder| (encoder, bytes))
                .map_err(|error| GraphError::Failed(error.to_string()))
        })
    }

    /// The graph of a bundle that is not stored yet: what [`Engine::open`] gives once it is.
    ///
    /// # Errors
    /// [`GraphError::Damaged`] when head and encoder do not fit.
    pub fn try_out(
        bundle: &Bundle,
        encoder: Option<Arc<OpenVinoEncoder>>,
    ) -> Result<Arc<dyn Graph + Send + Sync>, GraphError> {
        let damaged = |reason| GraphError::Damaged { model: bundle.manifest.model_id.clone(), reason };
        let head = bundle.head().map_err(|error| damaged(error.to_string()))?;
        Ok(Arc::new(LoadedModel::chain(head, encoder).map_err(damaged)?))
    }

    /// What is loaded: heads, and the encoders that they share.
    pub fn held(&self) -> [Held; 2] {
        [self.models.held(), self.encoders.held()].map(|(count, bytes)| Held { count, bytes })
    }

    /// Forgets the model `name`, after its deletion. Who holds its graph keeps it.
    pub fn forget(&self, name: &str) {
        self.models.remove(name);
    }

    fn load(&self, name: &str) -> Result<(LoadedModel, u64), GraphError> {
        let files = Files { source: self.source.as_ref(), model: name };
        let manifest_path = format!("models/{name}/{}", model::MANIFEST_FILE);
        let json = match self.source.fetch(&manifest_path) {
            Err(SourceError::NotFound(_)) => return Err(GraphError::NotFound(name.to_owned())),
            fetched => files.read(&manifest_path, fetched)?,
        };
        let manifest = Manifest::from_json(&json).map_err(|error| files.damaged(error.to_string()))?;
        if manifest.model_id != name {
            return Err(files.damaged(format!("its manifest is that of model {}", manifest.model_id)));
        }
        let (head, bytes) = files.head(&manifest)?;
        let layers = manifest.files.get(LAYERS_FILE);
        let encoder = manifest.encoder.as_ref().map(|reference| self.encoder(reference, layers, &files));
        let encoder = encoder.transpose()?;
        tracing::info!(
            model = name,
            encoder = encoder.as_ref().map(|encoder| encoder.digest()),
            "model loaded"
        );
        let model = LoadedModel::chain(head, encoder).map_err(|reason| files.damaged(reason))?;
        Ok((model, bytes))
    }

    /// The encoder that a model refers to, with the tuned layers that its bundle has.
    fn encoder(
        &self,
        reference: &EncoderRef,
        layers: Option<&FileRef>,
        files: &Files<'_>,
    ) -> Result<Arc<OpenVinoEncoder>, GraphError> {
        let digest = reference.digest.as_str();
        if !is_sha256(digest) {
            return Err(files.damaged(format!("{digest:?} is no encoder digest")));
        }
        let name = layers.map_or(digest.to_owned(), |layers| tuned_name(digest, &layers.sha256));
        self.encoders.get(&name, || {
            let (manifest, xml, bin) = files.package(digest)?;
            let bytes = fs::metadata(&bin).map_or(0, |metadata| metadata.len());
            let opened = match layers {
                None => OpenVinoEncoder::from_files(digest.to_owned(), manifest, &xml, &bin, &self.settings)
                    .map_err(LayersError::from),
                Some(layers) => {
                    let layers = files.bundled(LAYERS_FILE, layers)?;
                    open_with(digest, manifest, (&xml, &bin), &layers, &self.settings)
                }
            };
            opened.map(|encoder| (encoder, bytes)).map_err(|error| match error {
                LayersError::Unfit(_) | LayersError::Open(OpenError::Package(_)) => {
                    files.damaged(error.to_string())
                }
                LayersError::Files(_) | LayersError::Open(_) => GraphError::Failed(error.to_string()),
            })
        })
    }
}

/// What an encoder with tuned layers is kept under.
fn tuned_name(encoder: &str, layers: &str) -> String {
    format!("{encoder}+{layers}")
}

/// Head and encoder in one.
struct LoadedModel {
    head: Head,
    encoder: Option<Arc<OpenVinoEncoder>>,
}

impl LoadedModel {
    /// Both in one, or why they do not fit.
    fn chain(head: Head, encoder: Option<Arc<OpenVinoEncoder>>) -> Result<Self, String> {
        if head.contextual_width() != encoder.as_ref().map(|encoder| encoder.width()) {
            return Err(format!("{HEAD_FILE} and the manifest name encoders of different width"));
        }
        Ok(Self { head, encoder })
    }
}

impl Graph for LoadedModel {
    fn compute(&self, inputs: &Inputs) -> Result<Emissions, GraphError> {
        inputs.validate()?;
        let vectors = match (&self.encoder, &inputs.pieces) {
            (Some(encoder), Some(pieces)) => Some(encoder.encode(pieces)?),
            (None, None) => None,
            (encoder, _) => {
                let reason =
                    if encoder.is_some() { "the model needs them" } else { "the model has no encoder" };
                return Err(GraphError::InvalidInput { name: "pieces".into(), reason: reason.into() });
            }
        };
        self.head.emissions(inputs, vectors.as_deref())
    }
}

/// Fetching on behalf of one model: errors carry its name.
struct Files<'a> {
    source: &'a dyn BundleSource,
    model: &'a str,
}

impl Files<'_> {
    fn damaged(&self, reason: String) -> GraphError {
        GraphError::Damaged { model: self.model.to_owned(), reason }
    }

    fn head(&self, manifest: &Manifest) -> Result<(Head, u64), GraphError> {
        let expected = manifest.files.get(HEAD_FILE);
        let expected =
            expected.ok_or_else(|| self.damaged(format!("its manifest does not list {HEAD_FILE}")))?;
        let bytes = self.bundled(HEAD_FILE, expected)?;
        let head = Head::from_bytes(&bytes).map_err(|error| self.damaged(error.to_string()))?;
        let tags = manifest.tag_set().map_err(|error| self.damaged(error.to_string()))?.len();
        if head.tags() != tags {
            return Err(self.damaged(format!("{HEAD_FILE} has {} tags, the manifest {tags}", head.tags())));
        }
        Ok((head, bytes.len() as u64))
    }

    /// A file of the bundle, fetched a second time where a local copy is not what it should be.
    fn bundled(&self, name: &str, expected: &FileRef) -> Result<Vec<u8>, GraphError> {
        let path = format!("models/{}/{name}", self.model);
        let mut bytes = self.read(&path, self.source.fetch(&path))?;
        if expected.verify(name, &bytes).is_err() {
            self.source.discard(&path);
            bytes = self.read(&path, self.source.fetch(&path))?;
            expected.verify(name, &bytes).map_err(|error| self.damaged(error.to_string()))?;
        }
        Ok(bytes)
    }

    /// The encoder package `digest`: what it says of itself, its graph and its weights.
    fn package(&self, digest: &str) -> Result<(EncoderManifest, PathBuf, PathBuf), GraphError> {
        let json = self.verified(&format!("encoders/{digest}/{MANIFEST_FILE}"), digest)?;
        let json = fs::read(&json).map_err(|error| GraphError::Failed(error.to_string()))?;
        let manifest = EncoderManifest::parse(&json)
            .map_err(|reason| self.damaged(format!("manifest of encoder {digest}: {reason}")))?;
        let part = |name: &str| self.verified(&format!("encoders/{digest}/{name}"), &manifest.files[name]);
        let (xml, bin) = (part(XML_FILE)?, part(BIN_FILE)?);
        Ok((manifest, xml, bin))
    }

    /// A local file of `path` with digest `expected`, fetched a second time where a local copy is not what it should be.
    fn verified(&self, path: &str, expected: &str) -> Result<PathBuf, GraphError> {
        let mut found = String::new();
        for _attempt in 0..2 {
            let file = self.source.fetch(path).map_err(|error| self.lost(error))?;
            found = File::open(&file)
                .and_then(|mut opened| sha256_of(&mut opened))
                .map_err(|error| GraphError::Failed(format!("cannot read {path}: {error}")))?;
            if found == expected {
                return Ok(file);
            }
            self.source.discard(path);
        }
        Err(self.damaged(format!("{path} is altered: expected sha256 {expected}, found {found}")))
    }

    fn read(&self, path: &str, fetched: Result<PathBuf, SourceError>) -> Result<Vec<u8>, GraphError> {
        let file = fetched.map_err(|error| self.lost(error))?;
        fs::read(file).map_err(|error| GraphError::Failed(format!("cannot read {path}: {error}")))
    }

    /// A file that must be there, since something that was found names it.
    fn lost(&self, error: SourceError) -> GraphError {
        match error {
            SourceError::NotFound(path) => self.damaged(format!("{path} is missing")),
            failed @ SourceError::Failed { .. } => GraphError::Failed(failed.to_string()),
        }
    }
}

/// Whether `name` can name a model: letters, digits, `_`, `.` and `-`, not a dot first, so that it is one plain path component.
fn is_model_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=MODEL_NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_plain_path_component() {
        for good in ["model", "a", "A-1_b.2", &"x".repeat(MODEL_NAME_BYTES_MAX)] {
            assert!(is_model_name(good), "{good}");
        }
        for bad in
            ["", ".", "..", "../a", "a/b", "a\\b", "a b", "ä", "a\0", &"x".repeat(MODEL_NAME_BYTES_MAX + 1)]
        {
            assert!(!is_model_name(bad), "{bad:?}");
        }
    }
}
