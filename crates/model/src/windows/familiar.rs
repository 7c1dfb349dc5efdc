//! Whether an encoder knows the language of a text, as far as its pieces tell.

use super::{PieceTokenizer, TokenizerError};
use ner::segmentation::Segmentation;

/// Letters from which on a word that is read letter by letter was not learned as a word, nor any part of it.
const SPELLED_LETTERS_MIN: usize = 3;

/// Words of letters, and how many of them an encoder cannot read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Familiarity {
    /// Words that begin with a letter.
    pub words: usize,
    /// Those with a piece for what the encoder does not know, or read letter by letter.
    pub strange: usize,
}

impl PieceTokenizer {
    /// Looks at the words of `text`, cut by `segmentation`.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`] when the tokenizer refuses the text.
    pub fn familiarity(
        &self,
        text: &str,
        segmentation: &Segmentation,
    ) -> Result<Familiarity, TokenizerError> {
        let unknown = self.cutter.id("[UNK]").or_else(|| self.cutter.id("<unk>"));
        let mut familiarity = Familiarity::default();
        for words in segmentation.sequences() {
            let span = segmentation.span(words.clone());
            let mut pieces = self.cutter.cut(span.slice(text))?.into_iter().peekable();
            for word in &segmentation.words[words] {
                let end = word.span.end.get() - span.start.get();
                let (mut count, mut strange) = (0, false);
                while let Some(piece) = pieces.next_if(|piece| piece.end <= end) {
                    count += 1;
                    strange |= Some(piece.id) == unknown;
                }
                let letters = word.span.slice(text);
                if letters.starts_with(char::is_alphabetic) {
                    let length = letters.chars().count();
                    strange |= length >= SPELLED_LETTERS_MIN && count >= length;
                    familiarity.words += 1;
                    familiarity.strange += usize::from(strange);
                }
            }
        }
        Ok(familiarity)
    }
}

impl Familiarity {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { words: self.words + other.words, strange: self.strange + other.strange }
    }

    /// Part of the words that are strange, 0 to 1.
    pub fn strangeness(self) -> f64 {
        self.strange as f64 / self.words.max(1) as f64
    }
}
