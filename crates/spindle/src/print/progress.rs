//! Progress on standard error: bars on a terminal, a line per change elsewhere.

use super::note;
use crate::client::JobView;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use language_api::guidance::Guidance;
use language_api::jobs::JobStatus;
use std::time::Duration;

const BAR: &str = "  {bar:40} {msg} {elapsed}";
const SPINNER: &str = "  {spinner} {msg} {elapsed}";
const TICK: Duration = Duration::from_millis(100);

/// The progress of one job.
pub(crate) struct JobProgress {
    title: String,
    bar: ProgressBar,
    measured: bool,
    advised: bool,
    line: String,
}

impl JobProgress {
    /// Progress of a job that has not been asked yet.
    pub(crate) fn new(title: &str) -> Self {
        let bar = ProgressBar::new(200);
        bar.set_style(style(SPINNER));
        bar.set_message(title.to_owned());
        bar.enable_steady_tick(TICK);
        Self { title: title.to_owned(), bar, measured: false, advised: false, line: String::new() }
    }

    /// Shows a state.
    pub(crate) fn show(&mut self, view: &JobView) {
        let guidance = view.training().map_or(&[][..], |training| &training.guidance);
        if !self.advised && !guidance.is_empty() {
            self.advised = true;
            self.bar.suspend(|| note(advice(guidance).trim_end()));
        }
        if let Some((done, whole)) = measure(view) {
            if !self.measured {
                self.measured = true;
                self.bar.disable_steady_tick();
                self.bar.set_length(whole);
                self.bar.set_style(style(BAR));
            }
            self.bar.set_position(done);
        }
        let message = message(&self.title, view);
        if self.bar.is_hidden() {
            let line = line(&self.title, view);
            if line != self.line {
                note(&line);
                self.line = line;
            }
        }
        self.bar.set_message(message);
    }

    /// Leaves the last state standing.
    pub(crate) fn end(&self) {
        if self.measured { self.bar.finish() } else { self.bar.finish_and_clear() }
    }
}

fn percents(view: &JobView) -> Option<(u8, u8)> {
    let result = view.training()?;
    let evaluation = result.evaluation_status.as_ref().map_or(0, |phase| phase.percent_complete);
    Some((result.training_status.percent_complete, evaluation))
}

/// How much is done, and how much there is: both phases of a training, or all of another job.
fn measure(view: &JobView) -> Option<(u64, u64)> {
    let phases =
        percents(view).map(|(training, evaluation)| (u64::from(training) + u64::from(evaluation), 200));
    phases.or_else(|| Some((u64::from(view.percent()?), 100)))
}

fn message(title: &str, view: &JobView) -> String {
    match (percents(view), view.percent()) {
        (Some((training, evaluation)), _) => {
            let parts =
                [Some(format!("training {training} %, evaluation {evaluation} %")), doing(view), left(view)];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        (None, Some(percent)) if view.status == JobStatus::Running => format!("{title}: {percent} %"),
        (None, _) => format!("{title}: {}", view.status.as_str()),
    }
}

/// What a training is doing and how well, as long as it says so.
fn doing(view: &JobView) -> Option<String> {
    let training = view.training()?;
    let stage = training.stage?.as_str();
    Some(match training.validation_f1 {
        Some(f1) => format!("{stage}, validation F1 {f1:.3}"),
        None => stage.to_owned(),
    })
}

/// How long it will still take, as the server guesses.
fn left(view: &JobView) -> Option<String> {
    let end = view.training()?.estimated_end_date_time?;
    let seconds = end.0.duration_since(Timestamp::now()).as_secs().max(0);
    Some(format!("about {}:{:02} left", seconds / 60, seconds % 60))
}

/// Changes seldom enough for a log file: the stage of a training and its score, else the state.
fn line(title: &str, view: &JobView) -> String {
    match doing(view).filter(|_| view.status == JobStatus::Running) {
        Some(doing) => format!("{title}: {doing}"),
        None => format!("{title}: {}", view.status.as_str()),
    }
}

/// Guidance as people read it, the first pieces of it.
pub(crate) fn advice(guidance: &[Guidance]) -> String {
    const SHOWN_MAX: usize = 12;
    let lines = guidance.iter().take(SHOWN_MAX).map(|advice| format!("  {}\n", advice.message));
    let more = guidance.len().saturating_sub(SHOWN_MAX);
    let rest = if more > 0 { format!("  … and {more} more\n") } else { String::new() };
    format!("Guidance\n{}{rest}", lines.collect::<String>())
}

/// A counted piece of work.
pub(crate) struct Counter {
    bar: ProgressBar,
}

impl Counter {
    /// Progress of `total` steps.
    pub(crate) fn new(title: &str, total: usize) -> Self {
        let bar = ProgressBar::new(total as u64);
        bar.set_style(style("  {bar:40} {msg} {pos} of {len} {elapsed}"));
        bar.set_message(title.to_owned());
        Self { bar }
    }

    /// One more step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The templates are constants of this file; one that were wrong would show the default bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(json: &str) -> JobView {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_training_is_told_by_its_two_phases() {
        let state = view(
            r#"{"status":"running","result":{"modelLabel":"a","trainingConfigVersion":"lexical","trainingStatus":{"percentComplete":100,"status":"succeeded"},"evaluationStatus":{"percentComplete":30,"status":"running"}}}"#,
        );
        assert_eq!(message("training a", &state), "training 100 %, evaluation 30 %");
        assert_eq!(line("training a", &state), "training a: running");
    }

    #[test]
    fn a_running_training_tells_what_it_does_and_how_well() {
        let state = view(
            r#"{"status":"running","result":{"modelLabel":"a","trainingConfigVersion":"lexical","trainingStatus":{"percentComplete":42,"status":"running"},"stage":"validating","validationF1":0.8125,"estimatedEndDateTime":"2024-05-06T09:31:00Z"}}"#,
        );
        let said = "training 42 %, evaluation 0 %, validating, validation F1 0.812, about 0:00 left";
        assert_eq!(message("training a", &state), said);
        assert_eq!(line("training a", &state), "training a: validating, validation F1 0.812");
    }

    #[test]
    fn long_guidance_is_cut_and_counted() {
        let one: Guidance =
            serde_json::from_str(r#"{"rule":"notTested","category":"A","message":"A is not tested"}"#)
                .unwrap();
        let text = advice(&vec![one; 14]);
        assert_eq!(text.lines().count(), 14);
        assert!(
            text.starts_with("Guidance\n  A is not tested\n") && text.ends_with("  … and 2 more\n"),
            "{text}"
        );
    }

    #[test]
    fn an_import_is_told_by_its_share() {
        let state = view(r#"{"status":"running","percentComplete":42}"#);
        assert_eq!(measure(&state), Some((42, 100)));
        assert_eq!(message("import", &state), "import: 42 %");
        assert_eq!(line("import", &state), "import: running");
    }

    #[test]
    fn other_jobs_are_told_by_their_state() {
        let state = view(r#"{"status":"notStarted"}"#);
        assert_eq!(message("import", &state), "import: notStarted");
        assert_eq!(line("import", &state), "import: notStarted");
    }
}
