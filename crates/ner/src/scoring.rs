//! Exact scores: a prediction is right when category, start and end are all equal to a label's
//! (contract: evaluation 2 and 8).

use crate::{Entity, EntityCategory, Region, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Hits and misses of one category, or of all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Labels with an equal prediction.
    pub true_positives: u64,
    /// Predictions without an equal label.
    pub false_positives: u64,
    /// Labels without an equal prediction.
    pub false_negatives: u64,
}

/// Three ratios from 0 to 1; 0 where the contract's division has no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ratios {
    /// Share of the predictions that are right.
    pub precision: f32,
    /// Share of the labels that were found.
    pub recall: f32,
    /// Harmonic mean of the two.
    pub f1: f32,
}

impl Counts {
    /// The ratios of these counts.
    pub fn ratios(self) -> Ratios {
        let hits = self.true_positives;
        Ratios {
            precision: ratio(hits, hits + self.false_positives),
            recall: ratio(hits, hits + self.false_negatives),
            // 2PR/(P+R) without its intermediate rounding.
            f1: ratio(2 * hits, 2 * hits + self.false_positives + self.false_negatives),
        }
    }

    fn add(&mut self, other: Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
    }
}

fn ratio(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64) as f32 }
}

/// Counts by category. Categories with neither labels nor predictions are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    /// Sorted by name.
    pub categories: BTreeMap<EntityCategory, Counts>,
}

impl Scores {
    /// The scores of all `documents`: what people labeled, and what a model found.
    pub fn of<'a>(documents: impl IntoIterator<Item = (&'a [Region], &'a [Entity])>) -> Self {
        let mut scores = Self::default();
        for (regions, predicted) in documents {
            scores.add(regions, predicted);
        }
        scores
    }

    /// Adds one document. Equal predictions count once; those outside every region are ignored.
    pub fn add(&mut self, regions: &[Region], predicted: &[Entity]) {
        let labels: BTreeSet<(&EntityCategory, Span)> =
            regions.iter().flat_map(|region| &region.labels).map(|l| (&l.category, l.span)).collect();
        let predicted: BTreeSet<(&EntityCategory, Span)> = predicted
            .iter()
            .filter(|entity| region_of(regions, entity.span).is_some())
            .map(|entity| (&entity.category, entity.span))
            .collect();
        for (category, span) in &labels {
            let found = predicted.contains(&(*category, *span));
            let counts = self.categories.entry((*category).clone()).or_default();
            if found {
                counts.true_positives += 1;
            } else {
                counts.false_negatives += 1;
            }
        }
        for (category, _) in predicted.difference(&labels) {
            self.categories.entry((*category).clone()).or_default().false_positives += 1;
        }
    }

    /// All counts summed.
    pub fn total(&self) -> Counts {
        self.categories.values().fold(Counts::default(), |mut sum, counts| {
            sum.add(*counts);
            sum
        })
    }

    /// Ratios of the summed counts, the score people look at first.
    pub fn micro(&self) -> Ratios {
        self.total().ratios()
    }

    /// Plain averages of the categories' ratios; f1 is the average of f1, not the f1 of the averages.
    pub fn macro_average(&self) -> Ratios {
        let all: Vec<Ratios> = self.categories.values().map(|counts| counts.ratios()).collect();
        let mean = |pick: fn(&Ratios) -> f32| match all.len() {
            0 => 0.0,
            count => (all.iter().map(|ratios| f64::from(pick(ratios))).sum::<f64>() / count as f64) as f32,
        };
        Ratios { precision: mean(|r| r.precision), recall: mean(|r| r.recall), f1: mean(|r| r.f1) }
    }
}

