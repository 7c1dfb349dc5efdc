//! Whole runs: what comes out, that it is the same again, and why a run fails.

mod tuned;

use model::{
    Bundle, ContextualRecipe, Emissions, Encoder, EncoderRef, Graph, GraphError, Head, Inputs, LexicalRecipe,
    Manifest, Pieces, Recipe, RecipeKind, SequenceBreak, ServingModel,
};
use ner::{Document, EntityCategory, Label, LabeledDocument, Region, Span};
use std::ops::ControlFlow;
use training::{
    Progress, RecipeChoice, Stage, Surroundings, TrainError, TrainRequest, TrainingEncoder, train,
};

const NAMES: [&str; 8] = ["Anna", "Bob", "Carol", "Dilan", "Eva", "Femi", "Goran", "Hana"];
const PLACES: [&str; 6] = ["Paris", "Lagos", "New York", "Oslo", "Quito", "Sana"];

fn category(name: &str) -> EntityCategory {
    EntityCategory::new(name).expect("valid")
}

/// Documents of three lines; `text` may hold `[person:Anna Lee]`-like marks.
fn labeled(location: &str, marked: &str) -> LabeledDocument {
    let (mut text, mut labels) = (String::new(), Vec::new());
    let mut rest = marked;
    while let Some((before, mark)) = rest.split_once('[') {
        text.push_str(before);
        let (mark, after) = mark.split_once(']').expect("closed");
        let (name, word) = mark.split_once(':').expect("named");
        labels.push(Label { span: Span::new(text.len(), text.len() + word.len()), category: category(name) });
        text.push_str(word);
        rest = after;
    }
    text.push_str(rest);
    let span = Span::new(0, text.len());
    LabeledDocument {
        document: Document { location: location.into(), language: None, text },
        dataset: None,
        regions: vec![Region { span, labels }],
    }
}

fn corpus() -> Vec<LabeledDocument> {
    (0..24)
        .map(|at| {
            let (name, other) = (NAMES[at % 8], NAMES[(at * 3 + 1) % 8]);
            let (place, far) = (PLACES[at % 6], PLACES[(at * 5 + 2) % 6]);
            let text = format!(
                "[person:{name}] lives in [place:{place}].\nThe letter went to [person:{other}], not far from \
                 [place:{far}].\nNothing else happened on day {at}."
            );
            labeled(&format!("{at:02}.txt"), &text)
        })
        .collect()
}

fn request(corpus: &[LabeledDocument], recipe: RecipeChoice) -> TrainRequest<'_> {
    TrainRequest {
        corpus,
        recipe,
        language: "en".into(),
        categories: vec![category("person"), category("place")],
        seed: 7,
        threads: 2,
        model_id: "m".into(),
        code_version: "0".into(),
        encoder: None,
        surroundings: Surroundings::default(),
    }
}

fn go(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// An encoder that says of each piece what its id's bits are, and of its neighbours a little.
struct Bits;

impl Encoder for Bits {
    fn width(&self) -> usize {
        8
    }

    fn encode(&self, pieces: &Pieces) -> Result<Vec<f32>, GraphError> {
        let of = |place: usize, bit: usize| (pieces.input_ids[place] >> bit & 1) as f32;
        let vector = |&place: &i32| {
            let place = place as usize;
            (0..8).map(move |bit| of(place, bit) + 0.2 * of((place + 1).min(pieces.input_ids.len() - 1), bit))
        };
        Ok(pieces.first_pieces.iter().flat_map(vector).collect())
    }
}

fn tokenizer() -> Vec<u8> {
    let words = "[UNK] [CLS] [SEP] lives in . The letter went to , not far from Nothing else happened on day New York";
    let words = words.split(' ').chain(NAMES).chain(PLACES).map(str::to_owned);
    let vocabulary: serde_json::Map<_, _> = words.enumerate().map(|(id, word)| (word, id.into())).collect();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": null,
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    });
    serde_json::to_vec(&json).expect("string keys")
}

fn reference(tokenizer: &[u8], width: u32) -> EncoderRef {
    EncoderRef {
        name: "bits".into(),
        digest: "0".repeat(64),
        tokenizer_digest: model::sha256_hex(tokenizer),
        width,
        max_pieces: 64,
    }
}

