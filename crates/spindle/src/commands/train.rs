//! `spindle train`: from labels to a model.

use super::{Common, Followed, Waiting, model};
use crate::client::{self, project_path};
use crate::print;
use anyhow::Result;
use clap::Args;
use language_api::training::CONFIG_LATEST;
use language_api::{EvaluationOptions, ModelLabel, ModelSummary, ProjectName, TrainRequest};
use reqwest::Method;

/// Train a model on a project's labels and score it on its test documents
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle train ClaimsDesk v1\n  spindle train ClaimsDesk v2 --config contextual --split manual\n  spindle train ClaimsDesk nightly --no-wait\n\nCtrl+C leaves the training running; `spindle job cancel` ends it. An existing model with this label is replaced when the training succeeds."
)]
pub(crate) struct TrainArguments {
    /// Name of the project
    project: ProjectName,
    /// Label of the model that is made or replaced
    model: ModelLabel,
    /// Training configuration version: latest (let the trainer choose), lexical, contextual or tuned
    #[arg(long, default_value = CONFIG_LATEST)]
    config: String,
    /// Which documents score the model: shares to learn from and to score on, or `manual` for the datasets of the label file
    #[arg(long, value_parser = split, default_value = "80/20")]
    split: EvaluationOptions,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(crate) async fn train(arguments: TrainArguments) -> Result<()> {
    let session = arguments.common.open()?;
    let request = TrainRequest {
        model_label: arguments.model,
        training_config_version: arguments.config,
        evaluation_options: arguments.split,
    };
    let (project, model) = (&arguments.project, &request.model_label);
    let path = project_path(project, "/:train");
    let job = session.client.start(Method::POST, &path, client::body(&request)?).await?;
    print::note(&format!("training {model}: job {job}"));
    match session.follow(&job, &format!("training {model}"), &arguments.waiting).await? {
        Followed::Started { state } => session.say(&state, &job.to_string()),
        Followed::Succeeded { state } if session.json => session.say(&state, ""),
        Followed::Succeeded { .. } => {
            let made = session.client.get(&project_path(project, &format!("/models/{model}"))).await?;
            session.show(&made, |made: ModelSummary, _| model::details(&made))?;
            print::note(&format!("next: `spindle evaluate {project} {model}` shows how good it is"));
            Ok(())
        }
    }
}

/// Reads `80/20` or `manual`.
fn split(text: &str) -> Result<EvaluationOptions, String> {
    if text.eq_ignore_ascii_case("manual") {
        return Ok(EvaluationOptions::Manual);
    }
    let parts =
        text.split_once('/').and_then(|(train, test)| Some((train.parse().ok()?, test.parse().ok()?)));
    match parts {
        Some((training_split_percentage, testing_split_percentage)) => {
            Ok(EvaluationOptions::Percentage { training_split_percentage, testing_split_percentage })
        }
        None => Err("a split is `manual`, or two shares in per cent such as 80/20".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_shares_or_manual() {
        assert_eq!(split("Manual"), Ok(EvaluationOptions::Manual));
        assert_eq!(split("80/20"), Ok(EvaluationOptions::default()));
        for text in ["", "80", "80/", "a/b", "-1/101", "80/20/0"] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
