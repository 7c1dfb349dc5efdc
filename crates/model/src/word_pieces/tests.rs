use super::*;
use proptest::prelude::*;
use tokenizers::AddedToken;
use tokenizers::pre_tokenizers::metaspace::Metaspace;

/// A small BERT-like tokenizer: letters alone are known, whole and as continuations; it drops control signs.
pub(crate) fn bert_json() -> String {
    let mut vocabulary = vec!["[PAD]".to_owned(), "[UNK]".into(), "[CLS]".into(), "[SEP]".into()];
    for letter in 'a'..='z' {
        vocabulary.push(letter.to_string());
        vocabulary.push(format!("##{letter}"));
    }
    let entries: Vec<String> =
        vocabulary.iter().enumerate().map(|(id, piece)| format!("{piece:?}:{id}")).collect();
    format!(
        r###"{{"version":"1.0","truncation":{{"max_length":8,"strategy":"LongestFirst","stride":0,"direction":"Right"}},
        "padding":{{"strategy":{{"Fixed":8}},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"[PAD]"}},
        "added_tokens":[],"normalizer":{{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}},
        "pre_tokenizer":{{"type":"BertPreTokenizer"}},
        "post_processor":{{"type":"TemplateProcessing",
          "single":[{{"SpecialToken":{{"id":"[CLS]","type_id":0}}}},{{"Sequence":{{"id":"A","type_id":0}}}},{{"SpecialToken":{{"id":"[SEP]","type_id":0}}}}],
          "pair":[{{"Sequence":{{"id":"A","type_id":0}}}},{{"Sequence":{{"id":"B","type_id":1}}}}],
          "special_tokens":{{"[CLS]":{{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]}},"[SEP]":{{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}}}}},
        "decoder":null,"model":{{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
        "vocab":{{{}}}}}}}"###,
        entries.join(",")
    )
}

fn bert() -> Tokenizer {
    let mut tokenizer = Tokenizer::from_bytes(bert_json()).expect("a valid tokenizer");
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).expect("none");
    tokenizer.add_special_tokens(&[AddedToken::from("[SEP]", true)]);
    tokenizer
}

#[test]
fn only_tokenizers_without_memory_between_words_are_asked_word_by_word() {
    assert!(Cutter::new(bert()).known.is_some());
    let mut sentencepiece = bert();
    sentencepiece.with_pre_tokenizer(Some(Metaspace::default()));
    assert!(Cutter::new(sentencepiece).known.is_none());
    let mut greedy = bert();
    greedy.add_tokens(&[AddedToken::from("<x>", false).lstrip(true)]);
    assert!(Cutter::new(greedy).known.is_none());
}

#[test]
fn memory_is_bounded_and_long_words_are_not_kept() {
    let cutter = Cutter::new(bert());
    let held = |cutter: &Cutter| cutter.known.as_ref().expect("kept").lock().expect("whole").len();
    cutter.cut(&"x".repeat(WORD_BYTES_MAX + 1)).expect("pieces");
    assert_eq!(held(&cutter), 0);
    let words: Vec<String> = (0..WORDS_MAX + 5).map(|word| format!("w{word}")).collect();
    cutter.cut(&words.join(" ")).expect("pieces");
    assert_eq!(held(&cutter), 5);
}

proptest! {
    /// Letters, accents, blanks of many kinds, scripts without blanks, control signs, marks that join, and tokens in text.
    #[test]
    fn words_from_memory_are_cut_as_the_text_is(
        words in prop::collection::vec("[a-cÀéΣ \\u{300}\\u{3000}\\t\\u{0}漢字.,ʼ-]{0,6}|\\[SEP\\]|.{0,4}", 0..8),
    ) {
        let cutter = Cutter::new(bert());
        let text = words.join(" ");
        let whole = cutter.ask(&text).expect("pieces");
        prop_assert_eq!(&cutter.cut(&text).expect("pieces"), &whole);
        prop_assert_eq!(&cutter.cut(&text).expect("pieces from memory"), &whole);
    }
}
