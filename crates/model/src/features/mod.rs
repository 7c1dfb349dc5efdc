//! Lexical features: what a word, its shape, its parts and its neighbours are, as 64-bit hashes.
//!
//! A feature is a template and a value; both go into one hash, so no table of names is needed and unknown words
//! cost nothing. Strings are hashed once per word, neighbours only mix numbers. The set of templates has the version
//! [`crate::FEATURE_SET`]: a change of any template or hash is a new version.

mod attributes;
mod document;
mod hashed;
mod script;

use crate::LexicalRecipe;
use attributes::{Attributes, describe};
use document::Occurrences;
pub use hashed::{HashMapOfHashes, Identity};
use ner::segmentation::{Gap, Segmentation};

/// Features of all words, as [`crate::Inputs`] holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Hashes, word after word.
    pub hashes: Vec<u64>,
    /// Borders of each word's hashes; one more than words.
    pub offsets: Vec<u32>,
    /// How many of each word's hashes, from its first on, come together.
    pub groups: Vec<Groups>,
}

/// Groups of features that come together in many words: those that follow from the form of the word itself, of a neighbour
/// at each distance, from the shapes around, from the place in the line, from the line.
pub const GROUPS: usize = 10;

/// Lengths of a word's groups.
pub type Groups = [u8; GROUPS];

/// Templates; their order is part of the feature set's version.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Template {
    Bias = 1,
    Word,
    Lower,
    Shape,
    ShortShape,
    Prefix,
    Suffix,
    Kind,
    Length,
    Gaps,
    Beyond,
    NearWord,
    NearLower,
    NearShape,
    NearKind,
    NearSuffix,
    AcrossLine,
    Pair,
    ShapePair,
    ShapeTriple,
    Triple,
    LinePlace,
    LineKey,
    LineFirst,
    Quoted,
    Repeated,
    ElsewhereBefore,
    ElsewhereAfter,
    ElsewhereShape,
    LineLast,
    Run,
    RunPlace,
    RunBefore,
    RunAfter,
    TripleBefore,
    TripleAfter,
    RunStart,
    RunEnd,
}

/// One hash of two, order mattering.
pub fn join(first: u64, second: u64) -> u64 {
    ner::mix(first.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ second)
}

/// Extracts features of every word of `text`, cut by `segmentation`.
pub fn extract(text: &str, segmentation: &Segmentation, recipe: &LexicalRecipe) -> Features {
    let words = &segmentation.words;
    let attributes = describe(text, words);
    let lines = lines(segmentation);
    let occurrences = recipe.document_context.then(|| Occurrences::new(&attributes, &lines));
    let mut writer = Writer { hashes: Vec::with_capacity(words.len() * 64) };
    let (mut offsets, mut groups) = (Vec::with_capacity(words.len() + 1), Vec::with_capacity(words.len()));
    offsets.push(0);
    for line in &lines {
        let line = Line::new(&attributes, line.clone());
        for word in line.words.clone() {
            groups.push(writer.groups(&line, word));
            writer.joined(&line, word);
            writer.script(&line, word);
            if let Some(occurrences) = &occurrences {
                writer.elsewhere(occurrences, &attributes, word);
            }
            offsets.push(writer.hashes.len() as u32);
        }
    }
    Features { hashes: writer.hashes, offsets, groups }
}

/// Lines as ranges of words.
fn lines(segmentation: &Segmentation) -> Vec<std::ops::Range<usize>> {
    let words = &segmentation.words;
    let mut lines = Vec::new();
    let mut start = 0;
    for at in 1..=words.len() {
        if words.get(at).is_none_or(|word| word.gap >= Gap::Line) {
            lines.push(start..at);
            start = at;
        }
    }
    lines
}

/// A line and what its words share.
struct Line<'a> {
    all: &'a [Attributes],
    words: std::ops::Range<usize>,
    /// Where the part after a "key:" begins, and the key's hash.
    key: Option<(usize, u64)>,
    /// Runs of one script without spaces.
    runs: Vec<std::ops::Range<usize>>,
    /// The last word of letters: lines of forms and agreements often name at their end whom they are about.
    last: Option<usize>,
}

/// Most words of a "key:" at a line's start.
const KEY_WORDS_MAX: usize = 5;

impl<'a> Line<'a> {
    fn new(all: &'a [Attributes], words: std::ops::Range<usize>) -> Self {
        let start = words.start;
        let colon = words.clone().take(KEY_WORDS_MAX + 1).find(|&word| all[word].colon);
        let key = colon.filter(|&colon| colon > start).map(|colon| {
            let hash = all[start..colon].iter().fold(0, |hash, word| join(hash, word.lower));
            (colon + 1, hash)
        });
        let last = words.clone().rev().find(|&word| !all[word].kinds.is_sign_or_digits());
        Self { all, runs: script::runs(all, words.clone()), words, key, last }
    }

    /// The neighbour at a distance, if it is on this line.
    fn near(&self, word: usize, distance: isize) -> Option<&'a Attributes> {
        let at = word.checked_add_signed(distance).filter(|at| self.words.contains(at))?;
        Some(&self.all[at])
    }
}

/// A feature's hash.
fn feature(template: Template, place: u64, value: u64) -> u64 {
    join(template as u64 | place << 32, value)
}

struct Writer {
    hashes: Vec<u64>,
}