fn contextual() -> RecipeChoice {
    let contextual =
        ContextualRecipe { epochs: 8, folds: 2, hidden: 8, l1: 0.1, l2: 0.1, ..ContextualRecipe::default() };
    RecipeChoice::Given(Recipe { contextual: Some(contextual), ..Recipe::contextual() })
}

struct Chained(Head);

impl Graph for Chained {
    fn compute(&self, inputs: &Inputs) -> Result<Emissions, GraphError> {
        let vectors = inputs.pieces.as_ref().map(|pieces| Bits.encode(pieces)).transpose()?;
        self.0.emissions(inputs, vectors.as_deref())
    }
}

/// Exact spans found in texts whose names and places were seen in other combinations.
fn found(bundle: &Bundle, tokenizer: Option<&[u8]>) -> Vec<(String, String, f32)> {
    let text = "Hana lives in Oslo.\nThe letter went to Bob, not far from New York.";
    let model = ServingModel::new(bundle.manifest.clone(), tokenizer).expect("valid");
    let prepared = model.prepare(&[text]).expect("prepared");
    let emissions = Chained(bundle.head().expect("valid")).compute(&prepared.inputs).expect("computed");
    let entities = model.decode(&prepared, &emissions).expect("decoded").remove(0);
    entities
        .iter()
        .map(|entity| (entity.category.to_string(), entity.span.slice(text).to_owned(), entity.confidence))
        .collect()
}

fn assert_right(found: &[(String, String, f32)]) {
    let spans: Vec<_> = found.iter().map(|(name, text, _)| (name.as_str(), text.as_str())).collect();
    let right = [("person", "Hana"), ("place", "Oslo"), ("person", "Bob"), ("place", "New York")];
    assert_eq!(spans, right);
    assert!(found.iter().all(|(_, _, confidence)| (0.5..=1.0).contains(confidence)), "{found:?}");
}

#[test]
fn a_lexical_model_finds_what_it_learned() {
    let corpus = corpus();
    let bundle = train(&request(&corpus, RecipeChoice::Lexical), &mut go).expect("trained");
    assert_right(&found(&bundle, None));
    let lineage = &bundle.manifest.lineage;
    assert_eq!((lineage.labels, lineage.labels_widened, lineage.labels_left_out), (96, 0, 0));
    assert_eq!(lineage.training_documents.len(), 24);
    let again = Bundle::new(bundle.manifest.clone(), bundle.files.clone());
    assert_eq!(again, Ok(bundle));
}

#[test]
fn a_contextual_model_finds_what_it_learned() {
    let (corpus, tokenizer) = (corpus(), tokenizer());
    let mut request = request(&corpus, contextual());
    request.encoder = Some(TrainingEncoder {
        encoder: &Bits,
        reference: reference(&tokenizer, 8),
        tokenizer_json: &tokenizer,
        tuning: None,
    });
    let bundle = train(&request, &mut go).expect("trained");
    assert_right(&found(&bundle, Some(&tokenizer)));
    assert_eq!(bundle.manifest.recipe.kind, RecipeKind::Contextual);
    assert_eq!(bundle.head().expect("valid").contextual_width(), Some(8));
}

#[test]
fn the_same_run_gives_the_same_bytes_with_any_number_of_threads() {
    let (corpus, tokenizer) = (corpus(), tokenizer());
    for recipe in [RecipeChoice::Lexical, contextual()] {
        let bytes = |threads, seed| {
            let mut request = request(&corpus, recipe.clone());
            (request.threads, request.seed) = (threads, seed);
            request.encoder = Some(TrainingEncoder {
                encoder: &Bits,
                reference: reference(&tokenizer, 8),
                tokenizer_json: &tokenizer,
                tuning: None,
            });
            let bundle = train(&request, &mut go).expect("trained");
            (bundle.manifest.to_json(), bundle.files)
        };
        let once = bytes(1, 7);
        assert_eq!(once, bytes(2, 7));
        assert_eq!(once, bytes(1, 7));
        let by_chance = recipe != RecipeChoice::Lexical;
        assert_eq!(once.1 != bytes(1, 8).1, by_chance, "only networks begin at random");
    }
}

