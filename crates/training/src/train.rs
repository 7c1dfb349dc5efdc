//! A training run from request to bundle.

use crate::chain::Chain;
use crate::corpus::{self, Corpus};
use crate::encode::encode;
use crate::fit::{Fitted, Ground};
use crate::folds::hold_out;
use crate::judge::{Judgement, Trial, judge};
use crate::members::{self, Ensemble};
use crate::parallel::map;
use crate::reporter::{Reporter, Shares};
use crate::request::{Progress, RecipeChoice, Stage, TrainError, TrainRequest};
use crate::sparse::SparseData;
use crate::surroundings::{Trail, make_room};
use crate::vectors::Vectors;
use model::{
    Bundle, FORMAT, FileRef, HEAD_FILE, Head, LexicalRecipe, Lineage, Manifest, Preparation, Recipe,
    RecipeKind, Sparse, Split,
};
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
    trail: Trail<'a>,
    corpus: Corpus,
    vectors: Option<Vectors>,
    candidates: Vec<Recipe>,
    /// Whether the strength of regularisation is the run's to choose.
    open: bool,
}

/// A recipe to try, and how it did on the examples held out.
struct Tried {
    recipe: Recipe,
    fitted: Fitted,
    judgement: Judgement,
}

/// Strengths of regularisation (L1, L2) that are tried where the recipe leaves them open, strongest first. Beside an
/// encoder, what the lexical part learns by heart may be worth less than nothing; without one it is all there is.
const STRENGTHS: [[f32; 2]; 4] = [[16.0, 4.0], [3.0, 1.0], [0.5, 0.5], [0.1, 0.1]];

/// Corpora of up to this many words are judged on every fold, so that no single document decides; others on one.
const EVERY_FOLD_WORDS_MAX: u64 = 50_000;

/// Passes that tell strengths apart; the last fit has as many as the recipe says.
const TRIAL_ITERATIONS_MAX: u32 = 40;

/// How much better the lexical recipe must do than the contextual one: in a trial one member speaks for all, which know
/// more together.
const TOGETHER: f64 = 0.02;

/// By how much a weaker regularisation may seem to do worse and is still taken, times the number of documents: of few
/// documents the next may be like one that was learned from, as agreements are, and learning by heart pays.
const DOUBT: f64 = 0.1;

/// No weaker regularisation is tried once the score has fallen this far below the best one.
const FALLEN: f64 = 0.01;

impl<'a> Run<'a> {
    fn new(
        request: &'a TrainRequest<'a>,
        progress: &'a mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
    ) -> Result<Self, TrainError> {
        let mut candidates = candidates(request)?;
        let stop = request.surroundings.stop;
        let reporter = Reporter::new(progress, stop);
        reporter.part(Stage::Prepare, 0.0..0.05, 0.0, None)?;
        let sequence_break = corpus::choose_break(request.corpus, &candidates[0]);
        candidates.iter_mut().for_each(|recipe| recipe.sequence_break = sequence_break);
        // The richest recipe's preparation serves all: the lexical one only lacks the pieces.
        let richest = &candidates[candidates.len() - 1];
        let tokenizer = request.encoder.as_ref().map(|encoder| encoder.tokenizer_json);
        let preparation = Preparation::new(richest, tokenizer)?;
        make_room(&request.surroundings, corpus::bytes(request.corpus))?;
        let stopped = || stop.is_some_and(|stop| stop());
        let corpus = Corpus::new(request.corpus, &request.categories, &preparation, &stopped)?;
        let trail = Trail::new(request, &candidates);
        let learnable = corpus.report.labels - corpus.report.left_out;
        if learnable < LABELS_MIN || corpus.examples.is_empty() {
            let documents = request.corpus.iter().filter(|document| !document.regions.is_empty()).count();
            return Err(TrainError::TooLittle { documents, labels: learnable });
        }
        let vectors = match &request.encoder {
            Some(encoder) if richest.kind == RecipeKind::Contextual => {
                let watch = |done| reporter.watch(Stage::Encode, 0.05..0.25, done, None);
                let values = corpus.words() * encoder.encoder.width();
                make_room(&request.surroundings, 2 * values as u64)?;
                let mut vectors = encode(&corpus.pieces, encoder, &trail, watch)?;
                vectors.standardise(&corpus.examples);
                Some(vectors)
            }
            _ => None,
        };
        let open = !matches!(request.recipe, RecipeChoice::Given(_));
        Ok(Self { request, reporter, trail, corpus, vectors, candidates, open })
    }

