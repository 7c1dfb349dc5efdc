//! Requests that get an instance each: so many at a time, the others wait outside.
//!
//! A request is read to its end before it takes a place, so that neither slow senders nor those that wait hold instances.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// The places of one component.
pub(crate) struct Admission {
    places: Semaphore,
}

/// Why a request gets no place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its body is longer than the component takes.
    TooLarge,
    /// Its body broke off.
    Broken,
    /// Its body, or a place, did not come in time.
    TooSlow,
}

impl Admission {
    pub(crate) fn new(per_processor: usize) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self { places: Semaphore::new(processors * per_processor.max(1)) }
    }

    /// The request with all of its body, and its place for as long as it is worked on.
    pub(crate) async fn admit(
        &self,
        request: Request<WasiBody>,
        time_max: Duration,
    ) -> Result<(Request<WasiBody>, SemaphorePermit<'_>), Refusal> {
        let admitted = tokio::time::timeout(time_max, async {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|error| match error {
                HttpError::HttpRequestBodySize(_) => Refusal::TooLarge,
                _ => Refusal::Broken,
            })?;
            // Places are never closed; if they were, nobody would come in.
            let place = self.places.acquire().await.map_err(|_| Refusal::TooSlow)?;
            Ok((Request::from_parts(parts, whole(body.to_bytes())), place))
        });
        admitted.await.unwrap_or(Err(Refusal::TooSlow))
    }
}

fn whole(bytes: Bytes) -> WasiBody {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(60);

    fn request(body: WasiBody) -> Request<WasiBody> {
        Request::new(body)
    }

    fn broken(error: HttpError) -> WasiBody {
        StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from_static(b"half"))), Err(error)]))
            .boxed_unsync()
    }

    #[tokio::test]
    async fn who_finds_no_place_in_time_is_told_and_places_come_back() {
        let admission = Admission { places: Semaphore::new(1) };
        let text = Bytes::from_static(b"text");
        let (first, place) = admission.admit(request(whole(text.clone())), LONG).await.expect("a place");
        assert_eq!(first.into_body().collect().await.expect("whole").to_bytes(), text);
        let second = admission.admit(request(whole(text.clone())), SOON).await;
        assert_eq!(second.map(drop), Err(Refusal::TooSlow));
        drop(place);
        assert!(admission.admit(request(whole(text)), LONG).await.is_ok());
    }

    #[tokio::test]
    async fn bodies_that_do_not_end_well_take_no_place() {
        let admission = Admission { places: Semaphore::new(1) };
        let large = admission.admit(request(broken(HttpError::HttpRequestBodySize(Some(4)))), LONG).await;
        assert_eq!(large.map(drop), Err(Refusal::TooLarge));
        let half = admission.admit(request(broken(HttpError::ConnectionTerminated)), LONG).await;
        assert_eq!(half.map(drop), Err(Refusal::Broken));
        let hanging = StreamBody::new(stream::pending::<Result<Frame<Bytes>, HttpError>>()).boxed_unsync();
        assert_eq!(admission.admit(request(hanging), SOON).await.map(drop), Err(Refusal::TooSlow));
        assert_eq!(admission.places.available_permits(), 1);
    }
}
