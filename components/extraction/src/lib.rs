//! Prediction calls and the installation's own call that runs a job: decode, one use-case, encode.

mod nn;
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "the foreign names of two functions")]
mod threads;

use extraction::{Extraction, Models};
use language_api::{ApiError, Call, ErrorKind, Reply, RuntimeRoute};
use nn::NamedGraphs;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::{http_service, variables};
use std::rc::Rc;

const INTERNAL_SECRET: &str = "internal_secret";

thread_local! {
    /// They live as long as the instance, which serves many calls, some of them at the same time.
    static MODELS: Rc<Models> = Rc::default();
}

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    guest::answer(request, decide).await
}

async fn decide(call: Call) -> Result<Reply, ApiError> {
    let models = &*MODELS.with(Rc::clone);
    let (catalog, limits) = (&guest::catalog().await?, &guest::limits().await?);
    let extraction = Extraction { catalog, models, graphs: &NamedGraphs, limits, now: guest::now };
    match RuntimeRoute::parse(&call.method, &call.path)? {
        RuntimeRoute::SubmitJob => extraction.submit(&call, guest::new_id()).await,
        RuntimeRoute::GetJob { job } => extraction.get_job(&call, job).await,
        RuntimeRoute::CancelJob { job } => extraction.cancel_job(&call, job).await,
        RuntimeRoute::Analyze => extraction.analyze(&call).await,
        RuntimeRoute::RunJob { job } => extraction.run_job(&call, job, &internal_secret().await?).await,
    }
}

async fn internal_secret() -> Result<String, ApiError> {
    variables::get(INTERNAL_SECRET).await.map_err(|_| {
        ApiError::new(ErrorKind::Unavailable, format!("the variable {INTERNAL_SECRET} is not set"))
    })
}
