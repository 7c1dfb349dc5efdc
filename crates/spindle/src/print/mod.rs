//! What people and scripts read: data on standard output, everything about the way there on standard error.
//!
//! Functions here return text; they know no server and decide nothing. Colours only where [`Paint`] has them.

mod entities;
mod evaluation;
mod failure;
mod progress;
mod table;

pub(crate) use entities::entities;
pub(crate) use evaluation::{Cells, documents, scores, summary};
pub(crate) use failure::{error_lines, failure};
pub(crate) use progress::{Counter, JobProgress, advice};
pub(crate) use table::{Align, Table};

use owo_colors::{AnsiColors, OwoColorize, Stream};
use std::io::{self, Write};

const CATEGORY_COLORS: [AnsiColors; 7] = [
    AnsiColors::Cyan,
    AnsiColors::Yellow,
    AnsiColors::Green,
    AnsiColors::Magenta,
    AnsiColors::Blue,
    AnsiColors::BrightRed,
    AnsiColors::BrightBlue,
];

/// Colours for one stream, or none: not on a terminal, or NO_COLOR is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    colored: bool,
}

impl Paint {
    /// Plain text, as files and pipes get it.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colored: false };

    /// As standard output bears it.
    pub(crate) fn stdout() -> Self {
        Self::of(Stream::Stdout)
    }

    /// As standard error bears it.
    pub(crate) fn stderr() -> Self {
        Self::of(Stream::Stderr)
    }

    fn of(stream: Stream) -> Self {
        // The crate tells support only by painting.
        let painted = "x".if_supports_color(stream, |text| text.bold()).to_string();
        Self { colored: painted != "x" }
    }

    /// Headings.
    pub(crate) fn bold(self, text: &str) -> String {
        if self.colored { text.bold().to_string() } else { text.to_owned() }
    }

    /// What stands back.
    pub(crate) fn dim(self, text: &str) -> String {
        if self.colored { text.dimmed().to_string() } else { text.to_owned() }
    }

    /// What went wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        if self.colored { text.red().to_string() } else { text.to_owned() }
    }

    /// The same category has the same colour everywhere, without a list of categories.
    pub(crate) fn category(self, category: &str, text: &str) -> String {
        let sum: usize = category.bytes().map(usize::from).sum();
        let color = CATEGORY_COLORS[sum % CATEGORY_COLORS.len()];
        if self.colored { text.color(color).to_string() } else { text.to_owned() }
    }
}

/// Writes data: `text` and a line break unless it has one.
///
/// # Errors
/// Standard output is closed or full.
pub(crate) fn out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Says something about the way to the data.
pub(crate) fn note(text: &str) {
    // A closed standard error is no reason to stop working.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A wire moment for people: `2024-05-06 08:12:40Z`.
pub(crate) fn moment(moment: language_api::WholeSeconds) -> String {
    moment.0.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
