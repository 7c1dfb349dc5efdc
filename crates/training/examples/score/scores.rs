//! Exact-span micro scores, and how honest confidences are.

use anyhow::Result;
use model::{Graph, ServingModel};
use ner::{EntityCategory, LabeledDocument, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Right, found and gold entities by category, and confidences.
#[derive(Default)]
pub(crate) struct Scores {
    by_category: BTreeMap<EntityCategory, [usize; 3]>,
    /// Number, sum of confidences and right ones in ten classes of confidence.
    calibration: [(usize, f64, usize); 10],
}

impl Scores {
    /// Serves every document by itself and compares.
    pub(crate) fn of(
        serving: &ServingModel,
        graph: &dyn Graph,
        documents: &[LabeledDocument],
    ) -> Result<Self> {
        let mut scores = Self::default();
        for document in documents {
            let prepared = serving.prepare(&[&document.document.text])?;
            let emissions = graph.compute(&prepared.inputs)?;
            let found = serving.decode(&prepared, &emissions)?.remove(0);
            let gold: BTreeSet<(Span, EntityCategory)> =
                document.labels().map(|label| (label.span, label.category.clone())).collect();
            for (_, category) in &gold {
                scores.by_category.entry(category.clone()).or_default()[2] += 1;
            }
            for entity in found {
                let class = &mut scores.calibration[((entity.confidence * 10.0) as usize).min(9)];
                let counts = scores.by_category.entry(entity.category.clone()).or_default();
                counts[1] += 1;
                class.0 += 1;
                class.1 += f64::from(entity.confidence);
                if gold.contains(&(entity.span, entity.category)) {
                    counts[0] += 1;
                    class.2 += 1;
                }
            }
        }
        Ok(scores)
    }

    /// Adds the counts of other documents.
    pub(crate) fn add(&mut self, other: &Self) {
        for (category, counts) in &other.by_category {
            let sums = self.by_category.entry(category.clone()).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        for (sum, class) in self.calibration.iter_mut().zip(&other.calibration) {
            *sum = (sum.0 + class.0, sum.1 + class.1, sum.2 + class.2);
        }
    }

    /// F1, precision and recall over all categories, in percent.
    pub(crate) fn micro(&self) -> [f64; 3] {
        let sum = |part: usize| self.by_category.values().map(|counts| counts[part]).sum();
        figures([sum(0), sum(1), sum(2)])
    }

    /// Mean distance of confidence and share of right entities.
    pub(crate) fn calibration_error(&self) -> f64 {
        let error: f64 = self.calibration.iter().map(|(_, sum, right)| (sum - *right as f64).abs()).sum();
        let all: usize = self.calibration.iter().map(|(count, _, _)| count).sum();
        error / all.max(1) as f64
    }

    /// Prints a line for each category.
    pub(crate) fn print_categories(&self) {
        for (category, counts) in &self.by_category {
            let [f1, precision, recall] = figures(*counts);
            println!("    {category:24} F1 {f1:5.1} P {precision:5.1} R {recall:5.1} gold {}", counts[2]);
        }
    }
}

fn figures([right, found, gold]: [usize; 3]) -> [f64; 3] {
    let percent = |part: usize, all: usize| if all == 0 { 0.0 } else { 100.0 * part as f64 / all as f64 };
    [percent(2 * right, found + gold), percent(right, found), percent(right, gold)]
}
