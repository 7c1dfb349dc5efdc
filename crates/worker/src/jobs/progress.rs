//! How far jobs are: a training as the contract shows it (contract: authoring 10.2), an import by its documents.

use crate::failure::Failure;
use crate::run::Run;
use authoring::import_progress;
use authoring::payloads::TrainPayload;
use jiff::{SignedDuration, Timestamp};
use language_api::guidance::Guidance;
use language_api::training::{PhaseState, TrainingResult, TrainingStage};
use language_api::{ImportProgress, JobStatus, ModelLabel, SevenDigits, WholeSeconds};

/// Writes a training's two phases into the job's row as they go.
pub(crate) struct TrainingProgress<'a> {
    run: &'a Run,
    state: TrainingResult,
    begun: Timestamp,
}

impl<'a> TrainingProgress<'a> {
    pub(crate) fn begin(run: &'a Run, payload: &TrainPayload, label: ModelLabel) -> Self {
        let begun = Timestamp::now();
        let phase = |start, status| PhaseState {
            percent_complete: 0,
            start_date_time: start,
            end_date_time: None,
            status,
        };
        let state = TrainingResult {
            model_label: label,
            training_config_version: payload.training_config_version.clone(),
            training_status: phase(Some(SevenDigits(begun)), JobStatus::Running),
            evaluation_status: Some(phase(None, JobStatus::NotStarted)),
            estimated_end_date_time: None,
            stage: Some(TrainingStage::Reading),
            validation_f1: None,
            guidance: vec![],
        };
        let progress = Self { run, state, begun };
        progress.write();
        progress
    }

    /// What will hurt, for people to think about while it goes on.
    pub(crate) fn advised(&mut self, guidance: Vec<Guidance>) {
        self.state.guidance = guidance;
        self.write();
    }

    /// The training has come as far as `step` says.
    pub(crate) fn training(&mut self, step: training::Progress) {
        let fraction = step.fraction;
        let percent = percent(fraction);
        let stage = Some(stage(step.stage));
        let validation_f1 = step.validation_f1.map(|f1| (f1 * 1e4).round() / 1e4);
        let told = (self.state.training_status.percent_complete, self.state.stage, self.state.validation_f1);
        if told == (percent, stage, validation_f1) {
            return;
        }
        self.state.stage = stage;
        self.state.validation_f1 = validation_f1;
        self.state.training_status.percent_complete = percent;
        let elapsed = Timestamp::now().duration_since(self.begun).as_secs_f64();
        let rest = elapsed * f64::from(1.0 - fraction) / f64::from(fraction.max(0.01));
        let end = Timestamp::now().checked_add(SignedDuration::from_secs_f64(rest.min(1e7))).ok();
        self.state.estimated_end_date_time = end.map(WholeSeconds);
        self.write();
    }

    /// Training is over, evaluation begins.
    pub(crate) fn trained(&mut self) {
        let now = SevenDigits(Timestamp::now());
        end(&mut self.state.training_status, now);
        self.state.stage = Some(TrainingStage::Evaluating);
        if let Some(evaluation) = &mut self.state.evaluation_status {
            evaluation.start_date_time = Some(now);
            evaluation.status = JobStatus::Running;
        }
        self.state.estimated_end_date_time = None;
        self.write();
    }

    /// `fraction` of the evaluation is done.
    pub(crate) fn evaluation(&mut self, fraction: f32) {
        if let Some(evaluation) = &mut self.state.evaluation_status {
            evaluation.percent_complete = percent(fraction);
        }
        self.write();
    }

    /// Both are over.
    pub(crate) fn evaluated(&mut self) {
        if let Some(evaluation) = &mut self.state.evaluation_status {
            end(evaluation, SevenDigits(Timestamp::now()));
        }
        self.write();
    }

    fn write(&self) {
        write(self.run, serde_json::to_string(&self.state));
    }
}

fn stage(stage: training::Stage) -> TrainingStage {
    match stage {
        training::Stage::Prepare => TrainingStage::Preparing,
        training::Stage::Encode => TrainingStage::Encoding,
        training::Stage::Tune => TrainingStage::Tuning,
        training::Stage::Learn => TrainingStage::Learning,
        training::Stage::Validate => TrainingStage::Validating,
        training::Stage::Assemble => TrainingStage::Storing,
    }
}

/// Writes how many of an import's documents are done into the job's row.
pub(crate) struct ImportWatch<'a> {
    run: &'a Run,
    state: ImportProgress,
    done: usize,
    total: usize,
}

impl<'a> ImportWatch<'a> {
    /// An import of `total` documents. What the row says besides stays.
    pub(crate) fn begin(run: &'a Run, total: usize) -> Result<Self, Failure> {
        let state = import_progress(&run.job).map_err(|error| Failure::Refused(vec![error.body()]))?;
        let mut watch = Self { run, state: ImportProgress { percent_complete: 0, ..state }, done: 0, total };
        watch.add(0);
        Ok(watch)
    }

    /// `count` more documents are done.
    pub(crate) fn add(&mut self, count: usize) {
        self.done += count;
        #[expect(clippy::cast_precision_loss, reason = "a share in per cent")]
        let percent = percent(self.done as f32 / self.total.max(1) as f32);
        if percent != self.state.percent_complete || count == 0 {
            self.state.percent_complete = percent;
            write(self.run, serde_json::to_string(&self.state));
        }
    }
}

fn write(run: &Run, state: serde_json::Result<String>) {
    match state {
        Ok(json) => run.set_progress(json),
        Err(error) => tracing::error!(%error, "progress can't be written"),
    }
}

fn end(phase: &mut PhaseState, now: SevenDigits) {
    phase.percent_complete = 100;
    phase.end_date_time = Some(now);
    phase.status = JobStatus::Succeeded;
}

/// A running phase shows 99 at most.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=99 first")]
fn percent(fraction: f32) -> u8 {
    (fraction * 100.0).clamp(0.0, 99.0) as u8
}
