use super::*;
use crate::tags::{TagSet, allowed, allowed_first};
use proptest::prelude::*;

#[derive(Debug)]
struct Case {
    tags: usize,
    transitions: Vec<f32>,
    start: Vec<f32>,
    end: Vec<f32>,
    emissions: Vec<f32>,
}

impl Case {
    fn lattice(&self, temperature: f64) -> Lattice {
        let Self { tags, transitions, start, end, .. } = self;
        Lattice::new(Scores { tags: *tags, transitions, start, end }, temperature)
    }

    fn words(&self) -> usize {
        self.emissions.len() / self.tags
    }

    /// Every allowed reading with its score, by plain addition.
    fn readings(&self) -> Vec<(Vec<Tag>, f64)> {
        let mut readings = vec![(Vec::new(), 0.0)];
        for word in 0..self.words() {
            readings =
                readings.iter().flat_map(|(reading, score)| self.extend(word, reading, *score)).collect();
        }
        readings
            .into_iter()
            .map(|(reading, score)| {
                let end = self.end[usize::from(*reading.last().expect("a word"))];
                (reading, score + f64::from(end))
            })
            .collect()
    }

    fn extend(&self, word: usize, reading: &[Tag], score: f64) -> Vec<(Vec<Tag>, f64)> {
        let may = |tag: Tag| reading.last().map_or(allowed_first(tag), |&before| allowed(before, tag));
        (0..self.tags as Tag)
            .filter(|&tag| may(tag))
            .map(|tag| {
                let tag_index = usize::from(tag);
                let step = match reading.last() {
                    None => self.start[tag_index],
                    Some(&before) => self.transitions[usize::from(before) * self.tags + tag_index],
                };
                let emission = self.emissions[word * self.tags + tag_index];
                ([reading, &[tag]].concat(), score + f64::from(step) + f64::from(emission))
            })
            .collect()
    }
}

fn case() -> impl Strategy<Value = Case> {
    let scores = |length| prop::collection::vec(-4.0f32..4.0, length);
    (0usize..3, 1usize..5).prop_flat_map(move |(categories, words)| {
        let tags = 1 + 2 * categories;
        (scores(tags * tags), scores(tags), scores(tags), scores(words * tags)).prop_map(
            move |(transitions, start, end, emissions)| Case { tags, transitions, start, end, emissions },
        )
    })
}

