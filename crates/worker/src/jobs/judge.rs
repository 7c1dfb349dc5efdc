//! Whether a new model takes the place of the one that is deployed: both are scored on the same test documents.

use super::corpus::{categories, divide, labeled_documents};
use super::evaluate::{TestSet, evaluate};
use crate::failure::Failure;
use crate::run::Run;
use crate::serving;
use language_api::{DeploymentName, EvaluationSummary, ModelLabel};
use ner::guidance::count_labels;

/// What is to happen, and why, for people.
pub(crate) enum Verdict {
    /// The new model is deployed.
    Deploy(String),
    /// The present one stays.
    Keep(String),
}

/// Compares the model `label` with the one that `deployment` points at. The new one may be worse by `loss_max` in micro
/// F1, at most 1.
pub(crate) async fn judge(
    run: &Run,
    label: &ModelLabel,
    deployment: &DeploymentName,
    loss_max: f32,
) -> Result<Verdict, Failure> {
    let catalog = &run.services.catalog;
    let project = catalog.project(&run.job.project).await?;
    let model = catalog.model(&project.name, label.as_str()).await?;
    let present = match catalog.deployment(&project.name, deployment.as_str()).await {
        Ok(present) => present,
        Err(catalog::Error::NotFound { .. }) => {
            return Ok(Verdict::Deploy(format!("deployment {:?} is new", deployment.as_str())));
        }
        Err(error) => return Err(error.into()),
    };
    if present.model_id == model.model_id {
        return Ok(Verdict::Keep(format!("{:?} has this model already", deployment.as_str())));
    }
    let summary = catalog.evaluation_summary(&project.name, label.as_str()).await?;
    let summary: Option<EvaluationSummary> = summary.as_deref().map(serde_json::from_str).transpose()?;
    let (Some(summary), Some(labels)) = (summary, &model.snapshot) else {
        return Ok(Verdict::Keep("the new model was not evaluated; the present one stays".to_owned()));
    };
    let options = summary.evaluation_options;
    let mut warnings = vec![];
    let documents = labeled_documents(run, &project, labels, &mut warnings).await?;
    let (learn, documents) = divide(documents, options, &mut warnings);
    if documents.is_empty() {
        return Ok(Verdict::Keep(
            "there are no test documents to compare on; the present model stays".to_owned(),
        ));
    }
    let categories = categories(run, labels).await?;
    let test = TestSet { labels: count_labels(&categories, &learn, &documents), documents };
    let mut scores = [0.0_f32; 2];
    for (score, id) in scores.iter_mut().zip([&model.model_id, &present.model_id]) {
        let open = serving::open(&run.services, id).await?;
        let step = |_| run.stop.check();
        let found = evaluate(&open.serving, &*open.graph, &test, &project.language, options, step)?;
        *score = found.summary.custom_entity_recognition_evaluation.micro_f1;
    }
    Ok(verdict(scores, loss_max, test.documents.len()))
}

fn verdict([new, present]: [f32; 2], loss_max: f32, documents: usize) -> Verdict {
    let compared = format!("micro F1 {new:.3} against {present:.3} on {documents} test documents");
    if new >= present - loss_max {
        return Verdict::Deploy(compared);
    }
    Verdict::Keep(format!("{compared} is worse by more than {loss_max}; the present model stays"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_model_may_be_worse_by_the_margin_and_no_more() {
        let deploys = |scores, loss| matches!(verdict(scores, loss, 9), Verdict::Deploy(_));
        assert!(deploys([0.5, 0.5], 0.0) && deploys([0.6, 0.5], 0.0) && deploys([0.45, 0.5], 0.1));
        assert!(!deploys([0.49, 0.5], 0.0) && !deploys([0.3, 0.5], 0.1));
    }
}
