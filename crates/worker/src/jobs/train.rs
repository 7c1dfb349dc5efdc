//! Training: documents and labels in, an immutable bundle and its evaluation out.

use crate::checkpoints::JobCheckpoints;
use crate::encoder::InstalledEncoder;
use crate::failure::Failure;
use crate::jobs::corpus::{SEED, categories, divide, labeled_documents};
use crate::jobs::evaluate::{Evaluation, TestSet, evaluate};
use crate::jobs::preflight::preflight;
use crate::jobs::progress::TrainingProgress;
use crate::jobs::recipe;
use crate::run::Run;
use crate::{bundles, memory};
use authoring::payloads::TrainPayload;
use catalog::{LabelSet, NewModel, Outcome, Project};
use inference::Engine;
use jiff::Timestamp;
use language_api::ids::model_id;
use language_api::{ErrorKind, EvaluationOptions, JobWarning, ModelLabel};
use model::{Bundle, LAYERS_FILE, MANIFEST_FILE, Manifest, ServingModel, Split};
use ner::guidance::count_labels;
use ner::{EntityCategory, LabeledDocument};
use std::ops::ControlFlow;
use std::sync::Arc;
use training::{RecipeChoice, Surroundings, TrainError, TrainRequest, TrainingEncoder, Tuning};
use uuid::Uuid;

/// Runs a training job.
pub(crate) async fn train(run: &Run) -> Result<Outcome, Failure> {
    let begun = Timestamp::now();
    let services = &run.services;
    let payload: TrainPayload = serde_json::from_slice(&services.catalog.payload(&run.job.id).await?)?;
    let label = ModelLabel::new(&payload.model_label)
        .map_err(|error| Failure::refused(ErrorKind::Internal, error.to_string()))?;
    let ids = model_ids(run, &label)?;
    for id in &ids {
        if already_made(run, id).await? {
            discard_all(run, &ids).await;
            return Ok(Outcome::succeeded());
        }
    }
    let Some((id, earlier)) = ids.split_last() else {
        return Err(Failure::refused(ErrorKind::Internal, "a job without an attempt"));
    };
    let progress = TrainingProgress::begin(run, &payload, label.clone());
    let checkpoints = JobCheckpoints::new(&services.checkpoints);
    let made = make(run, &payload, id, begun, progress, &checkpoints).await;
    if !matches!(made, Err(Failure::Transient(_) | Failure::LeaseLost)) {
        checkpoints.done();
    }
    if made.is_err() {
        discard(run, id).await;
    }
    let warnings = made?;
    discard_all(run, earlier).await;
    // The bundle that this one replaces may be nobody's now. What can't be removed today is found again next time.
    if let Err(error) = bundles::sweep(services).await {
        tracing::warn!(%error, "unused bundles were not removed");
    }
    Ok(Outcome::succeeded().with_warnings(serde_json::to_string(&warnings)?))
}

/// From the labels as they are now to a model that is stored, scored and known.
async fn make(
    run: &Run,
    payload: &TrainPayload,
    id: &str,
    begun: Timestamp,
    mut progress: TrainingProgress<'_>,
    checkpoints: &JobCheckpoints<'_>,
) -> Result<Vec<JobWarning>, Failure> {
    let services = &run.services;
    let project = services.catalog.project(&run.job.project).await?;
    let snapshot = services.catalog.take_snapshot(&run.lease, &project.name).await?;
    let mut warnings = vec![];
    let documents = labeled_documents(run, &project, &snapshot, &mut warnings).await?;
    let categories = categories(run, &snapshot).await?;
    let (learn, test) = divide(documents, payload.evaluation_options, &mut warnings);
    let labels = count_labels(&categories, &learn, &test);
    progress.advised(preflight(run, &labels, [&learn, &test])?);
    let test = TestSet { labels, documents: test };

    let (recipe, encoder) = recipe::choose(services, &project, payload, &mut warnings)?;
    let request = Request { project: &project, id, learn: &learn, categories, recipe, checkpoints };
    let mut bundle = loop {
        let training = services.trainings.begin();
        match learn_bundle(run, &request, encoder.as_deref(), &mut progress) {
            Err(TrainError::Memory { .. }) if training.had_company() => {
                training.wait_for_another(run).await?
            }
            learned => break learned.map_err(|error| not_learned(run, error))?,
        }
    };
    progress.trained();
    let encoder = encoder.filter(|_| bundle.manifest.encoder.is_some());
    let evaluation = score(run, &project, &bundle, encoder.as_deref(), &test, payload, &mut progress)?;
    progress.evaluated();
    complete(&mut bundle.manifest, payload, &test, &evaluation);
    if let Some(encoder) = &encoder {
        encoder.publish(&services.blobs, &services.models_container, &services.catalog).await?;
    }
    store(run, &bundle).await?;
    let model = new_model(&project, payload, &bundle, snapshot, evaluation, begun)?;
    services.catalog.put_model(&run.lease, &model).await?;
    Ok(warnings)
}

