//! What an evaluation says about the labels, in words (contract: evaluation 6 and 7).

use language_api::EvaluationSummary;
use language_api::evaluation::BACKGROUND;
use ner::guidance::{BACKGROUND_PERCENT_MAX, CONFUSED_PERCENT_MAX};

/// The advice that follows from the scores and the confusion matrix of one evaluation, one sentence each.
pub(super) fn guidance(summary: &EvaluationSummary) -> Vec<String> {
    let evaluation = &summary.custom_entity_recognition_evaluation;
    let mut advice = vec![];
    if evaluation.entities.is_empty() {
        advice.push(
            "nothing was scored: put labelled documents into the Test dataset, or split by percentage"
                .to_owned(),
        );
    }
    for (category, score) in &evaluation.entities {
        if score.true_positive_count + score.false_negative_count == 0 {
            advice.push(format!(
                "{category} has no label in the test set, so it can't be judged: add documents that have one"
            ));
        }
    }
    for (labelled, row) in &evaluation.confusion_matrix {
        for (predicted, cell) in row {
            advice.extend(cell_advice(labelled, predicted, f64::from(cell.normalized_value)));
        }
    }
    advice
}

fn cell_advice(labelled: &str, predicted: &str, percent: f64) -> Option<String> {
    match (labelled == BACKGROUND, predicted == BACKGROUND) {
        (false, false) if labelled != predicted && percent >= CONFUSED_PERCENT_MAX => Some(format!(
            "{labelled} is taken for {predicted} in {percent:.0} % of its text: draw their border in the labels, or merge them"
        )),
        (false, true) if percent >= BACKGROUND_PERCENT_MAX => Some(format!(
            "{labelled} is missed in {percent:.0} % of its text: label more of it, and all of it in every document"
        )),
        (true, false) if percent >= BACKGROUND_PERCENT_MAX => Some(format!(
            "{predicted} is found in {percent:.0} % of the text without labels: look for mentions that nobody labelled"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::evaluation::tests::evaluated;
    use expect_test::expect;

    #[test]
    fn confused_and_missed_entity_types_are_named() {
        expect![[r#"
            Claimant is taken for PolicyNumber in 25 % of its text: draw their border in the labels, or merge them
            PolicyNumber is missed in 50 % of its text: label more of it, and all of it in every document"#]].assert_eq(&guidance(&evaluated()).join("\n"));
    }

    #[test]
    fn thresholds_are_those_of_the_contract() {
        assert!(cell_advice("A", "B", 19.9).is_none() && cell_advice("A", "B", 20.0).is_some());
        assert!(cell_advice("A", BACKGROUND, 29.9).is_none() && cell_advice("A", BACKGROUND, 30.0).is_some());
        assert!(cell_advice(BACKGROUND, "A", 29.9).is_none() && cell_advice(BACKGROUND, "A", 30.0).is_some());
        assert!(
            cell_advice(BACKGROUND, BACKGROUND, 100.0).is_none() && cell_advice("A", "A", 100.0).is_none()
        );
    }

    #[test]
    fn what_was_not_tested_is_said() {
        let mut summary = evaluated();
        let scores = summary.custom_entity_recognition_evaluation.entities.get_mut("Claimant").unwrap();
        (scores.true_positive_count, scores.false_negative_count) = (0, 0);
        assert!(guidance(&summary)[0].starts_with("Claimant has no label in the test set"));
        summary.custom_entity_recognition_evaluation.entities.clear();
        assert!(guidance(&summary)[0].starts_with("nothing was scored"));
    }
}
