//! A training run from request to bundle.

use crate::chain::Chain;
use crate::corpus::{self, Corpus};
use crate::encode::encode;
use crate::fit::{self, Fitted};
use crate::folds::hold_out;
use crate::judge::{Judgement, judge};
use crate::members;
use crate::reporter::Reporter;
use crate::request::{Progress, RecipeChoice, Stage, TrainError, TrainRequest};
use model::{Bundle, FORMAT, FileRef, HEAD_FILE, Head, Lineage, Manifest, Preparation, Recipe, RecipeKind};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

/// Fewest labels that a model is learned from.
const LABELS_MIN: u64 = 2;

/// Corpora with more words are not learned a second time with the held-out part: it is too small a share to matter.
const LEARN_AGAIN_WORDS_MAX: u64 = 400_000;

/// Trains. `progress` hears of every step and may stop the run.
///
/// # Errors
/// [`TrainError`]; nothing is kept of a run that failed or was stopped.
pub fn train(
    request: &TrainRequest<'_>,
    progress: &mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
) -> Result<Bundle, TrainError> {
    let threads = request.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| TrainError::Threads { threads, reason: error.to_string() })?;
    pool.install(|| Run::new(request, progress)?.bundle())
}

/// A run: what all recipes that are tried share.
struct Run<'a> {
    request: &'a TrainRequest<'a>,
    reporter: Reporter<'a>,
    corpus: Corpus,
    /// The encoder's vectors, `words * width`.
    vectors: Option<Vec<f32>>,
    candidates: Vec<Recipe>,
}

/// A recipe's result.
struct Learned {
    head: Head,
    fitted: Fitted,
}

impl<'a> Run<'a> {
    fn new(
        request: &'a TrainRequest<'a>,
        progress: &'a mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
    ) -> Result<Self, TrainError> {
        let mut candidates = candidates(request)?;
        let reporter = Reporter::new(progress);
        reporter.part(Stage::Prepare, 0.0..0.05, 0.0, None)?;
        let sequence_break = corpus::choose_break(request.corpus, &candidates[0]);
        candidates.iter_mut().for_each(|recipe| recipe.sequence_break = sequence_break);
        // The richest recipe's preparation serves all: the lexical one only lacks the pieces.
        let richest = &candidates[candidates.len() - 1];
        let tokenizer = request.encoder.as_ref().map(|encoder| encoder.tokenizer_json);
        let corpus =
            Corpus::new(request.corpus, &request.categories, &Preparation::new(richest, tokenizer)?)?;
        let learnable = corpus.report.labels - corpus.report.left_out;
        if learnable < LABELS_MIN || corpus.examples.is_empty() {
            let documents = request.corpus.iter().filter(|document| !document.regions.is_empty()).count();
            return Err(TrainError::TooLittle { documents, labels: learnable });
        }
        let vectors = match &request.encoder {
            Some(encoder) if richest.kind == RecipeKind::Contextual => {
                let watch = |done| reporter.watch(Stage::Encode, 0.05..0.35, done, None);
                Some(encode(&corpus.pieces, encoder, watch)?)
            }
            _ => None,
        };
        Ok(Self { request, reporter, corpus, vectors, candidates })
    }

    /// Judges every candidate on documents held out, then learns the best one from everything.
    fn bundle(self) -> Result<Bundle, TrainError> {
        let (kept, held) = hold_out(&self.corpus, self.request.seed);
        let held: Vec<Range<usize>> =
            held.iter().map(|&example| self.corpus.examples[example].clone()).collect();
        let start = if self.vectors.is_some() { 0.35 } else { 0.05 };
        let share = (0.95 - start) / (self.candidates.len() + 1) as f32;
        let mut best: Option<(&Recipe, Learned, Judgement)> = None;
        let mut scores = BTreeMap::new();
        for (number, recipe) in self.candidates.iter().enumerate() {
            let from = start + share * number as f32;
            let learned = self.learn(recipe, &kept, Stage::Validate, from..from + share)?;
            let vectors = self.vectors_for(recipe);
            let judgement = judge(&self.corpus, &held, vectors, &learned.head, &learned.fitted.lattice)?;
            scores.insert(format!("{}.validationF1", name(recipe)), judgement.f1);
            if best.as_ref().is_none_or(|(_, _, other)| judgement.f1 > other.f1) {
                best = Some((recipe, learned, judgement));
            }
        }
        let Some((recipe, mut learned, judgement)) = best else {
            return Err(TrainError::TooLittle { documents: 0, labels: 0 });
        };
        if self.corpus.report.words <= LEARN_AGAIN_WORDS_MAX {
            let all: Vec<usize> = (0..self.corpus.examples.len()).collect();
            learned = self.learn(recipe, &all, Stage::Learn, 0.95 - share..0.95)?;
        }
        self.reporter.part(Stage::Assemble, 0.95..1.0, 0.0, None)?;
        scores.insert("objective".into(), learned.fitted.outcome.objective);
        scores.insert("iterations".into(), learned.fitted.outcome.iterations as f64);
        let bundle = self.assemble(recipe, &learned, judgement.temperature, scores)?;
        self.reporter.part(Stage::Assemble, 0.95..1.0, 1.0, None)?;
        Ok(bundle)
    }

