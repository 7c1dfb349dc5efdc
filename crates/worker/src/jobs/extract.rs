//! Extraction jobs: executed by the extraction component, so this is one call to the installation's own endpoint.

use crate::failure::Failure;
use crate::run::Run;
use language_api::{ErrorKind, INTERNAL_SECRET_HEADER, RuntimeRoute};
use reqwest::Response;

/// Has the extraction component run the job; the component writes results and end under this job's lease.
pub(crate) async fn extract(run: &Run) -> Result<(), Failure> {
    let job = run.job.id.parse().map_err(|_| Failure::refused(ErrorKind::Internal, "malformed job id"))?;
    let response = ask(run, &RuntimeRoute::run_path(job)).await?;
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

/// The answer of the first endpoint that can be reached.
async fn ask(run: &Run, path: &str) -> Result<Response, Failure> {
    let dispatch = &run.services.dispatch;
    let lease = serde_json::json!({ "owner": run.lease.owner, "attempt": run.lease.attempt });
    let mut reason = "no endpoint is known".to_owned();
    for endpoint in &dispatch.endpoints {
        let call = dispatch.http.post(format!("{endpoint}{path}")).headers(telemetry::followed());
        match call.header(INTERNAL_SECRET_HEADER, &dispatch.internal_secret).json(&lease).send().await {
            Ok(response) => return Ok(response),
            // Whoever could be reached may have begun.
            Err(error) if !error.is_connect() => return Err(Failure::Transient(error.to_string())),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(Failure::Transient(reason))
}
