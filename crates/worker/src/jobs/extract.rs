//! Extraction jobs: executed by the extraction component, so this is one call to the installation's own endpoint.

use crate::failure::Failure;
use crate::run::Run;
use language_api::{ErrorKind, INTERNAL_SECRET_HEADER, RuntimeRoute};

/// Has the extraction component run the job; the component writes results and end under this job's lease.
pub(crate) async fn extract(run: &Run) -> Result<(), Failure> {
    let dispatch = &run.services.dispatch;
    let job = run.job.id.parse().map_err(|_| Failure::refused(ErrorKind::Internal, "malformed job id"))?;
    let url = format!("{}{}", dispatch.endpoint, RuntimeRoute::run_path(job));
    let lease = serde_json::json!({ "owner": run.lease.owner, "attempt": run.lease.attempt });
    let sent = dispatch.http.post(url).header(INTERNAL_SECRET_HEADER, &dispatch.internal_secret).json(&lease);
    let response = sent.send().await.map_err(|error| Failure::Transient(error.to_string()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = format!("the extraction component answered {status}");
    if status.is_server_error() {
        return Err(Failure::Transient(reason));
    }
    Err(Failure::refused(ErrorKind::Internal, reason))
}