/// Stands for a word beyond the line in features of several words.
const EDGE: u64 = 0x6564_6765;

/// Places of pairs of words, and the distance of the first of each.
const PAIRS: [(u64, isize); 4] = [(0, -2), (1, -1), (2, 0), (3, 1)];

/// Distances of the neighbours whose forms are read.
const NEAR: [isize; 6] = [-3, -2, -1, 1, 2, 3];

impl Writer {
    fn push(&mut self, template: Template, value: u64) {
        self.hashes.push(feature(template, 0, value));
    }

    /// A feature of a neighbour: `place` tells distances apart.
    fn push_near(&mut self, template: Template, place: u64, value: u64) {
        self.hashes.push(feature(template, place, value));
    }

    /// Writes the features that come together, and says how many of them each group has.
    fn groups(&mut self, line: &Line<'_>, word: usize) -> Groups {
        let (mut groups, mut group) = ([0; GROUPS], 0);
        let mut write = |writer: &mut Self, features: &dyn Fn(&mut Self)| {
            let before = writer.hashes.len();
            features(writer);
            groups[group] = (writer.hashes.len() - before) as u8;
            group += 1;
        };
        write(self, &|writer| writer.own(&line.all[word]));
        for distance in NEAR {
            write(self, &|writer| writer.near(line, word, distance));
        }
        write(self, &|writer| writer.shapes(line, word));
        write(self, &|writer| writer.place(line, word));
        write(self, &|writer| writer.line(line, word));
        groups
    }

    fn own(&mut self, word: &Attributes) {
        self.push(Template::Bias, 0);
        self.push(Template::Word, word.word);
        self.push(Template::Lower, word.lower);
        self.push(Template::Shape, word.shape);
        self.push(Template::ShortShape, word.short_shape);
        for (length, &prefix) in word.prefixes() {
            self.push_near(Template::Prefix, length, prefix);
        }
        for (length, &suffix) in word.suffixes() {
            self.push_near(Template::Suffix, length, suffix);
        }
        for kind in word.kinds.iter() {
            self.push(Template::Kind, kind);
        }
        self.push(Template::Length, word.length.into());
    }

    fn near(&mut self, line: &Line<'_>, word: usize, distance: isize) {
        let place = (distance + 8) as u64;
        let Some(near) = line.near(word, distance) else {
            self.push_near(Template::Beyond, place, 0);
            if distance.abs() == 1
                && let Some(across) = word.checked_add_signed(distance).and_then(|at| line.all.get(at))
            {
                self.push_near(Template::AcrossLine, place, across.lower);
            }
            return;
        };
        self.push_near(Template::NearLower, place, near.lower);
        if distance.abs() == 3 {
            return;
        }
        self.push_near(Template::NearWord, place, near.word);
        self.push_near(Template::NearShape, place, near.short_shape);
        self.push_near(Template::NearSuffix, place, near.suffix_of_three());
        for kind in near.kinds.iter() {
            self.push_near(Template::NearKind, place, kind);
        }
    }

    fn shapes(&mut self, line: &Line<'_>, word: usize) {
        let shape = |distance| line.near(word, distance).map_or(EDGE, |near| near.short_shape);
        for (place, distance) in PAIRS {
            self.push_near(Template::ShapePair, place, join(shape(distance), shape(distance + 1)));
        }
        self.push(Template::ShapeTriple, join(join(shape(-1), shape(0)), shape(1)));
    }

    fn place(&mut self, line: &Line<'_>, word: usize) {
        let here = &line.all[word];
        let after = line.near(word, 1).map_or(Gap::Line, |near| near.gap);
        self.push(Template::Gaps, here.gap as u64 | (after as u64) << 8);
        let (from_start, to_end) = (word - line.words.start, line.words.end - 1 - word);
        let near = |distance: usize| distance.min(3) as u64;
        self.push(Template::LinePlace, near(from_start) << 8 | near(to_end));
        if here.enclosed != 0 {
            self.push(Template::Quoted, here.enclosed.into());
        }
    }

    fn line(&mut self, line: &Line<'_>, word: usize) {
        if let Some((_, key)) = line.key.filter(|&(from, _)| word >= from) {
            self.push(Template::LineKey, key);
        }
        if word > line.words.start {
            self.push(Template::LineFirst, line.all[line.words.start].lower);
        }
        if let Some(last) = line.last.filter(|&last| last > word) {
            self.push(Template::LineLast, line.all[last].lower);
        }
    }

    fn joined(&mut self, line: &Line<'_>, word: usize) {
        let lower = |distance| line.near(word, distance).map_or(EDGE, |near| near.lower);
        for (place, distance) in PAIRS {
            self.push_near(Template::Pair, place, join(lower(distance), lower(distance + 1)));
        }
        self.push(Template::Triple, join(join(lower(-1), lower(0)), lower(1)));
    }

    fn elsewhere(&mut self, occurrences: &Occurrences, all: &[Attributes], word: usize) {
        let others = occurrences.others(all, word);
        self.push(Template::Repeated, others.count_class());
        for &before in others.before() {
            self.push(Template::ElsewhereBefore, before);
        }
        for &after in others.after() {
            self.push(Template::ElsewhereAfter, after);
        }
        if let Some(kinds) = others.other_spelling() {
            self.push(Template::ElsewhereShape, kinds);
        }
    }
}

#[cfg(test)]
mod tests;
