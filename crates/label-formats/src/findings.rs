//! Collects problems up to the number that is reported together.

use language_api::Problem;
use language_api::limits::PROBLEMS_MAX;

#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Problem>);

impl Findings {
    pub(crate) fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.push(Problem::new(pointer, message));
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(problem);
        }
    }

    pub(crate) fn extend(&mut self, problems: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }

    pub(crate) fn full(&self) -> bool {
        self.0.len() >= PROBLEMS_MAX
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.0
    }
}
