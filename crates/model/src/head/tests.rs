use super::*;
use proptest::prelude::*;

fn layout() -> Layout {
    Layout { width: 3, hidden: 2, reach: 1, pooled: true, tags: 3 }
}

fn rows() -> Sparse {
    let entry = |tag, weight| Entry { tag, weight };
    let entries = vec![entry(0, 1.0), entry(2, -0.5), entry(1, 4.0)];
    Sparse::new(vec![5, 1 << 40, u64::MAX], vec![0, 2, 2, 3], entries).expect("valid")
}

fn weight(index: usize) -> f32 {
    ((index * 37 % 19) as f32 - 9.0) / 10.0
}

fn head() -> Head {
    let weights: Vec<f32> = (0..layout().weights()).map(weight).collect();
    let network = Network::new(layout(), &weights).expect("fits");
    Head::new(vec![0.5, 0.0, -0.5], rows(), Some(network)).expect("valid")
}

fn inputs(words: usize, sequence_offsets: Vec<u32>) -> Inputs {
    Inputs {
        features: vec![5; words],
        feature_offsets: (0..=words as u32).collect(),
        sequence_offsets,
        pieces: None,
    }
}

/// What the module's formula has a network of `layout` say of a word in a sequence.
fn said(layout: Layout, vectors: &[f32], word: usize, borders: std::ops::Range<usize>) -> Vec<f32> {
    let Layout { width, hidden, reach, tags, .. } = layout;
    let at = |part: usize, index: usize| weight(layout.lengths()[..part].iter().sum::<usize>() + index);
    let x = |word: usize, i: usize| (vectors[word * width + i] - at(0, i)) * at(1, i);
    let inner = |i: usize, column: usize| at(2, i * (tags + hidden) + column);
    let unit = |word: usize, h: usize| {
        let said: f32 = (0..width).map(|i| x(word, i) * inner(i, tags + h)).sum();
        (said + at(3, h)).max(0.0)
    };
    let mut scores: Vec<f32> =
        (0..tags).map(|tag| (0..width).map(|i| x(word, i) * inner(i, tag)).sum()).collect();
    for neighbour in 0..=2 * reach {
        let other = (word + neighbour).checked_sub(reach).filter(|other| borders.contains(other));
        for (h, unit) in other.into_iter().flat_map(|other| (0..hidden).map(move |h| (h, unit(other, h)))) {
            let row = (neighbour * hidden + h) * tags;
            scores.iter_mut().enumerate().for_each(|(tag, score)| *score += unit * at(4, row + tag));
        }
    }
    for h in 0..if layout.pooled { hidden } else { 0 } {
        let mean = borders.clone().map(|word| unit(word, h)).sum::<f32>() / borders.len() as f32;
        let row = ((2 * reach + 1) * hidden + h) * tags;
        scores.iter_mut().enumerate().for_each(|(tag, score)| *score += mean * at(4, row + tag));
    }
    scores
}

#[test]
fn emissions_follow_the_formula_and_stop_at_sequence_borders() {
    let vectors: Vec<f32> = (0..15).map(|i| weight(i + 3)).collect();
    let emissions = head().emissions(&inputs(5, vec![0, 2, 5]), Some(&vectors)).expect("fits");
    for word in 0..5 {
        let borders = if word < 2 { 0..2 } else { 2..5 };
        let lexical = [0.5 + 1.0, 0.0, -0.5 - 0.5];
        let expected = said(layout(), &vectors, word, borders);
        for tag in 0..3 {
            let found = emissions.scores[word * 3 + tag];
            let expected = lexical[tag] + expected[tag];
            assert!((found - expected).abs() < 1e-5, "word {word} tag {tag}: {found} {expected}");
        }
    }
}

#[test]
fn blocks_do_not_change_emissions() {
    let words = 3_000;
    let vectors: Vec<f32> = (0..words * 3).map(weight).collect();
    let long = head().emissions(&inputs(words, vec![0, 1_500, words as u32]), Some(&vectors)).expect("fits");
    let tail: Vec<f32> = vectors[4_500..].to_vec();
    let alone = head().emissions(&inputs(1_500, vec![0, 1_500]), Some(&tail)).expect("fits");
    for (a, b) in long.scores[4_500..].iter().zip(&alone.scores) {
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn company_changes_no_bit_of_a_words_scores() {
    let layout = Layout { width: 40, hidden: 70, reach: 1, pooled: true, tags: 5 };
    let weights: Vec<f32> = (0..layout.weights()).map(weight).collect();
    let network = Network::new(layout, &weights).expect("fits");
    let head = Head::new(vec![0.0; 5], Sparse::empty(), Some(network)).expect("valid");
    let scores = |words: usize, sequences: Vec<u32>| {
        let vectors: Vec<f32> = (0..words * 40).map(weight).collect();
        head.emissions(&inputs(words, sequences), Some(&vectors)).expect("fits").scores
    };
    let company = scores(120, (0..=120).collect());
    for words in [1, 2, 7, 48, 49, 50, 97] {
        let alone = scores(words, (0..=words as u32).collect());
        let bits = |scores: &[f32]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&alone), bits(&company[..words * 5]), "{words} words");
    }
}

#[test]
fn an_unknown_feature_adds_nothing() {
    assert!(rows().row(6).is_empty() && rows().row(1 << 40).is_empty());
    assert_eq!(rows().row(u64::MAX).len(), 1);
    assert!(Sparse::empty().row(7).is_empty());
}

