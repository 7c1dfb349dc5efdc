//! A pretrained encoder compiled by OpenVINO, behind [`model::Encoder`].

use std::collections::VecDeque;
use std::path::Path;

use model::{EncoderRef, GraphError, Pieces};
use openvino::{ElementType, InferenceError, Shape, Tensor};
use thiserror::Error;

use crate::batches::{Batch, Request};
use crate::library::{Library, LibraryError};
use crate::package::{BIN_FILE, EncoderManifest, EncoderPackage, PackageError, XML_FILE};
use crate::requests::{Lease, RequestPool};
use crate::settings::Settings;

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
    pool: RequestPool,
    batch_pieces: usize,
    streams: usize,
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
        let model = library.compile(xml, bin, settings).map_err(compile_error)?;
        let streams = settings.streams();
        // A second request per stream is filled while the first computes.
        let pool = RequestPool::new(model, 2 * streams).map_err(|error| compile_error(error.to_string()))?;
        tracing::info!(
            encoder = manifest.name,
            digest,
            streams,
            threads = settings.threads(),
            "encoder compiled"
        );
        Ok(Self { digest, manifest, pool, batch_pieces: settings.batch_pieces(), streams })
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

/// A batch being computed.
struct Running<'a> {
    lease: Lease<'a>,
    batch: Batch,
}

impl model::Encoder for OpenVinoEncoder {
    fn width(&self) -> usize {
        self.manifest.width as usize
    }

    fn encode(&self, pieces: &Pieces) -> Result<Vec<f32>, GraphError> {
        let (vocabulary, max_pieces) = (self.manifest.vocabulary as usize, self.manifest.max_pieces as usize);
        let request = Request::new(pieces, vocabulary, max_pieces)?;
        let width = self.width();
        let mut vectors = vec![0.0; request.words() * width];
        let mut running = VecDeque::new();
        for batch in request.batches(self.batch_pieces, self.streams) {
            // Waiting for a request while holding others could wait for ever: only one's own results free them.
            let lease = loop {
                if let Some(lease) = self.pool.try_take() {
                    break lease;
                }
                match running.pop_front() {
                    Some(oldest) => finish(oldest, &request, width, &mut vectors)?,
                    None => break self.pool.take(),
                }
            };
            running.push_back(start(lease, &request, batch).map_err(failed)?);
        }
        for oldest in running {
            finish(oldest, &request, width, &mut vectors)?;
        }
        Ok(vectors)
    }
}

/// Hands a batch to OpenVINO without waiting for it.
fn start<'a>(
    mut lease: Lease<'a>,
    request: &Request<'_>,
    batch: Batch,
) -> Result<Running<'a>, InferenceError> {
    lease.set_input(INPUT_IDS, &tensor(request, &batch, &request.pieces().input_ids)?)?;
    lease.set_input(ATTENTION_MASK, &tensor(request, &batch, &request.pieces().attention_mask)?)?;
    lease.start()?;
    Ok(Running { lease, batch })
}

/// Waits for a batch and copies its words' vectors, each `width` long, to their places.
fn finish(
    running: Running<'_>,
    request: &Request<'_>,
    width: usize,
    vectors: &mut [f32],
) -> Result<(), GraphError> {
    let Running { mut lease, batch } = running;
    let hidden = lease.output(HIDDEN).map_err(failed)?;
    let expected = batch.rows.len() * batch.length * width;
    let float = hidden.get_element_type().map_err(failed)? == ElementType::F32;
    let got = hidden.get_size().map_err(failed)?;
    if !float || got != expected {
        return Err(GraphError::Failed(format!(
            "the encoder returned {got} values instead of {expected} floats"
        )));
    }
    request.gather(&batch, hidden.get_data::<f32>().map_err(failed)?, width, vectors);
    Ok(())
}

/// The batch's part of one input as a tensor.
fn tensor(request: &Request<'_>, batch: &Batch, from: &[i32]) -> Result<Tensor, InferenceError> {
    let shape = Shape::new(&[batch.rows.len() as i64, batch.length as i64])?;
    let mut tensor = Tensor::new(ElementType::I32, &shape)?;
    request.fill(batch, from, tensor.get_data_mut::<i32>()?);
    Ok(tensor)
}

fn failed(error: InferenceError) -> GraphError {
    GraphError::Failed(error.to_string())
}