    fn vectors_for(&self, recipe: &Recipe) -> Option<&[f32]> {
        recipe.contextual.as_ref().and(self.vectors.as_deref())
    }

    fn learn(
        &self,
        recipe: &Recipe,
        examples: &[usize],
        stage: Stage,
        part: Range<f32>,
    ) -> Result<Learned, TrainError> {
        let corpus = &self.corpus;
        let middle = part.start + 0.6 * (part.end - part.start);
        let ensemble = match (&recipe.contextual, &self.vectors) {
            (Some(contextual), Some(vectors)) => {
                let watch = |done, loss| self.reporter.watch(stage, part.start..middle, done, Some(loss));
                Some(members::learn(corpus, examples, vectors, contextual, self.request.seed, &watch)?)
            }
            _ => None,
        };
        let given = ensemble.as_ref().map(|ensemble| ensemble.given.as_slice());
        let ranges: Vec<Range<usize>> =
            examples.iter().map(|&example| corpus.examples[example].clone()).collect();
        let rest = if given.is_some() { middle } else { part.start }..part.end;
        let most = recipe.lexical.max_iterations.max(1) as f32;
        let watch = |iteration: usize, loss| {
            self.reporter.watch(stage, rest.clone(), (iteration as f32 / most).min(1.0), Some(loss))
        };
        let fitted = fit::fit(corpus, &ranges, &recipe.lexical, given, watch)?;
        let table = fitted.data.table(&fitted.weights, recipe.lexical.prune_below)?;
        let (network, bias) = match &ensemble {
            Some(ensemble) => {
                let (network, bias) = ensemble.network(fitted.scale)?;
                (Some(network), bias)
            }
            None => (None, vec![0.0; corpus.tags.len()]),
        };
        Ok(Learned { head: Head::new(bias, table, network)?, fitted })
    }

    fn assemble(
        &self,
        recipe: &Recipe,
        learned: &Learned,
        temperature: f64,
        scores: BTreeMap<String, f64>,
    ) -> Result<Bundle, TrainError> {
        let request = self.request;
        let head = learned.head.to_bytes();
        let mut documents: Vec<String> = request.corpus.iter().map(|d| d.document.location.clone()).collect();
        documents.sort();
        let encoder = request.encoder.as_ref().filter(|_| recipe.kind == RecipeKind::Contextual);
        let report = self.corpus.report;
        let manifest = Manifest {
            format: FORMAT,
            model_id: request.model_id.clone(),
            recipe: recipe.clone(),
            language: request.language.clone(),
            categories: request.categories.iter().map(|category| category.as_str().to_owned()).collect(),
            lattice: Chain::split(self.corpus.tags.len(), &learned.fitted.lattice),
            temperature: temperature as f32,
            encoder: encoder.map(|encoder| encoder.reference.clone()),
            files: BTreeMap::from([(HEAD_FILE.to_owned(), FileRef::of(&head))]),
            lineage: Lineage {
                seed: request.seed,
                data_digest: corpus::digest(request.corpus),
                code_version: request.code_version.clone(),
                training_documents: documents,
                words: report.words,
                labels: report.labels,
                labels_widened: report.widened,
                labels_left_out: report.left_out,
                scores,
            },
        };
        Ok(Bundle::new(manifest, BTreeMap::from([(HEAD_FILE.to_owned(), head)]))?)
    }
}

fn name(recipe: &Recipe) -> &'static str {
    match recipe.kind {
        RecipeKind::Lexical => "lexical",
        RecipeKind::Contextual => "contextual",
    }
}

/// The recipes to try, the richest last.
fn candidates(request: &TrainRequest<'_>) -> Result<Vec<Recipe>, TrainError> {
    let mut candidates = match &request.recipe {
        RecipeChoice::Lexical => vec![Recipe::lexical()],
        RecipeChoice::Contextual => vec![Recipe::contextual()],
        RecipeChoice::Auto if request.encoder.is_none() => vec![Recipe::lexical()],
        RecipeChoice::Auto => vec![Recipe::lexical(), Recipe::contextual()],
        RecipeChoice::Given(recipe) => vec![recipe.clone()],
    };
    for contextual in candidates.iter_mut().filter_map(|recipe| recipe.contextual.as_mut()) {
        let encoder = request.encoder.as_ref().ok_or(TrainError::EncoderMissing)?;
        let (width, described) = (encoder.encoder.width(), encoder.reference.width as usize);
        if width != described {
            let reason = format!("its vectors have width {width}, expected {described}");
            return Err(TrainError::EncoderMismatch { name: encoder.reference.name.clone(), reason });
        }
        let tokenizer = model::sha256_hex(encoder.tokenizer_json);
        if tokenizer != encoder.reference.tokenizer_digest {
            let reason =
                format!("its tokenizer is {tokenizer}, expected {}", encoder.reference.tokenizer_digest);
            return Err(TrainError::EncoderMismatch { name: encoder.reference.name.clone(), reason });
        }
        contextual.window_pieces = contextual.window_pieces.min(encoder.reference.max_pieces);
    }
    Ok(candidates)
}
