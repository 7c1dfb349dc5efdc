//! Word pieces and windows: what a pretrained encoder reads.
//!
//! Each sequence is cut into pieces by the encoder's own tokenizer. Windows are laid over a document's pieces: a
//! window's *core* is whole sequences where they fit, its *context* pieces of the neighbouring ones. Cores share
//! nothing and cover everything, so every word's first piece lies in exactly one core, where it has most context.

use crate::word_pieces::Cutter;
use crate::{ContextualRecipe, Pieces};
use ner::Span;
use ner::segmentation::Segmentation;
use std::ops::Range;
use thiserror::Error;

mod familiar;
pub use familiar::Familiarity;

/// An encoder's tokenizer, without its truncation and padding.
#[derive(Clone, Debug)]
pub struct PieceTokenizer {
    cutter: Cutter,
    /// SHA-256 of its `tokenizer.json`.
    digest: String,
    /// Special pieces before and after a window's own.
    prefix: Vec<i32>,
    suffix: Vec<i32>,
    padding: i32,
}

/// Why a tokenizer or its windows cannot be used. The operator can restore the encoder's files.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenizerError {
    /// No `tokenizer.json`.
    #[error("tokenizer.json is not readable: {0}")]
    Malformed(String),
    /// The tokenizer refused a text, which a sound one never does.
    #[error("the tokenizer failed: {0}")]
    Failed(String),
    /// No room between the special pieces.
    #[error("windows of {window} pieces leave no room beside {special} special pieces")]
    NoRoom {
        /// Window length.
        window: u32,
        /// Special pieces in each window.
        special: usize,
    },
}

/// A document's pieces.
struct DocumentPieces {
    ids: Vec<i32>,
    /// Index in `ids` of each word's first piece; a word the tokenizer drops shares that of the word before it,
    /// and has none when it is the first.
    firsts: Vec<Option<u32>>,
    /// Where sequences begin, and the number of pieces.
    sequences: Vec<usize>,
}

/// A window over a document's pieces: `core` lies within `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    core: Range<usize>,
    all: Range<usize>,
}

