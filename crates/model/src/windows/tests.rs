use super::*;
use crate::word_pieces::tests::bert_json;
use ner::segmentation::{Gap, Settings};
use proptest::prelude::*;

fn tokenizer() -> PieceTokenizer {
    PieceTokenizer::from_json(bert_json().as_bytes()).expect("a valid tokenizer")
}

fn segment(text: &str) -> Segmentation {
    Segmentation::new(text, &Settings { ends_at: Some(Gap::Line), words_max: 400 })
}

fn recipe(window_pieces: u32, context_pieces: u32) -> ContextualRecipe {
    ContextualRecipe { window_pieces, context_pieces, ..ContextualRecipe::default() }
}

fn id(tokenizer: &PieceTokenizer, piece: &str) -> i32 {
    tokenizer.cutter.id(piece).expect("known")
}

#[test]
fn words_read_letter_by_letter_or_not_at_all_are_strange() {
    let text = "ab 1234 été to\nабв 犬猫";
    let found = tokenizer().familiarity(text, &segment(text)).expect("sound");
    // "été" is read without its accents but letter by letter, and no Cyrillic or Han character is known.
    assert_eq!(found, Familiarity { words: 6, strange: 4 });
    assert!((found.and(found).strangeness() - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(Familiarity::default().strangeness(), 0.0);
}

#[test]
fn a_short_document_is_one_framed_window_without_truncation() {
    let tokenizer = tokenizer();
    let segmentation = segment("ab c\nd");
    let pieces = tokenizer.windows(&[("ab c\nd", &segmentation)], &recipe(32, 4)).expect("room");
    let ids = [2, id(&tokenizer, "a"), id(&tokenizer, "##b"), id(&tokenizer, "c"), id(&tokenizer, "d"), 3];
    assert_eq!((pieces.windows, pieces.length), (1, 6));
    assert_eq!(pieces.input_ids, ids);
    assert_eq!(pieces.first_pieces, [1, 3, 4]);
}

#[test]
fn words_without_pieces_share_the_one_before() {
    let tokenizer = tokenizer();
    let text = "\u{0} a \u{0} b";
    let segmentation = segment(text);
    assert_eq!(segmentation.words.len(), 4);
    let pieces = tokenizer.windows(&[(text, &segmentation)], &recipe(32, 4)).expect("room");
    assert_eq!(pieces.first_pieces, [0, 1, 1, 2]);
    let alone = segment("\u{0}");
    let pieces = tokenizer.windows(&[("\u{0}", &alone)], &recipe(32, 4)).expect("room");
    assert_eq!((pieces.windows, pieces.first_pieces.as_slice()), (1, [0].as_slice()));
    assert!(pieces.validate(1).is_ok());
}

#[test]
fn a_huge_word_has_its_piece() {
    let text = format!("a {} b", "x".repeat(10_000));
    let segmentation = segment(&text);
    let pieces = tokenizer().windows(&[(&text, &segmentation)], &recipe(16, 4)).expect("room");
    assert!(pieces.validate(3).is_ok());
}

#[test]
fn windows_need_room() {
    let error = tokenizer().windows(&[], &recipe(3, 0)).expect_err("no room");
    assert_eq!(error, TokenizerError::NoRoom { window: 3, special: 2 });
    assert!(matches!(PieceTokenizer::from_json(b"{}"), Err(TokenizerError::Malformed(_))));
}

#[test]
fn no_documents_make_no_windows() {
    let pieces = tokenizer().windows(&[], &recipe(16, 4)).expect("room");
    assert_eq!(pieces, Pieces::default());
    let empty = segment(" \n");
    let pieces = tokenizer().windows(&[(" \n", &empty)], &recipe(16, 4)).expect("room");
    assert_eq!(pieces.windows, 0);
}

proptest! {
    #[test]
    fn every_word_points_at_its_own_first_piece(
        texts in prop::collection::vec("[a-e \n\u{0}.]{0,60}", 0..4),
        window in 6u32..24,
        context in 0u32..8,
    ) {
        let tokenizer = tokenizer();
        let segmentations: Vec<_> = texts.iter().map(|text| segment(text)).collect();
        let documents: Vec<_> = texts.iter().map(String::as_str).zip(&segmentations).collect();
        let pieces = tokenizer.windows(&documents, &recipe(window, context)).expect("room");
        let words: usize = segmentations.iter().map(|segmentation| segmentation.words.len()).sum();
        prop_assert!(pieces.validate(words).is_ok());
        prop_assert!(pieces.length <= window as usize);
        let mut word = 0;
        for (text, segmentation) in &documents {
            for piece in segmentation.words.iter().map(|word| word.span.slice(text)) {
                let found = pieces.input_ids[pieces.first_pieces[word] as usize];
                if piece.starts_with(|first: char| first.is_ascii_lowercase()) {
                    // Dropped signs join what stood around them.
                    let known = [id(&tokenizer, &piece[..1]), id(&tokenizer, &format!("##{}", &piece[..1]))];
                    prop_assert!(known.contains(&found));
                } else if piece == "." {
                    prop_assert_eq!(found, 1);
                }
                word += 1;
            }
        }
    }

    #[test]
    fn cores_cover_everything_once(
        lengths in prop::collection::vec(1usize..9, 0..12), room in 4usize..20, context in 0usize..5
    ) {
        let total: usize = lengths.iter().sum();
        let mut sequences = vec![0];
        lengths.iter().for_each(|length| sequences.push(sequences[sequences.len() - 1] + length));
        let document = DocumentPieces { ids: vec![0; total], firsts: (0..total as u32).map(Some).collect(), sequences };
        let context = context.min(room / 4);
        let windows = lay(&document, room, context);
        let mut at = 0;
        for window in &windows {
            prop_assert_eq!(window.core.start, at);
            prop_assert!(window.core.end > at && window.all.len() <= room);
            prop_assert!(window.all.start <= at && window.core.end <= window.all.end);
            prop_assert!(window.all.start == at.saturating_sub(context));
            at = window.core.end;
        }
        prop_assert_eq!(at, total);
    }
}
