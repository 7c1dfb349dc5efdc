//! Scores, confusion matrix and per-document results of a model.

use super::{Align, Paint, Table};
use language_api::evaluation::{BACKGROUND, EvaluatedEntity, Matrix};
use language_api::{EvaluatedDocument, EvaluationOptions, EvaluationSummary};
use std::collections::BTreeSet;

/// What the cells of the confusion matrix count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cells {
    /// Per cent of the row.
    Percent,
    /// Segments.
    Segments,
}

/// Scores by entity type, the confusion matrix, and what could be done better.
pub(crate) fn summary(summary: &EvaluationSummary, cells: Cells, paint: Paint) -> String {
    let matrix = &summary.custom_entity_recognition_evaluation.confusion_matrix;
    let unit = match cells {
        Cells::Percent => "per cent of the row",
        Cells::Segments => "segments of text",
    };
    let mut parts = vec![
        split(summary),
        scores(summary, paint),
        paint.bold(&format!("Confusion matrix: rows labelled, columns predicted, {unit}")) + "\n",
        confusion(matrix, cells, paint),
    ];
    if !summary.guidance.is_empty() {
        parts.push(paint.bold("Guidance") + "\n");
        parts.push(summary.guidance.iter().map(|advice| format!("  {}\n", advice.message)).collect());
    }
    parts.concat()
}

fn split(summary: &EvaluationSummary) -> String {
    let seed = summary.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
    match summary.evaluation_options {
        EvaluationOptions::Manual => "  split: the documents' own datasets\n".to_owned(),
        EvaluationOptions::Percentage { training_split_percentage, testing_split_percentage } => format!(
            "  split: {training_split_percentage} % to learn from, {testing_split_percentage} % to score on{seed}\n"
        ),
    }
}

/// One row per entity type, then the averages.
pub(crate) fn scores(summary: &EvaluationSummary, paint: Paint) -> String {
    let scores = &summary.custom_entity_recognition_evaluation;
    let mut table = Table::new([
        ("entity type", Align::Left),
        ("precision", Align::Right),
        ("recall", Align::Right),
        ("F1", Align::Right),
        ("support", Align::Right),
    ]);
    let row = |name: &str, ratios: [f32; 3], support: u64| {
        let [precision, recall, f1] = ratios.map(|ratio| format!("{ratio:.3}"));
        [name.to_owned(), precision, recall, f1, support.to_string()]
    };
    let mut total = 0;
    for (category, score) in &scores.entities {
        let support = score.true_positive_count + score.false_negative_count;
        total += support;
        table.row(row(category, [score.precision.0, score.recall.0, score.f1.0], support));
    }
    table.row(row("all (micro)", [scores.micro_precision, scores.micro_recall, scores.micro_f1], total));
    table.row(row("all (macro)", [scores.macro_precision, scores.macro_recall, scores.macro_f1], total));
    table.text(paint, 2)
}

/// Categories by number, so that long names make no wide columns; the background comes last.
fn confusion(matrix: &Matrix, cells: Cells, paint: Paint) -> String {
    let columns = matrix.values().flat_map(|row| row.keys());
    let classes: BTreeSet<&str> = matrix.keys().chain(columns).map(String::as_str).collect();
    let mut classes: Vec<&str> = classes.into_iter().filter(|class| *class != BACKGROUND).collect();
    classes.push(BACKGROUND);
    let name_width = classes.iter().map(|class| class.chars().count()).max().unwrap_or(0);
    let number_width = classes.len().to_string().len();
    let mut lines = String::new();
    let heading: String = (1..classes.len()).map(|number| format!("{number:>8}")).collect();
    let blanks = " ".repeat(number_width + name_width + 3);
    lines.push_str(&paint.dim(&format!("{blanks}{heading}{:>8}", "none")));
    lines.push('\n');
    for (at, labelled) in classes.iter().enumerate() {
        let number = if *labelled == BACKGROUND { String::new() } else { (at + 1).to_string() };
        let name = if *labelled == BACKGROUND { "none" } else { labelled };
        lines.push_str(&format!("  {number:>number_width$} {name:<name_width$}"));
        for predicted in &classes {
            let cell = matrix.get(*labelled).and_then(|row| row.get(*predicted));
            let shown = cell.map_or_else(
                || ".".to_owned(),
                |cell| match cells {
                    Cells::Percent => format!("{:.1}", cell.normalized_value),
                    Cells::Segments => format!("{:.2}", cell.raw_value),
                },
            );
            let shown = format!("{shown:>8}");
            let right = labelled == predicted;
            lines.push_str(&if cell.is_none() {
                paint.dim(&shown)
            } else if right {
                paint.bold(&shown)
            } else {
                shown
            });
        }
        lines.push('\n');
    }
    lines
}

