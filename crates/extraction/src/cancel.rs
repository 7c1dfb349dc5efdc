//! Stopping jobs (contract: runtime 7).

use crate::stored::{TaskHeader, from_json};
use crate::{Answer, Extraction};
use catalog::{Driver, ExtractionJob};
use jiff::{SignedDuration, Timestamp};
use language_api::{ApiError, Call, JobLocation, Reply, RuntimeJobId};

impl<D: Driver> Extraction<'_, D> {
    /// Asks the job to stop. One that has ended stays as it is, which is no error.
    ///
    /// # Errors
    /// 401, 404 `OperationNotFound`.
    pub async fn cancel_job(&self, call: &Call, id: RuntimeJobId) -> Answer {
        self.authorize(call).await?;
        let links = call.links()?;
        match self.catalog.request_cancel(&id.to_string(), (self.now)()).await {
            Ok(_) | Err(catalog::Error::JobEnded { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Reply::accepted(links.job(&JobLocation::Runtime { job: id })))
    }
}

/// When the job ends itself, if its caller said so.
pub(crate) fn deadline(found: &ExtractionJob) -> Result<Option<Timestamp>, ApiError> {
    let Some(task) = found.tasks.first() else { return Ok(None) };
    let header: TaskHeader = from_json(task.header.as_bytes())?;
    Ok(header.cancel_after_seconds.map(|seconds| {
        let after = SignedDuration::from_secs(i64::from(seconds));
        found.job.created_at.saturating_add(after).unwrap_or(Timestamp::MAX)
    }))
}
