//! An encoder package whose layers are read, replaced and left out: what tuning needs.
//!
//! A bundle's `layers.bin` holds the bytes that stand in places of the package's `encoder.bin`, quantized as those are:
//! 8 bytes [`MAGIC`], the header's length as a little-endian `u32`, the header as JSON, then the bytes part after part.

use std::fs;
use std::io::Write;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;

use model::{Encoder, GraphError, LAYER_TENSORS, LAYERS_FILE, LayerShape, LayerWeights, TunableEncoder};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::encoder::{OpenError, OpenVinoEncoder};
use crate::ir::{Place, Quantized, Written, dequantize, quantize};
use crate::package::{BIN_FILE, EncoderManifest, EncoderPackage, XML_FILE};
use crate::settings::Settings;

/// What every such file begins with.
const MAGIC: [u8; 8] = *b"SPNLAYR1";

/// Says of which encoder the layers are, and where they go.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Header {
    /// Digest of the package.
    encoder: String,
    /// Number of the lowest layer, from 1; the others follow up to the highest.
    first_layer: usize,
    /// Byte offset and length of each part in `encoder.bin`.
    parts: Vec<(usize, usize)>,
}

/// A package with everything about its layers. Holds no weights in memory.
pub struct TunablePackage {
    package: EncoderPackage,
    settings: Settings,
    xml: String,
    written: Written,
}

impl TunablePackage {
    /// Reads where the layers of a verified package lie. `settings` are for the encoders that are made of it.
    ///
    /// # Errors
    /// [`GraphError::Failed`] when the package cannot be read or was not written by this crate.
    pub fn new(package: EncoderPackage, settings: Settings) -> Result<Self, GraphError> {
        let folder = &package.folder;
        let xml = read_text(&folder.join(XML_FILE))?;
        let bin = read(&folder.join(BIN_FILE))?;
        let written = written(&xml, &bin, &package.manifest)?;
        Ok(Self { package, settings, xml, written })
    }

    fn compile(&self, xml: &Path, bin: &Path) -> Result<Arc<dyn Encoder>, GraphError> {
        let EncoderPackage { digest, manifest, .. } = &self.package;
        let encoder = OpenVinoEncoder::from_files(digest.clone(), manifest.clone(), xml, bin, &self.settings);
        Ok(Arc::new(encoder.map_err(|error| GraphError::Failed(error.to_string()))?))
    }

    fn bin(&self) -> Result<Vec<u8>, GraphError> {
        read(&self.package.folder.join(BIN_FILE))
    }
}

impl TunableEncoder for TunablePackage {
    fn shape(&self) -> &LayerShape {
        &self.written.shape
    }

    fn layers(&self, numbers: RangeInclusive<usize>) -> Result<Vec<LayerWeights>, GraphError> {
        let bin = self.bin()?;
        let layer = |number: usize| {
            let places = number.checked_sub(1).and_then(|at| self.written.places.get(at));
            let places =
                places.ok_or_else(|| GraphError::Failed(format!("the encoder has no layer {number}")))?;
            Ok(LayerWeights(places.iter().map(|place| tensor(&bin, place)).collect()))
        };
        numbers.map(layer).collect()
    }

    fn below(&self, number: usize) -> Result<Arc<dyn Encoder>, GraphError> {
        let xml = self.written.below(&self.xml, number);
        let xml = xml.ok_or_else(|| GraphError::Failed(format!("the encoder has no layer {number}")))?;
        let xml = scratch(xml.as_bytes(), ".xml")?;
        self.compile(xml.path(), &self.package.folder.join(BIN_FILE))
    }

    fn pack(&self, first: usize, layers: &[LayerWeights]) -> Result<Vec<u8>, GraphError> {
        let parts = parts(&self.written, first);
        let tensors = self.written.places.iter().skip(first.saturating_sub(1));
        let mut content = Vec::with_capacity(parts.iter().map(Range::len).sum());
        let shapes = self.written.shape.tensors();
        for (layer, places) in layers.iter().zip(tensors) {
            let named = layer.0.iter().zip(places).zip(shapes.iter().zip(LAYER_TENSORS));
            for ((values, place), (shape, name)) in named {
                write_tensor(name, values, place, shape, &mut content)?;
            }
        }
        let header = Header {
            encoder: self.package.digest.clone(),
            first_layer: first,
            parts: parts.iter().map(|part| (part.start, part.len())).collect(),
        };
        if content.len() != parts.iter().map(Range::len).sum::<usize>() {
            return Err(GraphError::Failed(format!(
                "{} layers do not fit those from {first} on",
                layers.len()
            )));
        }
        let header = serde_json::to_vec(&header).map_err(|error| GraphError::Failed(error.to_string()))?;
        Ok([&MAGIC[..], &(header.len() as u32).to_le_bytes(), &header, &content].concat())
    }

    fn with(&self, file: &[u8]) -> Result<Arc<dyn Encoder>, GraphError> {
        let EncoderPackage { digest, folder, manifest } = &self.package;
        let files = (folder.join(XML_FILE), folder.join(BIN_FILE));
        let encoder = open_with(digest, manifest.clone(), (&files.0, &files.1), file, &self.settings);
        Ok(Arc::new(encoder.map_err(|error| GraphError::Failed(error.to_string()))?))
    }
}