#[test]
fn auto_compares_recipes_and_says_so() {
    let (corpus, tokenizer) = (corpus(), tokenizer());
    let mut request = request(&corpus, RecipeChoice::Auto);
    let alone = train(&request, &mut go).expect("trained");
    assert_eq!(alone.manifest.recipe.kind, RecipeKind::Lexical);
    assert!(alone.manifest.lineage.scores.contains_key("validationF1"));
    request.encoder = Some(TrainingEncoder {
        encoder: &Bits,
        reference: reference(&tokenizer, 8),
        tokenizer_json: &tokenizer,
        tuning: None,
    });
    let both = train(&request, &mut go).expect("trained");
    assert_right(&found(&both, both.manifest.encoder.is_some().then_some(&tokenizer)));
    // Whether the encoder is heard follows from the share that was chosen, which the recipe then holds.
    let share = both.manifest.recipe.contextual.as_ref().map(|contextual| contextual.lexical_share);
    assert!(share.is_none_or(|share| share.is_some_and(|share| (0.0..1.0).contains(&share))), "{share:?}");
    let again = RecipeChoice::Given(both.manifest.recipe.clone());
    request.recipe = again;
    assert_eq!(train(&request, &mut go).expect("trained").files, both.files, "a recipe says all there is");
}

#[test]
fn an_encoder_that_cannot_read_the_language_is_left_out() {
    let mut corpus = corpus();
    for document in &mut corpus {
        // Letters of another alphabet, as many as there were.
        let strange = |sign: char| if sign.is_ascii_lowercase() { '\u{17e}' } else { sign };
        document.document.text = document.document.text.chars().map(strange).collect();
        document.regions.clear();
    }
    corpus.extend((0..4).map(|at| labeled(&format!("l{at}"), "[person:Anna] lives in [place:Oslo].")));
    let tokenizer = tokenizer();
    let mut request = request(&corpus, RecipeChoice::Auto);
    let reference = reference(&tokenizer, 8);
    request.encoder =
        Some(TrainingEncoder { encoder: &Bits, reference, tokenizer_json: &tokenizer, tuning: None });
    let Manifest { recipe, lineage, .. } = train(&request, &mut go).expect("trained").manifest;
    assert_eq!(recipe.kind, RecipeKind::Lexical);
    assert!(lineage.scores["encoder.strangeWords"] > 0.5, "{:?}", lineage.scores);
}

#[test]
fn a_single_line_is_enough_for_every_recipe() {
    let (corpus, tokenizer) = ([labeled("a", "[person:Anna] lives in [place:Oslo].")], tokenizer());
    for recipe in [RecipeChoice::Lexical, RecipeChoice::Contextual, RecipeChoice::Auto] {
        let mut request = request(&corpus, recipe);
        let reference = reference(&tokenizer, 8);
        request.encoder =
            Some(TrainingEncoder { encoder: &Bits, reference, tokenizer_json: &tokenizer, tuning: None });
        let bundle = train(&request, &mut go).expect("trained");
        assert_eq!(bundle.manifest.lineage.labels, 2);
    }
}

#[test]
fn labels_over_line_ends_lengthen_sequences() {
    let documents: Vec<_> = (0..8)
        .map(|at| {
            labeled(&format!("{at}"), "Sent to [place:12 Long Street\nOslo] today.\n\nBye [person:Eva].")
        })
        .collect();
    let bundle = train(&request(&documents, RecipeChoice::Lexical), &mut go).expect("trained");
    assert_eq!(bundle.manifest.recipe.sequence_break, SequenceBreak::Paragraph);
    assert_eq!(bundle.manifest.lineage.labels_left_out, 0);
}

#[test]
fn labels_that_tags_cannot_say_are_counted() {
    let mut documents = corpus();
    // Inside a word, and two labels that share one.
    documents.push(labeled("x1", "An[person:na] lives here."));
    documents.push(labeled("x2", "So do [person:An][place:na] and Bob."));
    let bundle = train(&request(&documents, RecipeChoice::Lexical), &mut go).expect("trained");
    let lineage = &bundle.manifest.lineage;
    assert_eq!((lineage.labels, lineage.labels_widened, lineage.labels_left_out), (99, 2, 1));
}

