//! Tags: what a sequence model says about each word so that spans come out.
//!
//! The scheme is BIO: `O` outside, `B` first word of an entity, `I` a further word. BIO needs the fewest tags per
//! category, which matters when a project has two hundred of them.

use crate::EntityCategory;
use std::ops::Range;

/// Index of a tag: 0 is `O`, `1 + 2c` is `B` and `2 + 2c` is `I` of category `c`.
pub type Tag = u16;

/// The tag of a word outside every entity.
pub const OUTSIDE: Tag = 0;

/// Most categories a tag set holds (contract: limits 3 allows 200 per project), so that a tag fits 16 bits.
pub const CATEGORIES_MAX: usize = 1_000;

/// The tags over a project's categories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagSet {
    categories: Vec<EntityCategory>,
}

/// Why a list of categories makes no tag set. The person who wrote the schema can fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagSetError {
    /// A name appears twice.
    #[error("entity category {0:?} appears twice")]
    Repeated(String),
    /// Over the limit.
    #[error("{0} entity categories, at most {CATEGORIES_MAX} are possible")]
    TooMany(usize),
}

/// An entity in words: which words, which category (an index into [`TagSet::categories`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordSpan {
    /// The words.
    pub words: Range<usize>,
    /// The category's index.
    pub category: usize,
}

impl TagSet {
    /// A tag set over `categories` in the given order.
    ///
    /// # Errors
    /// [`TagSetError`] when a name appears twice or there are too many.
    pub fn new(categories: Vec<EntityCategory>) -> Result<Self, TagSetError> {
        if categories.len() > CATEGORIES_MAX {
            return Err(TagSetError::TooMany(categories.len()));
        }
        let mut sorted: Vec<_> = categories.iter().collect();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TagSetError::Repeated(pair[0].as_str().to_owned()));
        }
        Ok(Self { categories })
    }

    /// The categories in tag order.
    pub fn categories(&self) -> &[EntityCategory] {
        &self.categories
    }

    /// Number of tags: one more than twice the number of categories.
    pub fn len(&self) -> usize {
        1 + 2 * self.categories.len()
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.categories.is_empty()
    }

    /// The index of a category.
    pub fn index_of(&self, category: &EntityCategory) -> Option<usize> {
        self.categories.iter().position(|known| known == category)
    }

    /// Writes `spans` (not overlapping) as one tag per word.
    pub fn encode(&self, words: usize, spans: &[WordSpan]) -> Vec<Tag> {
        let mut tags = vec![OUTSIDE; words];
        for span in spans {
            debug_assert!(span.category < self.categories.len() && span.words.end <= words);
            tags[span.words.clone()].fill(inside(span.category));
            if let Some(first) = tags.get_mut(span.words.start).filter(|_| !span.words.is_empty()) {
                *first = begin(span.category);
            }
        }
        tags
    }

    /// Reads tags of one sequence as spans in order. An `I` that continues nothing begins an entity, so that
    /// every list of tags has a meaning.
    pub fn decode(tags: &[Tag]) -> Vec<WordSpan> {
        let mut spans: Vec<WordSpan> = Vec::new();
        let mut previous = OUTSIDE;
        for (word, &tag) in tags.iter().enumerate() {
            if let Some(category) = category_of(tag) {
                match spans.last_mut() {
                    Some(last) if is_inside(tag) && continues(previous, tag) => last.words.end = word + 1,
                    _ => spans.push(WordSpan { words: word..word + 1, category }),
                }
            }
            previous = tag;
        }
        spans
    }
}

/// The tag of the first word of an entity of category `category`.
pub fn begin(category: usize) -> Tag {
    (1 + 2 * category) as Tag
}

/// The tag of a further word of an entity of category `category`.
pub fn inside(category: usize) -> Tag {
    (2 + 2 * category) as Tag
}

/// The category a tag speaks of; `None` for [`OUTSIDE`].
pub fn category_of(tag: Tag) -> Option<usize> {
    (tag != OUTSIDE).then(|| usize::from(tag - 1) / 2)
}

/// Whether `tag` is an `I`.
pub fn is_inside(tag: Tag) -> bool {
    tag != OUTSIDE && tag.is_multiple_of(2)
}

/// Whether `next` may follow `previous` within a sequence: an `I` only after `B` or `I` of its category.
pub fn allowed(previous: Tag, next: Tag) -> bool {
    !is_inside(next) || continues(previous, next)
}

/// Whether a sequence may begin with `tag`.
pub fn allowed_first(tag: Tag) -> bool {
    !is_inside(tag)
}

fn continues(previous: Tag, next: Tag) -> bool {
    category_of(previous) == category_of(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(names: &[&str]) -> TagSet {
        let categories = names.iter().map(|name| EntityCategory::new(name).expect("valid")).collect();
        TagSet::new(categories).expect("distinct")
    }

    #[test]
    fn refuses_a_repeated_category() {
        let twice = vec![EntityCategory::new("a").expect("valid"); 2];
        assert_eq!(TagSet::new(twice), Err(TagSetError::Repeated("a".into())));
    }

    #[test]
    fn neighbouring_entities_of_one_category_stay_apart() {
        let tags = set(&["a", "b"]);
        let spans = [WordSpan { words: 0..2, category: 1 }, WordSpan { words: 2..3, category: 1 }];
        let encoded = tags.encode(4, &spans);
        assert_eq!(encoded, [begin(1), inside(1), begin(1), OUTSIDE]);
        assert_eq!(TagSet::decode(&encoded), spans);
    }

    #[test]
    fn an_inside_tag_needs_its_own_category_before_it() {
        assert!(allowed(begin(1), inside(1)) && allowed(inside(1), inside(1)));
        assert!(!allowed(OUTSIDE, inside(0)) && !allowed(begin(0), inside(1)));
        assert!(allowed(inside(0), begin(0)) && allowed(inside(0), OUTSIDE));
        assert!(!allowed_first(inside(0)) && allowed_first(begin(0)) && allowed_first(OUTSIDE));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(lengths in prop::collection::vec((0usize..3, 1usize..4, 0usize..3), 0..12)) {
            let mut spans = Vec::new();
            let mut at = 0;
            for (gap, length, category) in lengths {
                spans.push(WordSpan { words: at + gap..at + gap + length, category });
                at += gap + length;
            }
            let tags = set(&["a", "b", "c"]).encode(at + 1, &spans);
            prop_assert!(tags.windows(2).all(|pair| allowed(pair[0], pair[1])));
            prop_assert_eq!(TagSet::decode(&tags), spans);
        }

        #[test]
        fn every_list_of_tags_has_a_meaning(tags in prop::collection::vec(0u16..7, 0..20)) {
            let spans = TagSet::decode(&tags);
            let covered: usize = spans.iter().map(|span| span.words.len()).sum();
            prop_assert_eq!(covered, tags.iter().filter(|&&tag| tag != OUTSIDE).count());
            prop_assert!(spans.windows(2).all(|pair| pair[0].words.end <= pair[1].words.start));
        }
    }
}
