//! The confusion matrix: which class the characters of labeled segments were predicted as
//! (contract: evaluation 4.2).
//!
//! It counts segments, not entities. The labels of a region cut it into background, entity, background, …;
//! every segment has weight 1 in the row of its own class and shares it over the predicted classes by
//! characters that are not white space.

use crate::{Entity, EntityCategory, Region, Span};
use std::collections::BTreeMap;

/// A class of the matrix; `None` is the background.
pub type Class = Option<EntityCategory>;

/// Sums of segment shares by labeled class, then by predicted class. Only cells above zero exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfusionMatrix {
    rows: BTreeMap<Class, BTreeMap<Class, f64>>,
}

/// One cell above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell<'a> {
    /// What people labeled.
    pub labeled: &'a Class,
    /// What the model said.
    pub predicted: &'a Class,
    /// Sum of segment shares.
    pub raw: f64,
    /// Per cent of the row.
    pub normalized: f64,
}

impl ConfusionMatrix {
    /// The matrix of all `documents`: text, what people labeled, and what a model found.
    pub fn of<'a>(documents: impl IntoIterator<Item = (&'a str, &'a [Region], &'a [Entity])>) -> Self {
        let mut matrix = Self::default();
        for (text, regions, predicted) in documents {
            matrix.add(text, regions, predicted);
        }
        matrix
    }

    /// Adds one document. `predicted` holds no overlapping entities; labels are sorted as in every [`Region`].
    pub fn add(&mut self, text: &str, regions: &[Region], predicted: &[Entity]) {
        let mut sorted: Vec<&Entity> = predicted.iter().collect();
        sorted.sort_by_key(|entity| entity.span);
        for region in regions {
            let mut end = region.span.start;
            for label in &region.labels {
                self.add_segment(text, None, Span { start: end, end: label.span.start }, &sorted);
                self.add_segment(text, Some(label.category.clone()), label.span, &sorted);
                end = label.span.end;
            }
            self.add_segment(text, None, Span { start: end, end: region.span.end }, &sorted);
        }
    }

    /// A segment without any character that is not white space has nothing to share and is skipped.
    fn add_segment(&mut self, text: &str, class: Class, segment: Span, predicted: &[&Entity]) {
        let mut shares: BTreeMap<Class, u32> = BTreeMap::new();
        let mut next = predicted.partition_point(|entity| entity.span.end <= segment.start);
        for (at, sign) in segment.slice(text).char_indices() {
            if sign.is_whitespace() {
                continue;
            }
            let byte = segment.start.get() + at;
            while predicted.get(next).is_some_and(|entity| entity.span.end.get() <= byte) {
                next += 1;
            }
            let covering = predicted.get(next).filter(|entity| entity.span.start.get() <= byte);
            *shares.entry(covering.map(|entity| entity.category.clone())).or_default() += 1;
        }
        let characters: u32 = shares.values().sum();
        if characters == 0 {
            return;
        }
        let row = self.rows.entry(class).or_default();
        for (predicted, share) in shares {
            *row.entry(predicted).or_default() += f64::from(share) / f64::from(characters);
        }
    }

    /// All cells above zero, sorted by labeled, then predicted class.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.rows.iter().flat_map(|(labeled, row)| {
            let sum: f64 = row.values().sum();
            let cell = move |(predicted, raw): (_, &f64)| {
                let normalized = 100.0 * raw / sum;
                Cell { labeled, predicted, raw: *raw, normalized }
            };
            row.iter().map(cell)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::tests::{entity, label, region};
    use crate::{Label, Scores};
    use proptest::prelude::*;

    fn cells(text: &str, labels: Vec<Label>, predicted: &[Entity]) -> Vec<(String, String, f64)> {
        let regions = [region(text.len(), labels)];
        let matrix = ConfusionMatrix::of([(text, &regions[..], predicted)]);
        let name = |class: &Class| class.as_ref().map_or("$none".to_owned(), |c| c.as_str().to_owned());
        matrix.cells().map(|cell| (name(cell.labeled), name(cell.predicted), cell.raw)).collect()
    }

    fn row(labeled: &str, predicted: &str, raw: f64) -> (String, String, f64) {
        (labeled.to_owned(), predicted.to_owned(), raw)
    }

    #[test]
    fn n_labels_make_n_plus_1_background_segments() {
        let text = "one TWO three FOUR five";
        let labels = vec![label("A", 4, 7), label("B", 14, 18)];
        let found = [entity("B", 14, 18), entity("A", 4, 7)];
        assert_eq!(
            cells(text, labels, &found),
            [row("$none", "$none", 3.0), row("A", "A", 1.0), row("B", "B", 1.0)]
        );
    }

    #[test]
    fn a_wrong_category_does_not_touch_the_background() {
        let found = cells("x TWO y", vec![label("A", 2, 5)], &[entity("B", 2, 5)]);
        assert_eq!(found, [row("$none", "$none", 2.0), row("A", "B", 1.0)]);
    }

    #[test]
    fn blanks_do_not_count() {
        let (text, labels) = ("x TWO y", vec![label("A", 2, 5)]);
        let longer = [entity("A", 2, 6)];
        assert_eq!(cells(text, labels.clone(), &longer), cells(text, labels.clone(), &[entity("A", 2, 5)]));
        let regions = [region(text.len(), labels)];
        assert_eq!(Scores::of([(&regions[..], &longer[..])]).total().true_positives, 0);
    }

    #[test]
    fn a_segment_is_shared_by_characters_and_blank_segments_are_skipped() {
        let found = cells("AB CD", vec![label("A", 0, 2), label("B", 3, 5)], &[entity("A", 0, 1)]);
        assert_eq!(found, [row("A", "$none", 0.5), row("A", "A", 0.5), row("B", "$none", 1.0)]);
    }

    proptest! {
        /// Every row sums to its number of segments: shares are neither lost nor invented.
        #[test]
        fn rows_sum_to_their_segments(starts in prop::collection::btree_set(0usize..20, 0..8),
                                      found in prop::collection::btree_set(0usize..20, 0..8)) {
            let text = "é".repeat(20) + "end";
            let spans = |set: &std::collections::BTreeSet<usize>| -> Vec<usize> { set.iter().map(|s| s * 2).collect() };
            let labels: Vec<_> = spans(&starts).into_iter().map(|s| label("A", s, s + 2)).collect();
            let predicted: Vec<_> = spans(&found).into_iter().map(|s| entity("B", s, s + 2)).collect();
            let found = cells(&text, labels.clone(), &predicted);
            let sum = |name: &str| found.iter().filter(|cell| cell.0 == name).map(|cell| cell.2).sum::<f64>();
            prop_assert!((sum("A") - labels.len() as f64).abs() < 1e-9);
            let touching = starts.iter().filter(|s| starts.contains(&(*s + 1))).count();
            let at_start = usize::from(starts.contains(&0));
            let background = labels.len() + 1 - touching - at_start;
            prop_assert!((sum("$none") - background as f64).abs() < 1e-9);
        }
    }
}
