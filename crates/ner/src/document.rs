//! Documents with and without labels.

use crate::{Label, Span};

/// A text with its name and language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The object's key in the project's container, or the caller's id in an extraction request.
    pub location: String,
    /// BCP-47 language as given; `None` means the project's language.
    pub language: Option<String>,
    /// The text, without a byte-order mark.
    pub text: String,
}

/// The set a labeled document belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataset {
    /// Learned from.
    Train,
    /// Scored on.
    Test,
}

/// The part of a document a person looked at. Text outside every region is not used for training
/// (contract: authoring 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where.
    pub span: Span,
    /// Labels inside, sorted by start, not overlapping.
    pub labels: Vec<Label>,
}

/// A document with what a person said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabeledDocument {
    /// The document.
    pub document: Document,
    /// The set it was put into; `None` counts as [`Dataset::Train`].
    pub dataset: Option<Dataset>,
    /// Looked-at parts, sorted by start.
    pub regions: Vec<Region>,
}

impl LabeledDocument {
    /// All labels in order.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.regions.iter().flat_map(|region| &region.labels)
    }
}
