//! Taking jobs (contract: runtime 2).

use crate::stored::{TaskHeader, to_json};
use crate::{Answer, Extraction};
use catalog::{Driver, NewExtractionJob};
use jiff::{SignedDuration, Timestamp};
use language_api::runtime::{SubmitRequest, Task};
use language_api::{ApiError, Call, JobLocation, Reply, RuntimeJobId};
use uuid::Uuid;

impl<D: Driver> Extraction<'_, D> {
    /// Puts the job `id` into the queue and answers with its address.
    ///
    /// # Errors
    /// 401, 400 or 413 (contract: runtime 6), 404 at `#/tasks/N` for a project or deployment that is not there.
    pub async fn submit(&self, call: &Call, id: Uuid) -> Answer {
        self.authorize(call).await?;
        let links = call.links()?;
        let request = SubmitRequest::parse(&call.body, self.limits)?;
        for (index, task) in request.tasks.iter().enumerate() {
            self.check(task).await.map_err(|error| error.at(format!("#/tasks/{index}")))?;
        }
        let now = (self.now)();
        self.catalog.submit_extraction(&self.new_job(id, &request, now)?, now).await?;
        Ok(Reply::accepted(links.job(&JobLocation::Runtime { job: RuntimeJobId(id) })))
    }

    /// Tells at once what would fail later: every client shows a refused call, few show a failed job well.
    async fn check(&self, task: &Task) -> Result<(), ApiError> {
        let (project, deployment) = (&task.parameters.project_name, &task.parameters.deployment_name);
        self.catalog.served_model(project.as_str(), deployment.as_str()).await?;
        Ok(())
    }

    fn new_job(
        &self,
        id: Uuid,
        request: &SubmitRequest,
        now: Timestamp,
    ) -> Result<NewExtractionJob, ApiError> {
        let header = |task: &Task| to_json(&TaskHeader::new(request, task));
        let kept = i64::try_from(self.limits.runtime_job_seconds).unwrap_or(i64::MAX);
        Ok(NewExtractionJob {
            id: RuntimeJobId(id).to_string(),
            display_name: request.display_name.clone(),
            project: request
                .tasks
                .first()
                .map(|task| task.parameters.project_name.to_string())
                .unwrap_or_default(),
            request: to_json(request)?.into_bytes(),
            tasks: request.tasks.iter().map(header).collect::<Result<_, _>>()?,
            expires_at: now.saturating_add(SignedDuration::from_secs(kept)).unwrap_or(Timestamp::MAX),
        })
    }
}
