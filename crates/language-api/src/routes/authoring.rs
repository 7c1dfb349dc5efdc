//! The routes of contract authoring 4 to 13.

use super::path::{Captures, Method, Row, route};
use crate::error::{ApiError, ErrorKind};
use crate::ids::{
    DeploymentName, ExportedModelName, JobId, ModelLabel, NameError, ProjectName, SubscriberName,
};

/// One operation of the authoring API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are the names in the path")]
pub enum AuthoringRoute {
    /// `GET` on the prefix.
    ListProjects,
    /// `GET /global/languages`
    ListLanguages,
    /// `GET /global/training-config-versions`
    ListTrainingConfigVersions,
    /// `GET /global/prebuilt-entities`, of the previews.
    ListPrebuiltEntities,
    /// `GET /global/deployments/resources`, of the previews.
    ListDeploymentResources,
    /// `GET /global/deletion-jobs/{job}`
    GetDeletionJob { job: JobId },
    /// `GET /global/storage-events`; ours.
    ListStorageEvents,
    /// `GET /{project}/automation`; ours.
    GetAutomation { project: ProjectName },
    /// `PUT /{project}/automation`; ours.
    PutAutomation { project: ProjectName },
    /// `GET /{project}/subscribers`; ours.
    ListSubscribers { project: ProjectName },
    /// `PUT /{project}/subscribers/{subscriber}`; ours.
    PutSubscriber { project: ProjectName, subscriber: SubscriberName },
    /// `DELETE /{project}/subscribers/{subscriber}`; ours.
    DeleteSubscriber { project: ProjectName, subscriber: SubscriberName },
    /// `GET /{project}/deliveries`; ours.
    ListDeliveries { project: ProjectName },
    /// `POST /{project}/deliveries/{job}/:retry`; ours.
    RetryDelivery { project: ProjectName, job: JobId },
    /// `GET /{project}/jobs`; ours.
    ListJobs { project: ProjectName },
    /// `GET /{project}`
    GetProject { project: ProjectName },
    /// `PATCH /{project}`
    PatchProject { project: ProjectName },
    /// `DELETE /{project}`
    DeleteProject { project: ProjectName },
    /// `POST /{project}/:import`; ours with `?format=`: a file of another tool, the texts inside it.
    Import { project: ProjectName },
    /// `GET /{project}/import/jobs/{job}`
    GetImportJob { project: ProjectName, job: JobId },
    /// `POST /{project}/:export`
    Export { project: ProjectName },
    /// `GET /{project}/export/jobs/{job}`
    GetExportJob { project: ProjectName, job: JobId },
    /// `GET /{project}/export/jobs/{job}/result`
    GetExportResult { project: ProjectName, job: JobId },
    /// `POST /{project}/:authorize-copy`, of the previews; the project is the copy.
    AuthorizeCopy { project: ProjectName },
    /// `POST /{project}/:copy`, of the previews.
    Copy { project: ProjectName },
    /// `GET /{project}/copy/jobs/{job}`, of the previews.
    GetCopyJob { project: ProjectName, job: JobId },
    /// `POST /{project}/:train`
    Train { project: ProjectName },
    /// `GET /{project}/train/jobs`
    ListTrainingJobs { project: ProjectName },
    /// `GET /{project}/train/jobs/{job}`
    GetTrainingJob { project: ProjectName, job: JobId },
    /// `POST /{project}/train/jobs/{job}/:cancel`
    CancelTrainingJob { project: ProjectName, job: JobId },
    /// `GET /{project}/models`
    ListModels { project: ProjectName },
    /// `GET /{project}/models/{model}`
    GetModel { project: ProjectName, model: ModelLabel },
    /// `DELETE /{project}/models/{model}`
    DeleteModel { project: ProjectName, model: ModelLabel },
    /// `POST /{project}/models/{model}/:load-snapshot`
    LoadSnapshot { project: ProjectName, model: ModelLabel },
    /// `GET /{project}/models/{model}/load-snapshot/jobs/{job}`
    GetLoadSnapshotJob { project: ProjectName, model: ModelLabel, job: JobId },
    /// `GET /{project}/models/{model}/evaluation/summary-result`
    GetEvaluationSummary { project: ProjectName, model: ModelLabel },
    /// `GET /{project}/models/{model}/evaluation/result`
    GetEvaluationResult { project: ProjectName, model: ModelLabel },
    /// `POST /{project}/models/{model}/:evaluate`, of the previews.
    Evaluate { project: ProjectName, model: ModelLabel },
    /// `GET /{project}/models/{model}/evaluate/jobs/{job}`, of the previews.
    GetEvaluationJob { project: ProjectName, model: ModelLabel, job: JobId },
    /// `GET /{project}/exported-models`, of the previews.
    ListExportedModels { project: ProjectName },
    /// `GET /{project}/exported-models/{exported}`, of the previews.
    GetExportedModel { project: ProjectName, exported: ExportedModelName },
    /// `PUT /{project}/exported-models/{exported}`, of the previews.
    ExportModel { project: ProjectName, exported: ExportedModelName },
    /// `DELETE /{project}/exported-models/{exported}`, of the previews.
    DeleteExportedModel { project: ProjectName, exported: ExportedModelName },
    /// `GET /{project}/exported-models/{exported}/jobs/{job}`, of the previews.
    GetExportedModelJob { project: ProjectName, exported: ExportedModelName, job: JobId },
    /// `GET /{project}/exported-models/{exported}/manifest`, of the previews.
    GetExportedManifest { project: ProjectName, exported: ExportedModelName },
    /// `GET /{project}/exported-models/{exported}/files/{file}`: where the manifest points.
    GetExportedFile { project: ProjectName, exported: ExportedModelName, file: String },
    /// `GET /{project}/resources`, of the previews.
    ListResources { project: ProjectName },
    /// `POST /{project}/resources/:assign`, of the previews.
    AssignResources { project: ProjectName },
    /// `POST /{project}/resources/:unassign`, of the previews.
    UnassignResources { project: ProjectName },
    /// `GET /{project}/deployments`
    ListDeployments { project: ProjectName },
    /// `POST /{project}/deployments/:swap`
    SwapDeployments { project: ProjectName },
    /// `GET /{project}/deployments/swap/jobs/{job}`
    GetSwapJob { project: ProjectName, job: JobId },
    /// `GET /{project}/deployments/{deployment}`
    GetDeployment { project: ProjectName, deployment: DeploymentName },
    /// `PUT /{project}/deployments/{deployment}`
    PutDeployment { project: ProjectName, deployment: DeploymentName },
    /// `DELETE /{project}/deployments/{deployment}`
    DeleteDeployment { project: ProjectName, deployment: DeploymentName },
    /// `POST /{project}/deployments/{deployment}/:delete-from-resources`, of the previews.
    DeleteFromResources { project: ProjectName, deployment: DeploymentName },
    /// `GET /{project}/deployments/{deployment}/jobs/{job}`
    GetDeploymentJob { project: ProjectName, deployment: DeploymentName, job: JobId },
}

