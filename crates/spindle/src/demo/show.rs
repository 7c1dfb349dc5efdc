//! What the walk-through prints.

use owo_colors::{AnsiColors, OwoColorize, Stream};
use serde_json::Value;
use std::collections::BTreeMap;

const COLORS: [AnsiColors; 7] = [
    AnsiColors::Cyan,
    AnsiColors::Yellow,
    AnsiColors::Green,
    AnsiColors::Magenta,
    AnsiColors::Blue,
    AnsiColors::BrightRed,
    AnsiColors::BrightBlue,
];

/// A heading for the next step.
pub(super) fn step(text: &str) {
    println!("\n{}", text.if_supports_color(Stream::Stdout, |text| text.bold()));
}

/// One row per category, then the micro average.
pub(super) fn evaluation(summary: &Value) {
    let scores = &summary["customEntityRecognitionEvaluation"];
    println!("  {:<16} {:>9} {:>9} {:>9} {:>9}", "entity type", "precision", "recall", "F1", "support");
    for (category, score) in scores["entities"].as_object().into_iter().flatten() {
        let count = |name: &str| score[name].as_u64().unwrap_or(0);
        let support = count("truePositiveCount") + count("falseNegativeCount");
        row(category, [&score["precision"], &score["recall"], &score["f1"]], &support.to_string());
    }
    row("all (micro)", [&scores["microPrecision"], &scores["microRecall"], &scores["microF1"]], "");
}

fn row(name: &str, [precision, recall, f1]: [&Value; 3], support: &str) {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    println!(
        "  {name:<16} {:>9.3} {:>9.3} {:>9.3} {support:>9}",
        number(precision),
        number(recall),
        number(f1)
    );
}

/// The text with its entities coloured and named; offsets are code points.
pub(super) fn entities(text: &str, entities: &Value) {
    let signs: Vec<char> = text.chars().collect();
    let piece =
        |from: usize, to: usize| signs[from.min(signs.len())..to.min(signs.len())].iter().collect::<String>();
    let mut painted = String::new();
    let mut at = 0;
    for entity in entities.as_array().into_iter().flatten() {
        let number = |name: &str| entity[name].as_u64().unwrap_or(0) as usize;
        let (start, end) = (number("offset"), number("offset") + number("length"));
        let category = entity["category"].as_str().unwrap_or_default();
        painted.push_str(&piece(at, start));
        let found = format!(
            "[{} · {category} {:.2}]",
            piece(start, end),
            entity["confidenceScore"].as_f64().unwrap_or(0.0)
        );
        painted.push_str(
            &found.if_supports_color(Stream::Stdout, |found| found.color(color(category))).to_string(),
        );
        at = end;
    }
    painted.push_str(&piece(at, signs.len()));
    for line in painted.replace("\r\n", "\n").lines() {
        println!("  {line}");
    }
}

/// The same category has the same colour everywhere, without a list of categories.
fn color(category: &str) -> AnsiColors {
    let sum: usize = category.bytes().map(usize::from).sum();
    COLORS[sum % COLORS.len()]
}

/// How many of each dataset a label file holds.
pub(super) fn datasets(project_file: &Value) -> String {
    let mut counts = BTreeMap::new();
    for document in project_file["assets"]["documents"].as_array().into_iter().flatten() {
        *counts.entry(document["dataset"].as_str().unwrap_or("Train")).or_insert(0) += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(dataset, count)| format!("{count} {dataset}")).collect();
    parts.join(", ")
}
