//! Prediction calls and the installation's own call that runs a job: decode, one use-case, encode.

mod nn;
mod stream;
#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "the foreign names of two functions")]
mod threads;

use catalog::Catalog;
use catalog::driver::Guest;
use extraction::{Extraction, Models};
use language_api::{ApiError, Call, ErrorKind, Limits, Reply, RuntimeRoute};
use nn::NamedGraphs;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::{http_service, variables};
use std::rc::Rc;

const INTERNAL_SECRET: &str = "internal_secret";

thread_local! {
    /// They live as long as the instance, which serves many calls, some of them at the same time.
    static MODELS: Rc<Models> = Rc::default();
}

/// What a call works with.
struct House {
    catalog: Catalog<Guest>,
    models: Rc<Models>,
    limits: Limits,
}

impl House {
    async fn open() -> Result<Self, ApiError> {
        let (catalog, limits) = (guest::catalog().await?, guest::limits().await?);
        Ok(Self { catalog, models: MODELS.with(Rc::clone), limits })
    }

    fn extraction(&self) -> Extraction<'_, Guest> {
        let Self { catalog, models, limits } = self;
        Extraction { catalog, models, graphs: &NamedGraphs, limits, now: guest::now }
    }
}

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let (method, path) = (request.method().as_str(), request.uri().path());
    if RuntimeRoute::parse(method, path) == Ok(RuntimeRoute::Stream) {
        return stream::answer(request).await.into_response();
    }
    guest::answer(request, decide).await.into_response()
}

async fn decide(call: Call) -> Result<Reply, ApiError> {
    let house = House::open().await?;
    let extraction = house.extraction();
    match RuntimeRoute::parse(&call.method, &call.path)? {
        RuntimeRoute::SubmitJob => extraction.submit(&call, guest::new_id()).await,
        RuntimeRoute::GetJob { job } => extraction.get_job(&call, job).await,
        RuntimeRoute::CancelJob { job } => extraction.cancel_job(&call, job).await,
        RuntimeRoute::Analyze => extraction.analyze(&call).await,
        RuntimeRoute::Health => extraction.health(&call).await,
        // Its body is not read as a whole, so it does not come this way.
        RuntimeRoute::Stream => Err(ApiError::new(ErrorKind::Internal, "a stream is answered as one")),
        RuntimeRoute::RunJob { job } => extraction.run_job(&call, job, &internal_secret().await?).await,
    }
}

async fn internal_secret() -> Result<String, ApiError> {
    variables::get(INTERNAL_SECRET).await.map_err(|_| {
        ApiError::new(ErrorKind::Unavailable, format!("the variable {INTERNAL_SECRET} is not set"))
    })
}