#[test]
fn text_outside_regions_is_not_learned_from() {
    let mut parts = corpus();
    for document in &mut parts {
        // Nobody looked at the first line: its names stand there without labels.
        let start = document.document.text.find('\n').expect("lines") + 1;
        let region = &mut document.regions[0];
        region.span = Span::new(start, document.document.text.len());
        region.labels.retain(|label| label.span.start.get() >= start);
    }
    // A word's features may speak of its whole document, seen by somebody or not; here they must not.
    let lexical = LexicalRecipe { document_context: false, ..LexicalRecipe::default() };
    let learned = |corpus: &[LabeledDocument]| {
        let recipe = RecipeChoice::Given(Recipe { lexical: lexical.clone(), ..Recipe::lexical() });
        let bundle = train(&request(corpus, recipe), &mut go).expect("trained");
        assert_eq!(bundle.manifest.lineage.labels, 48);
        (bundle.manifest.lineage.words, bundle.files)
    };
    let before = learned(&parts);
    for document in &mut parts {
        // Another name stands in the part nobody looked at: the model must be the same to the bit. (The line's end
        // stays, since words may look across a line's end at their neighbours.)
        let text = &mut document.document.text;
        let name = text.find(' ').expect("words");
        text.replace_range(..name, &"Zachary"[..name]);
    }
    assert!(before == learned(&parts), "words outside every region changed what was learned");
}

#[test]
fn progress_rises_through_the_stages() {
    let corpus = corpus();
    let mut heard = Vec::new();
    let mut listen = |progress: Progress| {
        heard.push(progress);
        ControlFlow::Continue(())
    };
    train(&request(&corpus, RecipeChoice::Lexical), &mut listen).expect("trained");
    assert!(heard.windows(2).all(|pair| pair[0].fraction <= pair[1].fraction));
    let last = heard.last().expect("heard");
    assert_eq!((last.stage, last.fraction), (Stage::Assemble, 1.0));
}

#[test]
fn a_run_stops_whenever_told() {
    let corpus = corpus();
    for after in [0, 1, 5, 20] {
        let mut heard = 0;
        let mut listen = |_: Progress| {
            heard += 1;
            if heard > after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let outcome = train(&request(&corpus, RecipeChoice::Lexical), &mut listen);
        assert_eq!(outcome.map(|_| ()), Err(TrainError::Cancelled));
    }
}

#[test]
fn what_is_missing_is_said() {
    let corpus = corpus();
    let fails = |request: &TrainRequest<'_>| train(request, &mut go).expect_err("cannot be trained");
    assert_eq!(fails(&request(&corpus, RecipeChoice::Contextual)), TrainError::EncoderMissing);
    assert!(matches!(
        fails(&request(&[], RecipeChoice::Lexical)),
        TrainError::TooLittle { documents: 0, labels: 0 }
    ));
    let bare = [labeled("a", "nothing here")];
    assert!(matches!(
        fails(&request(&bare, RecipeChoice::Lexical)),
        TrainError::TooLittle { documents: 1, labels: 0 }
    ));
    let strange = [labeled("a", "[ghost:Bob]"), labeled("b", "[person:Bob]")];
    assert_eq!(
        fails(&request(&strange, RecipeChoice::Lexical)),
        TrainError::UnknownCategory { location: "a".into(), category: "ghost".into() }
    );
    let mut twice = request(&corpus, RecipeChoice::Lexical);
    twice.categories = vec![category("person"); 2];
    assert!(matches!(fails(&twice), TrainError::Categories(_)));
    let tokenizer = tokenizer();
    let mut narrow = request(&corpus, RecipeChoice::Contextual);
    let reference = reference(&tokenizer, 9);
    narrow.encoder =
        Some(TrainingEncoder { encoder: &Bits, reference, tokenizer_json: &tokenizer, tuning: None });
    assert!(matches!(fails(&narrow), TrainError::EncoderMismatch { .. }));
}
