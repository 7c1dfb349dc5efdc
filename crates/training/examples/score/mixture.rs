//! A large set made of small ones, repeated and altered: for time and memory, not for scores.

use crate::sets::Set;
use ner::LabeledDocument;

/// One word in so many is replaced in each repetition.
const ALTERED: u64 = 6;

/// Repeats the documents of `sets` until there are `characters` to learn from. Each repetition has other words in place of
/// some, the same ones throughout a document; letters are exchanged for letters, so labels stay where they are.
pub(crate) fn mixture(sets: Vec<Set>, characters: usize) -> Set {
    let mut mixture = Set { language: "en".into(), learn: Vec::new(), score: Vec::new() };
    let mut sources = Vec::new();
    for set in sets {
        sources.extend(set.learn);
        mixture.score.extend(set.score);
    }
    let mut length = 0;
    for repetition in 0u64.. {
        for source in &sources {
            if length >= characters {
                return mixture;
            }
            length += source.document.text.chars().count();
            mixture.learn.push(altered(source, repetition));
        }
    }
    mixture
}

fn altered(source: &LabeledDocument, repetition: u64) -> LabeledDocument {
    let mut document = source.clone();
    document.document.location = format!("{repetition}-{}", source.document.location);
    if repetition > 0 {
        let key = |word: &str| hash(word.to_lowercase().bytes().map(u64::from), repetition);
        let text = &source.document.text;
        let mut altered = String::with_capacity(text.len());
        for part in text.split_inclusive(|sign: char| !sign.is_ascii_lowercase()) {
            let key = key(part);
            match key.is_multiple_of(ALTERED) && part.len() > 3 {
                true => altered.extend(part.chars().zip(0..).map(|(sign, at)| exchanged(sign, key, at))),
                false => altered.push_str(part),
            }
        }
        document.document.text = altered;
    }
    document
}

/// A vowel for a vowel, a consonant for a consonant; signs stay.
fn exchanged(sign: char, key: u64, at: u64) -> char {
    let number = hash([u64::from(sign), at], key) as usize;
    match sign {
        'a' | 'e' | 'i' | 'o' | 'u' => b"aeiou"[number % 5].into(),
        'a'..='z' => b"bcdfghjklmnpqrstvwxyz"[number % 21].into(),
        _ => sign,
    }
}

fn hash(values: impl IntoIterator<Item = u64>, seed: u64) -> u64 {
    let step = |state: u64, value: u64| (state ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    values.into_iter().fold(seed.wrapping_add(1), step) >> 7
}
