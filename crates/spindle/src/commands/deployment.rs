//! `spindle deploy` and `spindle deployment`: which model answers under which name.

use super::{Common, Followed, Waiting, or_empty};
use crate::client::{self, project_path};
use crate::print::{self, Align, Paint, Table};
use anyhow::Result;
use clap::{Args, Subcommand};
use language_api::{
    DeploymentName, DeploymentSummary, ModelLabel, Page, ProjectName, PutDeploymentRequest, SwapRequest,
};
use reqwest::Method;

/// Deploy a model under a name, or replace what is deployed under it
#[derive(Args)]
#[command(
    after_help = "Example:\n  spindle deploy ClaimsDesk v1 production\n\nA deployment is a copy: training the model again changes it only when it is deployed again."
)]
pub(crate) struct DeployArguments {
    /// Name of the project
    project: ProjectName,
    /// Label of the model
    model: ModelLabel,
    /// Name of the deployment that is made or replaced
    deployment: DeploymentName,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    common: Common,
}

/// List, show, swap and delete the deployments of a project
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle deployment list ClaimsDesk\n  spindle deployment swap ClaimsDesk staging production\n  spindle deployment delete ClaimsDesk staging"
)]
pub(crate) struct DeploymentArguments {
    #[command(subcommand)]
    command: DeploymentCommand,
}

#[derive(Subcommand)]
enum DeploymentCommand {
    /// The deployments of a project
    #[command(after_help = "Example:\n  spindle deployment list ClaimsDesk")]
    List {
        /// Name of the project
        project: ProjectName,
        #[command(flatten)]
        common: Common,
    },
    /// One deployment
    #[command(after_help = "Example:\n  spindle deployment show ClaimsDesk production")]
    Show {
        #[command(flatten)]
        deployment: NamedDeployment,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a deployment; its model stays
    #[command(after_help = "Example:\n  spindle deployment delete ClaimsDesk staging")]
    Delete {
        #[command(flatten)]
        deployment: NamedDeployment,
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        common: Common,
    },
    /// Exchange the models of two deployments at once
    #[command(after_help = "Example:\n  spindle deployment swap ClaimsDesk staging production")]
    Swap {
        /// Name of the project
        project: ProjectName,
        /// One deployment
        first: DeploymentName,
        /// The other one
        second: DeploymentName,
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct NamedDeployment {
    /// Name of the project
    project: ProjectName,
    /// Name of the deployment
    deployment: DeploymentName,
}

impl NamedDeployment {
    fn path(&self) -> String {
        path(&self.project, &self.deployment)
    }
}

fn path(project: &ProjectName, deployment: &DeploymentName) -> String {
    project_path(project, &format!("/deployments/{deployment}"))
}

/// Runs `spindle deploy`.
pub(crate) async fn deploy(arguments: DeployArguments) -> Result<()> {
    let session = arguments.common.open()?;
    let (project, deployment) = (&arguments.project, &arguments.deployment);
    let path = path(project, deployment);
    let request = PutDeploymentRequest { trained_model_label: arguments.model };
    let job = session.client.start(Method::PUT, &path, client::body(&request)?).await?;
    match session.follow(&job, &format!("deploying {deployment}"), &arguments.waiting).await? {
        Followed::Started { state } => session.say(&state, &job.to_string()),
        Followed::Succeeded { .. } => {
            let made = session.client.get(&path).await?;
            session.show(&made, |made: DeploymentSummary, _| details(&made))?;
            print::note(&format!("next: `spindle extract {project} {deployment} <FILE>`"));
            Ok(())
        }
    }
}

/// Runs `spindle deployment`.
pub(crate) async fn deployment(arguments: DeploymentArguments) -> Result<()> {
    match arguments.command {
        DeploymentCommand::List { project, common } => {
            let session = common.open()?;
            let answer = session.client.list(&project_path(&project, "/deployments")).await?;
            session.show(&answer, |found: Page<DeploymentSummary>, paint| {
                let empty = format!(
                    "{project} has no deployment; make one with `spindle deploy {project} <MODEL> <DEPLOYMENT>`"
                );
                or_empty(found.value.len(), table(&found.value, paint), &empty)
            })
        }
        DeploymentCommand::Show { deployment, common } => {
            let session = common.open()?;
            let answer = session.client.get(&deployment.path()).await?;
            session.show(&answer, |found: DeploymentSummary, _| details(&found))
        }
        DeploymentCommand::Delete { deployment, waiting, common } => {
            let session = common.open()?;
            let job = session.client.start(Method::DELETE, &deployment.path(), None).await?;
            let name = &deployment.deployment;
            match session.follow(&job, &format!("deleting deployment {name}"), &waiting).await? {
                Followed::Started { state } => session.say(&state, &job.to_string()),
                Followed::Succeeded { state } => {
                    session.say(&state, &format!("deployment {name} of {} is deleted", deployment.project))
                }
            }
        }
        DeploymentCommand::Swap { project, first, second, waiting, common } => {
            let session = common.open()?;
            let sentence = format!("{first} and {second} of {project} have exchanged their models");
            let request = SwapRequest { first_deployment_name: first, second_deployment_name: second };
            let path = project_path(&project, "/deployments/:swap");
            let job = session.client.start(Method::POST, &path, client::body(&request)?).await?;
            match session.follow(&job, "swapping deployments", &waiting).await? {
                Followed::Started { state } => session.say(&state, &job.to_string()),
                Followed::Succeeded { state } => session.say(&state, &sentence),
            }
        }
    }
}

fn table(deployments: &[DeploymentSummary], paint: Paint) -> String {
    let mut table =
        Table::new([("deployment", Align::Left), ("deployed", Align::Left), ("model", Align::Left)]);
    for found in deployments {
        table.row([
            found.deployment_name.to_string(),
            print::moment(found.last_deployed_date_time),
            found.model_id.clone(),
        ]);
    }
    table.text(paint, 0)
}

fn details(found: &DeploymentSummary) -> String {
    format!(
        "deployment     {}\nmodel          {}\nconfiguration  {}\ndeployed       {}\n",
        found.deployment_name,
        found.model_id,
        found.model_training_config_version,
        print::moment(found.last_deployed_date_time),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn deployments_are_a_table_or_a_page() {
        let text = r#"{"deploymentName":"production","modelId":"claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627","lastTrainedDateTime":"2024-05-06T09:31:15.4410098Z","lastDeployedDateTime":"2024-05-06T09:40:02Z","deploymentExpirationDate":"2025-10-28","modelTrainingConfigVersion":"lexical","assignedResources":[]}"#;
        let found: DeploymentSummary = serde_json::from_str(text).unwrap();
        expect![[r#"
            deployment  deployed              model
            production  2024-05-06 09:40:02Z  claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627
            deployment     production
            model          claims-v1-20240506T093108-4f1c9a52b6d74c6fa0c1d2e3f4051627
            configuration  lexical
            deployed       2024-05-06 09:40:02Z
        "#]]
        .assert_eq(&(table(std::slice::from_ref(&found), Paint::PLAIN) + &details(&found)));
    }
}
