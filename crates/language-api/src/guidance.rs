//! Advice beside an evaluation: our extension of its summary (contract: evaluation 7).

use ner::guidance::{Advice, TRAINING_LABELS_MIN};
use serde::{Deserialize, Serialize};

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guidance {
    /// Which rule found something, for programs.
    pub rule: GuidanceRule,
    /// The category it is about.
    pub category: String,
    /// The category it is compared or confused with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_category: Option<String>,
    /// What was found and what to do, for people.
    pub message: String,
}

/// The rules, in the order of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GuidanceRule {
    /// Too few labels to learn from.
    FewLabels,
    /// No label in the test set.
    NotTested,
    /// Far fewer labels than another category.
    Unbalanced,
    /// Another share of the test set than of the training set.
    DistributionDiffers,
    /// Often predicted as another category.
    Confused,
    /// Often not found.
    Missed,
    /// Often found where nothing is labelled.
    Invented,
}

impl From<&Advice> for Guidance {
    fn from(advice: &Advice) -> Self {
        let found = |rule, category: &ner::EntityCategory, message: String| Self {
            rule,
            category: category.as_str().to_owned(),
            other_category: None,
            message,
        };
        let beside = |guidance: Self, other: &ner::EntityCategory| Self {
            other_category: Some(other.as_str().to_owned()),
            ..guidance
        };
        match advice {
            Advice::FewLabels { category, train } => {
                let message = format!(
                    "{category} has {train} labels in the training set, fewer than {TRAINING_LABELS_MIN}: label more of them"
                );
                found(GuidanceRule::FewLabels, category, message)
            }
            Advice::NotTested { category } => {
                let message =
                    format!("{category} has no label in the test set, so it can't be judged: add some there");
                found(GuidanceRule::NotTested, category, message)
            }
            Advice::Unbalanced { small, small_labels, large, large_labels } => {
                let message = format!(
                    "{small} has {small_labels} labels, {large} has {large_labels}: the model may lean to {large}; label \
                     more of {small}"
                );
                beside(found(GuidanceRule::Unbalanced, small, message), large)
            }
            Advice::DistributionDiffers { category, labels } => {
                let message = format!(
                    "{category} has {} labels in the training set and {} in the test set, other shares of the two: the \
                     scores may mislead; divide the documents again",
                    labels.train, labels.test
                );
                found(GuidanceRule::DistributionDiffers, category, message)
            }
            Advice::Confused { labeled, predicted, percent } => {
                let message = format!(
                    "{percent:.0}% of what is labelled {labeled} is predicted as {predicted}: make clear how they differ, \
                     or merge them"
                );
                beside(found(GuidanceRule::Confused, labeled, message), predicted)
            }
            Advice::Missed { category, percent } => {
                let message = format!(
                    "{percent:.0}% of what is labelled {category} is not found: label more of it, and always in the same way"
                );
                found(GuidanceRule::Missed, category, message)
            }
            Advice::Invented { category, percent } => {
                let message = format!(
                    "{percent:.0}% of the text without labels is predicted as {category}: look for labels that were forgotten"
                );
                found(GuidanceRule::Invented, category, message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ner::EntityCategory;
    use ner::guidance::LabelCounts;

    #[test]
    fn every_rule_names_its_categories_and_numbers() {
        let category = |name| EntityCategory::new(name).expect("a name");
        let labels = LabelCounts { train: 3, test: 9 };
        let all = [
            Advice::FewLabels { category: category("A"), train: 3 },
            Advice::NotTested { category: category("A") },
            Advice::Unbalanced {
                small: category("A"),
                small_labels: 2,
                large: category("B"),
                large_labels: 90,
            },
            Advice::DistributionDiffers { category: category("A"), labels },
            Advice::Confused { labeled: category("A"), predicted: category("B"), percent: 24.6 },
            Advice::Missed { category: category("A"), percent: 31.0 },
            Advice::Invented { category: category("A"), percent: 31.0 },
        ];
        let wire: Vec<Guidance> = all.iter().map(Guidance::from).collect();
        assert!(wire.iter().all(|guidance| guidance.category == "A" && guidance.message.contains('A')));
        expect_test::expect![[
            r#"{"rule":"confused","category":"A","otherCategory":"B","message":"25% of what is labelled A is predicted as B: make clear how they differ, or merge them"}"#
        ]]
        .assert_eq(&serde_json::to_string(&wire[4]).expect("serializes"));
        let rules: std::collections::HashSet<_> = wire.iter().map(|guidance| guidance.rule).collect();
        assert_eq!(rules.len(), all.len());
    }
}