/// One row per test document, then every miss and every invention.
pub(crate) fn documents(documents: &[EvaluatedDocument], paint: Paint) -> String {
    let mut overview = Table::new([
        ("document", Align::Left),
        ("labels", Align::Right),
        ("found", Align::Right),
        ("missed", Align::Right),
        ("invented", Align::Right),
    ]);
    let mut wrong = Table::new([
        ("document", Align::Left),
        ("what", Align::Left),
        ("entity type", Align::Left),
        ("offset", Align::Right),
        ("length", Align::Right),
    ]);
    let mut faults = 0;
    for document in documents {
        let expected = entities(document, |region| &region.expected_entities);
        let predicted = entities(document, |region| &region.predicted_entities);
        let (missed, invented) = (&expected - &predicted, &predicted - &expected);
        overview.row([
            document.location.clone(),
            expected.len().to_string(),
            (expected.len() - missed.len()).to_string(),
            missed.len().to_string(),
            invented.len().to_string(),
        ]);
        let kinds = [("missed", &missed), ("invented", &invented)];
        for (what, entity) in kinds.iter().flat_map(|(what, list)| list.iter().map(move |e| (what, e))) {
            faults += 1;
            let numbers = [entity.offset.to_string(), entity.length.to_string()];
            let [offset, length] = numbers;
            wrong.row([
                document.location.clone(),
                (*what).to_string(),
                entity.category.clone(),
                offset,
                length,
            ]);
        }
    }
    let mut text = overview.text(paint, 2);
    if faults > 0 {
        text.push_str(&paint.bold("Differences, in UTF-16 code units of the document"));
        text.push('\n');
        text.push_str(&wrong.text(paint, 2));
    }
    text
}

fn entities(
    document: &EvaluatedDocument,
    side: impl Fn(&language_api::evaluation::EvaluatedRegion) -> &Vec<EvaluatedEntity>,
) -> BTreeSet<EvaluatedEntity> {
    document
        .custom_entity_recognition_result
        .entities
        .iter()
        .flat_map(|region| side(region).clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn evaluated() -> EvaluationSummary {
        serde_json::from_str(
            r#"{"projectKind":"CustomEntityRecognition","customEntityRecognitionEvaluation":{
            "confusionMatrix":{"Claimant":{"Claimant":{"normalizedValue":75.0,"rawValue":3.0},"PolicyNumber":{"normalizedValue":25.0,"rawValue":1.0}},
              "PolicyNumber":{"PolicyNumber":{"normalizedValue":50.0,"rawValue":1.0},"$none":{"normalizedValue":50.0,"rawValue":1.0}},
              "$none":{"$none":{"normalizedValue":100.0,"rawValue":6.0}}},
            "entities":{"Claimant":{"f1":0.8571428656578064,"precision":1.0,"recall":0.75,"truePositiveCount":3,"trueNegativeCount":0,"falsePositiveCount":0,"falseNegativeCount":1},
              "PolicyNumber":{"f1":0.5,"precision":0.5,"recall":0.5,"truePositiveCount":1,"trueNegativeCount":0,"falsePositiveCount":1,"falseNegativeCount":1}},
            "microF1":0.72727275,"microPrecision":0.8,"microRecall":0.6666667,"macroF1":0.6785714,"macroPrecision":0.75,"macroRecall":0.625},
            "evaluationOptions":{"kind":"percentage","trainingSplitPercentage":80,"testingSplitPercentage":20},"seed":1,
            "guidance":[{"rule":"fewLabels","category":"PolicyNumber","message":"PolicyNumber has 3 labels: label more of them"}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn an_evaluation_is_one_page() {
        expect![[r#"
              split: 80 % to learn from, 20 % to score on, seed 1
              entity type   precision  recall     F1  support
              Claimant          1.000   0.750  0.857        4
              PolicyNumber      0.500   0.500  0.500        2
              all (micro)       0.800   0.667  0.727        6
              all (macro)       0.750   0.625  0.679        6
            Confusion matrix: rows labelled, columns predicted, per cent of the row
                                   1       2    none
              1 Claimant        75.0    25.0       .
              2 PolicyNumber       .    50.0    50.0
                none               .       .   100.0
            Guidance
              PolicyNumber has 3 labels: label more of them
        "#]]
        .assert_eq(&summary(&evaluated(), Cells::Percent, Paint::PLAIN));
    }

    #[test]
    fn the_matrix_also_counts_segments() {
        let text = summary(&evaluated(), Cells::Segments, Paint::PLAIN);
        assert!(
            text.contains("segments of text") && text.contains("  2 PolicyNumber       .    1.00    1.00"),
            "{text}"
        );
    }

    #[test]
    fn documents_tell_what_was_missed_and_invented() {
        let document: EvaluatedDocument = serde_json::from_str(
            r#"{"location":"claim-002.txt","language":"en-us","projectKind":"CustomEntityRecognition","customEntityRecognitionResult":{"entities":[
            {"expectedEntities":[{"category":"PolicyNumber","offset":7,"length":7},{"category":"Claimant","offset":25,"length":9}],
             "predictedEntities":[{"category":"Claimant","offset":25,"length":9},{"category":"Amount","offset":40,"length":3}],"regionOffset":0,"regionLength":75}]}}"#,
        )
        .unwrap();
        expect![[r#"
              document       labels  found  missed  invented
              claim-002.txt       2      1       1         1
            Differences, in UTF-16 code units of the document
              document       what      entity type   offset  length
              claim-002.txt  missed    PolicyNumber       7       7
              claim-002.txt  invented  Amount            40       3
        "#]]
        .assert_eq(&documents(&[document], Paint::PLAIN));
    }
}
