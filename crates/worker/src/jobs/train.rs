//! Training: documents and labels in, an immutable bundle and its evaluation out.

use crate::bundles;
use crate::encoder::InstalledEncoder;
use crate::failure::Failure;
use crate::jobs::corpus::{SEED, categories, divide, labeled_documents};
use crate::jobs::evaluate::{Evaluation, TestSet, evaluate};
use crate::jobs::progress::TrainingProgress;
use crate::run::Run;
use authoring::payloads::TrainPayload;
use catalog::{LabelSet, NewModel, Outcome, Project};
use jiff::Timestamp;
use language_api::ids::model_id;
use language_api::{ErrorKind, ModelLabel};
use model::{Bundle, MANIFEST_FILE, ServingModel};
use ner::guidance::count_labels;
use ner::{EntityCategory, LabeledDocument};
use std::ops::ControlFlow;
use training::{RecipeChoice, Stage, TrainError, TrainRequest, TrainingEncoder};
use uuid::Uuid;

/// Runs a training job.
pub(crate) async fn train(run: &Run) -> Result<Outcome, Failure> {
    let begun = Timestamp::now();
    let services = &run.services;
    let payload: TrainPayload = serde_json::from_slice(&services.catalog.payload(&run.job.id).await?)?;
    let label = ModelLabel::new(&payload.model_label)
        .map_err(|error| Failure::refused(ErrorKind::Internal, error.to_string()))?;
    let id = job_model_id(run, &label)?;
    if already_made(run, &id).await? {
        return Ok(Outcome::succeeded());
    }
    let mut progress = TrainingProgress::begin(run, &payload, label.clone());
    let project = services.catalog.project(&run.job.project).await?;
    let snapshot = services.catalog.take_snapshot(&run.lease, &project.name).await?;
    let mut warnings = vec![];
    let documents = labeled_documents(run, &project, &snapshot, &mut warnings).await?;
    let categories = categories(run, &snapshot).await?;
    let (learn, test) = divide(documents, payload.evaluation_options, &mut warnings);
    let test = TestSet { labels: count_labels(&categories, &learn, &test), documents: test };

    let encoder = services.encoder.open(&services.engine).await?;
    let request = Request { project: &project, payload: &payload, id: &id, learn: &learn, categories };
    let bundle = learn_bundle(run, request, encoder.as_deref(), &mut progress)?;
    progress.trained();
    if let (Some(encoder), Some(_)) = (&encoder, &bundle.manifest.encoder) {
        encoder.publish(&services.blobs, &services.models_container, &services.catalog).await?;
    }
    store(run, &bundle).await?;
    let evaluation = score(run, &project, &bundle, encoder.as_deref(), &test, &payload, &mut progress)?;
    progress.evaluated();
    let model = new_model(&project, &payload, &bundle, snapshot, evaluation, begun)?;
    services.catalog.put_model(&run.lease, &model).await?;
    // The bundle that this one replaces may be nobody's now. What can't be removed today is found again next time.
    if let Err(error) = bundles::sweep(services).await {
        tracing::warn!(%error, "unused bundles were not removed");
    }
    Ok(Outcome::succeeded().with_warnings(serde_json::to_string(&warnings)?))
}

/// The model's id, the same for every attempt of a job: an attempt that died leaves files that the next one replaces.
fn job_model_id(run: &Run, label: &ModelLabel) -> Result<String, Failure> {
    let guid = run.job.id.split('_').next().and_then(|guid| Uuid::parse_str(guid).ok());
    let guid = guid.ok_or_else(|| Failure::refused(ErrorKind::Internal, "malformed job id"))?;
    Ok(model_id(label, run.job.created_at, guid))
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
    payload: &'a TrainPayload,
    id: &'a str,
    learn: &'a [LabeledDocument],
    categories: Vec<EntityCategory>,
}

fn learn_bundle(
    run: &Run,
    request: Request<'_>,
    encoder: Option<&InstalledEncoder>,
    progress: &mut TrainingProgress<'_>,
) -> Result<Bundle, Failure> {
    let recipe = match request.payload.training_config_version.as_str() {
        "lexical" => RecipeChoice::Lexical,
        "contextual" => RecipeChoice::Contextual,
        _ => RecipeChoice::Auto,
    };
    let encoder = encoder.map(|installed| TrainingEncoder {
        encoder: &*installed.encoder,
        reference: installed.reference.clone(),
        tokenizer_json: &installed.tokenizer_json,
    });
    let request = TrainRequest {
        corpus: request.learn,
        recipe,
        language: request.project.language.clone(),
        categories: request.categories,
        seed: SEED,
        threads: run.services.threads,
        model_id: request.id.to_owned(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        encoder,
    };
    let mut watch = |step: training::Progress| {
        if step.stage != Stage::Assemble {
            progress.training(step.fraction);
        }
        if run.stop.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    training::train(&request, &mut watch).map_err(|error| match error {
        TrainError::Cancelled => run.stop.check().err().unwrap_or(Failure::Cancelled),
        TrainError::Encoder(_) | TrainError::Threads { .. } | TrainError::Scratch { .. } => {
            Failure::Transient(error.to_string())
        }
        TrainError::TooLittle { .. } => Failure::refused(ErrorKind::Field, error.to_string()),
        TrainError::EncoderMissing | TrainError::EncoderMismatch { .. } => {
            Failure::refused(ErrorKind::Unavailable, error.to_string())
        }
        other => Failure::refused(ErrorKind::Internal, other.to_string()),
    })
}

/// Puts the bundle where hosts find it; the manifest last, so that a bundle with a manifest is whole.
async fn store(run: &Run, bundle: &Bundle) -> Result<(), Failure> {
    let services = &run.services;
    let folder = format!("models/{}", bundle.manifest.model_id);
    for (name, bytes) in &bundle.files {
        services.blobs.put(&services.models_container, &format!("{folder}/{name}"), bytes.clone()).await?;
    }
    let manifest = bundle.manifest.to_json();
    services.blobs.put(&services.models_container, &format!("{folder}/{MANIFEST_FILE}"), manifest).await?;
    Ok(())
}

/// Scores the stored bundle as it will serve: opened by name, through the engine.
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
    let failed = |error: String| {
        Failure::refused(ErrorKind::Internal, format!("model {id} can't be evaluated: {error}"))
    };
    let tokenizer = encoder
        .filter(|_| bundle.manifest.encoder.is_some())
        .map(|encoder| encoder.tokenizer_json.as_slice());
    let serving =
        ServingModel::new(bundle.manifest.clone(), tokenizer).map_err(|error| failed(error.to_string()))?;
    let graph = run.services.engine.open(id).map_err(|error| failed(error.to_string()))?;
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
