//! Advice about labels and split, from counts and the confusion matrix (contract: evaluation 7).
//!
//! Gives findings as values; the words for people are chosen where they are shown.

use crate::{ConfusionMatrix, EntityCategory, LabeledDocument};
use std::collections::BTreeMap;

/// Labels a category should have in the training set.
pub const TRAINING_LABELS_MIN: u64 = 15;
/// How many times more labels one category may have than another.
pub const BALANCE_FACTOR_MAX: u64 = 10;
/// How many times a category's share of one set may be its share of the other.
pub const SHARE_FACTOR_MAX: u64 = 2;
/// Labels a category needs in both sets together before its shares are compared.
pub const SHARE_LABELS_MIN: u64 = 10;
/// Part of a category's segments, in per cent, that may be predicted as another category.
pub const CONFUSED_PERCENT_MAX: f64 = 20.0;
/// Part of a category's segments, in per cent, that may be missed, or of the background that may be invented.
pub const BACKGROUND_PERCENT_MAX: f64 = 30.0;

/// Labels of one category by set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// In the training set.
    pub train: u64,
    /// In the test set.
    pub test: u64,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Advice {
    /// Fewer than [`TRAINING_LABELS_MIN`] labels to learn from: label more.
    FewLabels {
        /// The category.
        category: EntityCategory,
        /// Its labels in the training set.
        train: u64,
    },
    /// No label in the test set: the category can't be judged.
    NotTested {
        /// The category.
        category: EntityCategory,
    },
    /// One category has more than [`BALANCE_FACTOR_MAX`] times the labels of another: the model may lean to it.
    Unbalanced {
        /// The category with the fewest labels.
        small: EntityCategory,
        /// Its labels in both sets.
        small_labels: u64,
        /// The category with the most labels.
        large: EntityCategory,
        /// Its labels in both sets.
        large_labels: u64,
    },
    /// The category's shares of the two sets differ by more than [`SHARE_FACTOR_MAX`]: scores may mislead.
    DistributionDiffers {
        /// The category.
        category: EntityCategory,
        /// Its labels.
        labels: LabelCounts,
    },
    /// A category is often predicted as another one: their meanings may not be told apart.
    Confused {
        /// What people labeled.
        labeled: EntityCategory,
        /// What the model said.
        predicted: EntityCategory,
        /// Per cent of the labeled category's segments.
        percent: f64,
    },
    /// A category is often not found.
    Missed {
        /// The category.
        category: EntityCategory,
        /// Per cent of its segments.
        percent: f64,
    },
    /// Background is often predicted as a category.
    Invented {
        /// The category.
        category: EntityCategory,
        /// Per cent of the background's segments.
        percent: f64,
    },
    /// The same texts are labeled as two categories: one of them may be a slip.
    LabeledDifferently {
        /// The category they have more often.
        category: EntityCategory,
        /// The other one.
        other: EntityCategory,
        /// How many different texts.
        texts: u64,
        /// The one that has the other category most often.
        example: String,
        /// Its labels of either category.
        labels: [u64; 2],
    },
    /// Texts that are mostly labeled stand without a label elsewhere: it may have been forgotten.
    LabelForgotten {
        /// The category they have most often.
        category: EntityCategory,
        /// How many different texts.
        texts: u64,
        /// How often they stand without a label.
        unlabeled: u64,
        /// The one that does most often.
        example: String,
        /// How often it is labeled, and how often it is not.
        example_labels: [u64; 2],
        /// A document where it is not.
        location: String,
    },
    /// A few labels of a category reach over the end of a sentence or line: they may be slips.
    CrossesSentences {
        /// The category.
        category: EntityCategory,
        /// Its labels.
        labels: u64,
        /// Those that do.
        crossing: u64,
        /// The text of one of them.
        example: String,
    },
}

/// Labels by category in the two sets. `categories` are those of the schema, so that a category nobody
/// labeled appears with zeros.
pub fn count_labels<'a>(
    categories: impl IntoIterator<Item = &'a EntityCategory>,
    train: impl IntoIterator<Item = &'a LabeledDocument>,
    test: impl IntoIterator<Item = &'a LabeledDocument>,
) -> BTreeMap<EntityCategory, LabelCounts> {
    let mut counts: BTreeMap<_, _> =
        categories.into_iter().map(|category| (category.clone(), LabelCounts::default())).collect();
    for label in train.into_iter().flat_map(LabeledDocument::labels) {
        counts.entry(label.category.clone()).or_default().train += 1;
    }
    for label in test.into_iter().flat_map(LabeledDocument::labels) {
        counts.entry(label.category.clone()).or_default().test += 1;
    }
    counts
}

/// Everything worth saying, in the order of the contract's rules.
pub fn advise(labels: &BTreeMap<EntityCategory, LabelCounts>, matrix: &ConfusionMatrix) -> Vec<Advice> {
    let mut advice = Vec::new();
    for (category, counts) in labels.iter().filter(|(_, counts)| counts.train < TRAINING_LABELS_MIN) {
        advice.push(Advice::FewLabels { category: category.clone(), train: counts.train });
    }
    for (category, _) in labels.iter().filter(|(_, counts)| counts.test == 0) {
        advice.push(Advice::NotTested { category: category.clone() });
    }
    advice.extend(unbalanced(labels));
    advice.extend(distribution(labels));
    advice.extend(confusions(matrix));
    advice
}