#[test]
fn encoder_vectors_must_fit_the_head() {
    let inputs = inputs(2, vec![0, 2]);
    assert!(head().emissions(&inputs, None).is_err());
    assert!(head().emissions(&inputs, Some(&[0.0; 5])).is_err());
    let lexical = Head::new(vec![0.0], Sparse::empty(), None).expect("valid");
    assert!(lexical.emissions(&inputs, Some(&[0.0; 2])).is_err());
    assert_eq!(lexical.contextual_width(), None);
}

#[test]
fn a_file_reads_back_and_every_cut_is_refused() {
    let bytes = head().to_bytes();
    assert_eq!(Head::from_bytes(&bytes), Ok(head()));
    for length in 0..bytes.len() {
        assert!(Head::from_bytes(&bytes[..length]).is_err(), "cut to {length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(Head::from_bytes(&longer), Err(HeadError::Length { .. })));
}

#[test]
fn foreign_and_newer_files_are_told_apart() {
    assert_eq!(Head::from_bytes(b"<xml>...</xml>"), Err(HeadError::Foreign));
    let mut bytes = head().to_bytes();
    bytes[8] = 9;
    assert_eq!(Head::from_bytes(&bytes), Err(HeadError::Version(9)));
}

#[test]
fn heads_from_before_pooling_are_read() {
    let layout = Layout { pooled: false, ..layout() };
    let weights: Vec<f32> = (0..layout.weights()).map(weight).collect();
    let network = Network::new(layout, &weights).expect("fits");
    let head = Head::new(vec![0.5, 0.0, -0.5], rows(), Some(network)).expect("valid");
    let mut bytes = head.to_bytes();
    assert_eq!(bytes[8], 4);
    bytes[8] = 3;
    bytes.drain(28..32);
    assert_eq!(Head::from_bytes(&bytes), Ok(head));
    assert!((8..bytes.len()).all(|length| Head::from_bytes(&bytes[..length]).is_err()));
}

#[test]
fn announced_sizes_beyond_memory_are_refused() {
    let mut bytes = head().to_bytes();
    bytes[32..48].fill(0xff);
    assert!(matches!(Head::from_bytes(&bytes), Err(HeadError::Length { .. })));
}

#[test]
fn scores_that_are_no_numbers_are_refused() {
    assert!(Head::new(vec![f32::NAN], Sparse::empty(), None).is_err());
    let entry = Entry { tag: 3, weight: 1.0 };
    let beyond = Sparse::new(vec![1], vec![0, 1], vec![entry]).expect("valid");
    assert!(Head::new(vec![0.0; 3], beyond, None).is_err());
    assert!(Sparse::new(vec![2, 1], vec![0, 0, 0], vec![]).is_err());
    assert!(Sparse::new(vec![1, 2], vec![0, 1, 0], vec![]).is_err());
    assert!(Network::new(layout(), &vec![0.0; layout().weights() + 1]).is_err());
}

proptest! {
    #[test]
    fn networks_of_every_size_follow_the_formula(
        [hidden, tags, words] in [0usize..140, 1usize..40, 1usize..60], reach in 0usize..3, pooled in any::<bool>(),
        cut in 0usize..60,
    ) {
        let layout = Layout { width: 5, hidden, reach, pooled, tags };
        let weights: Vec<f32> = (0..layout.weights()).map(weight).collect();
        let network = Network::new(layout, &weights).expect("fits");
        prop_assert_eq!(network.weights(), weights);
        let cut = cut.min(words);
        let vectors: Vec<f32> = (0..words * 5).map(|i| weight(i + 3)).collect();
        let inputs = inputs(words, vec![0, cut as u32, words as u32]);
        let head = Head::new(vec![0.0; tags], Sparse::empty(), Some(network)).expect("valid");
        let scores = head.emissions(&inputs, Some(&vectors)).expect("fits").scores;
        for word in 0..words {
            let borders = if word < cut { 0..cut } else { cut..words };
            for (found, expected) in scores[word * tags..].iter().zip(said(layout, &vectors, word, borders)) {
                prop_assert!((found - expected).abs() < 1e-3 * expected.abs().max(1.0), "{found} {expected}");
            }
        }
    }

    #[test]
    fn damaged_files_never_panic(at in 0usize..200, to in any::<u8>()) {
        let mut bytes = head().to_bytes();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(head) = Head::from_bytes(&bytes) {
            let words = inputs(2, vec![0, 2]);
            let width = head.contextual_width().unwrap_or(0);
            let vectors = vec![0.0; 2 * width];
            let _ = head.emissions(&words, (width > 0).then_some(vectors.as_slice()));
        }
    }

    #[test]
    fn rows_are_found(
        // Some close together, so that buckets are crowded.
        hashes in prop::collection::btree_set(prop_oneof![any::<u64>(), 0u64..99, u64::MAX - 9..=u64::MAX], 0..300),
        absent in prop_oneof![any::<u64>(), 0u64..99, u64::MAX - 9..=u64::MAX],
    ) {
        let known: Vec<u64> = hashes.iter().copied().collect();
        let entries: Vec<_> = (0..known.len()).map(|i| Entry { tag: 0, weight: i as f32 }).collect();
        let sparse = Sparse::new(known.clone(), (0..=known.len() as u32).collect(), entries).expect("valid");
        for (i, &hash) in known.iter().enumerate() {
            prop_assert_eq!(sparse.row(hash), &[Entry { tag: 0, weight: i as f32 }]);
        }
        prop_assert_eq!(sparse.row(absent).is_empty(), !hashes.contains(&absent));
    }
}
