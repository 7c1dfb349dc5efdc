//! The encoder of a run, with its answers kept on disk where experiments ask the same again and again.

use anyhow::Result;
use inference::{Conversion, EncoderPackage, OpenVinoEncoder, Precision, Settings, TunablePackage};
use model::{Encoder, EncoderRef, Graph, GraphError, Head, Inputs, Pieces};
use std::path::{Path, PathBuf};
use training::{Tuner, Tuning};

/// An encoder as published, opened.
pub(crate) struct Opened {
    encoder: OpenVinoEncoder,
    pub(crate) reference: EncoderRef,
    pub(crate) tokenizer_json: Vec<u8>,
    pub(crate) tunable: TunablePackage,
    tuner: Box<dyn Tuner>,
    /// Folder of answers; they are computed each time when absent.
    kept: Option<PathBuf>,
}

impl Opened {
    pub(crate) fn new(published: &Path, threads: usize, kept: Option<PathBuf>) -> Result<Self> {
        let store = std::env::temp_dir().join("spindle-score-encoders");
        let package = EncoderPackage::convert(published, &store, &Conversion::default())?;
        let tokenizer_json = std::fs::read(package.folder.join(inference::TOKENIZER_FILE))?;
        let settings = Settings { precision: Precision::Auto, threads: Some(threads), ..Settings::default() };
        let tunable = TunablePackage::new(package.clone(), settings.clone())?;
        let encoder = OpenVinoEncoder::compile(package, &settings)?;
        let tuner = tuning::open(tuning::Choice::Auto)?;
        Ok(Self { reference: encoder.reference(), encoder, tokenizer_json, tunable, tuner, kept })
    }

    pub(crate) fn tuning(&self) -> Tuning<'_> {
        Tuning { encoder: &self.tunable, tuner: &*self.tuner }
    }

    fn place(&self, pieces: &Pieces) -> Option<PathBuf> {
        let numbers = [&pieces.input_ids, &pieces.attention_mask, &pieces.first_pieces];
        let mut bytes = self.reference.digest.as_bytes().to_vec();
        bytes.extend(numbers.iter().flat_map(|part| part.iter()).flat_map(|number| number.to_le_bytes()));
        Some(self.kept.as_ref()?.join(model::sha256_hex(&bytes)))
    }
}

impl Encoder for Opened {
    fn width(&self) -> usize {
        self.encoder.width()
    }

    fn encode(&self, pieces: &Pieces) -> Result<Vec<f32>, GraphError> {
        let place = self.place(pieces);
        if let Some(bytes) = place.as_ref().and_then(|place| std::fs::read(place).ok()) {
            return Ok(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect());
        }
        let vectors = self.encoder.encode(pieces)?;
        if let Some(place) = place {
            let bytes: Vec<u8> = vectors.iter().flat_map(|value| value.to_le_bytes()).collect();
            std::fs::write(&place, bytes)
                .map_err(|error| GraphError::Failed(format!("{}: {error}", place.display())))?;
        }
        Ok(vectors)
    }
}

/// Encoder and head, chained as in service.
pub(crate) struct Chained<'a> {
    pub(crate) head: Head,
    pub(crate) encoder: Option<&'a dyn Encoder>,
}

impl Graph for Chained<'_> {
    fn compute(&self, inputs: &Inputs) -> Result<model::Emissions, GraphError> {
        let vectors = match (&inputs.pieces, self.encoder) {
            (Some(pieces), Some(encoder)) => Some(encoder.encode(pieces)?),
            _ => None,
        };
        self.head.emissions(inputs, vectors.as_deref())
    }
}