/// Index of the region a prediction is judged in: the first one it touches.
pub fn region_of(regions: &[Region], span: Span) -> Option<usize> {
    regions.iter().position(|region| region.span.overlaps(span))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Label;
    use proptest::prelude::*;

    pub(crate) fn category(name: &str) -> EntityCategory {
        EntityCategory::new(name).unwrap()
    }

    pub(crate) fn label(name: &str, start: usize, end: usize) -> Label {
        Label { span: Span::new(start, end), category: category(name) }
    }

    pub(crate) fn entity(name: &str, start: usize, end: usize) -> Entity {
        Entity { span: Span::new(start, end), category: category(name), confidence: 0.5 }
    }

    pub(crate) fn region(end: usize, labels: Vec<Label>) -> Region {
        Region { span: Span::new(0, end), labels }
    }

    fn counts(true_positives: u64, false_positives: u64, false_negatives: u64) -> Counts {
        Counts { true_positives, false_positives, false_negatives }
    }

    #[test]
    fn the_documentation_example_scores_0_6_three_times() {
        let labels = vec![
            label("Person", 0, 1),
            label("Person", 2, 3),
            label("Person", 4, 5),
            label("City", 6, 7),
            label("City", 8, 9),
        ];
        let predicted = [
            entity("Person", 0, 1),
            entity("Person", 2, 3),
            entity("Person", 10, 11),
            entity("City", 6, 7),
            entity("City", 12, 13),
        ];
        let scores = Scores::of([(&[region(20, labels)][..], &predicted[..])]);
        assert_eq!(scores.categories[&category("Person")], counts(2, 1, 1));
        assert_eq!(scores.categories[&category("City")], counts(1, 1, 1));
        assert_eq!(scores.micro(), Ratios { precision: 0.6, recall: 0.6, f1: 0.6 });
    }

    #[test]
    fn a_wrong_category_costs_twice() {
        let regions = [region(20, vec![label("A", 0, 5)])];
        let scores = Scores::of([(&regions[..], &[entity("B", 0, 5)][..])]);
        assert_eq!(scores.categories[&category("A")], counts(0, 0, 1));
        assert_eq!(scores.categories[&category("B")], counts(0, 1, 0));
    }

    #[test]
    fn no_predictions_divide_by_nothing() {
        let regions = [region(20, vec![label("A", 0, 5)])];
        let scores = Scores::of([(&regions[..], &[][..])]);
        assert_eq!((scores.micro(), scores.macro_average()), (Ratios::default(), Ratios::default()));
        assert_eq!(Scores::default().macro_average(), Ratios::default());
    }

    #[test]
    fn equal_predictions_count_once_and_those_outside_not_at_all() {
        let regions = [region(10, vec![label("A", 0, 5)])];
        let predicted =
            [entity("A", 0, 5), entity("A", 0, 5), entity("A", 6, 7), entity("A", 6, 7), entity("A", 10, 12)];
        let scores = Scores::of([(&regions[..], &predicted[..])]);
        assert_eq!(scores.total(), counts(1, 1, 0));
    }

    #[test]
    fn macro_f1_is_the_average_of_f1() {
        let regions = [region(20, vec![label("A", 0, 1), label("B", 2, 3), label("B", 4, 5)])];
        let scores = Scores::of([(&regions[..], &[entity("A", 0, 1), entity("B", 2, 3)][..])]);
        let expected = (1.0 + 2.0 / 3.0) / 2.0;
        assert!((scores.macro_average().f1 - expected).abs() < 1e-6);
    }

    fn spans() -> impl Strategy<Value = Vec<(bool, usize)>> {
        prop::collection::vec((any::<bool>(), 0usize..30), 0..20)
    }

    proptest! {
        /// Labels + predictions are conserved, and swapping the two swaps the kinds of error.
        #[test]
        fn counts_are_conserved(gold in spans(), found in spans()) {
            let name = |first: bool| if first { "A" } else { "B" };
            let labels: BTreeSet<_> = gold.iter().map(|(c, s)| label(name(*c), *s, s + 1)).collect();
            let found: BTreeSet<_> = found.iter().map(|(c, s)| label(name(*c), *s, s + 1)).collect();
            let as_entity = |l: &Label| entity(l.category.as_str(), l.span.start.get(), l.span.end.get());
            let score = |gold: &BTreeSet<Label>, found: &BTreeSet<Label>| {
                let regions = [region(40, gold.iter().cloned().collect())];
                let entities: Vec<_> = found.iter().map(as_entity).collect();
                Scores::of([(&regions[..], &entities[..])]).total()
            };
            let (there, back) = (score(&labels, &found), score(&found, &labels));
            prop_assert_eq!(there.true_positives + there.false_negatives, labels.len() as u64);
            prop_assert_eq!(there.true_positives + there.false_positives, found.len() as u64);
            prop_assert_eq!(back, counts(there.true_positives, there.false_negatives, there.false_positives));
        }
    }
}