/// The ids under which this and the earlier attempts of the job store a model, this one's last. Each has its own: a worker
/// that stood still and was taken for dead may go on writing while another one makes the model.
fn model_ids(run: &Run, label: &ModelLabel) -> Result<Vec<String>, Failure> {
    let guid = run.job.id.split('_').next().and_then(|guid| Uuid::parse_str(guid).ok());
    let guid = guid.ok_or_else(|| Failure::refused(ErrorKind::Internal, "malformed job id"))?;
    let id = |attempt: u64| {
        let own = Uuid::from_u128(guid.as_u128() ^ u128::from(attempt - 1));
        model_id(label, run.job.created_at, own)
    };
    Ok((1..=run.job.attempt).map(id).collect())
}

/// What attempts that were killed left.
async fn discard_all(run: &Run, ids: &[String]) {
    for id in ids {
        discard(run, id).await;
    }
}

/// Removes the files of a model that did not come about.
async fn discard(run: &Run, id: &str) {
    // A failure may have come after the model became known. Nobody else writes under this id, lease or not.
    if !matches!(already_made(run, id).await, Ok(false)) {
        return;
    }
    let services = &run.services;
    services.engine.forget(id);
    if let Err(error) =
        services.blobs.delete_prefix(&services.models_container, &format!("models/{id}/")).await
    {
        tracing::warn!(%error, id, "files of a model that was not made stay behind");
    }
}

