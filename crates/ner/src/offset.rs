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
        let trivial = text.is_ascii() && (unit != StringIndexType::TextElements || !text.contains("\r\n"));
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

#[cfg(test)]
mod tests {
    use super::StringIndexType::{TextElements, UnicodeCodePoint, Utf16CodeUnit};
    use super::*;
    use proptest::prelude::*;

    const UNITS: [StringIndexType; 3] = [TextElements, UnicodeCodePoint, Utf16CodeUnit];

    fn lengths(text: &str) -> [usize; 3] {
        UNITS.map(|unit| OffsetTable::new(text, unit).units())
    }

    /// Offsets of `piece` in `text` in the three units.
    fn offsets(text: &str, piece: &str) -> [usize; 3] {
        let byte = ByteOffset::new(text.find(piece).unwrap());
        UNITS.map(|unit| {
            let table = OffsetTable::new(text, unit);
            assert_eq!(table.floor_unit(byte), table.ceil_unit(byte), "{piece} begins on a border");
            assert_eq!(table.to_byte(table.floor_unit(byte)), Some(byte));
            table.floor_unit(byte)
        })
    }

    #[test]
    fn the_recorded_case_of_the_service_holds() {
        assert_eq!(offsets("👩🏻‍👩🏽‍👧🏾‍👦🏿 SSN: 859-98-0987", "859-98-0987"), [7, 17, 25]);
        assert_eq!(lengths("859-98-0987"), [11, 11, 11]);
    }

    #[test]
    fn pieces_have_the_lengths_of_the_contract() {
        for (piece, expected) in [
            ("é", [1, 1, 1]),
            ("e\u{301}", [1, 2, 2]),
            ("🙂", [1, 1, 2]),
            ("👍🏽", [1, 2, 4]),
            ("🇩🇪", [1, 2, 4]),
            ("\r\n", [1, 2, 2]),
            ("\u{1112}\u{1161}\u{11AB}", [1, 3, 3]),
            ("𝑥", [1, 1, 2]),
            ("", [0, 0, 0]),
        ] {
            assert_eq!(lengths(piece), expected, "{piece:?}");
        }
        assert_eq!(offsets("José 👍🏽\r\nRef PN-9010", "PN-9010"), [11, 13, 15]);
        assert_eq!(offsets("Jose\u{301} 👍🏽\r\nRef PN-9010", "PN-9010"), [11, 14, 16]);
    }

    #[test]
    fn borders_inside_a_unit_have_no_byte_and_round_both_ways() {
        let utf16 = OffsetTable::new("a🙂b", Utf16CodeUnit);
        assert_eq!((utf16.to_byte(1), utf16.to_byte(2)), (Some(ByteOffset::new(1)), None));
        assert_eq!((utf16.to_byte(4), utf16.to_byte(5)), (Some(ByteOffset::new(6)), None));
        let clusters = OffsetTable::new("a\r\nb", TextElements);
        let inside = ByteOffset::new(2);
        assert_eq!((clusters.floor_unit(inside), clusters.ceil_unit(inside)), (1, 2));
    }

    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("a"),
            Just(" "),
            Just("\r\n"),
            Just("\n"),
            Just("é"),
            Just("e\u{301}"),
            Just("🙂"),
            Just("👍🏽"),
            Just("👩🏻‍👩🏽‍👧🏾‍👦🏿"),
            Just("🇩🇪"),
            Just("한"),
            Just("語"),
            Just("𝑥"),
            Just("\u{200D}"),
            Just("\u{FEFF}"),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    /// Unit positions of all unit borders, counted anew for every one.
    fn counted(text: &str, unit: StringIndexType) -> Vec<(usize, usize)> {
        let ends = |width: &dyn Fn(&str) -> usize, starts: Vec<usize>| {
            starts.into_iter().chain([text.len()]).map(|byte| (byte, width(&text[..byte]))).collect()
        };
        let characters = text.char_indices().map(|(byte, _)| byte).collect();
        match unit {
            TextElements => {
                let starts: Vec<_> = text.grapheme_indices(true).map(|(byte, _)| byte).collect();
                starts
                    .iter()
                    .copied()
                    .chain([text.len()])
                    .enumerate()
                    .map(|(unit, byte)| (byte, unit))
                    .collect()
            }
            UnicodeCodePoint => ends(&|part| part.chars().count(), characters),
            Utf16CodeUnit => ends(&|part| part.encode_utf16().count(), characters),
        }
    }

    proptest! {
        /// The table agrees with counting, in both directions, at every border.
        #[test]
        fn the_table_agrees_with_counting(text in texts()) {
            for unit in UNITS {
                let table = OffsetTable::new(&text, unit);
                let borders = counted(&text, unit);
                prop_assert_eq!(table.units(), borders.last().unwrap().1);
                for (byte, position) in &borders {
                    let byte = ByteOffset::new(*byte);
                    prop_assert_eq!(table.to_byte(*position), Some(byte));
                    prop_assert_eq!((table.floor_unit(byte), table.ceil_unit(byte)), (*position, *position));
                }
                let known: Vec<_> = borders.iter().map(|border| border.1).collect();
                for position in 0..table.units() + 3 {
                    prop_assert_eq!(table.to_byte(position).is_some(), known.contains(&position));
                }
            }
        }

        /// Any byte lies between its floor and its ceiling, and both are the nearest borders.
        #[test]
        fn floor_and_ceiling_enclose(text in texts(), at in 0usize..400) {
            let byte = ByteOffset::new(at.min(text.len()));
            for unit in UNITS {
                let table = OffsetTable::new(&text, unit);
                let (floor, ceil) = (table.floor_unit(byte), table.ceil_unit(byte));
                let (below, above) = (table.to_byte(floor).unwrap(), table.to_byte(ceil).unwrap());
                prop_assert!(below <= byte && byte <= above);
                let between = counted(&text, unit).into_iter().filter(|(b, _)| *b > below.get() && *b < above.get());
                prop_assert_eq!(between.count(), 0);
            }
        }
    }
}
