//! Texts to word pieces by an encoder's own tokenizer, words met before from memory.
//!
//! Most words of a text were in earlier ones, and a tokenizer spends nearly all its time on making texts canonical. So
//! tokenizers that treat the words between blanks each on its own (BERT's kind) are asked once per word.

use crate::TokenizerError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// Words remembered; when there are more, all are forgotten. A few megabytes.
const WORDS_MAX: usize = 20_000;

/// Longest word that is remembered, in bytes: longer ones are rarely words.
const WORD_BYTES_MAX: usize = 48;

/// A piece: its id in the vocabulary, and its bytes in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) id: i32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A tokenizer, and what it said of words.
#[derive(Clone, Debug)]
pub(crate) struct Cutter {
    tokenizer: Tokenizer,
    /// `None` for tokenizers whose words depend on each other.
    known: Option<Arc<Mutex<Known>>>,
}

type Known = HashMap<Box<str>, Box<[Piece]>>;

impl Cutter {
    /// Cuts as `tokenizer` does, which neither truncates nor pads.
    pub(crate) fn new(tokenizer: Tokenizer) -> Self {
        let known = words_stand_alone(&tokenizer).then(Arc::default);
        Self { tokenizer, known }
    }

    /// The text's pieces, in order, without special ones.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub(crate) fn cut(&self, text: &str) -> Result<Vec<Piece>, TokenizerError> {
        let Some(known) = &self.known else { return self.ask(text) };
        let mut pieces = Vec::with_capacity(text.len() / 3);
        let mut start = 0;
        for word in text.split(' ') {
            let moved =
                |piece: &Piece| Piece { start: piece.start + start, end: piece.end + start, ..*piece };
            if !recall(known, word, |found| pieces.extend(found.iter().map(moved))) {
                let found = self.ask(word)?;
                pieces.extend(found.iter().map(moved));
                remember(known, word, found);
            }
            start += word.len() + 1;
        }
        Ok(pieces)
    }

    fn ask(&self, text: &str) -> Result<Vec<Piece>, TokenizerError> {
        let encoded = self.tokenizer.encode(text, false);
        let encoded = encoded.map_err(|error| TokenizerError::Failed(error.to_string()))?;
        let pieces = encoded.get_ids().iter().zip(encoded.get_offsets());
        Ok(pieces.map(|(&id, &(start, end))| Piece { id: id as i32, start, end }).collect())
    }

    /// The id of `piece`, if it is in the vocabulary.
    pub(crate) fn id(&self, piece: &str) -> Option<i32> {
        self.tokenizer.token_to_id(piece).map(|id| id as i32)
    }
}

/// Shows `word`'s pieces to `read` if they are known; returns whether they are. An empty word has none.
fn recall(known: &Mutex<Known>, word: &str, read: impl FnOnce(&[Piece])) -> bool {
    // Lookups and insertions leave the map whole whatever else panicked.
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(word).map(|pieces| read(pieces)).is_some() || word.is_empty()
}

fn remember(known: &Mutex<Known>, word: &str, pieces: Vec<Piece>) {
    if word.len() > WORD_BYTES_MAX {
        return;
    }
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= WORDS_MAX {
        known.clear();
    }
    known.insert(word.into(), pieces.into());
}

/// Whether a text's pieces are those of its words between blanks, one after the other. So it is where characters are made
/// canonical one by one and every blank ends a word; tokens that swallow blanks would cross them.
fn words_stand_alone(tokenizer: &Tokenizer) -> bool {
    let canonical = tokenizer.get_normalizer();
    let by_character =
        canonical.is_none_or(|normalizer| matches!(normalizer, NormalizerWrapper::BertNormalizer(_)));
    let cuts = matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)));
    let added = tokenizer.get_added_tokens_decoder();
    let swallow = added.values().any(|token| token.lstrip || token.rstrip || token.content.contains(' '));
    by_character && cuts && !swallow
}

#[cfg(test)]
pub(crate) mod tests;