impl AuthoringRoute {
    /// Path of every authoring route up to the project's name.
    pub const PREFIX: &str = "/language/authoring/analyze-text/projects";

    /// The operation of a call. `path` is the raw path without query; see the contract, authoring 1, for
    /// the spellings that are accepted.
    ///
    /// # Errors
    /// 404 for an unknown path or an object that can't exist under the name given, 405 with the allowed
    /// methods for a known path, 400 for an invalid name of something that is to be made.
    pub fn parse(method: &str, path: &str) -> Result<Self, ApiError> {
        route(TABLE, method, path)
    }

    /// Method and pattern of every route, for documentation and coverage tests.
    pub fn all() -> impl Iterator<Item = (Method, &'static str)> {
        TABLE.iter().map(|row| (row.method, row.pattern))
    }
}

/// A project that is to be read: a name that breaks the rules can't exist.
fn project(names: &Captures) -> Result<ProjectName, ApiError> {
    ProjectName::new(&names[0]).map_err(|_| ApiError::project_not_found(&names[0]))
}

/// A project that may be made by this call: the caller learns which rule the name breaks.
fn new_project(names: &Captures) -> Result<ProjectName, ApiError> {
    ProjectName::new(&names[0]).map_err(|error| bad_name(&error, "projectName"))
}

