//! Text to sequences of words: the units that tags are given to.
//!
//! A word is a run of letters, a run of digits, or a single sign; in scripts that write without spaces it is a
//! single character (an extended grapheme cluster). Nothing is lost: every character that is no white space belongs
//! to exactly one word. A sequence is what the tag lattice runs over; no entity reaches over its end.

use crate::Span;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// What lies between a word and the one before it, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gap {
    /// Nothing.
    None,
    /// White space within a line.
    Space,
    /// A sentence's end, as far as signs tell.
    Sentence,
    /// One line's end.
    Line,
    /// An empty line or the text's start.
    Paragraph,
}

/// Where sequences end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Every gap at least this strong ends a sequence; `None` leaves only the length.
    pub ends_at: Option<Gap>,
    /// Longest sequence in words, at least 1. Longer ones are cut at their strongest late gap.
    pub words_max: usize,
}

/// A word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where; never empty, never holding white space.
    pub span: Span,
    /// What lies before it.
    pub gap: Gap,
}

/// A text cut into sequences of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// All words in order, not overlapping.
    pub words: Vec<Word>,
    /// Borders of the sequences in words: first 0, last the number of words, rising.
    pub sequence_offsets: Vec<u32>,
}

/// How a span fits words and sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// Its borders are those of these words.
    Exact(Range<usize>),
    /// These words are the fewest that hold all of it; they hold more, or the span holds white space at a border.
    Widened(Range<usize>),
    /// It holds no word.
    Empty,
    /// It reaches over the end of a sequence.
    Torn(Range<usize>),
}

impl Segmentation {
    /// Cuts `text`. Total and deterministic.
    pub fn new(text: &str, settings: &Settings) -> Self {
        let words = words(text);
        let sequence_offsets = sequences(&words, settings);
        Self { words, sequence_offsets }
    }

    /// The sequences as ranges of words.
    pub fn sequences(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.sequence_offsets.windows(2).map(|borders| borders[0] as usize..borders[1] as usize)
    }

    /// The span from the first to the last of `words`, which are at least one.
    pub fn span(&self, words: Range<usize>) -> Span {
        Span { start: self.words[words.start].span.start, end: self.words[words.end - 1].span.end }
    }

    /// How `span` fits.
    pub fn align(&self, span: Span) -> Alignment {
        let first = self.words.partition_point(|word| word.span.end <= span.start);
        let last = self.words.partition_point(|word| word.span.start < span.end);
        if first >= last {
            return Alignment::Empty;
        }
        let sequence = self.sequence_offsets.partition_point(|&border| border as usize <= first);
        if last > self.sequence_offsets[sequence] as usize {
            return Alignment::Torn(first..last);
        }
        match self.span(first..last) == span {
            true => Alignment::Exact(first..last),
            false => Alignment::Widened(first..last),
        }
    }

