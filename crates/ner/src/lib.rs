//! The vocabulary of named entity recognition: documents, spans, labels, typed offsets, segmentation, tags,
//! split and scoring.
//!
//! Pure: no I/O, no clock, no randomness, no serialization. It must not know how anything is stored, sent or
//! computed. Everything here is total: given a valid [`Span`] nothing fails.

mod category;
pub mod confusion;
pub mod decoding;
mod document;
pub mod guidance;
mod mix;
pub mod offset;
pub mod preflight;
pub mod scoring;
pub mod segmentation;
mod span;
pub mod split;
pub mod tags;

pub use category::{CATEGORY_CHARACTERS_MAX, CategoryError, EntityCategory};
pub use confusion::ConfusionMatrix;
pub use document::{Dataset, Document, LabeledDocument, Region};
pub use mix::mix;
pub use offset::{ByteOffset, OffsetTable, StringIndexType};
pub use scoring::{Counts, Ratios, Scores};
pub use span::{Entity, Label, Span};
