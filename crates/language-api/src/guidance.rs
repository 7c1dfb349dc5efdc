//! Advice before a training and beside an evaluation: our extension of their answers (contract: evaluation 7).

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

/// The rules, in the order of the contract; the last three are ours and look at labels and texts before a training.
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
    /// The same texts are labelled as another category, too.
    LabeledDifferently,
    /// Texts that are mostly labelled stand without a label elsewhere.
    LabelForgotten,
    /// A few labels reach over the end of a sentence or line.
    CrossesSentences,
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
            Advice::LabeledDifferently {
                category,
                other,
                texts,
                example,
                labels: [labels, other_labels],
            } => {
                let message = format!(
                    "{} labelled {category} in some places and {other} in others, such as “{}” ({labels} times {category}, \
                     {other_labels} times {other}): make sure that both are meant",
                    count(*texts, "text is", "texts are"),
                    excerpt(example)
                );
                beside(found(GuidanceRule::LabeledDifferently, category, message), other)
            }
            Advice::LabelForgotten { category, texts, unlabeled, example, example_labels, location } => {
                let [labels, without] = example_labels;
                let message = format!(
                    "{} mostly labelled {category} {} without a label {}, such as “{}” (labelled {labels} times, {without} \
                     times not, first in {location:?}): look for labels that were forgotten",
                    count(*texts, "text", "texts"),
                    if *texts == 1 { "stands" } else { "stand" },
                    count(*unlabeled, "time", "times"),
                    excerpt(example)
                );
                found(GuidanceRule::LabelForgotten, category, message)
            }
            Advice::CrossesSentences { category, labels, crossing, example } => {
                let message = format!(
                    "{crossing} of {labels} labels of {category} {} over the end of a sentence or line, such as “{}”: such \
                     entities are hard to find; check their borders",
                    if *crossing == 1 { "reaches" } else { "reach" },
                    excerpt(example)
                );
                found(GuidanceRule::CrossesSentences, category, message)
            }
        }
    }
}

/// A number with its noun.
fn count(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// Enough of a text to know it again, on one line.
fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
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
            Advice::LabeledDifferently {
                category: category("A"),
                other: category("B"),
                texts: 2,
                example: "Oslo".into(),
                labels: [7, 1],
            },
            Advice::LabelForgotten {
                category: category("A"),
                texts: 1,
                unlabeled: 3,
                example: "New\nYork".into(),
                example_labels: [4, 3],
                location: "b.txt".into(),
            },
            Advice::CrossesSentences {
                category: category("A"),
                labels: 9,
                crossing: 1,
                example: "long ".repeat(20),
            },
        ];
        let wire: Vec<Guidance> = all.iter().map(Guidance::from).collect();
        assert!(wire.iter().all(|guidance| guidance.category == "A" && guidance.message.contains('A')));
        expect_test::expect![[
            r#"{"rule":"confused","category":"A","otherCategory":"B","message":"25% of what is labelled A is predicted as B: make clear how they differ, or merge them"}"#
        ]]
        .assert_eq(&serde_json::to_string(&wire[4]).expect("serializes"));
        let messages: Vec<_> = wire[7..].iter().map(|guidance| guidance.message.as_str()).collect();
        expect_test::expect![[r#"
            2 texts are labelled A in some places and B in others, such as “Oslo” (7 times A, 1 times B): make sure that both are meant
            1 text mostly labelled A stands without a label 3 times, such as “New York” (labelled 4 times, 3 times not, first in "b.txt"): look for labels that were forgotten
            1 of 9 labels of A reaches over the end of a sentence or line, such as “long long long long long long long long long long long long …”: such entities are hard to find; check their borders"#]]
        .assert_eq(&messages.join("\n"));
        let rules: std::collections::HashSet<_> = wire.iter().map(|guidance| guidance.rule).collect();
        assert_eq!(rules.len(), all.len());
    }
}