    /// Whether tags can say exactly `span`.
    pub fn representable(&self, span: Span) -> bool {
        matches!(self.align(span), Alignment::Exact(_))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Letter,
    Digit,
    /// A word of its own.
    Sign,
}

/// The class of a cluster by its first character: marks follow what they are written on.
fn class(first: char) -> Class {
    if first.is_whitespace() {
        Class::Blank
    } else if first.is_numeric() && !stands_alone(first) {
        Class::Digit
    } else if first.is_alphabetic() && !stands_alone(first) {
        Class::Letter
    } else {
        Class::Sign
    }
}

/// Whether a letter belongs to a script that writes without spaces.
fn stands_alone(letter: char) -> bool {
    matches!(letter,
        '\u{0E00}'..='\u{0FFF}'       // Thai, Lao, Tibetan
        | '\u{1000}'..='\u{109F}'     // Myanmar
        | '\u{1780}'..='\u{17FF}'     // Khmer
        | '\u{2E80}'..='\u{30FF}'     // CJK radicals, Hiragana, Katakana
        | '\u{31F0}'..='\u{31FF}'     // Katakana extensions
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' // Han
        | '\u{FF66}'..='\u{FF9F}'     // half-width Katakana
        | '\u{20000}'..='\u{3FFFF}') // Han extensions
}

fn ends_line(sign: char) -> bool {
    matches!(sign, '\n' | '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::with_capacity(text.len() / 4);
    let mut before = Class::Blank;
    let mut gap = Gap::Paragraph;
    for (at, cluster) in text.grapheme_indices(true) {
        let first = cluster.chars().next().unwrap_or(' ');
        let class = class(first);
        if class == Class::Blank {
            gap = wider(gap, first);
            // A mark after white space clusters with it: the mark is text, so it becomes a word of its own.
            let blank: usize =
                cluster.chars().take_while(|sign| sign.is_whitespace()).map(char::len_utf8).sum();
            if blank < cluster.len() {
                words.push(Word { span: Span::new(at + blank, at + cluster.len()), gap });
                gap = Gap::None;
            }
            before = Class::Blank;
            continue;
        }
        let end = at + cluster.len();
        match words.last_mut() {
            Some(word) if class == before && class != Class::Sign => {
                word.span = Span::new(word.span.start.get(), end)
            }
            last => {
                if gap <= Gap::Space && last.is_some_and(|word| ends_sentence(word.span.slice(text), gap)) {
                    gap = Gap::Sentence;
                }
                words.push(Word { span: Span::new(at, end), gap });
            }
        }
        gap = Gap::None;
        before = class;
    }
    words
}

/// The gap after one more character of white space.
fn wider(gap: Gap, blank: char) -> Gap {
    match gap {
        _ if !ends_line(blank) => gap.max(Gap::Space),
        Gap::Line | Gap::Paragraph => Gap::Paragraph,
        _ => Gap::Line,
    }
}

/// Whether `word` ends a sentence, given what follows: signs of scripts without spaces need no space after them.
fn ends_sentence(word: &str, after: Gap) -> bool {
    match word {
        "。" | "！" | "？" => true,
        "." | "!" | "?" | "…" | "؟" | "۔" | "।" => after == Gap::Space,
        _ => false,
    }
}

fn sequences(words: &[Word], settings: &Settings) -> Vec<u32> {
    let words_max = settings.words_max.max(1);
    let mut offsets = vec![0];
    let mut start = 0;
    while start < words.len() {
        let hard = |word: &Word| settings.ends_at.is_some_and(|gap| word.gap >= gap);
        let limit = words.len().min(start + words_max);
        let end = (start + 1..limit).find(|&at| hard(&words[at])).unwrap_or_else(|| {
            let fits = limit == words.len() || hard(&words[limit]);
            if fits { limit } else { late_gap(words, start, limit) }
        });
        offsets.push(end as u32);
        start = end;
    }
    offsets
}

/// The last of the strongest gaps in the second half of `start..=limit`.
fn late_gap(words: &[Word], start: usize, limit: usize) -> usize {
    let half = start + (limit - start).div_ceil(2).max(1);
    (half..=limit).max_by_key(|&at| (words[at].gap, at)).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: Settings = Settings { ends_at: Some(Gap::Line), words_max: 400 };

    fn cut(text: &str) -> Vec<Vec<&str>> {
        let segmentation = Segmentation::new(text, &LINES);
        let slice = |range: Range<usize>| {
            segmentation.words[range].iter().map(|word| word.span.slice(text)).collect::<Vec<_>>()
        };
        segmentation.sequences().map(slice).collect()
    }

    #[test]
    fn signs_digits_and_letters_part() {
        assert_eq!(
            cut("Don't pay $1,234.50, A4!"),
            [["Don", "'", "t", "pay", "$", "1", ",", "234", ".", "50", ",", "A", "4", "!"]]
        );
    }

    #[test]
    fn scripts_without_spaces_part_per_character_and_marks_stay() {
        assert_eq!(cut("東京タワーABC"), [["東", "京", "タ", "ワ", "ー", "ABC"]]);
        assert_eq!(cut("cafe\u{301} नमस्ते"), [["cafe\u{301}", "नमस्ते"]]);
        assert_eq!(cut("👩‍👩‍👧 ok"), [["👩‍👩‍👧", "ok"]]);
    }

    #[test]
    fn lines_end_sequences_and_gaps_say_what_lies_between() {
        assert_eq!(cut("a b\r\nc\n\n d"), [vec!["a", "b"], vec!["c"], vec!["d"]]);
        let gaps: Vec<_> = words("a b. C\nd\r\n\r\ne").iter().map(|word| word.gap).collect();
        let expected = [Gap::Paragraph, Gap::Space, Gap::None, Gap::Sentence, Gap::Line, Gap::Paragraph];
        assert_eq!(gaps, expected);
        assert_eq!(words("犬。猫")[2].gap, Gap::Sentence);
    }

    #[test]
    fn paragraphs_and_documents_hold_lines_together() {
        let ends =
            |ends_at| Segmentation::new("a\nb\n\nc", &Settings { ends_at, words_max: 9 }).sequence_offsets;
        assert_eq!(ends(Some(Gap::Line)), [0, 1, 2, 3]);
        assert_eq!(ends(Some(Gap::Paragraph)), [0, 2, 3]);
        assert_eq!(ends(None), [0, 3]);
    }

    #[test]
    fn long_lines_are_cut_at_sentence_ends_first() {
        let settings = Settings { words_max: 8, ..LINES };
        let text = "one two three four. five six seven eight nine";
        assert_eq!(Segmentation::new(text, &settings).sequence_offsets, [0, 5, 10]);
    }

    #[test]
    fn a_huge_word_is_a_word() {
        assert_eq!(cut(&"a".repeat(10_000))[0][0].len(), 10_000);
    }

    #[test]
    fn labels_fit_exactly_or_are_reported() {
        let segmentation = Segmentation::new("Loan 12kg to\nBob", &LINES);
        assert_eq!(segmentation.align(Span::new(5, 7)), Alignment::Exact(1..2));
        assert_eq!(segmentation.align(Span::new(5, 8)), Alignment::Widened(1..3));
        assert_eq!(segmentation.align(Span::new(4, 7)), Alignment::Widened(1..2));
        assert_eq!(segmentation.align(Span::new(4, 5)), Alignment::Empty);
        assert_eq!(segmentation.align(Span::new(10, 16)), Alignment::Torn(3..5));
        assert!(
            segmentation.representable(Span::new(13, 16)) && !segmentation.representable(Span::new(13, 15))
        );
    }

    proptest! {
        #[test]
        fn no_text_is_lost(text in "(?s)[\\PC\\n\\r\\t\u{301}\u{0}\u{200d}]{0,60}", words_max in 1usize..6) {
            let segmentation = Segmentation::new(&text, &Settings { words_max, ..LINES });
            let mut at = 0;
            for word in &segmentation.words {
                prop_assert!(text[at..word.span.start.get()].chars().all(char::is_whitespace));
                prop_assert!(!word.span.is_empty());
                prop_assert!(segmentation.representable(word.span));
                at = word.span.end.get();
            }
            prop_assert!(text[at..].chars().all(char::is_whitespace));
            let offsets = &segmentation.sequence_offsets;
            prop_assert_eq!((offsets[0], offsets[offsets.len() - 1] as usize), (0, segmentation.words.len()));
            prop_assert!(segmentation.sequences().all(|range| (1..=words_max).contains(&range.len())));
        }
    }
}