fn bad_name(error: &NameError, target: &str) -> ApiError {
    ApiError::new(ErrorKind::Field, error.to_string()).at(target)
}

fn model(names: &Captures) -> Result<ModelLabel, ApiError> {
    let fail = |_| ApiError::new(ErrorKind::NotFound, format!("there is no model {:?}", names[1]));
    ModelLabel::new(&names[1]).map_err(fail)
}

fn deployment(names: &Captures) -> Result<DeploymentName, ApiError> {
    let fail = |_| ApiError::new(ErrorKind::NotFound, format!("there is no deployment {:?}", names[1]));
    DeploymentName::new(&names[1]).map_err(fail)
}

fn new_deployment(names: &Captures) -> Result<DeploymentName, ApiError> {
    DeploymentName::new(&names[1]).map_err(|error| bad_name(&error, "deploymentName"))
}

fn exported(names: &Captures) -> Result<ExportedModelName, ApiError> {
    let fail = |_| ApiError::new(ErrorKind::NotFound, format!("there is no exported model {:?}", names[1]));
    ExportedModelName::new(&names[1]).map_err(fail)
}

fn new_exported(names: &Captures) -> Result<ExportedModelName, ApiError> {
    ExportedModelName::new(&names[1]).map_err(|error| bad_name(&error, "exportedModelName"))
}

fn subscriber(names: &Captures) -> Result<SubscriberName, ApiError> {
    let fail = |_| ApiError::new(ErrorKind::NotFound, format!("there is no subscriber {:?}", names[1]));
    SubscriberName::new(&names[1]).map_err(fail)
}

fn new_subscriber(names: &Captures) -> Result<SubscriberName, ApiError> {
    SubscriberName::new(&names[1]).map_err(|error| bad_name(&error, "subscriberName"))
}

/// Any text: whether there is such a file is known where the files are.
fn file(names: &Captures) -> Result<String, ApiError> {
    Ok(names[2].clone())
}

/// The job id is the last name of every pattern that has one.
fn job(names: &Captures) -> Result<JobId, ApiError> {
    let id = names.last().and_then(|text| text.parse().ok());
    id.ok_or_else(ApiError::operation_not_found)
}

macro_rules! table {
    ($($method:ident $pattern:literal => $variant:ident { $($field:ident: $read:ident),* };)*) => {
        &[$(Row {
            method: Method::$method,
            pattern: concat!("language/authoring/analyze-text/projects", $pattern),
            make: |_names| Ok(AuthoringRoute::$variant { $($field: $read(_names)?),* }),
        }),*]
    };
}

