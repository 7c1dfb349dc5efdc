//! A trained model scored again, on the labels as they are now.

use crate::failure::Failure;
use crate::jobs::corpus::{categories, divide, labeled_documents};
use crate::jobs::evaluate::{Evaluation, TestSet, evaluate};
use crate::run::Run;
use crate::serving::OpenModel;
use authoring::payloads::EvaluatePayload;
use catalog::{Model, Outcome, Project};
use jiff::Timestamp;
use language_api::{ErrorKind, JobWarning};
use ner::guidance::count_labels;

/// Runs an evaluation job: the model's stored evaluation is replaced.
pub(crate) async fn reevaluate(run: &Run) -> Result<Outcome, Failure> {
    let catalog = &run.services.catalog;
    let payload: EvaluatePayload = serde_json::from_slice(&catalog.payload(&run.job.id).await?)?;
    let model = catalog.model(&run.job.project, &run.job.target).await?;
    let (project, labels) = catalog.project_with_labels(&run.job.project).await?;
    let mut warnings = vec![];
    let documents = labeled_documents(run, &project, &labels, &mut warnings).await?;
    let categories = categories(run, &labels).await?;
    let (learn, documents) = divide(documents, payload.evaluation_options, &mut warnings);
    warnings.push(JobWarning {
        code: "PresentLabels".to_owned(),
        message: "scored on the present labels; documents the model has learned from flatter it".to_owned(),
    });
    let test = TestSet { labels: count_labels(&categories, &learn, &documents), documents };
    let Evaluation { summary, documents } = score(run, &project, &model, &test, &payload).await?;
    let summary = serde_json::to_string(&summary)?;
    catalog.put_evaluation(&run.lease, &project.name, &model, &summary, &documents, Timestamp::now()).await?;
    show(run, &payload, 100)?;
    Ok(Outcome::succeeded().with_warnings(serde_json::to_string(&warnings)?))
}

async fn score(
    run: &Run,
    project: &Project,
    model: &Model,
    test: &TestSet,
    payload: &EvaluatePayload,
) -> Result<Evaluation, Failure> {
    let failed = |error: String| {
        let message = format!("model {} can't be evaluated: {error}", model.label);
        Failure::refused(ErrorKind::Unavailable, message)
    };
    let open = OpenModel::load(&run.services, &model.model_id, failed).await?;
    evaluate(&open.serving, &*open.graph, test, &project.language, payload.evaluation_options, |fraction| {
        // The last per cent is the writing.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=99 first"
        )]
        show(run, payload, (fraction * 100.0).clamp(0.0, 99.0) as u8)?;
        run.stop.check()
    })
}

fn show(run: &Run, payload: &EvaluatePayload, percent: u8) -> Result<(), Failure> {
    let progress = payload.progress(&run.job.target, percent);
    let progress = progress.map_err(|error| Failure::refused(ErrorKind::Internal, error.to_string()))?;
    run.set_progress(serde_json::to_string(&progress)?);
    Ok(())
}
