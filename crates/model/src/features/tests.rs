use super::*;
use crate::LexicalRecipe;
use expect_test::expect;
use ner::segmentation::Settings;
use proptest::prelude::*;
use std::collections::HashSet;

fn features(text: &str, document_context: bool) -> (Segmentation, Features) {
    let segmentation = Segmentation::new(text, &Settings { ends_at: Some(Gap::Line), words_max: 400 });
    let recipe = LexicalRecipe { document_context, ..LexicalRecipe::default() };
    let features = extract(text, &segmentation, &recipe);
    (segmentation, features)
}

fn hashes(features: &Features, word: usize) -> &[u64] {
    &features.hashes[features.offsets[word] as usize..features.offsets[word + 1] as usize]
}

fn of_word(features: &Features, word: usize) -> HashSet<u64> {
    hashes(features, word).iter().copied().collect()
}

/// Bundles name features by hash: this value changes only together with `FEATURE_SET`.
#[test]
fn hashes_are_those_of_this_feature_set() {
    let text = "Borrower: Anna Müller, 12 Main St.\nThe \"Borrower\" pays $1,000 to 東京 Bank.\nAnna";
    let (segmentation, features) = features(text, true);
    let mut digest = 0;
    for word in 0..segmentation.words.len() {
        // In which order a word has its features says nothing.
        let mut hashes = hashes(&features, word).to_vec();
        hashes.sort_unstable();
        hashes.into_iter().for_each(|hash| digest = join(digest, hash));
    }
    expect!["1123 features, 57e63bb3eb82d691"]
        .assert_eq(&format!("{} features, {digest:016x}", features.hashes.len()));
}

#[test]
fn words_alike_share_their_groups() {
    let (segmentation, features) = features("pay Acme 5 or pay Acme 7\n", true);
    let group = |word: usize, group: usize| {
        let before: usize = features.groups[word][..group].iter().map(|&length| usize::from(length)).sum();
        hashes(&features, word)[before..].iter().take(features.groups[word][group].into()).collect::<Vec<_>>()
    };
    assert_eq!(features.groups.len(), segmentation.words.len());
    // What follows from a word itself, then from the one right before it.
    for at in [0, 3] {
        assert!(group(1, at).len() > 3);
        assert_eq!((group(1, at), group(2, at) == group(6, at)), (group(5, at), at == 3));
    }
}

#[test]
fn the_key_of_a_line_reaches_its_value_alone() {
    let key = feature(Template::LineKey, 0, {
        let segmentation = Segmentation::new("date of birth", &Settings { ends_at: None, words_max: 9 });
        describe("date of birth", &segmentation.words).iter().fold(0, |hash, word| join(hash, word.lower))
    });
    let (_, found) = features("Date of Birth: 1 May\nnext", false);
    let with: Vec<bool> = (0..7).map(|word| of_word(&found, word).contains(&key)).collect();
    assert_eq!(with, [false, false, false, false, true, true, false]);
}

#[test]
fn other_occurrences_lend_their_neighbours() {
    let (_, alone) = features("lender Acme pays\nsee Acme now", false);
    let (_, with) = features("lender Acme pays\nsee Acme now", true);
    let gained: HashSet<_> = of_word(&with, 1).difference(&of_word(&alone, 1)).copied().collect();
    let lower = |word: &str| xxhash_rust::xxh3::xxh3_64(word.as_bytes());
    for (template, word) in [(Template::ElsewhereBefore, "see"), (Template::ElsewhereAfter, "now")] {
        assert!(gained.contains(&feature(template, 0, lower(word))), "{word}");
    }
    assert!(!gained.contains(&feature(Template::ElsewhereAfter, 0, lower("pays"))));
}

#[test]
fn a_huge_word_costs_no_more_features_than_another() {
    let (_, short) = features("abcdefgh", true);
    let (_, huge) = features(&"abcdefgh".repeat(2_000), true);
    assert_eq!(short.hashes.len(), huge.hashes.len());
}

#[test]
fn characters_know_the_run_of_their_script() {
    let text = "東京タワーはABC社";
    let (segmentation, found) = features(text, false);
    let run = |part: &str| {
        let lower = |sign: char| xxhash_rust::xxh3::xxh3_64(sign.to_string().as_bytes());
        part.chars().fold(0, |hash, sign| join(hash, lower(sign)))
    };
    assert_eq!(segmentation.words.len(), 8);
    for (word, part) in [(0, "東京"), (1, "東京"), (2, "タワー"), (4, "タワー"), (5, "は"), (7, "社")]
    {
        assert!(of_word(&found, word).contains(&feature(Template::Run, 0, run(part))), "{word} {part}");
    }
    assert!(of_word(&found, 3).contains(&feature(Template::RunBefore, 0, run("東京"))));
    assert!(of_word(&found, 3).contains(&feature(Template::RunAfter, 0, run("は"))));
    // Letters lie between: what is beyond them is not beside.
    assert!(!of_word(&found, 7).contains(&feature(Template::RunBefore, 0, run("は"))));
    let latin = of_word(&found, 6);
    assert!(!latin.contains(&feature(Template::Run, 0, run("abc"))));
}

#[test]
fn quotes_and_brackets_enclose_within_a_line() {
    let (segmentation, _) = features("a (b \"c\") d \"e\nf", true);
    let enclosed: Vec<u8> =
        describe("a (b \"c\") d \"e\nf", &segmentation.words).iter().map(|word| word.enclosed).collect();
    assert_eq!(enclosed, [0, 0, 2, 3, 3, 2, 0, 0, 1, 1, 0]);
}

proptest! {
    #[test]
    fn every_word_has_features(text in "(?s)[\\PC\\n ]{0,80}") {
        let (segmentation, features) = features(&text, true);
        prop_assert_eq!(features.offsets.len(), segmentation.words.len() + 1);
        prop_assert!(features.offsets.windows(2).all(|pair| pair[0] + 10 < pair[1]));
        prop_assert_eq!(features.offsets[segmentation.words.len()] as usize, features.hashes.len());
    }
}
