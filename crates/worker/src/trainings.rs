//! Trainings that one worker runs beside each other: each takes the memory that it finds, so one that finds too little may
//! find enough when another has ended.

use crate::failure::Failure;
use crate::run::Run;
use std::time::Duration;
use tokio::sync::watch;

/// How often a training that waits for room looks whether it shall still run.
const LOOK: Duration = Duration::from_millis(500);

/// The trainings of a worker.
#[derive(Default)]
pub struct Trainings(watch::Sender<Count>);

#[derive(Clone, Copy, Default)]
struct Count {
    running: usize,
    ended: u64,
}

/// One that runs, until it is dropped.
pub(crate) struct Training<'a> {
    all: &'a Trainings,
    ended_before: u64,
    ends: bool,
}

impl Trainings {
    /// One more.
    pub(crate) fn begin(&self) -> Training<'_> {
        self.0.send_modify(|count| count.running += 1);
        Training { all: self, ended_before: self.0.borrow().ended, ends: true }
    }
}

impl Training<'_> {
    /// Whether another one has held memory meanwhile, so that there may be room later.
    pub(crate) fn had_company(&self) -> bool {
        let count = *self.all.0.borrow();
        count.running > 1 || count.ended > self.ended_before
    }

    /// Steps back until another one has ended since this one began.
    pub(crate) async fn wait_for_another(mut self, run: &Run) -> Result<(), Failure> {
        let (all, before) = (self.all, self.ended_before);
        // Two that wait must not take each other for what will end.
        self.ends = false;
        drop(self);
        let mut changes = all.0.subscribe();
        loop {
            run.stop.check()?;
            let another = changes.wait_for(|count| count.ended > before || count.running == 0);
            if tokio::time::timeout(LOOK, another).await.is_ok() {
                return Ok(());
            }
        }
    }
}

impl Drop for Training<'_> {
    fn drop(&mut self) {
        self.all.0.send_modify(|count| {
            count.running -= 1;
            count.ended += u64::from(self.ends);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn company_is_who_runs_or_ended_meanwhile() {
        let all = Trainings::default();
        let first = all.begin();
        assert!(!first.had_company());
        let second = all.begin();
        assert!(first.had_company() && second.had_company());
        drop(second);
        assert!(first.had_company(), "what it held may be free only now");
        drop(first);
        assert!(!all.begin().had_company());
    }
}
