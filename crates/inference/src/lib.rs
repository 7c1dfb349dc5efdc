//! OpenVINO behind the `model` crate's traits: encoders, and models by name.
//!
//! The only crate that knows OpenVINO. It must not know where bundles are stored (see [`BundleSource`]), what a
//! text is, or who asks.
//!
//! # Opening an encoder
//!
//! A published encoder folder (`config.json`, `model.safetensors`, `tokenizer.json`; BERT or XLM-RoBERTa family) is
//! converted once to a package, a folder named by its content; the package is opened as often as needed:
//!
//! ```no_run
//! use std::path::Path;
//! use inference::{Conversion, EncoderPackage, OpenVinoEncoder, Precision, Settings};
//! use model::Encoder;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let published = Path::new("build/encoders/all-MiniLM-L6-v2");
//! let package = EncoderPackage::convert(published, Path::new("encoders"), &Conversion::default())?;
//! let settings = Settings { precision: Precision::Auto, ..Settings::default() };
//! let encoder = OpenVinoEncoder::open(&package.folder, &settings)?;
//! let vectors = encoder.encode(&model::Pieces::default())?;
//! assert_eq!(vectors.len() % encoder.width(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! `encode` regroups its rows by true length and computes several batches at a time, so callers pass as many windows as
//! they have, padded to any common length. OpenVINO itself is found as [`Library::load`] says.
//!
//! # Opening a model
//!
//! [`Engine::open`] gives the graph behind a model's name, from a [`BundleSource`]: [`FolderSource`] for local files,
//! [`CachedSource`] for anything that can be downloaded.

mod batches;
mod cache;
mod digest;
mod encoder;
mod engine;
mod ir;
mod layers;
mod library;
mod package;
mod requests;
mod settings;
mod sharing;
mod source;

pub use encoder::{OpenError, OpenVinoEncoder, computed};
pub use engine::{Engine, EngineLimits, Held, MODEL_NAME_BYTES_MAX};
pub use ir::{IrError, Weights};
pub use layers::TunablePackage;
pub use library::{LIBRARY_VARIABLE, Library, LibraryError, PROJECT_FOLDER};
pub use package::{
    BIN_FILE, Conversion, EncoderManifest, EncoderPackage, MANIFEST_FILE, PackageError, TOKENIZER_FILE,
    XML_FILE, default_layers,
};
pub use settings::{BATCH_PIECES, PROCESSOR, Precision, Settings, THREADS_PER_STREAM};
pub use source::{BundleSource, CachedSource, FolderSource, SourceError};
