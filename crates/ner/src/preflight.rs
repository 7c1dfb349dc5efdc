//! What will hurt a training, seen in its labels and texts before it begins.
//!
//! Documents are shown twice: first what they label, then what they say. Gives findings as values, as `guidance` does.

use crate::guidance::{Advice, LabelCounts, advise};
use crate::segmentation::{Gap, Segmentation, Settings, Word};
use crate::{ConfusionMatrix, EntityCategory, LabeledDocument, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Times a text must be labeled before its other occurrences are looked for.
const LABELED_MIN: u64 = 2;
/// Characters a text must have for that: shorter ones mean many things.
const CHARACTERS_MIN: usize = 3;
/// Words of the longest labeled text whose other occurrences are looked for.
const WORDS_MAX: usize = 16;
/// Characters of the shortest word that a sentence's dot may follow.
const SENTENCE_WORD_MIN: usize = 4;
/// Labels of a category that hold a sentence's end are slips when they are at most one in so many.
const CROSSING_SHARE: u64 = 5;

/// One text and how it is labeled.
#[derive(Debug, Default)]
struct Labeled {
    by_category: BTreeMap<EntityCategory, u64>,
    /// Occurrences in regions that no label touches.
    unlabeled: u64,
    /// The document of the first of them.
    first: String,
}

/// Looks through the documents of a training.
#[derive(Debug, Default)]
pub struct Preflight {
    texts: HashMap<String, Labeled>,
    /// Lengths in words of the labeled texts that begin with a word.
    lengths: HashMap<String, BTreeSet<usize>>,
    /// Labels by category: all, those that hold a sentence's end, and one of these.
    crossing: BTreeMap<EntityCategory, (u64, u64, String)>,
}

/// A text as one run of words.
fn segmented(text: &str) -> Segmentation {
    Segmentation::new(text, &Settings { ends_at: None, words_max: usize::MAX })
}

/// Whether a sentence ends before the last of `words`. A dot after a short word is more likely that of an abbreviation.
fn ends_sentence(words: &[Word], text: &str) -> bool {
    match words {
        [.., _, word] if word.gap >= Gap::Line => true,
        [.., before, _, word] if word.gap == Gap::Sentence => {
            before.span.slice(text).chars().count() >= SENTENCE_WORD_MIN
        }
        _ => false,
    }
}

impl Preflight {
    /// First: what the document labels.
    pub fn labels(&mut self, document: &LabeledDocument) {
        let text = &document.document.text;
        let segmentation = segmented(text);
        for label in document.labels() {
            let words = &segmentation.words;
            let first = words.partition_point(|word| word.span.end <= label.span.start);
            let last = words.partition_point(|word| word.span.start < label.span.end);
            let said = label.span.slice(text).trim();
            let (all, crossing, example) = self.crossing.entry(label.category.clone()).or_default();
            *all += 1;
            if (first + 1..last).any(|word| ends_sentence(&words[..=word], text)) {
                *crossing += 1;
                if example.is_empty() {
                    *example = said.to_owned();
                }
            }
            if first >= last || last - first > WORDS_MAX {
                continue;
            }
            let lengths = self.lengths.entry(words[first].span.slice(text).to_owned()).or_default();
            lengths.insert(last - first);
            let labeled = self.texts.entry(said.to_owned()).or_default();
            *labeled.by_category.entry(label.category.clone()).or_default() += 1;
        }
    }

    /// Then: what every document says, after the labels of all are known.
    pub fn text(&mut self, document: &LabeledDocument) {
        let text = &document.document.text;
        let segmentation = segmented(text);
        let words = &segmentation.words;
        for region in &document.regions {
            let end = words.partition_point(|word| word.span.end <= region.span.end);
            let mut at = words.partition_point(|word| word.span.start < region.span.start);
            let mut labels = region.labels.iter().peekable();
            while at < end {
                let span = words[at].span;
                while labels.next_if(|label| label.span.end <= span.start).is_some() {}
                let free = labels.peek().map_or(region.span.end, |label| label.span.start);
                let longest = self.unlabeled(document, &segmentation, at..end, free);
                at += longest.max(1);
            }
        }
    }

    /// Counts the longest labeled text that stands without a label at the first of `words` and ends by `free`; returns its
    /// length in words.
    fn unlabeled(
        &mut self,
        document: &LabeledDocument,
        segmentation: &Segmentation,
        words: std::ops::Range<usize>,
        free: crate::ByteOffset,
    ) -> usize {
        let text = &document.document.text;
        let first = segmentation.words[words.start].span;
        let Some(lengths) = self.lengths.get(first.slice(text)) else { return 0 };
        for &length in lengths.iter().rev().filter(|length| **length <= words.len()) {
            let span =
                Span { start: first.start, end: segmentation.words[words.start + length - 1].span.end };
            if span.end > free {
                continue;
            }
            if let Some(labeled) = self.texts.get_mut(span.slice(text)) {
                labeled.unlabeled += 1;
                if labeled.first.is_empty() {
                    labeled.first.clone_from(&document.document.location);
                }
                return length;
            }
        }
        0
    }

    /// Everything worth saying, by rule. `labels` are those of the two sets.
    pub fn advice(&self, labels: &BTreeMap<EntityCategory, LabelCounts>) -> Vec<Advice> {
        let mut advice = advise(labels, &ConfusionMatrix::default());
        advice.extend(self.labeled_differently());
        advice.extend(self.forgotten());
        advice.extend(self.crossing());
        advice
    }

    /// One finding per pair of categories, with the text that both have most often.
    fn labeled_differently(&self) -> impl Iterator<Item = Advice> {
        let mut pairs: BTreeMap<[&EntityCategory; 2], (u64, &str, [u64; 2])> = BTreeMap::new();
        for (text, labeled) in &self.texts {
            let mut counts: Vec<_> = labeled.by_category.iter().collect();
            counts.sort_by_key(|(category, count)| (std::cmp::Reverse(**count), *category));
            let Some(((most, most_labels), rest)) = counts.split_first().map(|(first, rest)| (*first, rest))
            else {
                continue;
            };
            for (other, labels) in rest {
                let pair = pairs.entry([most, other]).or_insert((0, text, [0; 2]));
                pair.0 += 1;
                let found = (**labels, *most_labels, std::cmp::Reverse(text.as_str()));
                if found >= (pair.2[1], pair.2[0], std::cmp::Reverse(pair.1)) {
                    (pair.1, pair.2) = (text, [*most_labels, **labels]);
                }
            }
        }
        pairs.into_iter().map(|([category, other], (texts, example, labels))| Advice::LabeledDifferently {
            category: category.clone(),
            other: other.clone(),
            texts,
            example: example.to_owned(),
            labels,
        })
    }

    /// One finding per category, with the text that stands most often without its label.
    fn forgotten(&self) -> impl Iterator<Item = Advice> {
        let mut found: BTreeMap<&EntityCategory, (u64, u64, &str, &Labeled)> = BTreeMap::new();
        for (text, labeled) in &self.texts {
            let total: u64 = labeled.by_category.values().sum();
            let telling = total >= LABELED_MIN && text.chars().count() >= CHARACTERS_MIN;
            if !telling || labeled.unlabeled == 0 || labeled.unlabeled > total {
                continue;
            }
            let most = labeled.by_category.iter().max_by_key(|(_, count)| **count);
            let Some((category, _)) = most else { continue };
            let entry = found.entry(category).or_insert((0, 0, text, labeled));
            entry.0 += 1;
            entry.1 += labeled.unlabeled;
            let order =
                |text: &str, labeled: &Labeled| (labeled.unlabeled, std::cmp::Reverse(text.to_owned()));
            if order(text, labeled) > order(entry.2, entry.3) {
                (entry.2, entry.3) = (text, labeled);
            }
        }
        found.into_iter().map(|(category, (texts, unlabeled, example, labeled))| Advice::LabelForgotten {
            category: category.clone(),
            texts,
            unlabeled,
            example: example.to_owned(),
            example_labels: [labeled.by_category.values().sum(), labeled.unlabeled],
            location: labeled.first.clone(),
        })
    }

    fn crossing(&self) -> impl Iterator<Item = Advice> {
        let slip = |(all, crossing): (u64, u64)| crossing > 0 && crossing * CROSSING_SHARE <= all;
        let found = self.crossing.iter().filter(move |(_, (all, crossing, _))| slip((*all, *crossing)));
        found.map(|(category, (labels, crossing, example))| Advice::CrossesSentences {
            category: category.clone(),
            labels: *labels,
            crossing: *crossing,
            example: example.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guidance::count_labels;
    use crate::scoring::tests::{category, label, region};
    use crate::{Document, Label};

    /// A document whose labels are marked as `[A:text]`.
    fn document(location: &str, marked: &str) -> LabeledDocument {
        let (mut text, mut labels, mut rest) = (String::new(), Vec::<Label>::new(), marked);
        while let Some((before, mark)) = rest.split_once('[') {
            text.push_str(before);
            let (mark, after) = mark.split_once(']').expect("closed");
            let (name, said) = mark.split_once(':').expect("named");
            labels.push(label(name, text.len(), text.len() + said.len()));
            text.push_str(said);
            rest = after;
        }
        text.push_str(rest);
        let regions = vec![region(text.len(), labels)];
        LabeledDocument {
            document: Document { location: location.into(), language: None, text },
            dataset: None,
            regions,
        }
    }

    fn found(documents: &[LabeledDocument]) -> Vec<Advice> {
        let mut preflight = Preflight::default();
        documents.iter().for_each(|document| preflight.labels(document));
        documents.iter().for_each(|document| preflight.text(document));
        preflight.advice(&BTreeMap::new())
    }

    #[test]
    fn one_text_under_two_categories_is_named_with_both_counts() {
        let documents = [
            document("a", "[P:Paris] and [P:Paris] and [N:Paris]"),
            document("b", "[P:Oslo], [N:Oslo], [P:Rome]"),
        ];
        let expected = Advice::LabeledDifferently {
            category: category("P"),
            other: category("N"),
            texts: 1,
            example: "Paris".into(),
            labels: [2, 1],
        };
        // Of one label each, the first category by name is the one compared with.
        let even = Advice::LabeledDifferently {
            category: category("N"),
            other: category("P"),
            texts: 1,
            example: "Oslo".into(),
            labels: [1, 1],
        };
        assert_eq!(found(&documents), [even, expected]);
    }

    #[test]
    fn a_text_that_is_mostly_labeled_is_missed_where_it_is_not() {
        let documents = [
            document("a", "[P:New York] is far. [P:New York] is near. [P:Rom] fell; Romans did not."),
            document("b", "Nobody went to New York, none to New Jersey. [P:an] an an [P:an]"),
        ];
        let expected = Advice::LabelForgotten {
            category: category("P"),
            texts: 1,
            unlabeled: 1,
            example: "New York".into(),
            example_labels: [2, 1],
            location: "b".into(),
        };
        assert_eq!(found(&documents), [expected]);
    }

    #[test]
    fn text_that_nobody_looked_at_is_not_searched() {
        let mut documents = [document("a", "[P:Bergen] [P:Bergen]"), document("b", "Bergen")];
        assert_eq!(found(&documents).len(), 1);
        documents[1].regions.clear();
        assert_eq!(found(&documents), []);
    }

    #[test]
    fn labels_that_hold_a_sentences_end_are_slips_when_they_are_few() {
        let five = "[P:Rome] [P:Lima] [P:Kiel] [P:Bonn] ";
        let torn = document("a", &format!("{five}[P:Oslo\nis a town]"));
        let expected = Advice::CrossesSentences {
            category: category("P"),
            labels: 5,
            crossing: 1,
            example: "Oslo\nis a town".into(),
        };
        assert_eq!(found(&[torn]), [expected]);
        assert_eq!(found(&[document("a", "[P:1 High St\nLeeds] [P:2 Low St\nYork]")]), []);
        let initials = document("a", &format!("{five}[P:St. Ives]"));
        assert_eq!(found(&[initials]), [], "an abbreviation ends no sentence");
    }

    #[test]
    fn thin_categories_come_first() {
        let documents = [document("a", "[P:Rome]")];
        let labels = count_labels(&[category("P")], &documents, &[]);
        let advice = Preflight::default().advice(&labels);
        assert!(
            matches!(advice[..], [Advice::FewLabels { train: 1, .. }, Advice::NotTested { .. }]),
            "{advice:?}"
        );
    }
}