/// Whether an earlier attempt got as far as its model.
async fn already_made(run: &Run, id: &str) -> Result<bool, Failure> {
    match run.services.catalog.bundle_manifest(id).await {
        Ok(_) => Ok(true),
        Err(catalog::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

struct Request<'a> {
    project: &'a Project,
    id: &'a str,
    learn: &'a [LabeledDocument],
    categories: Vec<EntityCategory>,
    recipe: RecipeChoice,
    checkpoints: &'a JobCheckpoints<'a>,
}

fn learn_bundle(
    run: &Run,
    request: &Request<'_>,
    encoder: Option<&InstalledEncoder>,
    progress: &mut TrainingProgress<'_>,
) -> Result<Bundle, TrainError> {
    let stop = || run.stop.check().is_err();
    let surroundings = Surroundings {
        checkpoints: Some(request.checkpoints),
        stop: Some(&stop),
        memory_bytes_max: memory::available_bytes(run.services.training_bytes_max),
    };
    let tunable = match (&request.recipe, encoder) {
        (RecipeChoice::Tuned, Some(installed)) => Some(run.services.engine.tunable(&installed.package)?),
        _ => None,
    };
    let tuner = &*run.services.tuner;
    let encoder = encoder.map(|installed| TrainingEncoder {
        encoder: &*installed.encoder,
        reference: installed.reference.clone(),
        tokenizer_json: &installed.tokenizer_json,
        tuning: tunable.as_ref().map(|encoder| Tuning { encoder, tuner }),
    });
    let request = TrainRequest {
        corpus: request.learn,
        recipe: request.recipe.clone(),
        language: request.project.language.clone(),
        categories: request.categories.clone(),
        seed: SEED,
        threads: run.services.threads,
        model_id: request.id.to_owned(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        encoder,
        surroundings,
    };
    let mut watch = |step: training::Progress| {
        progress.training(step);
        if run.stop.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    training::train(&request, &mut watch)
}

/// What comes of a training that did not end well.
fn not_learned(run: &Run, error: TrainError) -> Failure {
    match error {
        TrainError::Cancelled => run.stop.check().err().unwrap_or(Failure::Cancelled),
        TrainError::Encoder(_)
        | TrainError::Tuner(_)
        | TrainError::Threads { .. }
        | TrainError::Scratch { .. } => Failure::Transient(error.to_string()),
        TrainError::TooLittle { .. } => Failure::refused(ErrorKind::Field, error.to_string()),
        TrainError::EncoderMissing => {
            let next = "`spindle encoder add` installs one, and the lexical configuration needs none";
            Failure::refused(ErrorKind::Unavailable, format!("{error}; {next}"))
        }
        TrainError::EncoderMismatch { .. } | TrainError::Memory { .. } => {
            Failure::refused(ErrorKind::Unavailable, error.to_string())
        }
        other => Failure::refused(ErrorKind::Internal, other.to_string()),
    }
}

/// Writes into the manifest what training alone does not know, and seals it.
fn complete(manifest: &mut Manifest, payload: &TrainPayload, test: &TestSet, evaluation: &Evaluation) {
    let mut test_documents: Vec<String> =
        test.documents.iter().map(|document| document.document.location.clone()).collect();
    test_documents.sort();
    let testing_percentage = match payload.evaluation_options {
        EvaluationOptions::Percentage { testing_split_percentage, .. } => Some(testing_split_percentage),
        EvaluationOptions::Manual => None,
    };
    let lineage = &mut manifest.lineage;
    if !test_documents.is_empty() {
        let scores = &evaluation.summary.custom_entity_recognition_evaluation;
        let told = [("test.microF1", scores.micro_f1), ("test.macroF1", scores.macro_f1)];
        lineage.scores.extend(told.map(|(name, score)| (name.to_owned(), f64::from(score))));
    }
    lineage.split = Split { testing_percentage, test_documents };
    manifest.seal();
}

/// Puts the bundle where hosts find it, the manifest last, so that a bundle with a manifest is whole; then opens it as they
/// will.
async fn store(run: &Run, bundle: &Bundle) -> Result<(), Failure> {
    let services = &run.services;
    let id = &bundle.manifest.model_id;
    let manifest = (MANIFEST_FILE, bundle.manifest.to_json());
    let files = bundle.files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone()));
    for (name, bytes) in files.chain([manifest]) {
        run.stop.check()?;
        services.blobs.put(&services.models_container, &format!("models/{id}/{name}"), bytes).await?;
    }
    services.engine.open(id).map(drop).map_err(|error| unusable(id, error))
}

fn unusable(id: &str, error: impl std::fmt::Display) -> Failure {
    Failure::refused(ErrorKind::Internal, format!("model {id} can't be evaluated: {error}"))
}

/// Scores the bundle as it will serve, through the code that serves it.
fn score(
    run: &Run,
    project: &Project,
    bundle: &Bundle,
    encoder: Option<&InstalledEncoder>,
    test: &TestSet,
    payload: &TrainPayload,
    progress: &mut TrainingProgress<'_>,
) -> Result<Evaluation, Failure> {
    let id = &bundle.manifest.model_id;
    let tokenizer = encoder.map(|encoder| encoder.tokenizer_json.as_slice());
    let serving =
        ServingModel::new(bundle.manifest.clone(), tokenizer).map_err(|error| unusable(id, error))?;
    let encoder = match (encoder, bundle.files.get(LAYERS_FILE)) {
        (Some(installed), Some(layers)) => {
            let tuned = run.services.engine.tuned(&installed.package, layers);
            Some(tuned.map_err(|error| unusable(id, error))?)
        }
        (encoder, _) => encoder.map(|encoder| Arc::clone(&encoder.encoder)),
    };
    let graph = Engine::try_out(bundle, encoder).map_err(|error| unusable(id, error))?;
    evaluate(&serving, &*graph, test, &project.language, payload.evaluation_options, |fraction| {
        progress.evaluation(fraction);
        run.stop.check()
    })
}

fn new_model(
    project: &Project,
    payload: &TrainPayload,
    bundle: &Bundle,
    snapshot: LabelSet,
    evaluation: Evaluation,
    begun: Timestamp,
) -> Result<NewModel, Failure> {
    let now = Timestamp::now();
    let manifest = String::from_utf8(bundle.manifest.to_json())
        .map_err(|error| Failure::refused(ErrorKind::Internal, error.to_string()))?;
    Ok(NewModel {
        project: project.name.clone(),
        label: payload.model_label.clone(),
        model_id: bundle.manifest.model_id.clone(),
        recipe: serde_json::to_string(&bundle.manifest.recipe)?,
        training_config_version: payload.training_config_version.clone(),
        manifest,
        snapshot: Some(snapshot),
        evaluation_summary: Some(serde_json::to_string(&evaluation.summary)?),
        evaluation_documents: evaluation.documents,
        trained_at: now,
        training_seconds: u64::try_from(now.duration_since(begun).as_secs()).unwrap_or(0).max(1),
    })
}