    /// Judges every candidate on documents held out, then learns the best one from everything.
    fn bundle(self) -> Result<Bundle, TrainError> {
        let ensemble = self.members()?;
        let trials = self.trials(ensemble.as_ref());
        let start = if ensemble.is_some() { 0.6 } else { 0.05 };
        let share = (0.95 - start) / (self.candidates.len() + 1) as f32;
        let data = SparseData::new(&self.corpus, &self.corpus.examples, self.candidates[0].lexical.min_count);
        let mut best: Option<Tried> = None;
        let mut scores = BTreeMap::new();
        for (number, recipe) in self.candidates.iter().rev().enumerate() {
            if best.as_ref().is_some_and(|best| best.recipe.lexical.l1 > STRENGTHS[STRENGTHS.len() - 1][0]) {
                // The lexical part does best when it says little: alone it would do worse.
                break;
            }
            let from = start + share * number as f32;
            let ground = self.ground(&data, recipe, ensemble.as_ref());
            let tried = self.tune(recipe, &ground, &trials, from..from + share)?;
            scores.insert(format!("{}.validationF1", name(recipe)), tried.judgement.f1);
            if best.as_ref().is_none_or(|best| tried.judgement.f1 > best.judgement.f1 + TOGETHER) {
                best = Some(tried);
            }
        }
        let Some(mut best) = best else {
            return Err(TrainError::TooLittle { documents: 0, labels: 0 });
        };
        let ground = self.ground(&data, &best.recipe, ensemble.as_ref());
        if self.corpus.report.words <= LEARN_AGAIN_WORDS_MAX {
            let watch = self.watch(&best.recipe.lexical, Stage::Learn, 0.95 - share..0.95);
            // Alone, the lexical part has nothing to do with chance, so neither has where it begins.
            let from = ensemble.as_ref().map(|_| &best.fitted);
            make_room(&self.request.surroundings, ground.fit_bytes(&best.recipe.lexical))?;
            best.fitted = ground.fit(&self.corpus.examples, &best.recipe.lexical, from, watch)?;
        }
        self.reporter.part(Stage::Assemble, 0.95..1.0, 0.0, None)?;
        scores.insert("objective".into(), best.fitted.outcome.objective);
        scores.insert("iterations".into(), best.fitted.outcome.iterations as f64);
        let table = ground.table(&best.fitted, &best.recipe.lexical)?;
        let ensemble = ensemble.as_ref().filter(|_| best.recipe.contextual.is_some());
        let head = self.head(&best.fitted, table, ensemble)?;
        let bundle = self.assemble(&best, &head, scores)?;
        self.reporter.part(Stage::Assemble, 0.95..1.0, 1.0, None)?;
        Ok(bundle)
    }

    /// Learns with falling strengths of regularisation, each from where the one before ended, and returns what does
    /// best on what each of `trials` holds out.
    fn tune(
        &self,
        recipe: &Recipe,
        ground: &Ground<'_>,
        trials: &[Trial],
        part: Range<f32>,
    ) -> Result<Tried, TrainError> {
        let given = [recipe.lexical.l1, recipe.lexical.l2];
        let strengths = match (self.open, &recipe.contextual) {
            (true, Some(_)) => STRENGTHS.as_slice(),
            _ => &[given],
        };
        let share = (part.end - part.start) / strengths.len() as f32;
        let mut last: Vec<Option<Fitted>> = vec![None; trials.len()];
        let doubt = DOUBT / self.request.corpus.len().max(1) as f64;
        let (mut best, mut reached) = (None, 0.0f64);
        for (number, &[l1, l2]) in strengths.iter().enumerate() {
            let mut recipe = recipe.clone();
            (recipe.lexical.l1, recipe.lexical.l2) = (l1, l2);
            let from = part.start + share * number as f32;
            let most = recipe
                .lexical
                .max_iterations
                .min(TRIAL_ITERATIONS_MAX * if strengths.len() > 1 { 1 } else { 2 });
            let short = LexicalRecipe { max_iterations: most, ..recipe.lexical.clone() };
            let beside = trials.len().min(self.request.threads.max(1)) as u64;
            make_room(&self.request.surroundings, beside * ground.fit_bytes(&short))?;
            let shares = Shares::new(trials.len());
            let fits = map(trials.len(), |trial| {
                let most = short.max_iterations.max(1) as f32;
                let watch = |iteration: usize, loss: f64| {
                    let done = shares.set(trial, (iteration as f32 / most).min(1.0));
                    self.reporter.watch(Stage::Validate, from..from + share, done, Some(loss))
                };
                let fit = || Ok(ground.fit(&trials[trial].kept, &short, last[trial].as_ref(), watch)?);
                let part = format!("{}-{l1}-{l2}-{trial}", name(&recipe));
                self.trail.resume(&part, Fitted::from_bytes, Fitted::to_bytes, fit)
            });
            let fits = fits.into_iter().collect::<Result<Vec<_>, _>>()?;
            let judgement = judge(&self.corpus, trials, ground, &fits);
            self.reporter.judged(judgement.f1);
            tracing::debug!(l1, l2, f1 = judgement.f1, boldness = judgement.boldness, "strength tried");
            last = fits.into_iter().map(Some).collect();
            if judgement.f1 >= reached - doubt || best.is_none() {
                reached = reached.max(judgement.f1);
                best = last[0].clone().map(|fitted| Tried { recipe, fitted, judgement });
            } else if judgement.f1 < reached - FALLEN - doubt {
                break;
            }
        }
        best.ok_or(TrainError::Diverged)
    }

