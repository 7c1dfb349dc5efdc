//! `spindle model`: what trainings made.

use super::{Common, or_empty};
use crate::client::project_path;
use crate::print::{self, Align, Paint, Table};
use anyhow::Result;
use clap::{Args, Subcommand};
use language_api::{ModelLabel, ModelLineage, ModelSummary, Page, ProjectName};
use reqwest::Method;

/// List, show and delete the trained models of a project
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle model list ClaimsDesk\n  spindle model show ClaimsDesk v1 --json\n  spindle model delete ClaimsDesk v1"
)]
pub(crate) struct ModelArguments {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Subcommand)]
enum ModelCommand {
    /// The models of a project
    #[command(after_help = "Example:\n  spindle model list ClaimsDesk")]
    List {
        /// Name of the project
        project: ProjectName,
        #[command(flatten)]
        common: Common,
    },
    /// One model
    #[command(after_help = "Example:\n  spindle model show ClaimsDesk v1")]
    Show {
        #[command(flatten)]
        model: ModelName,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a model and its evaluation; one that is deployed is kept
    #[command(after_help = "Example:\n  spindle model delete ClaimsDesk v1")]
    Delete {
        #[command(flatten)]
        model: ModelName,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct ModelName {
    /// Name of the project
    project: ProjectName,
    /// Label of the model
    model: ModelLabel,
}

impl ModelName {
    fn path(&self) -> String {
        project_path(&self.project, &format!("/models/{}", self.model))
    }
}

/// Runs the command.
pub(crate) async fn model(arguments: ModelArguments) -> Result<()> {
    match arguments.command {
        ModelCommand::List { project, common } => {
            let session = common.open()?;
            let answer = session.client.list(&project_path(&project, "/models")).await?;
            session.show(&answer, |models: Page<ModelSummary>, paint| {
                let empty =
                    format!("{project} has no model; train one with `spindle train {project} <MODEL>`");
                or_empty(models.value.len(), table(&models.value, paint), &empty)
            })
        }
        ModelCommand::Show { model, common } => {
            let session = common.open()?;
            let answer = session.client.get(&model.path()).await?;
            session.show(&answer, |model: ModelSummary, _| details(&model))
        }
        ModelCommand::Delete { model, common } => {
            let session = common.open()?;
            let answer = session.client.send(Method::DELETE, &model.path(), None).await?;
            session.say(&answer, &format!("model {} of {} is deleted", model.model, model.project))
        }
    }
}

fn table(models: &[ModelSummary], paint: Paint) -> String {
    let mut table = Table::new([
        ("model", Align::Left),
        ("configuration", Align::Left),
        ("trained", Align::Left),
        ("seconds", Align::Right),
    ]);
    for model in models {
        table.row([
            model.label.to_string(),
            model.model_training_config_version.clone(),
            print::moment(model.last_trained_date_time),
            model.last_training_duration_in_seconds.to_string(),
        ]);
    }
    table.text(paint, 0)
}

/// One model as lines of name and value.
pub(super) fn details(model: &ModelSummary) -> String {
    let lineage = model.lineage.as_ref().map(lineage).unwrap_or_default();
    let summary = format!(
        "model          {}\nid             {}\nconfiguration  {}\ntrained        {} in {} s\nlabels kept    {}\n",
        model.label,
        model.model_id,
        model.model_training_config_version,
        print::moment(model.last_trained_date_time),
        model.last_training_duration_in_seconds,
        if model.has_snapshot { "yes" } else { "no" },
    );
    summary + &lineage
}

fn lineage(lineage: &ModelLineage) -> String {
    let split = &lineage.split;
    let how = match split.testing_percentage {
        Some(percentage) => format!("{percentage} % to score on, seed {}", lineage.seed),
        None => "by the documents' own datasets".to_owned(),
    };
    let kind = lineage.recipe["kind"].as_str().unwrap_or_default();
    let encoder = match &lineage.encoder {
        Some(encoder) => format!("encoder        {} {}\n", encoder.name, encoder.digest),
        None => String::new(),
    };
    let scores = lineage.scores.iter().map(|(name, score)| format!("  {name:<28}{score:>12.4}\n"));
    format!(
        "recipe         {kind}\n{encoder}data           {}\nbundle         {}\ncode           {}\ndocuments      {} learned \
         from, {} scored on: {how}\nlabels         {}, {} widened to whole words, {} left out\nscores\n{}",
        lineage.data_digest,
        lineage.bundle_digest,
        lineage.code_version,
        split.training_documents,
        split.test_documents,
        lineage.labels,
        lineage.labels_widened,
        lineage.labels_left_out,
        scores.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn models_are_a_table_or_a_page() {
        let text = r#"{"label":"claims-v1","modelId":"claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627","lastTrainedDateTime":"2024-05-06T09:31:15Z","lastTrainingDurationInSeconds":267,"modelExpirationDate":"2024-10-28","modelTrainingConfigVersion":"lexical","hasSnapshot":true}"#;
        let mut model: ModelSummary = serde_json::from_str(text).unwrap();
        let manifest = r#"{"digest":"b1","recipe":{"kind":"contextual"},"encoder":{"name":"MiniLM","digest":"e1","width":4},
            "lineage":{"seed":1,"dataDigest":"d1","codeVersion":"0.1.0","trainingDocuments":["a","b"],"words":9,"labels":7,
            "labelsWidened":2,"labelsLeftOut":1,"split":{"testingPercentage":20,"testDocuments":["c"]},
            "scores":{"test.microF1":0.875}}}"#;
        model.lineage = Some(ModelLineage::of_manifest(manifest).unwrap());
        expect![[r#"
            model      configuration  trained               seconds
            claims-v1  lexical        2024-05-06 09:31:15Z      267
            model          claims-v1
            id             claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627
            configuration  lexical
            trained        2024-05-06 09:31:15Z in 267 s
            labels kept    yes
            recipe         contextual
            encoder        MiniLM e1
            data           d1
            bundle         b1
            code           0.1.0
            documents      2 learned from, 1 scored on: 20 % to score on, seed 1
            labels         7, 2 widened to whole words, 1 left out
            scores
              test.microF1                      0.8750
        "#]]
        .assert_eq(&(table(std::slice::from_ref(&model), Paint::PLAIN) + &details(&model)));
    }
}
