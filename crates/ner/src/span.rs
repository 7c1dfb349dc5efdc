//! Pieces of a text and what is said about them.

use crate::{ByteOffset, EntityCategory};
use std::ops::Range;

/// A half-open piece of one document's text, in bytes of its UTF-8 form.
///
/// Both borders lie on character borders of the text the span was made for; callers that take spans from
/// outside prove that first (see [`crate::OffsetTable`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: ByteOffset,
    /// One past the last byte.
    pub end: ByteOffset,
}

impl Span {
    /// A span from byte positions.
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end, "span {start}..{end} is reversed");
        Self { start: ByteOffset::new(start), end: ByteOffset::new(end) }
    }

    /// The span as an index range.
    pub fn range(self) -> Range<usize> {
        self.start.get()..self.end.get()
    }

    /// The piece of `text` this span covers.
    pub fn slice(self, text: &str) -> &str {
        &text[self.range()]
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        self.end.get() - self.start.get()
    }

    /// Whether nothing is covered.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the two share at least one byte.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether `other` lies wholly inside.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// A span with the category a person gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What.
    pub category: EntityCategory,
}

/// A span with the category a model gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Where.
    pub span: Span,
    /// What.
    pub category: EntityCategory,
    /// The model's probability that span and category are both right, 0 to 1.
    pub confidence: f32,
}
