//! A training run from request to bundle.

use crate::chain::Chain;
use crate::corpus::{self, Corpus};
use crate::encode::encode;
use crate::fit::{Fitted, Ground};
use crate::folds::{HELD_OUT_WORDS_MAX, hold_out, thinned};
use crate::judge::{Judgement, Trial, judge};
use crate::members::{self, Ensemble};
use crate::parallel::map;
use crate::reporter::{Reporter, Shares};
use crate::request::{Progress, RecipeChoice, Stage, TrainError, TrainRequest};
use crate::sized::sized;
use crate::surroundings::{Trail, make_room};
use crate::tune::{TUNED, Workshop};
use crate::tuner::TuningDevice;
use crate::vectors::Vectors;
use model::{
    Bundle, FORMAT, FileRef, HEAD_FILE, Head, LAYERS_FILE, LexicalRecipe, Lineage, Manifest, Preparation,
    Recipe, Sparse, Split,
};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

/// Fewest labels that a model is learned from.
const LABELS_MIN: u64 = 2;

/// Where a run without tuning stands when the encoder has read everything.
const FROZEN: f32 = 0.25;

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
    /// The bundle's file of the tuned layers, where the recipe tunes.
    layers: Option<Vec<u8>>,
    candidates: Vec<Recipe>,
    /// Part of the words that the encoder cannot read, where that was asked.
    strangeness: Option<f64>,
}

/// One of the models a head is mixed of: the lexical part learned on top of what members say, or learned alone.
struct Opinion<'a> {
    ground: Ground<'a>,
    recipe: LexicalRecipe,
    alone: bool,
}

/// Part of the words that an encoder may be unable to read before it is left out: what it says about the others is then
/// worth little too, since it reads them among strange ones.
const STRANGE_MAX: f64 = 0.05;

