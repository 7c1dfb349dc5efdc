//! Absolute addresses in answers: `operation-location`, `resultUrl`, `nextLink`.

use super::AuthoringRoute;
use crate::ids::{DeploymentName, ExportedModelName, JobId, ModelLabel, ProjectName, RuntimeJobId};
use crate::paging::PageRequest;
use crate::version::ApiVersion;

/// Builds addresses for one caller: on the host the caller used, with the caller's version.
#[derive(Clone, Debug)]
pub struct Links {
    endpoint: String,
    version: ApiVersion,
}

/// What an address in an answer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are the names in the path")]
pub enum JobLocation {
    /// State of a project's deletion.
    Deletion { job: JobId },
    /// State of an import.
    Import { project: ProjectName, job: JobId },
    /// State of an export.
    Export { project: ProjectName, job: JobId },
    /// The exported project file.
    ExportResult { project: ProjectName, job: JobId },
    /// State of a copy; the project is what is copied.
    Copy { project: ProjectName, job: JobId },
    /// State of a training.
    Training { project: ProjectName, job: JobId },
    /// State of a snapshot's loading.
    LoadSnapshot { project: ProjectName, model: ModelLabel, job: JobId },
    /// State of a model's scoring.
    Evaluation { project: ProjectName, model: ModelLabel, job: JobId },
    /// State of an exported model's making or removal.
    ExportedModel { project: ProjectName, exported: ExportedModelName, job: JobId },
    /// One file of an exported model, by a name of our own making.
    ExportedFile { project: ProjectName, exported: ExportedModelName, file: String },
    /// State of a deployment's making or removal.
    Deployment { project: ProjectName, deployment: DeploymentName, job: JobId },
    /// State of a swap.
    Swap { project: ProjectName, job: JobId },
    /// State and results of a prediction job.
    Runtime { job: RuntimeJobId },
}

impl JobLocation {
    /// The path without host and query. Names and ids need no escapes by construction.
    pub fn path(&self) -> String {
        let tail = match self {
            Self::Runtime { job } => return format!("/language/analyze-text/jobs/{job}"),
            Self::Deletion { job } => format!("global/deletion-jobs/{job}"),
            Self::Import { project, job } => format!("{project}/import/jobs/{job}"),
            Self::Export { project, job } => format!("{project}/export/jobs/{job}"),
            Self::ExportResult { project, job } => format!("{project}/export/jobs/{job}/result"),
            Self::Copy { project, job } => format!("{project}/copy/jobs/{job}"),
            Self::Training { project, job } => format!("{project}/train/jobs/{job}"),
            Self::LoadSnapshot { project, model, job } => {
                format!("{project}/models/{model}/load-snapshot/jobs/{job}")
            }
            Self::Evaluation { project, model, job } => {
                format!("{project}/models/{model}/evaluate/jobs/{job}")
            }
            Self::ExportedModel { project, exported, job } => {
                format!("{project}/exported-models/{exported}/jobs/{job}")
            }
            Self::ExportedFile { project, exported, file } => {
                format!("{project}/exported-models/{exported}/files/{file}")
            }
            Self::Deployment { project, deployment, job } => {
                format!("{project}/deployments/{deployment}/jobs/{job}")
            }
            Self::Swap { project, job } => format!("{project}/deployments/swap/jobs/{job}"),
        };
        format!("{}/{tail}", AuthoringRoute::PREFIX)
    }
}

impl Links {
    /// `endpoint` is scheme, host and port as the caller sees them: `https://ner.example.org`.
    pub fn new(endpoint: &str, version: ApiVersion) -> Self {
        Self { endpoint: endpoint.trim_end_matches('/').to_owned(), version }
    }

    /// The address of a job or its result.
    pub fn job(&self, location: &JobLocation) -> String {
        format!("{}{}?api-version={}", self.endpoint, location.path(), self.version)
    }

    /// The next page of the list at `path`. `extra` holds the call's other parameters, already encoded
    /// (`stringIndexType=Utf16CodeUnit`), or is empty.
    pub fn next_page(&self, path: &str, extra: &str, page: &PageRequest) -> String {
        let path = path.trim_matches('/');
        let extra = if extra.is_empty() { String::new() } else { format!("&{extra}") };
        let (endpoint, version) = (&self.endpoint, &self.version);
        format!("{endpoint}/{path}/?api-version={version}{extra}&{}", page.to_query())
    }

