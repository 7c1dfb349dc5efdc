//! What is told of each attempt of a job: a span and metrics. No project, document or model is named.

use crate::failure::Failure;
use crate::run::Run;
use catalog::{JobStatus, Outcome};
use std::time::Instant;
use telemetry::SPANS;
use tracing::Span;
use tracing::field::Empty;

/// An attempt that goes on.
pub(crate) struct Observed {
    pub(crate) span: Span,
    kind: &'static str,
    begun: Instant,
}

impl Observed {
    pub(crate) fn begin(run: &Run) -> Self {
        let kind = run.job.kind.word();
        let span = tracing::info_span!(
            target: SPANS,
            parent: None,
            "job",
            otel.kind = "consumer",
            otel.status_code = Empty,
            job.id = run.job.id,
            job.kind = kind,
            job.attempt = run.job.attempt.cast_signed(),
            job.outcome = Empty,
        );
        telemetry::begin_job(&span, &run.job.id);
        telemetry::job_began(kind);
        Self { span, kind, begun: Instant::now() }
    }

    pub(crate) fn end(self, outcome: &'static str) {
        self.span.record("job.outcome", outcome);
        if outcome == FAILED {
            self.span.record("otel.status_code", "error");
        }
        telemetry::job_ended(self.kind, outcome, self.begun.elapsed());
    }
}

const FAILED: &str = "failed";
/// Of attempts that other workers take over at once.
pub(crate) const GIVEN_BACK: &str = "given-back";

/// How an attempt went, in a word.
pub(crate) fn outcome(run: &Run, done: &Result<Option<Outcome>, Failure>) -> &'static str {
    match done {
        Ok(Some(outcome)) => match outcome.status() {
            JobStatus::Failed => FAILED,
            JobStatus::Cancelled => "cancelled",
            JobStatus::PartiallyCompleted => "partially-completed",
            _ => "succeeded",
        },
        // Written by the code that ran it, with the job's tasks.
        Ok(None) => "ended",
        Err(Failure::LeaseLost) => "lost",
        Err(Failure::Cancelled) => "cancelled",
        Err(Failure::Transient(_)) if run.patience().is_some() => "tried-again",
        Err(_) => FAILED,
    }
}