/// Categories without any label have advice of their own and take no part.
fn unbalanced(labels: &BTreeMap<EntityCategory, LabelCounts>) -> Option<Advice> {
    let totals = || {
        let total = |(category, counts): (_, &LabelCounts)| (category, counts.train + counts.test);
        labels.iter().map(total).filter(|(_, total)| *total > 0)
    };
    let (small, small_labels) = totals().min_by_key(|(_, total)| *total)?;
    let (large, large_labels) = totals().max_by_key(|(_, total)| *total)?;
    (large_labels > BALANCE_FACTOR_MAX * small_labels).then(|| Advice::Unbalanced {
        small: small.clone(),
        small_labels,
        large: large.clone(),
        large_labels,
    })
}

fn distribution(labels: &BTreeMap<EntityCategory, LabelCounts>) -> impl Iterator<Item = Advice> {
    let train: u64 = labels.values().map(|counts| counts.train).sum();
    let test: u64 = labels.values().map(|counts| counts.test).sum();
    let differs = move |(_, counts): &(&EntityCategory, &LabelCounts)| {
        // Shares are compared as products, which needs no division by an empty set.
        let (in_train, in_test) = (counts.train * test, counts.test * train);
        counts.train + counts.test >= SHARE_LABELS_MIN
            && in_train.max(in_test) > SHARE_FACTOR_MAX * in_train.min(in_test)
            && train > 0
            && test > 0
    };
    labels
        .iter()
        .filter(differs)
        .map(|(category, labels)| Advice::DistributionDiffers { category: category.clone(), labels: *labels })
}

fn confusions(matrix: &ConfusionMatrix) -> impl Iterator<Item = Advice> {
    matrix.cells().filter_map(|cell| {
        let percent = cell.normalized;
        match (cell.labeled.clone(), cell.predicted.clone()) {
            (Some(labeled), Some(predicted)) if labeled != predicted && percent >= CONFUSED_PERCENT_MAX => {
                Some(Advice::Confused { labeled, predicted, percent })
            }
            (Some(category), None) if percent >= BACKGROUND_PERCENT_MAX => {
                Some(Advice::Missed { category, percent })
            }
            (None, Some(category)) if percent >= BACKGROUND_PERCENT_MAX => {
                Some(Advice::Invented { category, percent })
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::tests::{category, entity, label, region};

    fn labels(counts: &[(&str, u64, u64)]) -> BTreeMap<EntityCategory, LabelCounts> {
        counts
            .iter()
            .map(|(name, train, test)| (category(name), LabelCounts { train: *train, test: *test }))
            .collect()
    }

    #[test]
    fn well_labeled_data_need_no_advice() {
        let counts = labels(&[("A", 80, 20), ("B", 40, 10)]);
        assert_eq!(advise(&counts, &ConfusionMatrix::default()), []);
    }

    #[test]
    fn thin_and_untested_categories_are_named() {
        let counts = labels(&[("A", 14, 4), ("B", 15, 0)]);
        let found = advise(&counts, &ConfusionMatrix::default());
        assert!(found.contains(&Advice::FewLabels { category: category("A"), train: 14 }));
        assert!(found.contains(&Advice::NotTested { category: category("B") }));
        assert!(
            !found.iter().any(|a| matches!(a, Advice::FewLabels { category: c, .. } if c.as_str() == "B"))
        );
    }

    #[test]
    fn balance_and_distribution_have_factors() {
        let unbalanced = |small| {
            let counts = labels(&[("A", 160, 40), ("B", small, 4)]);
            advise(&counts, &ConfusionMatrix::default())
                .iter()
                .any(|a| matches!(a, Advice::Unbalanced { .. }))
        };
        assert!(unbalanced(15) && !unbalanced(16));
        let differs = |test| {
            let counts = labels(&[("A", 100, 100), ("B", 100, test)]);
            let found = advise(&counts, &ConfusionMatrix::default());
            found.iter().filter(|a| matches!(a, Advice::DistributionDiffers { .. })).count()
        };
        assert_eq!((differs(100), differs(20)), (0, 1));
    }

    #[test]
    fn confusions_are_named_by_direction() {
        let text = "aaaa bbbb cccc dddd";
        let regions = [region(text.len(), vec![label("A", 0, 4), label("B", 5, 9)])];
        let found = [entity("C", 0, 1), entity("B", 5, 7), entity("B", 10, 19)];
        let matrix = ConfusionMatrix::of([(text, &regions[..], &found[..])]);
        assert_eq!(
            advise(&BTreeMap::new(), &matrix),
            [
                Advice::Invented { category: category("B"), percent: 100.0 },
                Advice::Missed { category: category("A"), percent: 75.0 },
                Advice::Confused { labeled: category("A"), predicted: category("C"), percent: 25.0 },
                Advice::Missed { category: category("B"), percent: 50.0 },
            ]
        );
    }
}