impl PieceTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError`] when it cannot be read.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let malformed = |error: tokenizers::Error| TokenizerError::Malformed(error.to_string());
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(malformed)?;
        let padding = tokenizer.get_padding().map(|padding| padding.pad_id);
        let known = |name: &str| tokenizer.token_to_id(name);
        let padding = padding.or_else(|| known("[PAD]")).or_else(|| known("<pad>")).unwrap_or(0) as i32;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(malformed)?;
        let framed = tokenizer.encode("a", true).map_err(malformed)?;
        let special: Vec<(i32, bool)> = framed
            .get_ids()
            .iter()
            .zip(framed.get_special_tokens_mask())
            .map(|(&id, &mask)| (id as i32, mask == 1))
            .collect();
        let ids = |part: &mut dyn Iterator<Item = &(i32, bool)>| -> Vec<i32> {
            part.take_while(|(_, special)| *special).map(|&(id, _)| id).collect()
        };
        let prefix = ids(&mut special.iter());
        let mut suffix = ids(&mut special.iter().rev());
        suffix.reverse();
        Ok(Self { cutter: Cutter::new(tokenizer), digest: crate::sha256_hex(bytes), prefix, suffix, padding })
    }

    /// SHA-256 of the `tokenizer.json` it was read from, lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Lays windows over documents; words are numbered over all of them, in order.
    ///
    /// # Errors
    /// [`TokenizerError::NoRoom`] for windows hardly longer than the special pieces.
    pub fn windows(
        &self,
        documents: &[(&str, &Segmentation)],
        recipe: &ContextualRecipe,
    ) -> Result<Pieces, TokenizerError> {
        let special = self.prefix.len() + self.suffix.len();
        let room = (recipe.window_pieces as usize).saturating_sub(special);
        if room < 4 {
            return Err(TokenizerError::NoRoom { window: recipe.window_pieces, special });
        }
        let context = (recipe.context_pieces as usize).min(room / 4);
        let mut rows: Vec<Vec<i32>> = Vec::new();
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (text, segmentation) in documents {
            let document = self.pieces(text, segmentation)?;
            let windows = lay(&document, room, context);
            let mut window = 0;
            for first in &document.firsts {
                let place = match *first {
                    // Only the document's first words can have none; the first window's first piece stands for them.
                    None => (rows.len(), 0),
                    Some(piece) => {
                        let piece = piece as usize;
                        while piece >= windows[window].core.end {
                            window += 1;
                        }
                        (rows.len() + window, self.prefix.len() + piece - windows[window].all.start)
                    }
                };
                places.push(place);
            }
            rows.extend(windows.iter().map(|window| self.row(&document.ids[window.all.clone()])));
            if windows.is_empty() && !document.firsts.is_empty() {
                rows.push(self.row(&[]));
            }
        }
        Ok(self.pad(&rows, &places))
    }

    /// One window's ids; never empty, so that every word has a real piece.
    fn row(&self, ids: &[i32]) -> Vec<i32> {
        let mut row = [&self.prefix, ids, &self.suffix].concat();
        if row.is_empty() {
            row.push(self.padding);
        }
        row
    }

    fn pad(&self, rows: &[Vec<i32>], places: &[(usize, usize)]) -> Pieces {
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut pieces = Pieces { windows: rows.len(), length, ..Pieces::default() };
        pieces.input_ids.reserve_exact(rows.len() * length);
        pieces.attention_mask.reserve_exact(rows.len() * length);
        for row in rows {
            let end = pieces.input_ids.len() + length;
            pieces.input_ids.extend(row);
            pieces.attention_mask.resize(pieces.input_ids.len(), 1);
            pieces.input_ids.resize(end, self.padding);
            pieces.attention_mask.resize(end, 0);
        }
        pieces.first_pieces = places.iter().map(|&(row, column)| (row * length + column) as i32).collect();
        pieces
    }

    fn pieces(&self, text: &str, segmentation: &Segmentation) -> Result<DocumentPieces, TokenizerError> {
        let mut document = DocumentPieces { ids: Vec::new(), firsts: Vec::new(), sequences: vec![0] };
        let mut last = None;
        for words in segmentation.sequences() {
            let span = segmentation.span(words.clone());
            let pieces = self.cutter.cut(span.slice(text))?;
            let base = document.ids.len();
            let mut piece = 0;
            for word in &segmentation.words[words] {
                let relative = Span::new(
                    word.span.start.get() - span.start.get(),
                    word.span.end.get() - span.start.get(),
                );
                while pieces.get(piece).is_some_and(|piece| piece.end <= relative.start.get()) {
                    piece += 1;
                }
                if pieces.get(piece).is_some_and(|piece| piece.start < relative.end.get()) {
                    last = Some((base + piece) as u32);
                }
                document.firsts.push(last);
            }
            document.ids.extend(pieces.iter().map(|piece| piece.id));
            document.sequences.push(document.ids.len());
        }
        Ok(document)
    }
}

/// Lays windows of at most `room` pieces: cores cover all pieces in order, with up to `context` pieces around.
fn lay(document: &DocumentPieces, room: usize, context: usize) -> Vec<Window> {
    let total = document.ids.len();
    let mut windows = Vec::new();
    let mut start = 0;
    while start < total {
        let left = context.min(start);
        let end = if total - start <= room - left {
            total
        } else {
            core_end(document, start, start + room - left - context)
        };
        let right = context.min(total - end);
        windows.push(Window { core: start..end, all: start - left..end + right });
        start = end;
    }
    windows
}

/// The last sequence border in `start + 1..=limit`; within a longer sequence the last word's border, within a longer
/// word `limit`.
fn core_end(document: &DocumentPieces, start: usize, limit: usize) -> usize {
    let sequences = &document.sequences;
    let border = sequences[sequences.partition_point(|&border| border <= limit) - 1];
    if border > start {
        return border;
    }
    let firsts = &document.firsts;
    let after = firsts.partition_point(|first| first.is_none_or(|first| first as usize <= limit));
    let word = after.checked_sub(1).and_then(|word| firsts[word]).map_or(0, |first| first as usize);
    if word > start { word } else { limit }
}

#[cfg(test)]
mod tests;
