use super::*;
use crate::random::Random;
use model::{Inputs, Preparation, Recipe};
use std::collections::HashMap;

const TAGS: usize = 5;

/// Words of which some come often and some once, with random tags; the last two are of no example.
fn corpus(min_count: u32) -> (SparseData, Inputs, Vec<Tag>) {
    let mut random = Random::new(11, 0);
    let mut text = String::new();
    for line in 0..60 {
        let word = |random: &mut Random| {
            ["the", "Acme", "of", "pays", "1,000"][random.next() as usize % 5].to_owned()
        };
        let words: Vec<String> = (0..6).map(|_| word(&mut random)).collect();
        text += &format!("{} Rare{line}{line}\n", words.join(" "));
    }
    let preparation = Preparation::new(&Recipe::lexical(), None).expect("no encoder needed");
    let prepared = preparation.prepare(&[&text]).expect("no tokenizer to fail");
    let words = prepared.inputs.words();
    let gold: Vec<Tag> = (0..words).map(|_| (random.next() % TAGS as u64) as Tag).collect();
    let mut numbering = Numbering::default();
    numbering.add(&prepared, &[0..40, 40..words - 2]);
    (SparseData::new(numbering, &gold, TAGS, min_count), prepared.inputs, gold)
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3 * b.abs().max(1.0))
}

/// What `data` learned by heart says of a word is what the table in a head says of its hashes.
fn says_what_its_table_says(data: &SparseData, inputs: &Inputs) {
    let mut random = Random::new(5, 0);
    let all = data.weights(data.reachable(0.0));
    let scaled: Vec<f32> = (0..all).map(|_| random.symmetric()).collect();
    let table = data.table(&scaled, 0.0).expect("valid");
    let (groups, mut laid_out) = (data.group_scores(&scaled), Vec::new());
    data.lay_out(&scaled, &mut laid_out);
    for word in 0..inputs.words() - 2 {
        let mut expected = [0.0; TAGS];
        for entry in inputs.features_of(word).iter().flat_map(|&hash| table.row(hash)) {
            expected[usize::from(entry.tag)] += entry.weight;
        }
        let (mut plain, mut fast) = ([0.0; TAGS], [0.0; TAGS]);
        data.add_scores(&scaled, word, &mut plain);
        data.add_scores_laid_out(&groups, &laid_out, word, &mut fast);
        assert!(
            close(&plain, &expected) && close(&fast, &expected),
            "{word}: {plain:?} {fast:?} {expected:?}"
        );
    }
}

#[test]
fn groups_and_twins_say_what_all_features_say() {
    for min_count in [1, 2, 9] {
        let (data, inputs, _) = corpus(min_count);
        assert!(data.groups.len() > 20 && data.scales().iter().any(|&scale| scale > 1.0), "{min_count}");
        says_what_its_table_says(&data, &inputs);
        let some: Vec<u32> = (0..data.reachable(0.0) as u32).filter(|feature| feature % 3 > 0).collect();
        let few = data.only(&some);
        assert!(few.groups.len() <= data.groups.len());
        says_what_its_table_says(&few, &inputs);
    }
}

#[test]
fn slopes_come_back_to_every_feature_of_a_word() {
    let (data, inputs, gold) = corpus(1);
    let mut random = Random::new(6, 0);
    let all = data.weights(data.reachable(0.0));
    let mut weights = Vec::new();
    data.lay_out(&vec![0.0; all], &mut weights);
    let (mut groups, mut slopes) = (vec![0.0; data.groups.len() * TAGS], vec![0.0; all]);
    let mut expected: HashMap<(u64, Tag), f32> = HashMap::new();
    for word in 0..inputs.words() - 2 {
        let residuals: Vec<f32> = (0..TAGS).map(|_| random.symmetric()).collect();
        data.add_slopes(&residuals, word, &mut groups, &mut weights);
        for &hash in inputs.features_of(word) {
            (0..).zip(&residuals).for_each(|(tag, slope)| *expected.entry((hash, tag)).or_default() += slope);
        }
    }
    data.add_group_slopes(&groups, &mut slopes);
    slopes.iter_mut().zip(&weights).for_each(|(slope, weight)| *slope += weight.slope);
    // A table divides among twins what they have together; a slope is that of each.
    slopes.iter_mut().zip(data.scales()).for_each(|(slope, scale)| *slope *= scale * scale);
    let table = data.table(&slopes, 0.0).expect("valid");
    for word in 0..inputs.words() - 2 {
        for &hash in inputs.features_of(word) {
            assert!(
                table.row(hash).iter().any(|entry| entry.tag == gold[word]),
                "a weight for what was seen"
            );
            for entry in table.row(hash) {
                assert!(close(&[entry.weight], &[expected[&(hash, entry.tag)]]), "{entry:?}");
            }
        }
    }
}
