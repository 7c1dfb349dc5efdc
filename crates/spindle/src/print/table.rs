//! Columns.

use super::Paint;
use unicode_width::UnicodeWidthStr;

const GAP: &str = "  ";

/// Which side a column leans to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A heading and rows of the same length.
#[derive(Clone, Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    heading: [(&'static str, Align); COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table without rows.
    pub(crate) fn new(heading: [(&'static str, Align); COLUMNS]) -> Self {
        Self { heading, rows: vec![] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    /// The table; `indent` blanks stand before every line.
    pub(crate) fn text(&self, paint: Paint, indent: usize) -> String {
        let heading = self.heading.map(|(name, _)| name.to_owned());
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].width());
            cells.fold(heading[column].width(), usize::max)
        };
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        let line = |cells: &[String; COLUMNS]| {
            let padded = (0..COLUMNS).map(|at| pad(&cells[at], widths[at], self.heading[at].1));
            let line = padded.collect::<Vec<_>>().join(GAP);
            format!("{}{}", " ".repeat(indent), line.trim_end())
        };
        let mut lines = vec![paint.dim(&line(&heading))];
        lines.extend(self.rows.iter().map(line));
        lines.join("\n") + "\n"
    }
}

fn pad(cell: &str, width: usize, align: Align) -> String {
    let blanks = " ".repeat(width.saturating_sub(cell.width()));
    match align {
        Align::Left => format!("{cell}{blanks}"),
        Align::Right => format!("{blanks}{cell}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new([("name", Align::Left), ("count", Align::Right), ("text", Align::Left)]);
        table.row(["a".to_owned(), "7".to_owned(), String::new()]);
        table.row(["住所と名前".to_owned(), "123456".to_owned(), "words".to_owned()]);
        // Golden text loses the indentation that all its lines share.
        expect![[r#"
            title
              name         count  text
              a                7
              住所と名前  123456  words
        "#]]
        .assert_eq(&format!("title\n{}", table.text(Paint::PLAIN, 2)));
    }
}