    /// What a recipe learns on.
    fn ground<'b>(
        &'b self,
        data: &'b SparseData,
        recipe: &Recipe,
        ensemble: Option<&'b Ensemble>,
    ) -> Ground<'b> {
        let given = recipe.contextual.as_ref().and(ensemble).map(|ensemble| ensemble.given.as_slice());
        Ground::new(&self.corpus, data, given).stopping(self.request.surroundings.stop)
    }

    /// What is held out.
    fn trials(&self, ensemble: Option<&Ensemble>) -> Vec<Trial> {
        let mut halves = match ensemble {
            Some(ensemble) => ensemble.halves(),
            None => vec![hold_out(&self.corpus, self.request.seed)],
        };
        if self.corpus.report.words > EVERY_FOLD_WORDS_MAX {
            halves.truncate(1);
        }
        if halves.is_empty() {
            halves.push(((0..self.corpus.examples.len()).collect(), Vec::new()));
        }
        let ranges = |examples: &[usize]| {
            examples.iter().map(|&example| self.corpus.examples[example].clone()).collect()
        };
        let trials = halves.iter().map(|(kept, held)| Trial { kept: ranges(kept), held: ranges(held) });
        trials.collect()
    }

    /// Tells how far a fit is.
    fn watch(
        &self,
        recipe: &LexicalRecipe,
        stage: Stage,
        part: Range<f32>,
    ) -> impl FnMut(usize, f64) -> ControlFlow<()> {
        let most = recipe.max_iterations.max(1) as f32;
        move |iteration, loss| {
            self.reporter.watch(stage, part.clone(), (iteration as f32 / most).min(1.0), Some(loss))
        }
    }

    /// The members that the contextual recipe asks for.
    fn members(&self) -> Result<Option<Ensemble>, TrainError> {
        let contextual = self.candidates.iter().find_map(|recipe| recipe.contextual.as_ref());
        let (Some(contextual), Some(vectors)) = (contextual, &self.vectors) else { return Ok(None) };
        let watch = |done, loss| self.reporter.watch(Stage::Learn, 0.25..0.6, done, loss);
        Ok(Some(members::learn(&self.corpus, vectors, contextual, self.request.seed, &self.trail, &watch)?))
    }

    fn head(&self, fitted: &Fitted, table: Sparse, ensemble: Option<&Ensemble>) -> Result<Head, TrainError> {
        let (network, bias) = match (ensemble, &self.vectors) {
            (Some(ensemble), Some(vectors)) => {
                let (network, bias) = ensemble.network(vectors, fitted.scale())?;
                (Some(network), bias)
            }
            _ => (None, vec![0.0; self.corpus.tags.len()]),
        };
        Ok(Head::new(bias, table, network)?)
    }

    fn assemble(
        &self,
        best: &Tried,
        head: &Head,
        scores: BTreeMap<String, f64>,
    ) -> Result<Bundle, TrainError> {
        let (request, recipe) = (self.request, &best.recipe);
        let head = head.to_bytes();
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
            lattice: Chain::split(self.corpus.tags.len(), best.fitted.lattice()),
            temperature: best.judgement.temperature as f32,
            boldness: best.judgement.boldness as f32,
            encoder: encoder.map(|encoder| encoder.reference.clone()),
            files: BTreeMap::from([(HEAD_FILE.to_owned(), FileRef::of(&head))]),
            lineage: Lineage {
                seed: request.seed,
                data_digest: corpus::digest(request.corpus),
                code_version: request.code_version.clone(),
                split: Split::default(),
                training_documents: documents,
                words: report.words,
                labels: report.labels,
                labels_widened: report.widened,
                labels_left_out: report.left_out,
                scores,
            },
            digest: String::new(),
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
