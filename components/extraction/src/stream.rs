//! The streaming call: reads the request only as far as answers are taken.

use crate::House;
use bytes::Bytes;
use extraction::stream_batch;
use futures::stream::{Stream, unfold};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use language_api::runtime::{StreamError, StreamLine, StreamLines, TaskParameters, write_answer};
use language_api::{ApiError, Call, Reply};
use spin_sdk::http::{HeaderValue, IntoResponse, Request};
use spin_sdk::wasip3::http::types::{ErrorCode, Response};
use spin_sdk::wasip3::http_compat::IncomingRequestBody;
use std::collections::VecDeque;

/// A stream between two of its answers.
struct Running {
    house: House,
    parameters: TaskParameters,
    show_stats: bool,
    /// `None` after its end.
    body: Option<IncomingRequestBody>,
    lines: StreamLines,
    /// Read, not yet answered: what one piece of the body held.
    waiting: VecDeque<StreamLine>,
}

/// Refuses the call as a whole, or answers 200 with one line per document.
pub(crate) async fn answer(request: Request) -> Result<Response, ErrorCode> {
    let echoed = guest::client_request_id(request.headers());
    let (parts, body) = request.into_parts();
    let call = guest::head(&parts);
    let running = match open(&call, body).await {
        Ok(running) => running,
        Err(error) => {
            return guest::whole(guest::respond(Reply::from(error), echoed)).into_response();
        }
    };
    let mut response = guest::respond(Reply { status: 200, headers: vec![], body: None }, echoed);
    let kind = HeaderValue::from_static("application/x-ndjson; charset=utf-8");
    response.headers_mut().insert("content-type", kind);
    response.map(|_| StreamBody::new(answers(running))).into_response()
}

async fn open(call: &Call, body: IncomingRequestBody) -> Result<Running, ApiError> {
    let house = House::open().await?;
    let parameters = house.extraction().open_stream(call).await?;
    Ok(Running {
        parameters,
        show_stats: call.query.flag("showStats"),
        body: Some(body),
        lines: StreamLines::new(&house.limits),
        waiting: VecDeque::new(),
        house,
    })
}

/// One piece for each batch of documents. Nothing is read or computed before the piece before it is taken.
fn answers(running: Running) -> impl Stream<Item = Result<Frame<Bytes>, ApiError>> {
    unfold(running, |mut running| async {
        let piece = running.next().await?;
        Some((piece.map(|bytes| Frame::data(Bytes::from(bytes))), running))
    })
}

impl Running {
    /// The next answers; `None` after the last.
    async fn next(&mut self) -> Option<Result<Vec<u8>, ApiError>> {
        while self.waiting.is_empty() {
            let body = self.body.as_mut()?;
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.waiting.extend(self.lines.push(bytes));
                    }
                }
                Some(Err(error)) => {
                    self.body = None;
                    return Some(self.broken_off(guest::unreadable(&error)));
                }
                None => {
                    self.body = None;
                    self.waiting.extend(self.lines.finish());
                }
            }
        }
        let batch = self.waiting.drain(..stream_batch(&self.waiting)).collect();
        let extraction = self.house.extraction();
        Some(extraction.answer_lines(&self.parameters, self.show_stats, batch).await)
    }

    /// Says in the last line why there are no more.
    fn broken_off(&self, error: ApiError) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::new();
        write_answer(&mut out, &Err(StreamError::new(self.lines.unfinished(), None, error)))?;
        Ok(out)
    }
}
