//! What is known about one word by itself.

use ner::segmentation::{Gap, Word};
use xxhash_rust::xxh3::xxh3_64;

/// Longest prefix and suffix in characters.
const AFFIX_MAX: usize = 5;

/// Words longer than this many bytes are described by their first and last characters: bounded work per word.
const CONSIDERED_BYTES: usize = 256;

/// A word as numbers.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    pub(super) word: u64,
    pub(super) lower: u64,
    /// Every character as its class, up to ten.
    pub(super) shape: u64,
    /// Runs of one class as one.
    pub(super) short_shape: u64,
    affixes: [u64; 2 * AFFIX_MAX],
    /// Characters of the lower-case form, at most [`AFFIX_MAX`]: number of valid prefixes and suffixes.
    affix_count: u8,
    pub(super) kinds: Kinds,
    /// Characters, at most 20.
    pub(super) length: u8,
    pub(super) gap: Gap,
    pub(super) colon: bool,
    /// The script of a word that is one character of a script without spaces: its class in a shape.
    pub(super) script: Option<u8>,
    /// Bit 0: between quotation marks; bit 1: in brackets (within its line).
    pub(super) enclosed: u8,
}

/// Coarse properties, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(pub(super) u8);

impl Kinds {
    const DIGITS: u8 = 1;
    const TITLE: u8 = 2;
    const UPPER: u8 = 4;
    const LOWER: u8 = 8;
    const SIGN: u8 = 16;

    pub(super) fn is_sign_or_digits(self) -> bool {
        self.0 & (Self::SIGN | Self::DIGITS) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u64> {
        (0..5).filter(move |bit| self.0 >> bit & 1 == 1)
    }
}

impl Attributes {
    pub(super) fn prefixes(&self) -> impl Iterator<Item = (u64, &u64)> {
        (1..).zip(&self.affixes[..self.affix_count.into()])
    }

    pub(super) fn suffixes(&self) -> impl Iterator<Item = (u64, &u64)> {
        (1..).zip(&self.affixes[AFFIX_MAX..][..self.affix_count.into()])
    }

    /// The last three characters, or all of a shorter word.
    pub(super) fn suffix_of_three(&self) -> u64 {
        self.affixes[AFFIX_MAX + usize::from(self.affix_count.clamp(1, 3)) - 1]
    }
}

/// Describes every word.
pub(super) fn describe(text: &str, words: &[Word]) -> Vec<Attributes> {
    let mut buffers = Buffers::default();
    let mut open = Enclosure::default();
    words
        .iter()
        .map(|word| {
            let mut attributes = buffers.describe(word.span.slice(text), word.gap);
            attributes.enclosed = open.step(word.span.slice(text), word.gap);
            attributes
        })
        .collect()
}

#[derive(Default)]
struct Buffers {
    lower: String,
    shape: Vec<u8>,
}

impl Buffers {
    fn describe(&mut self, word: &str, gap: Gap) -> Attributes {
        let considered = &word[..word.floor_char_boundary(CONSIDERED_BYTES)];
        self.lower.clear();
        self.lower.extend(considered.chars().flat_map(char::to_lowercase));
        self.shape.clear();
        self.shape.extend(considered.chars().map(class));
        let kinds = kinds(&self.shape);
        let length = self.shape.len().min(20) as u8;
        let script = match self.shape[..] {
            [class @ (b'h' | b'k' | b'K')] => Some(class),
            _ => None,
        };
        let shape = xxh3_64(&self.shape[..self.shape.len().min(10)]);
        self.shape.dedup();
        let (affixes, affix_count) = affixes(&self.lower);
        Attributes {
            word: xxh3_64(word.as_bytes()),
            lower: xxh3_64(self.lower.as_bytes()) ^ u64::from(considered.len() < word.len()),
            shape,
            short_shape: xxh3_64(&self.shape),
            affixes,
            affix_count,
            kinds,
            length,
            gap,
            script,
            colon: matches!(word, ":" | "："),
            enclosed: 0,
        }
    }
}

/// Hashes of prefixes and suffixes of one to five characters, and how many there are.
fn affixes(lower: &str) -> ([u64; 2 * AFFIX_MAX], u8) {
    let mut hashes = [0; 2 * AFFIX_MAX];
    let mut count = 0;
    let ends = lower.char_indices().map(|(at, sign)| at + sign.len_utf8());
    for (hash, end) in hashes[..AFFIX_MAX].iter_mut().zip(ends) {
        *hash = xxh3_64(&lower.as_bytes()[..end]);
        count += 1;
    }
    let starts = lower.char_indices().rev().map(|(at, _)| at);
    for (hash, start) in hashes[AFFIX_MAX..].iter_mut().zip(starts) {
        *hash = xxh3_64(&lower.as_bytes()[start..]);
    }
    (hashes, count)
}

/// The class of a character in a shape; signs stand for themselves as far as they fit a byte.
fn class(sign: char) -> u8 {
    match sign {
        'a'..='z' => b'x',
        'A'..='Z' => b'X',
        '0'..='9' => b'd',
        _ if sign.is_ascii() => sign as u8,
        '\u{3040}'..='\u{309F}' => b'h',
        '\u{30A0}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}' => b'k',
        '\u{2E80}'..='\u{2FDF}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3400}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' => b'K',
        _ if sign.is_uppercase() => b'X',
        _ if sign.is_lowercase() => b'x',
        _ if sign.is_alphabetic() => b'o',
        _ if sign.is_numeric() => b'd',
        _ => 0x80 | (sign as u32 % 0x7f) as u8,
    }
}

fn kinds(shape: &[u8]) -> Kinds {
    let all = |class: u8| shape.iter().all(|&found| found == class);
    let letter = |class: &u8| matches!(class, b'x' | b'X' | b'o' | b'h' | b'k' | b'K');
    let mut kinds = 0;
    if all(b'd') {
        kinds |= Kinds::DIGITS;
    }
    if shape.first() == Some(&b'X') && shape[1..].iter().all(|&class| class == b'x') {
        kinds |= Kinds::TITLE;
    }
    if all(b'X') {
        kinds |= Kinds::UPPER;
    }
    if all(b'x') {
        kinds |= Kinds::LOWER;
    }
    if !shape.first().is_some_and(|class| letter(class) || *class == b'd') {
        kinds |= Kinds::SIGN;
    }
    Kinds(kinds)
}

/// Which pairs of signs a word stands between, within one line.
#[derive(Default)]
struct Enclosure {
    quoted: bool,
    brackets: u8,
}

impl Enclosure {
    /// Reads one word; the result says what encloses it, itself not counted.
    fn step(&mut self, word: &str, gap: Gap) -> u8 {
        if gap >= Gap::Line {
            *self = Self::default();
        }
        let opens = matches!(word, "(" | "[" | "{" | "（" | "「" | "『" | "【");
        match word {
            "\"" => self.quoted = !self.quoted,
            "“" | "„" | "«" => self.quoted = true,
            "”" | "»" => self.quoted = false,
            ")" | "]" | "}" | "）" | "」" | "』" | "】" => {
                self.brackets = self.brackets.saturating_sub(1)
            }
            _ => {}
        }
        let enclosed = u8::from(self.quoted) | u8::from(self.brackets > 0) << 1;
        self.brackets = self.brackets.saturating_add(opens.into());
        enclosed
    }
}
