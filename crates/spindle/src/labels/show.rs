//! What a conversion or check found, for people and for scripts.

use crate::print;
use anyhow::Result;
use label_formats::exchange::{Format, Tally};
use language_api::Problem;
use language_api::guidance::Guidance;
use language_api::limits::PROBLEMS_MAX;
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// The outcome.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    pub(super) from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<&'static str>,
    pub(super) documents: usize,
    pub(super) labels: usize,
    pub(super) changes: Vec<&'a Tally>,
    pub(super) ignored: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) guidance: Vec<Guidance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<&'a Path>,
}

impl Summary<'_> {
    /// Prints it; `done` tells whether the output was written.
    pub(super) fn print(&self, json: bool, done: bool) -> Result<()> {
        if json {
            let mut value = serde_json::to_value(self)?;
            value["written"] = json!(done && self.output.is_some());
            println!("{}", serde_json::to_string_pretty(&value)?);
            return Ok(());
        }
        let to = self.to.map_or(String::new(), |to| format!(" → {to}"));
        let (documents, labels) = (counted(self.documents, "document"), counted(self.labels, "label"));
        println!("{}{to}: {documents}, {labels}", self.from);
        if self.changes.is_empty() {
            let said = if self.to.is_some() { "nothing was lost or changed" } else { "nothing is wrong" };
            println!("{said}");
        }
        for tally in &self.changes {
            println!("{:>8}  {:<8}  {}", tally.count, tally.effect.name(), tally.change.meaning());
            for case in &tally.cases {
                let parts = [&case.document, &case.place, &case.detail];
                let said: Vec<&str> =
                    parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
                println!("{:>20}{}", "", said.join(" · "));
            }
            let more = tally.count - tally.cases.len();
            if more > 0 {
                println!("{:>20}… and {more} more", "");
            }
        }
        if !self.ignored.is_empty() {
            println!("ignored: {}", self.ignored.join(", "));
        }
        if !self.guidance.is_empty() {
            print!("{}", print::advice(&self.guidance));
        }
        if let Some(output) = self.output.filter(|_| done) {
            println!("written: {}", output.display());
        }
        Ok(())
    }
}

/// Prints the problems of malformed input.
pub(super) fn problems(format: Format, problems: &[Problem], json: bool) -> Result<()> {
    if json {
        let list: Vec<_> =
            problems.iter().map(|p| json!({ "place": p.pointer, "message": p.message })).collect();
        println!("{}", serde_json::to_string_pretty(&json!({ "from": format.name(), "problems": list }))?);
        return Ok(());
    }
    for problem in problems {
        println!("{}: {}", problem.pointer, problem.message);
    }
    if problems.len() == PROBLEMS_MAX {
        println!("… only the first {PROBLEMS_MAX} problems are shown");
    }
    Ok(())
}

/// A number with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
