//! The vocabulary of named entity recognition: documents, spans, labels, typed offsets, segmentation, tags,
//! split and scoring.
//!
//! Pure: no I/O, no clock, no randomness, no serialization. It must not know how anything is stored, sent or
//! computed. Everything here is total: given a valid [`Span`] nothing fails.

mod category;
pub mod decoding;
mod document;
pub mod offset;
pub mod segmentation;
mod span;
pub mod tags;

pub use category::{CategoryError, EntityCategory};
pub use document::{Dataset, Document, LabeledDocument, Region};
pub use offset::{ByteOffset, OffsetTable, StringIndexType};
pub use span::{Entity, Label, Span};
