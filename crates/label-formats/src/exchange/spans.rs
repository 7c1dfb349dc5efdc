//! Spans of other tools: from their offsets to bytes, proved against the text they recorded.

use super::report::{Change, FidelityReport};
use ner::{OffsetTable, StringIndexType};
use std::ops::Range;

/// A span on character borders, before it meets the others.
pub(super) struct DraftSpan {
    /// Bytes.
    pub(super) range: Range<usize>,
    pub(super) category: String,
    /// Line or pointer.
    pub(super) place: String,
}

/// A span as written.
pub(super) struct RawSpan {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) category: String,
    /// Line or pointer.
    pub(super) place: String,
    /// The text the tool recorded for it.
    pub(super) quote: Option<String>,
}

/// Finds the spans of one document in bytes. Offsets are code points; they are taken as UTF-16 units when the
/// recorded texts agree with those alone. Tells the report what is outside, moved or dropped.
pub(super) fn settle(
    text: &str,
    spans: Vec<RawSpan>,
    document: &str,
    report: &mut FidelityReport,
) -> Vec<DraftSpan> {
    let points = OffsetTable::new(text, StringIndexType::UnicodeCodePoint);
    let units = OffsetTable::new(text, StringIndexType::Utf16CodeUnit);
    let all_agree = |table: &OffsetTable| spans.iter().all(|span| agrees(text, table, span));
    let table = if points.units() != units.units() && !all_agree(&points) && all_agree(&units) {
        report.note(Change::OffsetsUtf16, document, "", format!("{} labels", spans.len()));
        units
    } else {
        points
    };
    spans.into_iter().filter_map(|span| settle_one(text, &table, span, document, report)).collect()
}

fn settle_one(
    text: &str,
    table: &OffsetTable,
    span: RawSpan,
    document: &str,
    report: &mut FidelityReport,
) -> Option<DraftSpan> {
    let found = place(table, span.start, span.end);
    let range = match (&found, &span.quote) {
        (Ok(range), None) => range.clone(),
        (Ok(range), Some(quote)) if same_text(&text[range.clone()], quote) => range.clone(),
        (_, Some(quote)) if !quote.trim().is_empty() => {
            let units = i64::try_from(table.units()).unwrap_or(i64::MAX);
            let near = usize::try_from(span.start.clamp(0, units)).ok().and_then(|unit| table.to_byte(unit));
            let Some(range) = nearest(text, quote, near.map_or(0, |byte| byte.get())) else {
                let detail = format!("{} at {}..{}", span.category, span.start, span.end);
                report.note(Change::TextDisagrees, document, span.place, detail);
                return None;
            };
            let detail = format!("{} from {}..{}", span.category, span.start, span.end);
            report.note(Change::TextMoved, document, &span.place, detail);
            range
        }
        (Ok(_), Some(_)) => {
            report.note(Change::TextDisagrees, document, span.place, span.category);
            return None;
        }
        (Err(change), _) => {
            let detail = format!("{} at {}..{}", span.category, span.start, span.end);
            report.note(*change, document, span.place, detail);
            return None;
        }
    };
    Some(DraftSpan { range, category: span.category, place: span.place })
}

/// The bytes of a span in the table's unit.
pub(super) fn place(table: &OffsetTable, start: i64, end: i64) -> Result<Range<usize>, Change> {
    let byte = |unit: i64| {
        let found = usize::try_from(unit).ok().and_then(|unit| table.to_byte(unit));
        found.map(|byte| byte.get()).ok_or(Change::OutsideText)
    };
    let (first, last) = (byte(start)?, byte(end)?);
    if first >= last { Err(Change::EmptyLabel) } else { Ok(first..last) }
}

fn agrees(text: &str, table: &OffsetTable, span: &RawSpan) -> bool {
    let Some(quote) = &span.quote else { return true };
    place(table, span.start, span.end).is_ok_and(|range| same_text(&text[range], quote))
}

/// Whether two texts differ in nothing but white space, which tools fold when they record it.
pub(super) fn same_text(left: &str, right: &str) -> bool {
    left.split_whitespace().eq(right.split_whitespace())
}

/// The occurrence of `quote` that begins nearest to the byte `near`.
fn nearest(text: &str, quote: &str, near: usize) -> Option<Range<usize>> {
    let quote = quote.trim();
    let found = text.match_indices(quote).map(|(start, _)| start).min_by_key(|start| start.abs_diff(near))?;
    Some(found..found + quote.len())
}
