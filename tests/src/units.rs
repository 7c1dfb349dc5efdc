//! Pieces of a text by offset and length in each unit of the contract: the tests' own reading of `stringIndexType`.

use unicode_segmentation::UnicodeSegmentation;

/// The values of `stringIndexType`.
pub const STRING_INDEX_TYPES: [&str; 3] = ["TextElements_v8", "UnicodeCodePoint", "Utf16CodeUnit"];

/// The piece of `text` at `offset`, `length` units long; `None` where it lies outside or cuts a character.
pub fn slice(text: &str, string_index_type: &str, offset: usize, length: usize) -> Option<String> {
    let end = offset.checked_add(length)?;
    match string_index_type {
        "TextElements_v8" => {
            let clusters: Vec<&str> = text.graphemes(true).collect();
            Some(clusters.get(offset..end)?.concat())
        }
        "UnicodeCodePoint" => {
            let characters: Vec<char> = text.chars().collect();
            Some(characters.get(offset..end)?.iter().collect())
        }
        "Utf16CodeUnit" => {
            let units: Vec<u16> = text.encode_utf16().collect();
            String::from_utf16(units.get(offset..end)?).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_case_of_the_contract_is_cut_in_every_unit() {
        let text = "👩🏻‍👩🏽‍👧🏾‍👦🏿 SSN: 859-98-0987";
        for (unit, offset) in STRING_INDEX_TYPES.into_iter().zip([7, 17, 25]) {
            assert_eq!(slice(text, unit, offset, 11).as_deref(), Some("859-98-0987"), "{unit}");
        }
        assert_eq!(slice(text, "Utf16CodeUnit", 1, 1), None);
        assert_eq!(slice(text, "UnicodeCodePoint", 20, 11), None);
    }
}