#[rustfmt::skip]
const TABLE: &[Row<AuthoringRoute>] = table! {
    Get    "" => ListProjects {};
    Get    "/global/languages" => ListLanguages {};
    Get    "/global/training-config-versions" => ListTrainingConfigVersions {};
    Get    "/global/prebuilt-entities" => ListPrebuiltEntities {};
    Get    "/global/deployments/resources" => ListDeploymentResources {};
    Get    "/global/storage-events" => ListStorageEvents {};
    Get    "/global/deletion-jobs/{}" => GetDeletionJob { job: job };
    Get    "/{}" => GetProject { project: project };
    Patch  "/{}" => PatchProject { project: new_project };
    Delete "/{}" => DeleteProject { project: project };
    Post   "/{}/:import" => Import { project: new_project };
    Get    "/{}/import/jobs/{}" => GetImportJob { project: project, job: job };
    Post   "/{}/:export" => Export { project: project };
    Get    "/{}/export/jobs/{}" => GetExportJob { project: project, job: job };
    Get    "/{}/export/jobs/{}/result" => GetExportResult { project: project, job: job };
    Post   "/{}/:authorize-copy" => AuthorizeCopy { project: new_project };
    Post   "/{}/:copy" => Copy { project: project };
    Get    "/{}/copy/jobs/{}" => GetCopyJob { project: project, job: job };
    Post   "/{}/:train" => Train { project: project };
    Get    "/{}/train/jobs" => ListTrainingJobs { project: project };
    Get    "/{}/train/jobs/{}" => GetTrainingJob { project: project, job: job };
    Post   "/{}/train/jobs/{}/:cancel" => CancelTrainingJob { project: project, job: job };
    Get    "/{}/models" => ListModels { project: project };
    Get    "/{}/models/{}" => GetModel { project: project, model: model };
    Delete "/{}/models/{}" => DeleteModel { project: project, model: model };
    Post   "/{}/models/{}/:load-snapshot" => LoadSnapshot { project: project, model: model };
    Get    "/{}/models/{}/load-snapshot/jobs/{}" => GetLoadSnapshotJob { project: project, model: model, job: job };
    Get    "/{}/models/{}/evaluation/summary-result" => GetEvaluationSummary { project: project, model: model };
    Get    "/{}/models/{}/evaluation/result" => GetEvaluationResult { project: project, model: model };
    Post   "/{}/models/{}/:evaluate" => Evaluate { project: project, model: model };
    Get    "/{}/models/{}/evaluate/jobs/{}" => GetEvaluationJob { project: project, model: model, job: job };
    Get    "/{}/exported-models" => ListExportedModels { project: project };
    Get    "/{}/exported-models/{}" => GetExportedModel { project: project, exported: exported };
    Put    "/{}/exported-models/{}" => ExportModel { project: project, exported: new_exported };
    Delete "/{}/exported-models/{}" => DeleteExportedModel { project: project, exported: exported };
    Get    "/{}/exported-models/{}/jobs/{}" => GetExportedModelJob { project: project, exported: exported, job: job };
    Get    "/{}/exported-models/{}/manifest" => GetExportedManifest { project: project, exported: exported };
    Get    "/{}/exported-models/{}/files/{}" => GetExportedFile { project: project, exported: exported, file: file };
    Get    "/{}/automation" => GetAutomation { project: project };
    Put    "/{}/automation" => PutAutomation { project: project };
    Get    "/{}/subscribers" => ListSubscribers { project: project };
    Put    "/{}/subscribers/{}" => PutSubscriber { project: project, subscriber: new_subscriber };
    Delete "/{}/subscribers/{}" => DeleteSubscriber { project: project, subscriber: subscriber };
    Get    "/{}/deliveries" => ListDeliveries { project: project };
    Post   "/{}/deliveries/{}/:retry" => RetryDelivery { project: project, job: job };
    Get    "/{}/jobs" => ListJobs { project: project };
    Get    "/{}/resources" => ListResources { project: project };
    Post   "/{}/resources/:assign" => AssignResources { project: project };
    Post   "/{}/resources/:unassign" => UnassignResources { project: project };
    Get    "/{}/deployments" => ListDeployments { project: project };
    Post   "/{}/deployments/:swap" => SwapDeployments { project: project };
    Get    "/{}/deployments/swap/jobs/{}" => GetSwapJob { project: project, job: job };
    Get    "/{}/deployments/{}" => GetDeployment { project: project, deployment: deployment };
    Put    "/{}/deployments/{}" => PutDeployment { project: project, deployment: new_deployment };
    Delete "/{}/deployments/{}" => DeleteDeployment { project: project, deployment: deployment };
    Post   "/{}/deployments/{}/:delete-from-resources" => DeleteFromResources { project: project, deployment: deployment };
    Get    "/{}/deployments/{}/jobs/{}" => GetDeploymentJob { project: project, deployment: deployment, job: job };
};

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const JOB: &str = "8a207877-a5bd-4b51-b820-bbaa4a9ccec1_638505504000000000";

    fn parse(method: &str, path: &str) -> Result<AuthoringRoute, ApiError> {
        AuthoringRoute::parse(method, &format!("{}{path}", AuthoringRoute::PREFIX))
    }

    #[test]
    fn every_row_reaches_its_own_route() {
        let mut seen = Vec::new();
        for row in TABLE {
            let mut names = 0;
            let words = row.pattern.split('/').map(|word| {
                if word != "{}" {
                    return word;
                }
                names += 1;
                match names {
                    1 if row.pattern.contains("deletion-jobs") => JOB,
                    1 => "P",
                    2 if ["models/", "subscribers/"].iter().any(|part| row.pattern.contains(part))
                        || row.pattern.contains("deployments/{}") =>
                    {
                        "x"
                    }
                    _ => JOB,
                }
            });
            let path: Vec<&str> = words.collect();
            let route = AuthoringRoute::parse(row.method.as_str(), &path.join("/")).unwrap();
            let name = std::mem::discriminant(&route);
            assert!(!seen.contains(&name), "{route:?} is reached twice");
            seen.push(name);
        }
        assert_eq!(seen.len(), 57);
    }

    #[test]
    fn the_words_of_the_contract_lead_where_they_should() {
        let show = |method, path: &str| format!("{:?}\n", parse(method, path));
        let job = JOB;
        expect![[r#"
            Ok(ListProjects)
            Ok(Train { project: ProjectName("ClaimsDesk") })
            Ok(LoadSnapshot { project: ProjectName("P"), model: ModelLabel("m1") })
            Ok(SwapDeployments { project: ProjectName("P") })
            Ok(GetEvaluationResult { project: ProjectName("P"), model: ModelLabel("m1") })
            Ok(GetDeployment { project: ProjectName("P"), deployment: DeploymentName("production") })
        "#]]
        .assert_eq(
            &[
                show("GET", "/"),
                show("POST", "/ClaimsDesk/:train"),
                show("POST", "/P/Models/m1:load-snapshot"),
                show("POST", "/P/deployments/:swap"),
                show("GET", "/P/models/m1/evaluation/result/"),
                show("GET", "/P/deployments/production"),
            ]
            .concat(),
        );
        assert!(matches!(
            parse("GET", &format!("/P/deployments/swap/jobs/{job}")),
            Ok(AuthoringRoute::GetSwapJob { .. })
        ));
        assert!(matches!(
            AuthoringRoute::parse("GET", "//language/authoring/analyze-text/projects/P"),
            Ok(AuthoringRoute::GetProject { .. })
        ));
    }

    #[test]
    fn names_that_can_not_exist_are_not_found_and_names_to_be_made_are_explained() {
        let kind = |method, path| parse(method, path).unwrap_err().kind;
        assert_eq!(kind("GET", "/a%20b"), ErrorKind::ProjectNotFound);
        assert_eq!(kind("GET", "/global"), ErrorKind::ProjectNotFound);
        assert_eq!(kind("PATCH", "/a%20b"), ErrorKind::Field);
        assert_eq!(kind("PATCH", "/global"), ErrorKind::Field);
        assert_eq!(kind("POST", "/a%2Fb/:import"), ErrorKind::Field);
        assert_eq!(kind("PUT", "/P/deployments/swap"), ErrorKind::Field);
        assert_eq!(kind("GET", "/P/deployments/swap"), ErrorKind::NotFound);
        assert_eq!(kind("GET", "/P/models/a%20b"), ErrorKind::NotFound);
        assert_eq!(kind("GET", "/P/train/jobs/17"), ErrorKind::OperationNotFound);
        assert_eq!(kind("GET", "/P/unknown"), ErrorKind::NotFound);
    }

    #[test]
    fn a_known_path_says_which_methods_it_knows() {
        let allow = |method, path| parse(method, path).unwrap_err().allow;
        assert_eq!(allow("POST", "/P"), ["GET", "PATCH", "DELETE"]);
        assert_eq!(allow("GET", "/P/:train"), ["POST"]);
        assert_eq!(allow("POST", "/P/deployments/d"), ["GET", "PUT", "DELETE"]);
        assert_eq!(allow("get", ""), ["GET"]);
    }
}