    /// The next documents of a prediction job, spelled as recorded: `showStats` only when it was asked for,
    /// `top` the size of one page.
    pub fn next_documents(&self, job: RuntimeJobId, show_stats: bool, top: u32, skip: u32) -> String {
        let stats = if show_stats { "showStats=True&" } else { "" };
        let path = JobLocation::Runtime { job }.path();
        format!("{}{path}?{stats}top={top}&skip={skip}&api-version={}", self.endpoint, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "d2aefdec-94bb-4a39-8e7c-fbecb5c7de93_638505504000000000";

    fn links() -> Links {
        Links::new("https://ner.example.org/", ApiVersion::parse(Some("2023-04-01")).unwrap())
    }

    fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
        text.parse().unwrap()
    }

    #[test]
    fn a_swap_leads_where_the_contract_prints() {
        let location = JobLocation::Swap { project: name("ClaimsDesk"), job: name(JOB) };
        assert_eq!(
            links().job(&location),
            "https://ner.example.org/language/authoring/analyze-text/projects/ClaimsDesk/deployments/swap/jobs/d2aefdec-94bb-4a39-8e7c-fbecb5c7de93_638505504000000000?api-version=2023-04-01"
        );
    }

    #[test]
    fn every_authoring_location_is_a_route() {
        let (project, job): (ProjectName, JobId) = (name("P"), name(JOB));
        let (model, deployment) = (name::<ModelLabel>("m"), name::<DeploymentName>("d"));
        let (p, m, d) = (|| project.clone(), || model.clone(), || deployment.clone());
        let e = || name::<ExportedModelName>("e");
        for (location, route) in [
            (JobLocation::Deletion { job }, AuthoringRoute::GetDeletionJob { job }),
            (JobLocation::Import { project: p(), job }, AuthoringRoute::GetImportJob { project: p(), job }),
            (JobLocation::Export { project: p(), job }, AuthoringRoute::GetExportJob { project: p(), job }),
            (
                JobLocation::ExportResult { project: p(), job },
                AuthoringRoute::GetExportResult { project: p(), job },
            ),
            (JobLocation::Copy { project: p(), job }, AuthoringRoute::GetCopyJob { project: p(), job }),
            (
                JobLocation::Training { project: p(), job },
                AuthoringRoute::GetTrainingJob { project: p(), job },
            ),
            (
                JobLocation::LoadSnapshot { project: p(), model: m(), job },
                AuthoringRoute::GetLoadSnapshotJob { project: p(), model: m(), job },
            ),
            (
                JobLocation::Evaluation { project: p(), model: m(), job },
                AuthoringRoute::GetEvaluationJob { project: p(), model: m(), job },
            ),
            (
                JobLocation::ExportedModel { project: p(), exported: e(), job },
                AuthoringRoute::GetExportedModelJob { project: p(), exported: e(), job },
            ),
            (
                JobLocation::ExportedFile { project: p(), exported: e(), file: "head.bin".into() },
                AuthoringRoute::GetExportedFile { project: p(), exported: e(), file: "head.bin".into() },
            ),
            (
                JobLocation::Deployment { project: p(), deployment: d(), job },
                AuthoringRoute::GetDeploymentJob { project: p(), deployment: d(), job },
            ),
            (JobLocation::Swap { project: p(), job }, AuthoringRoute::GetSwapJob { project: p(), job }),
        ] {
            assert_eq!(AuthoringRoute::parse("GET", &location.path()), Ok(route));
        }
    }

    #[test]
    fn next_links_repeat_everything_that_matters() {
        let page = PageRequest { top: None, skip: 2, max_page_size: Some(2) };
        let path = "/language/authoring/analyze-text/projects/P/models/m/evaluation/result";
        assert_eq!(
            links().next_page(path, "stringIndexType=Utf16CodeUnit", &page),
            "https://ner.example.org/language/authoring/analyze-text/projects/P/models/m/evaluation/result/?api-version=2023-04-01&stringIndexType=Utf16CodeUnit&top=2147483647&skip=2&maxpagesize=2"
        );
        let job = name("7669f653-2ff2-4db7-bf52-aa3e813bcb8b");
        assert_eq!(
            links().next_documents(job, true, 5, 20),
            "https://ner.example.org/language/analyze-text/jobs/7669f653-2ff2-4db7-bf52-aa3e813bcb8b?showStats=True&top=5&skip=20&api-version=2023-04-01"
        );
    }
}