proptest! {
    #[test]
    fn boldness_is_a_bonus_for_entities_after_words_outside(case in case(), bonus in 0.0f64..3.0) {
        let (plain, bold) = (case.lattice(1.0), case.lattice(1.0).bolder(bonus));
        for (reading, _) in case.readings() {
            let before = [OUTSIDE].into_iter().chain(reading.iter().copied());
            let begins = before.zip(&reading).filter(|&(before, &tag)| before == OUTSIDE && tag != OUTSIDE);
            let expected = plain.score(&case.emissions, &reading) + bonus * begins.count() as f64;
            prop_assert!((bold.score(&case.emissions, &reading) - expected).abs() < 1e-9);
        }
        let sum: f64 = case.readings().iter().map(|(reading, _)| bold.score(&case.emissions, reading).exp()).sum();
        let mut posterior = Posterior::default();
        posterior.run(&bold, &case.emissions);
        prop_assert!((posterior.log_partition() - sum.ln()).abs() < 1e-6);
    }

    #[test]
    fn agrees_with_listing_every_reading(case in case()) {
        let lattice = case.lattice(1.0);
        let readings = case.readings();
        let total = readings.iter().map(|(_, score)| score.exp()).sum::<f64>();
        let mut posterior = Posterior::default();
        posterior.run(&lattice, &case.emissions);
        prop_assert!((posterior.log_partition() - total.ln()).abs() < 1e-6);

        let best = lattice.best(&case.emissions);
        let highest = readings.iter().map(|(_, score)| *score).fold(f64::MIN, f64::max);
        prop_assert!((lattice.score(&case.emissions, &best) - highest).abs() < 1e-4);

        let mut marginals = vec![0.0; case.emissions.len()];
        posterior.marginals(&lattice, &mut marginals);
        for (at, &found) in marginals.iter().enumerate() {
            let (word, tag) = (at / case.tags, (at % case.tags) as Tag);
            let with = readings.iter().filter(|(reading, _)| reading[word] == tag);
            let expected = with.map(|(_, score)| score.exp()).sum::<f64>() / total;
            prop_assert!((f64::from(found) - expected).abs() < 1e-6);
        }
        for (reading, score) in &readings {
            prop_assert!((lattice.score(&case.emissions, reading) - score).abs() < 1e-4);
        }
    }

    #[test]
    fn entity_probability_is_the_share_of_readings_that_hold_it(case in case()) {
        let lattice = case.lattice(1.0);
        let readings = case.readings();
        let total = readings.iter().map(|(_, score)| score.exp()).sum::<f64>();
        let mut posterior = Posterior::default();
        posterior.run(&lattice, &case.emissions);
        for start in 0..case.words() {
            for end in start + 1..=case.words() {
                for category in 0..(case.tags - 1) / 2 {
                    let entity = crate::tags::WordSpan { words: start..end, category };
                    let with = readings.iter().filter(|(reading, _)| TagSet::decode(reading).contains(&entity));
                    let expected = with.map(|(_, score)| score.exp()).sum::<f64>() / total;
                    let found = posterior.probability(&lattice, start..end, category);
                    prop_assert!((found - expected).abs() < 1e-6, "{:?}: {} {}", entity, found, expected);
                }
            }
        }
    }

    #[test]
    fn expected_counts_are_weighted_sums_over_readings(case in case()) {
        let lattice = case.lattice(1.0);
        let readings = case.readings();
        let total = readings.iter().map(|(_, score)| score.exp()).sum::<f64>();
        let mut posterior = Posterior::default();
        posterior.run(&lattice, &case.emissions);
        let mut counts = Counts::new(&lattice);
        posterior.count(&lattice, &mut counts);
        let expected = counts.expected(&lattice);
        let mut listed = vec![0.0; case.tags * case.tags];
        for (reading, score) in &readings {
            for pair in reading.windows(2) {
                listed[usize::from(pair[0]) * case.tags + usize::from(pair[1])] += score.exp() / total;
            }
        }
        for (found, listed) in expected.transitions.iter().zip(&listed) {
            prop_assert!((found - listed).abs() < 1e-6);
        }
        prop_assert!((expected.start.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        prop_assert!((expected.end.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn temperature_divides_every_score(case in case()) {
        let halved = |scores: &[f32]| scores.iter().map(|score| score / 2.0).collect::<Vec<_>>();
        let cooler = Case {
            tags: case.tags,
            transitions: halved(&case.transitions),
            start: halved(&case.start),
            end: halved(&case.end),
            emissions: halved(&case.emissions),
        };
        let (mut one, mut other) = (Posterior::default(), Posterior::default());
        one.run(&case.lattice(2.0), &case.emissions);
        other.run(&cooler.lattice(1.0), &cooler.emissions);
        prop_assert!((one.log_partition() - other.log_partition()).abs() < 1e-5);
    }
}

#[test]
fn extreme_scores_give_finite_probabilities() {
    let case = Case {
        tags: 3,
        transitions: vec![0.0; 9],
        start: vec![0.0; 3],
        end: vec![0.0; 3],
        // The last tag may not begin a sequence, and everything else is all but impossible.
        emissions: [[-3e4, -3e4, 3e4]; 50].concat(),
    };
    let lattice = case.lattice(1.0);
    let mut posterior = Posterior::default();
    posterior.run(&lattice, &case.emissions);
    assert!(posterior.log_partition().is_finite());
    let whole = posterior.probability(&lattice, 0..50, 0);
    assert!(whole > 0.99 && whole <= 1.0 + 1e-9, "{whole}");
    assert_eq!(lattice.best(&case.emissions)[..2], [1, 2]);
    assert!(lattice.best(&[]).is_empty());
}
