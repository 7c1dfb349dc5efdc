//! What projects do by themselves, what storage services told, and the list of all jobs: beyond the contract.

use crate::{Answer, Authoring, stored};
use catalog::{Driver, Job, JobKind, StorageEvent};
use language_api::storage_events::StorageEventState;
use language_api::{
    ApiError, AutomationSettings, ContainerName, ErrorKind, JobStatus, ProjectJob, ProjectName, Reply,
    WholeSeconds,
};
use serde::Deserialize;

/// What a job of an automation leaves as its result.
#[derive(Deserialize)]
struct Told {
    message: String,
}

impl<D: Driver> Authoring<'_, D> {
    /// `GET /{project}/automation`.
    ///
    /// # Errors
    /// 404.
    pub async fn get_automation(&self, name: &ProjectName) -> Answer {
        self.project(name).await?;
        Ok(Reply::ok(&self.automation_settings(name).await?.unwrap_or_default()))
    }

    /// `PUT /{project}/automation`. A project that begins to train by itself waits for the next import or label.
    ///
    /// # Errors
    /// 404, 400 for wrong fields and for steps that would trigger themselves.
    pub async fn put_automation(&self, name: &ProjectName, body: &[u8]) -> Answer {
        let project = self.project(name).await?;
        let container = stored(ContainerName::new(&project.container))?;
        let settings = AutomationSettings::parse(body, &container)?;
        if let Some(train) = &settings.train {
            let known = crate::training::resolve_config(&train.request.training_config_version);
            known.map_err(|error| error.at("train.trainingConfigVersion"))?;
        }
        let before = self.automation_settings(name).await?;
        let afresh = settings.train.is_some() && before.is_none_or(|before| before.train.is_none());
        let json = stored(serde_json::to_string(&settings))?;
        self.catalog.put_automation(name.as_str(), &json, afresh, self.now).await?;
        Ok(Reply::ok(&settings))
    }

    async fn automation_settings(&self, name: &ProjectName) -> Result<Option<AutomationSettings>, ApiError> {
        self.catalog.automation(name.as_str()).await?.map(|found| settings_of(&found)).transpose()
    }

    /// `GET /{project}/jobs`.
    ///
    /// # Errors
    /// 404, 400 for wrong paging.
    pub async fn list_jobs(&self, name: &ProjectName) -> Answer {
        self.project(name).await?;
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let found = self.catalog.project_jobs(name.as_str(), page, self.now).await?;
        self.list(wanted, found, "", project_job)
    }

    /// `GET /global/storage-events`.
    ///
    /// # Errors
    /// 400 for wrong paging or what can be no container's name.
    pub async fn list_storage_events(&self) -> Answer {
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let container = self.query.get("container").map(ContainerName::new).transpose();
        let container =
            container.map_err(|error| ApiError::new(ErrorKind::Field, error.to_string()).at("container"))?;
        let name = container.as_ref().map(ContainerName::as_str);
        let found = self.catalog.storage_events(name, page).await?;
        // Names of containers need no escapes by construction.
        let extra = name.map(|name| format!("container={name}")).unwrap_or_default();
        self.list(wanted, found, &extra, event_state)
    }
}

/// The settings of a stored automation.
///
/// # Errors
/// The catalog holds what this program never wrote: a defect.
pub fn settings_of(automation: &catalog::Automation) -> Result<AutomationSettings, ApiError> {
    stored(serde_json::from_str(&automation.settings))
}

fn event_state(found: StorageEvent) -> Result<StorageEventState, ApiError> {
    Ok(StorageEventState {
        event_id: found.event.id,
        source: found.source,
        container_name: found.event.container,
        location: found.event.location,
        change: if found.event.removed { "removed" } else { "written" }.to_owned(),
        state: found.state.word().to_owned(),
        received_date_time: WholeSeconds(found.received_at),
        handled_date_time: found.handled_at.map(WholeSeconds),
        outcomes: stored(serde_json::from_str(&found.outcomes))?,
    })
}

fn project_job(job: Job) -> Result<ProjectJob, ApiError> {
    let tells = matches!(job.kind, JobKind::Automate | JobKind::ExtractDocument | JobKind::Deliver);
    let told = job.result.as_deref().filter(|_| tells).map(serde_json::from_str::<Told>);
    Ok(ProjectJob {
        kind: camel(job.kind.word()),
        target: Some(job.target).filter(|target| !target.is_empty()),
        created_date_time: WholeSeconds(job.created_at),
        last_updated_date_time: WholeSeconds(job.updated_at),
        expiration_date_time: WholeSeconds(job.expires_at),
        status: JobStatus::from(job.status),
        outcome: stored(told.transpose())?.map(|told| told.message),
        warnings: stored(serde_json::from_str(&job.warnings))?,
        errors: stored(serde_json::from_str(&job.errors))?,
        job_id: job.id,
    })
}

/// The catalog's words as the wire spells words.
fn camel(word: &str) -> String {
    let mut parts = word.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |word, part| {
        let (head, tail) = part.split_at(part.len().min(1));
        word + &head.to_ascii_uppercase() + tail
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_jobs_are_spelled_as_other_words_of_the_wire() {
        assert_eq!(camel("import"), "import");
        assert_eq!(camel("extract-document"), "extractDocument");
    }
}