/// Compiles the encoder of the verified files `xml` and `bin` with the layers in `file` put in place.
///
/// # Errors
/// [`LayersError`] says whether `file` or the machine is at fault.
pub(crate) fn open_with(
    digest: &str,
    manifest: EncoderManifest,
    (xml, bin): (&Path, &Path),
    file: &[u8],
    settings: &Settings,
) -> Result<OpenVinoEncoder, LayersError> {
    let patched = patched(&read_text(xml)?, read(bin)?, digest, &manifest, file);
    let bin = scratch(&patched.map_err(LayersError::Unfit)?, ".bin")?;
    Ok(OpenVinoEncoder::from_files(digest.to_owned(), manifest, xml, bin.path(), settings)?)
}

/// Why layers could not be put in place.
#[derive(Debug, Error)]
pub(crate) enum LayersError {
    /// The file is not what it should be. The operator can restore it.
    #[error("{0}")]
    Unfit(String),
    /// A file could not be read or written.
    #[error(transparent)]
    Files(#[from] GraphError),
    /// The encoder could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The constants `bin` with the layers of `file` in their places, or what is wrong with it.
fn patched(
    xml: &str,
    mut bin: Vec<u8>,
    digest: &str,
    manifest: &EncoderManifest,
    file: &[u8],
) -> Result<Vec<u8>, String> {
    let unfit = |reason: &str| format!("{LAYERS_FILE} cannot be used: {reason}");
    let rest = file.strip_prefix(&MAGIC).ok_or_else(|| unfit("it does not hold layers"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| unfit("it ends in its header"))?;
    let (header, content) = rest
        .split_at_checked(u32::from_le_bytes(*length) as usize)
        .ok_or_else(|| unfit("it ends in its header"))?;
    let header: Header = serde_json::from_slice(header).map_err(|error| unfit(&error.to_string()))?;
    if header.encoder != digest {
        return Err(unfit(&format!("it is of encoder {}, not of {digest}", header.encoder)));
    }
    let written = written(xml, &bin, manifest).map_err(|error| unfit(&error.to_string()))?;
    let parts = parts(&written, header.first_layer);
    if header.parts.len() != parts.len()
        || header.parts.iter().zip(&parts).any(|(found, part)| *found != (part.start, part.len()))
    {
        return Err(unfit(&format!("its parts are not those of the layers from {}", header.first_layer)));
    }
    let mut rest = content;
    for part in parts {
        let (own, others) =
            rest.split_at_checked(part.len()).ok_or_else(|| unfit("it ends within a layer"))?;
        bin[part].copy_from_slice(own);
        rest = others;
    }
    if rest.is_empty() { Ok(bin) } else { Err(unfit("it goes on after its last layer")) }
}

fn written(xml: &str, bin: &[u8], manifest: &EncoderManifest) -> Result<Written, GraphError> {
    Written::read(xml, bin, manifest.width as usize, &manifest.layers).map_err(|reason| {
        GraphError::Failed(format!("the graph of encoder {} cannot be tuned: {reason}", manifest.name))
    })
}

/// Where the layers from `first` on lie, in the order of their tensors; none where there is no such layer.
fn parts(written: &Written, first: usize) -> Vec<Range<usize>> {
    let layers = first.checked_sub(1).and_then(|at| written.places.get(at..)).unwrap_or_default();
    let places = layers.iter().flatten();
    places.flat_map(|place| std::iter::once(place.values.clone()).chain(place.scales.clone())).collect()
}

/// The floats at a place.
fn tensor(bin: &[u8], place: &Place) -> Vec<f32> {
    let values = bin[place.values.clone()].to_vec();
    match &place.scales {
        Some(scales) => dequantize(&Quantized { values, scales: bin[scales.clone()].to_vec() }),
        None => values.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    }
}

/// Appends a tensor as it lies in the constants: values, then scales.
fn write_tensor(
    name: &str,
    values: &[f32],
    place: &Place,
    shape: &[usize],
    content: &mut Vec<u8>,
) -> Result<(), GraphError> {
    let failed = |reason: &str| GraphError::Failed(format!("tuned {name} {reason}"));
    if values.len() != shape.iter().product::<usize>() {
        return Err(failed(&format!("has {} values, expected {shape:?}", values.len())));
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(failed("holds a value that is no number"));
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    match &place.scales {
        None => content.extend(bytes),
        Some(_) => {
            let inputs = shape.last().copied().unwrap_or(1);
            let quantized = quantize(name, inputs, &bytes).map_err(|error| failed(&error.to_string()))?;
            content.extend(quantized.values);
            content.extend(quantized.scales);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, GraphError> {
    fs::read(path).map_err(|error| GraphError::Failed(format!("cannot read {}: {error}", path.display())))
}

fn read_text(path: &Path) -> Result<String, GraphError> {
    fs::read_to_string(path)
        .map_err(|error| GraphError::Failed(format!("cannot read {}: {error}", path.display())))
}

/// A file for OpenVINO to map, which goes when it was compiled: a mapping outlives its name.
fn scratch(bytes: &[u8], suffix: &str) -> Result<NamedTempFile, GraphError> {
    let failed = |error: std::io::Error| {
        GraphError::Failed(format!("cannot write to {}: {error}", std::env::temp_dir().display()))
    };
    let mut file = tempfile::Builder::new().prefix("spindle-").suffix(suffix).tempfile().map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    Ok(file)
}