/// Parts that the lexical part learned alone may have in the head, where the recipe leaves it open; the last makes a
/// lexical model.
const SHARES: [f32; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// By which part a larger share must lower the loss of what is held out.
const BY_HEART: f64 = 0.05;

/// Corpora of up to this many words are judged on every fold, so that no single document decides; others on one.
const EVERY_FOLD_WORDS_MAX: u64 = 50_000;

/// Passes that tell shares apart, where the last fit follows with as many as the recipe says.
const TRIAL_ITERATIONS_MAX: u32 = 40;

impl<'a> Run<'a> {
    fn new(
        request: &'a TrainRequest<'a>,
        progress: &'a mut (dyn FnMut(Progress) -> ControlFlow<()> + Send),
    ) -> Result<Self, TrainError> {
        let mut candidates = candidates(request)?;
        let stop = request.surroundings.stop;
        let reporter = Reporter::new(progress, stop);
        reporter.part(Stage::Prepare, 0.0..0.05, 0.0, None)?;
        if !matches!(request.recipe, RecipeChoice::Given(_)) {
            let bytes = request.corpus.iter().map(|document| document.document.text.len()).sum();
            candidates.iter_mut().for_each(|recipe| sized(recipe, bytes));
        }
        let sequence_break = corpus::choose_break(request.corpus, &candidates[0]);
        candidates.iter_mut().for_each(|recipe| recipe.sequence_break = sequence_break);
        let tokenizer = request.encoder.as_ref().map(|encoder| encoder.tokenizer_json);
        // The richest recipe's preparation serves all: the lexical one only lacks the pieces.
        let mut preparation = Preparation::new(&candidates[candidates.len() - 1], tokenizer)?;
        let mut strangeness = None;
        if candidates.len() > 1 {
            strangeness = corpus::strangeness(request.corpus, &preparation)?;
            if strangeness.is_some_and(|strangeness| strangeness > STRANGE_MAX) {
                tracing::info!(strangeness, "the encoder does not know the language: lexical alone");
                candidates.truncate(1);
                preparation = Preparation::new(&candidates[0], None)?;
            }
        }
        let richest = &candidates[candidates.len() - 1];
        make_room(&request.surroundings, corpus::bytes(request.corpus))?;
        let stopped = || stop.is_some_and(|stop| stop());
        let min_count = richest.lexical.min_count;
        let corpus = Corpus::new(request.corpus, &request.categories, &preparation, min_count, &stopped)?;
        let trail = Trail::new(request, &candidates);
        let learnable = corpus.report.labels - corpus.report.left_out;
        if learnable < LABELS_MIN || corpus.examples.is_empty() {
            let documents = request.corpus.iter().filter(|document| !document.regions.is_empty()).count();
            return Err(TrainError::TooLittle { documents, labels: learnable });
        }
        let mut run =
            Self { request, reporter, trail, corpus, vectors: None, layers: None, candidates, strangeness };
        run.read()?;
        Ok(run)
    }

    /// Has the encoder, tuned where the recipe says so, read all documents.
    fn read(&mut self) -> Result<(), TrainError> {
        let richest = &self.candidates[self.candidates.len() - 1];
        let Some(encoder) = self.request.encoder.as_ref().filter(|_| richest.kind.reads_encoder()) else {
            return Ok(());
        };
        let mut vectors = match (&richest.tuning, encoder.tuning) {
            (None, _) => {
                let watch = |done| self.reporter.watch(Stage::Encode, 0.05..FROZEN, done, None);
                encode(&self.corpus.pieces, encoder, &self.trail, watch)?
            }
            (Some(_), None) => return Err(TrainError::TunerMissing),
            (Some(recipe), Some(tuning)) => {
                let shape = tuning.encoder.shape();
                let needed = tuning.tuner.bytes(shape, recipe.layers as usize, recipe);
                make_room(&self.request.surroundings, needed)?;
                let (corpus, seed) = (&self.corpus, self.request.seed);
                let (trail, reporter) = (&self.trail, &self.reporter);
                let tuned = Workshop { corpus, encoder, tuning, recipe, seed, trail, reporter }.tuned()?;
                self.layers = Some(tuned.file);
                tuned.vectors
            }
        };
        vectors.standardise(&self.corpus.examples)?;
        self.corpus.pieces = Vec::new();
        self.vectors = Some(vectors);
        Ok(())
    }

    /// Which part of the run is done when the encoder has read everything.
    fn begun(&self) -> f32 {
        if self.layers.is_some() { TUNED } else { FROZEN }
    }

    /// Which part of the run is done when the members are learned: half of what was left.
    fn learned(&self) -> f32 {
        (self.begun() + 0.95) / 2.0
    }

    /// Learns each opinion without the documents held out, judges on those how to mix them, then learns from everything.
    fn bundle(self) -> Result<Bundle, TrainError> {
        let ensemble = self.members()?;
        let opinions = self.opinions(ensemble.as_ref());
        let start = if ensemble.is_some() { self.learned() } else { 0.05 };
        let step = (0.95 - start) / (2 * opinions.len()) as f32;
        let part = |at: usize| start + step * at as f32..start + step * (at + 1) as f32;
        let trials = self.trials(ensemble.as_ref());
        let tried = opinions.iter().zip(0..).map(|(opinion, at)| self.try_out(opinion, &trials, part(at)));
        let tried = tried.collect::<Result<Vec<_>, _>>()?;
        let (share, judgement) = self.weigh(&opinions, &tried, &trials);
        let mut learned: Vec<Fitted> = Vec::new();
        for (at, (opinion, tried)) in opinions.iter().zip(tried).enumerate() {
            let heard = if opinion.alone { share > 0.0 } else { share < 1.0 };
            let first = tried.into_iter().next().filter(|_| !opinion.alone || !self.learns_again());
            learned.push(match (first, heard && self.learns_again()) {
                (Some(fitted), false) => fitted,
                // Alone, the lexical part has nothing to do with chance, so neither has where it begins.
                (first, _) => {
                    let watch = self.watch(&opinion.recipe, Stage::Learn, part(opinions.len() + at));
                    make_room(&self.request.surroundings, opinion.ground.fit_bytes(&opinion.recipe))?;
                    opinion.ground.fit(&self.corpus.examples, &opinion.recipe, first.as_ref(), watch)?
                }
            });
        }
        self.reporter.part(Stage::Assemble, 0.95..1.0, 0.0, None)?;
        let fitted = mixed(&opinions, |at| learned[at].clone(), share);
        let ensemble = ensemble.as_ref().filter(|_| share < 1.0);
        let recipe = self.recipe(share);
        let table = opinions[0].ground.table(&fitted, &recipe.lexical)?;
        let head = self.head(&fitted, table, ensemble)?;
        let bundle = self.assemble(recipe, &fitted, &judgement, &head)?;
        self.reporter.part(Stage::Assemble, 0.95..1.0, 1.0, None)?;
        Ok(bundle)
    }

    /// What the head may be mixed of: the lexical part beside the network first.
    fn opinions<'b>(&'b self, ensemble: Option<&'b Ensemble>) -> Vec<Opinion<'b>> {
        let richest = &self.candidates[self.candidates.len() - 1];
        let lexical = &richest.lexical;
        let stop = self.request.surroundings.stop;
        let mut opinions = Vec::new();
        if let (Some(contextual), Some(ensemble)) = (&richest.contextual, ensemble) {
            let recipe = LexicalRecipe { l1: contextual.l1, l2: contextual.l2, ..lexical.clone() };
            let ground = Ground::new(&self.corpus, Some(&ensemble.given)).stopping(stop);
            opinions.push(Opinion { ground, recipe, alone: false });
        }
        if self.shares().iter().any(|&share| share > 0.0) {
            let ground = Ground::new(&self.corpus, None).stopping(stop);
            opinions.push(Opinion { ground, recipe: lexical.clone(), alone: true });
        }
        opinions
    }

    /// The shares of the lexical part alone to choose from.
    fn shares(&self) -> Vec<f32> {
        let given = |recipe: &Recipe| recipe.contextual.as_ref().map_or(Some(1.0), |part| part.lexical_share);
        match self.candidates.as_slice() {
            [recipe] => given(recipe).map_or(SHARES[..SHARES.len() - 1].to_vec(), |share| vec![share]),
            _ => SHARES.to_vec(),
        }
    }

    /// The recipe as it came out.
    fn recipe(&self, share: f32) -> Recipe {
        let mut recipe = self.candidates[if share < 1.0 { self.candidates.len() - 1 } else { 0 }].clone();
        if let Some(contextual) = &mut recipe.contextual {
            contextual.lexical_share = Some(share);
        }
        recipe
    }

    /// Whether the last fit is from all examples: part of many is enough.
    fn learns_again(&self) -> bool {
        self.corpus.report.words <= LEARN_AGAIN_WORDS_MAX
    }

    /// Learns an opinion once for each of `trials`.
    fn try_out(
        &self,
        opinion: &Opinion<'_>,
        trials: &[Trial],
        part: Range<f32>,
    ) -> Result<Vec<Fitted>, TrainError> {
        let most = if self.learns_again() { TRIAL_ITERATIONS_MAX } else { u32::MAX };
        let max_iterations = opinion.recipe.max_iterations.min(most);
        let recipe = LexicalRecipe { max_iterations, ..opinion.recipe.clone() };
        let beside = trials.len().min(self.request.threads.max(1)) as u64;
        make_room(&self.request.surroundings, beside * opinion.ground.fit_bytes(&recipe))?;
        let shares = Shares::new(trials.len());
        let whose = if opinion.alone { "alone" } else { "beside" };
        let fits = map(trials.len(), |trial| {
            let most = recipe.max_iterations.max(1) as f32;
            let watch = |iteration: usize, loss: f64| {
                let done = shares.set(trial, (iteration as f32 / most).min(1.0));
                self.reporter.watch(Stage::Validate, part.clone(), done, Some(loss))
            };
            let fit = || Ok(opinion.ground.fit(&trials[trial].kept, &recipe, None, watch)?);
            self.trail.resume(&format!("{whose}-{trial}"), Fitted::from_bytes, Fitted::to_bytes, fit)
        });
        fits.into_iter().collect()
    }

    /// The share of the lexical part alone up to which each more makes what is held out clearly likelier, and how the
    /// mixture did. Likelihood is a surer measure than the entities that come out right, which are few where documents
    /// are; and texts to come are less familiar than those held out, so that what is known by heart helps less in them.
    fn weigh(&self, opinions: &[Opinion<'_>], tried: &[Vec<Fitted>], trials: &[Trial]) -> (f32, Judgement) {
        let mut best: Option<(f32, Judgement)> = None;
        for share in self.shares() {
            let mixed = |trial: usize| mixed(opinions, |at| tried[at][trial].clone(), share);
            let fits: Vec<Fitted> = (0..trials.len()).map(mixed).collect();
            let judgement = judge(&self.corpus, trials, &opinions[0].ground, &fits);
            self.reporter.judged(judgement.f1);
            tracing::debug!(share, f1 = judgement.f1, loss = judgement.loss, "share judged");
            if best.is_some_and(|(_, best)| judgement.loss >= best.loss * (1.0 - BY_HEART)) {
                break;
            }
            best = Some((share, judgement));
        }
        best.unwrap_or_default()
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
        let trials = halves.iter().map(|(kept, held)| Trial {
            kept: ranges(kept),
            held: ranges(&thinned(&self.corpus, held, HELD_OUT_WORDS_MAX)),
        });
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
        let part = self.begun()..self.learned();
        let watch = |done, loss| self.reporter.watch(Stage::Learn, part.clone(), done, loss);
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

    /// What the run measured by itself, by name.
    fn scores(&self, fitted: &Fitted, judgement: &Judgement) -> BTreeMap<String, f64> {
        let mut scores = BTreeMap::from([
            ("validationF1".to_owned(), judgement.f1),
            ("objective".to_owned(), fitted.outcome.objective),
            ("iterations".to_owned(), fitted.outcome.iterations as f64),
        ]);
        scores.extend(self.strangeness.map(|strangeness| ("encoder.strangeWords".to_owned(), strangeness)));
        scores
    }

    fn assemble(
        &self,
        recipe: Recipe,
        fitted: &Fitted,
        judgement: &Judgement,
        head: &Head,
    ) -> Result<Bundle, TrainError> {
        let request = self.request;
        let mut files = BTreeMap::from([(HEAD_FILE.to_owned(), head.to_bytes())]);
        files.extend(self.layers.clone().map(|layers| (LAYERS_FILE.to_owned(), layers)));
        let mut documents: Vec<String> = request.corpus.iter().map(|d| d.document.location.clone()).collect();
        documents.sort();
        let encoder = request.encoder.as_ref().filter(|_| recipe.kind.reads_encoder());
        let report = self.corpus.report;
        let manifest = Manifest {
            format: FORMAT,
            model_id: request.model_id.clone(),
            recipe,
            language: request.language.clone(),
            categories: request.categories.iter().map(|category| category.as_str().to_owned()).collect(),
            lattice: Chain::split(self.corpus.tags.len(), fitted.lattice()),
            temperature: judgement.temperature as f32,
            boldness: judgement.boldness as f32,
            encoder: encoder.map(|encoder| encoder.reference.clone()),
            files: files.iter().map(|(name, bytes)| (name.clone(), FileRef::of(bytes))).collect(),
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
                scores: self.scores(fitted, judgement),
            },
            digest: String::new(),
        };
        Ok(Bundle::new(manifest, files)?)
    }
}

/// What one or two opinions say together, `share` of it the one alone.
fn mixed(opinions: &[Opinion<'_>], fitted: impl Fn(usize) -> Fitted, share: f32) -> Fitted {
    match opinions {
        [_, _] => fitted(0).mixed(&fitted(1), share),
        _ => fitted(0),
    }
}

/// The recipes to try, the richest last.
fn candidates(request: &TrainRequest<'_>) -> Result<Vec<Recipe>, TrainError> {
    let mut candidates = match &request.recipe {
        RecipeChoice::Lexical => vec![Recipe::lexical()],
        RecipeChoice::Contextual => vec![Recipe::contextual()],
        RecipeChoice::Tuned => vec![Recipe::tuned()],
        RecipeChoice::Auto if request.encoder.is_none() => vec![Recipe::lexical()],
        RecipeChoice::Auto => vec![Recipe::lexical(), Recipe::contextual()],
        RecipeChoice::Given(recipe) => vec![recipe.clone()],
    };
    for recipe in &mut candidates {
        let Some(contextual) = &mut recipe.contextual else { continue };
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
        if let Some(recipe) = &mut recipe.tuning {
            let tuning = encoder.tuning.ok_or(TrainError::TunerMissing)?;
            let layers = u32::try_from(tuning.encoder.shape().layers()).unwrap_or(u32::MAX);
            if request.recipe == RecipeChoice::Tuned && tuning.tuner.device() == TuningDevice::Gpu {
                recipe.layers = layers;
            }
            recipe.layers = recipe.layers.clamp(1, layers);
        }
    }
    Ok(candidates)
}
