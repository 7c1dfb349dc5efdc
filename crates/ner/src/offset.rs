//! Offsets typed by unit, and the table that converts between them.
//!
//! Inside Spindle every offset is a [`ByteOffset`]; other units exist at the border of the house alone.

use std::fmt;
use unicode_segmentation::UnicodeSegmentation;

/// A position in a text in bytes of its UTF-8 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteOffset(u32);

impl ByteOffset {
    /// Documents are far below 4 GiB (contract: limits 2), so positions fit 32 bits.
    ///
    /// # Panics
    /// When `position` does not fit, which a limit check before this made impossible.
    pub fn new(position: usize) -> Self {
        Self(u32::try_from(position).expect("documents are limited to far below 4 GiB"))
    }

    /// The position as an index.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ByteOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The unit of a caller's offsets (contract: runtime 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StringIndexType {
    /// Extended grapheme clusters, the wire's `TextElements_v8`.
    #[default]
    TextElements,
    /// Unicode scalar values.
    UnicodeCodePoint,
    /// UTF-16 code units.
    Utf16CodeUnit,
}

/// Converts positions of one text between bytes and one caller's unit.
///
/// Holds one entry per unit border that is not at the same index as its byte, so ASCII costs nothing.
#[derive(Clone, Debug)]
pub struct OffsetTable {
    /// Byte position of each unit border that starts a character; `None` when unit index = byte index.
    borders: Option<Vec<Border>>,
    bytes: usize,
    units: usize,
}

#[derive(Clone, Copy, Debug)]
struct Border {
    byte: usize,
    unit: usize,
}

impl OffsetTable {
    /// A table for `text` in `unit`.
    pub fn new(text: &str, unit: StringIndexType) -> Self {
        // CR LF is one text element, so ASCII alone is not enough for clusters.
        let trivial = text.is_ascii()
            && (unit != StringIndexType::TextElements || !text.contains("\r\n"));
        if trivial {
            return Self { borders: None, bytes: text.len(), units: text.len() };
        }
        let mut borders = Vec::with_capacity(text.len() / 2);
        let mut units = 0;
        let mut push = |byte, width| {
            borders.push(Border { byte, unit: units });
            units += width;
        };
        match unit {
            StringIndexType::TextElements => {
                text.grapheme_indices(true).for_each(|(byte, _)| push(byte, 1));
            }
            StringIndexType::UnicodeCodePoint => text.char_indices().for_each(|(byte, _)| push(byte, 1)),
            StringIndexType::Utf16CodeUnit => {
                text.char_indices().for_each(|(byte, sign)| push(byte, sign.len_utf16()));
            }
        }
        Self { borders: Some(borders), bytes: text.len(), units }
    }

    /// Length of the text in the caller's unit.
    pub fn units(&self) -> usize {
        self.units
    }

    /// The byte position of a unit position; `None` outside the text or inside a character.
    pub fn to_byte(&self, unit: usize) -> Option<ByteOffset> {
        if unit == self.units {
            return Some(ByteOffset::new(self.bytes));
        }
        let Some(borders) = &self.borders else {
            return (unit < self.units).then(|| ByteOffset::new(unit));
        };
        let index = borders.binary_search_by_key(&unit, |border| border.unit).ok()?;
        Some(ByteOffset::new(borders[index].byte))
    }

    /// The unit position at or before `byte`: a border inside a cluster moves to the cluster's start.
    pub fn floor_unit(&self, byte: ByteOffset) -> usize {
        let Some(borders) = &self.borders else { return byte.get() };
        if byte.get() >= self.bytes {
            return self.units;
        }
        let after = borders.partition_point(|border| border.byte <= byte.get());
        borders[after - 1].unit
    }

    /// The unit position at or after `byte`: a border inside a cluster moves to the cluster's end.
    pub fn ceil_unit(&self, byte: ByteOffset) -> usize {
        let Some(borders) = &self.borders else { return byte.get() };
        let at = borders.partition_point(|border| border.byte < byte.get());
        borders.get(at).map_or(self.units, |border| border.unit)
    }
}
