//! A pretrained encoder compiled by OpenVINO, behind [`model::Encoder`].

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{EncoderRef, GraphError, Pieces};
use openvino::{ElementType, InferenceError, Shape, Tensor};
use thiserror::Error;

use crate::batches::Request;
use crate::library::{Library, LibraryError};
use crate::package::{BIN_FILE, EncoderManifest, EncoderPackage, PackageError, XML_FILE};
use crate::requests::{Lease, RequestPool};
use crate::settings::Settings;
use crate::sharing::{Device, Input, Sharing};

/// Positions of the inputs and of the output in the graph that `ir` writes.
const INPUT_IDS: usize = 0;
const ATTENTION_MASK: usize = 1;
const HIDDEN: usize = 0;

/// Why an encoder could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The operator can install or name OpenVINO.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The operator can restore the package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// OpenVINO refused the graph: another version of it, or too little memory.
    #[error("OpenVINO {version} cannot compile encoder {name}: {reason}")]
    Compile {
        /// OpenVINO's version.
        version: String,
        /// The encoder's name.
        name: String,
        /// What it said.
        reason: String,
    },
}

/// One encoder in memory. Cheap to share, usable from many threads at once; calls block until their result is there.
pub struct OpenVinoEncoder {
    digest: String,
    manifest: EncoderManifest,
    sharing: Sharing<Compiled>,
}

/// The graph, compiled for several batches at a time, each with one thread, and perhaps once more for one that is alone.
/// Both give the same bits.
struct Compiled {
    several: RequestPool,
    alone: Option<RequestPool>,
}

impl OpenVinoEncoder {
    /// Opens the encoder package in `folder` (see [`EncoderPackage::convert`]), checking every file's digest.
    ///
    /// # Errors
    /// [`OpenError`] says whether OpenVINO, the package or the machine is at fault.
    pub fn open(folder: &Path, settings: &Settings) -> Result<Self, OpenError> {
        Self::compile(EncoderPackage::open(folder)?, settings)
    }

    /// Compiles a package that has just been opened, so verified.
    ///
    /// # Errors
    /// As [`OpenVinoEncoder::open`].
    pub fn compile(package: EncoderPackage, settings: &Settings) -> Result<Self, OpenError> {
        let EncoderPackage { digest, folder, manifest } = package;
        Self::from_files(digest, manifest, &folder.join(XML_FILE), &folder.join(BIN_FILE), settings)
    }

    /// Compiles the verified files of the package `digest`, wherever they lie.
    pub(crate) fn from_files(
        digest: String,
        manifest: EncoderManifest,
        xml: &Path,
        bin: &Path,
        settings: &Settings,
    ) -> Result<Self, OpenError> {
        let library = Library::load(settings.library.as_deref())?;
        let compile_error = |reason: String| OpenError::Compile {
            version: library.version().to_owned(),
            name: manifest.name.clone(),
            reason,
        };
        let compile = |streams: usize, requests: usize| {
            let model = library.compile(xml, bin, settings, streams).map_err(compile_error)?;
            RequestPool::new(model, requests).map_err(|error| compile_error(error.to_string()))
        };
        let streams = settings.streams();
        // One more is filled while the others compute.
        let places = streams + 1;
        let alone = settings.streams_alone().map(|streams| compile(streams, 1)).transpose()?;
        let device = Compiled { several: compile(streams, places)?, alone };
        let sharing = Sharing::new(device, manifest.width as usize, settings.batch_pieces(), streams, places);
        tracing::info!(
            encoder = manifest.name,
            digest,
            streams,
            threads = settings.threads(),
            "encoder compiled"
        );
        Ok(Self { digest, manifest, sharing })
    }

    /// The package's digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How a model's manifest refers to this encoder.
    pub fn reference(&self) -> EncoderRef {
        self.manifest.reference(&self.digest)
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &EncoderManifest {
        &self.manifest
    }
}

impl model::Encoder for OpenVinoEncoder {
    fn width(&self) -> usize {
        self.manifest.width as usize
    }

    /// Computed together with what others ask at the same time; the same window gives the same bits on the same machine,
    /// whatever is asked beside it.
    fn encode(&self, pieces: &Pieces) -> Result<Vec<f32>, GraphError> {
        let (vocabulary, max_pieces) = (self.manifest.vocabulary as usize, self.manifest.max_pieces as usize);
        self.sharing.encode(&Request::new(pieces, vocabulary, max_pieces)?)
    }
}

/// Calls of this process's encoders, and the windows in them.
static BATCHES: AtomicU64 = AtomicU64::new(0);
static WINDOWS: AtomicU64 = AtomicU64::new(0);

/// What all encoders have computed since the process began: batches, and windows in them.
pub fn computed() -> (u64, u64) {
    (BATCHES.load(Ordering::Relaxed), WINDOWS.load(Ordering::Relaxed))
}

impl Device for Compiled {
    type Running<'a> = Lease<'a>;

    fn start(&self, input: &Input, company: bool) -> Result<Lease<'_>, GraphError> {
        let mut lease = match &self.alone {
            Some(alone) if !company => alone.take(),
            _ => self.several.take(),
        };
        lease.set_input(INPUT_IDS, &tensor(input, &input.ids)?).map_err(failed)?;
        lease.set_input(ATTENTION_MASK, &tensor(input, &input.mask)?).map_err(failed)?;
        lease.start().map_err(failed)?;
        BATCHES.fetch_add(1, Ordering::Relaxed);
        WINDOWS.fetch_add(input.rows as u64, Ordering::Relaxed);
        Ok(lease)
    }

    fn finish(
        &self,
        mut lease: Lease<'_>,
        values: usize,
        read: &mut dyn FnMut(&[f32]),
    ) -> Result<(), GraphError> {
        let hidden = lease.output(HIDDEN).map_err(failed)?;
        let float = hidden.get_element_type().map_err(failed)? == ElementType::F32;
        let got = hidden.get_size().map_err(failed)?;
        if !float || got != values {
            return Err(GraphError::Failed(format!(
                "the encoder returned {got} values instead of {values} floats"
            )));
        }
        read(hidden.get_data::<f32>().map_err(failed)?);
        Ok(())
    }
}

/// One input as a tensor.
fn tensor(input: &Input, values: &[i32]) -> Result<Tensor, GraphError> {
    let shape = Shape::new(&[input.rows as i64, input.length as i64]).map_err(failed)?;
    let mut tensor = Tensor::new(ElementType::I32, &shape).map_err(failed)?;
    tensor.get_data_mut::<i32>().map_err(failed)?.copy_from_slice(values);
    Ok(tensor)
}

fn failed(error: InferenceError) -> GraphError {
    GraphError::Failed(error.to_string())
}
