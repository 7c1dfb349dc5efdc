//! `spindle evaluate`: how good a model is, and what its labels lack.

use super::Common;
use crate::client::project_path;
use crate::print::{self, Cells};
use anyhow::Result;
use clap::Args;
use language_api::{EvaluatedDocument, EvaluationSummary, ModelLabel, Page, ProjectName};

/// Show a model's scores by entity type, its confusion matrix and advice
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle evaluate ClaimsDesk v1\n  spindle evaluate ClaimsDesk v1 --documents\n  spindle evaluate ClaimsDesk v1 --json | jq .customEntityRecognitionEvaluation.microF1"
)]
pub(crate) struct EvaluateArguments {
    /// Name of the project
    project: ProjectName,
    /// Label of the model
    model: ModelLabel,
    /// Show what was missed and invented in every test document
    #[arg(long)]
    documents: bool,
    /// Count segments of text in the confusion matrix instead of per cent
    #[arg(long, conflicts_with = "documents")]
    segments: bool,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(crate) async fn evaluate(arguments: EvaluateArguments) -> Result<()> {
    let session = arguments.common.open()?;
    let path = |rest: &str| {
        project_path(&arguments.project, &format!("/models/{}/evaluation/{rest}", arguments.model))
    };
    if arguments.documents {
        let answer = session.client.list(&path("result?stringIndexType=Utf16CodeUnit")).await?;
        return session.show(&answer, |documents: Page<EvaluatedDocument>, paint| {
            print::documents(&documents.value, paint)
        });
    }
    let answer = session.client.get(&path("summary-result")).await?;
    let cells = if arguments.segments { Cells::Segments } else { Cells::Percent };
    session.show(&answer, |found: EvaluationSummary, paint| print::summary(&found, cells, paint))
}
