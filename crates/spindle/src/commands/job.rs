//! `spindle job`: long operations after their command has left them.

use super::{Common, or_empty};
use crate::client::{JobAddress, JobView, project_path};
use crate::print::{self, Align, Paint, Table};
use anyhow::Result;
use clap::{Args, Subcommand};
use language_api::{Page, ProjectName, TrainingJobState};
use reqwest::Method;

/// List, show, watch and cancel jobs
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle job list ClaimsDesk\n  spindle job watch ClaimsDesk/train/jobs/<id>\n  spindle job cancel ClaimsDesk/train/jobs/<id>\n\nA job is named as commands print it, or by the address in `operation-location`."
)]
pub(crate) struct JobArguments {
    #[command(subcommand)]
    command: JobCommand,
}

#[derive(Subcommand)]
enum JobCommand {
    /// The trainings of a project
    #[command(after_help = "Example:\n  spindle job list ClaimsDesk")]
    List {
        /// Name of the project
        project: ProjectName,
        #[command(flatten)]
        common: Common,
    },
    /// Where a job stands
    #[command(after_help = "Example:\n  spindle job show ClaimsDesk/train/jobs/<id>")]
    Show {
        /// The job
        job: JobAddress,
        #[command(flatten)]
        common: Common,
    },
    /// Wait until a job has ended
    #[command(after_help = "Example:\n  spindle job watch ClaimsDesk/train/jobs/<id>")]
    Watch {
        /// The job
        job: JobAddress,
        #[command(flatten)]
        common: Common,
    },
    /// End a training or a prediction job before it is done
    #[command(after_help = "Example:\n  spindle job cancel ClaimsDesk/train/jobs/<id>")]
    Cancel {
        /// The job
        job: JobAddress,
        #[command(flatten)]
        common: Common,
    },
}

/// Runs the command.
pub(crate) async fn job(arguments: JobArguments) -> Result<()> {
    match arguments.command {
        JobCommand::List { project, common } => {
            let session = common.open()?;
            let answer = session.client.list(&project_path(&project, "/train/jobs")).await?;
            session.show(&answer, |jobs: Page<TrainingJobState>, paint| {
                let empty = format!("{project} has no training in the last days");
                or_empty(jobs.value.len(), table(&project, &jobs.value, paint), &empty)
            })
        }
        JobCommand::Show { job, common } => {
            let session = common.open()?;
            let answer = session.client.get(job.path()).await?;
            session.show(&answer, |view: JobView, _| state(&job, &view))
        }
        JobCommand::Watch { job, common } => {
            let session = common.open()?;
            let answer = session.wait(&job, "job").await?;
            session.show(&answer, |view: JobView, _| state(&job, &view))
        }
        JobCommand::Cancel { job, common } => {
            let session = common.open()?;
            session.client.send(Method::POST, &job.cancel_path()?, None).await?;
            let (answer, _) = session.client.ended(&job, |_| {}).await?;
            session.show(&answer, |view: JobView, _| state(&job, &view))
        }
    }
}

fn table(project: &ProjectName, jobs: &[TrainingJobState], paint: Paint) -> String {
    let mut table = Table::new([
        ("model", Align::Left),
        ("configuration", Align::Left),
        ("state", Align::Left),
        ("done", Align::Right),
        ("begun", Align::Left),
        ("job", Align::Left),
    ]);
    for state in jobs {
        table.row([
            state.result.model_label.to_string(),
            state.result.training_config_version.clone(),
            state.job.status.as_str().to_owned(),
            format!("{} %", state.result.training_status.percent_complete),
            print::moment(state.job.created_date_time),
            format!("{project}/train/jobs/{}", state.job.job_id),
        ]);
    }
    table.text(paint, 0)
}

fn state(job: &JobAddress, view: &JobView) -> String {
    let mut text = format!("job    {job}\nstate  {}\n", view.status.as_str());
    if let Some(result) = view.training() {
        let phase = &result.training_status;
        text.push_str(&format!("model  {} ({})\n", result.model_label, result.training_config_version));
        text.push_str(&format!("done   {} %\n", phase.percent_complete));
        if let Some(stage) = result.stage {
            text.push_str(&format!("stage  {}\n", stage.as_str()));
        }
        if let Some(f1) = result.validation_f1 {
            text.push_str(&format!("F1     {f1:.3} on training documents held out\n"));
        }
        if !result.guidance.is_empty() {
            text.push_str(&print::advice(&result.guidance));
        }
    }
    if let Some(percent) = view.percent() {
        text.push_str(&format!("done   {percent} %\n"));
    }
    for error in &view.errors {
        text.push_str(&format!("error  {} ({})\n", error.message, error.code));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn trainings_are_listed_with_the_name_other_commands_take() {
        let text = r#"{"result":{"modelLabel":"claims-v1","trainingConfigVersion":"lexical","trainingStatus":{"percentComplete":42,"status":"running"}},"jobId":"de258fda-6f36-4c37-8273-31560526c9c6_638505504000000000","createdDateTime":"2024-05-06T09:26:44Z","lastUpdatedDateTime":"2024-05-06T09:28:30Z","status":"running"}"#;
        let training: TrainingJobState = serde_json::from_str(text).unwrap();
        let project = ProjectName::new("ClaimsDesk").unwrap();
        let listed = table(&project, std::slice::from_ref(&training), Paint::PLAIN);
        let job: JobAddress = listed.split_whitespace().last().unwrap().parse().unwrap();
        let view: JobView = serde_json::from_str(text).unwrap();
        expect![[r#"
            model      configuration  state    done  begun                 job
            claims-v1  lexical        running  42 %  2024-05-06 09:26:44Z  ClaimsDesk/train/jobs/de258fda-6f36-4c37-8273-31560526c9c6_638505504000000000
            job    ClaimsDesk/train/jobs/de258fda-6f36-4c37-8273-31560526c9c6_638505504000000000
            state  running
            model  claims-v1 (lexical)
            done   42 %
        "#]].assert_eq(&(listed + &state(&job, &view)));
    }
}
