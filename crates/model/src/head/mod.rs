//! The head: from a word's lexical features and the encoder's vector to one score per tag.
//!
//! `emission(word, tag) = bias + Σ sparse weights of the word's features + network(vectors of the word and its
//! neighbours)`. Immutable; its file format is in `format`, its arithmetic in `network`.

mod format;
mod network;
mod sparse;

pub use network::{Layout, Network};
pub use sparse::{Entry, Sparse};

use crate::{Emissions, GraphError, Inputs};
use thiserror::Error;

/// What a bundle's `head.bin` holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    tags: usize,
    bias: Vec<f32>,
    sparse: Sparse,
    network: Option<Network>,
}

/// Why bytes or parts make no head. The operator can restore the bundle or retrain; a newer version needs newer code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeadError {
    /// Not a head at all.
    #[error("file is no head")]
    Foreign,
    /// Written by another version of the code.
    #[error("head has version {0}, this code reads version {version}", version = format::VERSION)]
    Version(u32),
    /// Fewer or more bytes than the header announces.
    #[error("head has {found} bytes, its header announces {expected}")]
    Length {
        /// Bytes the header announces.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// A part breaks its own rules.
    #[error("head is damaged: {0}")]
    Invalid(String),
}

impl Head {
    /// A head from its parts: `bias` has one score per tag.
    ///
    /// # Errors
    /// [`HeadError::Invalid`] when the parts do not fit each other or hold a score that is no finite number.
    pub fn new(bias: Vec<f32>, sparse: Sparse, network: Option<Network>) -> Result<Self, HeadError> {
        let tags = bias.len();
        if tags == 0 || tags > usize::from(u16::MAX) {
            return Err(HeadError::Invalid(format!("{tags} tags are not between 1 and 65535")));
        }
        if bias.iter().any(|score| !score.is_finite()) {
            return Err(HeadError::Invalid("a bias is no number".into()));
        }
        sparse.validate(tags)?;
        if let Some(network) = &network {
            network.validate(tags)?;
        }
        Ok(Self { tags, bias, sparse, network })
    }

    /// Number of tags.
    pub fn tags(&self) -> usize {
        self.tags
    }

    /// Width of the encoder vectors the head reads; `None` for a lexical head.
    pub fn contextual_width(&self) -> Option<usize> {
        self.network.as_ref().map(|network| network.layout().width)
    }

    /// The sparse part.
    pub fn sparse(&self) -> &Sparse {
        &self.sparse
    }

    /// Reads a head and checks everything in it, so that [`Head::emissions`] cannot fail on a damaged file.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeadError> {
        format::read(bytes)
    }

    /// The head's file: the same bytes for the same head, on every machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        format::write(self)
    }

    /// Scores for all words of `inputs`. `contextual` is `words * width`, one encoder vector per word as
    /// [`crate::Encoder::encode`] returns it; `None` for a lexical head.
    ///
    /// # Errors
    /// [`GraphError::InvalidInput`] when the inputs contradict each other or the head.
    pub fn emissions(&self, inputs: &Inputs, contextual: Option<&[f32]>) -> Result<Emissions, GraphError> {
        inputs.validate()?;
        let words = inputs.words();
        let mut scores = Vec::with_capacity(words * self.tags);
        for _ in 0..words {
            scores.extend_from_slice(&self.bias);
        }
        self.sparse.add(inputs, self.tags, &mut scores);
        match (&self.network, contextual) {
            (None, None) => {}
            (Some(network), Some(vectors)) => {
                let width = network.layout().width;
                if vectors.len() != words * width {
                    let reason = format!("{} values, expected {words} words of {width}", vectors.len());
                    return Err(GraphError::InvalidInput { name: "contextual".into(), reason });
                }
                network.add(inputs, vectors, &mut scores);
            }
            (network, _) => {
                let needs = if network.is_some() { "needs" } else { "takes no" };
                let reason = format!("the head {needs} encoder vectors");
                return Err(GraphError::InvalidInput { name: "contextual".into(), reason });
            }
        }
        Ok(Emissions { tags: self.tags, scores })
    }
}

#[cfg(test)]
mod tests;
