//! brat's standoff: `name.txt` and `name.ann`, a text-bound annotation a line, offsets in code points.

use super::conll::{file_stem, unspaced_name, utf8};
use super::report::{Change, FidelityReport};
use super::set::{Builder, Draft, Keeps, LabeledSet, Names, report_losses};
use super::spans::{DraftSpan, RawSpan, place, same_text, settle};
use super::{Exported, File, Imported};
use crate::findings::Findings;
use language_api::Problem;
use ner::{LabeledDocument, OffsetTable, StringIndexType};
use std::collections::HashMap;
use std::ops::Range;

const CONFIGURATION: &str = "annotation.conf";

pub(super) fn import(files: &[File]) -> Result<Imported, Vec<Problem>> {
    let mut findings = Findings::default();
    let mut builder = Builder::default();
    let by_name: HashMap<&str, &File> = files.iter().map(|file| (file.name.as_str(), file)).collect();
    for file in files {
        if let Some(stem) = file.name.strip_suffix(".ann") {
            if !by_name.contains_key(format!("{stem}.txt").as_str()) {
                findings.add(&file.name, format!("there is no {stem}.txt beside it"));
            }
        } else if file.name.rsplit('/').next() == Some(CONFIGURATION) {
            let content = utf8(file, &mut findings).unwrap_or_default();
            entity_types(content).for_each(|name| drop(builder.declare(name, &file.name)));
        }
    }
    for file in files {
        let Some(stem) = file.name.strip_suffix(".txt") else { continue };
        let Some(text) = utf8(file, &mut findings) else { continue };
        let annotations = by_name.get(format!("{stem}.ann").as_str());
        let content = annotations.and_then(|file| utf8(file, &mut findings));
        let spans = match (annotations, content) {
            (Some(annotations), Some(content)) => {
                let mut reader = Reader {
                    text,
                    table: OffsetTable::new(text, StringIndexType::UnicodeCodePoint),
                    document: &file.name,
                    report: &mut builder.report,
                    findings: &mut findings,
                };
                reader.lines(content, &annotations.name)
            }
            _ => vec![],
        };
        builder.add(Draft {
            location: file.name.clone(),
            unnamed: false,
            language: None,
            dataset: None,
            text: text.to_owned(),
            seen: annotations.is_some(),
            spans,
            place: file.name.clone(),
        });
    }
    let problems = findings.into_list();
    if problems.is_empty() { Ok(builder.finish()) } else { Err(problems) }
}

/// The entity types a configuration declares; types below others are indented, separators begin with a dash.
fn entity_types(content: &str) -> impl Iterator<Item = &str> {
    let lines = content.lines().map(str::trim);
    let section =
        lines.skip_while(|line| *line != "[entities]").skip(1).take_while(|line| !line.starts_with('['));
    let names = section.filter(|line| !line.is_empty() && !line.starts_with(['#', '-', '!', '<']));
    names.filter_map(|line| line.split_whitespace().next())
}

struct Reader<'a> {
    text: &'a str,
    table: OffsetTable,
    document: &'a str,
    report: &'a mut FidelityReport,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn lines(&mut self, content: &str, file: &str) -> Vec<DraftSpan> {
        let mut spans = vec![];
        let content = content.strip_prefix('\u{FEFF}').unwrap_or(content);
        for (index, line) in content.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let place = format!("{file}:{}", index + 1);
            match line.chars().next() {
                None => {}
                Some('T') => spans.extend(self.text_bound(line, place)),
                Some(other) => {
                    let kind = match other {
                        'R' | '*' => "relation",
                        'E' => "event",
                        'A' | 'M' => "attribute",
                        'N' => "normalization",
                        '#' => "note",
                        _ => {
                            self.findings
                                .add(place, "is no annotation: T, R, E, A, M, N, * or # is expected first");
                            continue;
                        }
                    };
                    self.report.note(Change::OtherAnnotation, self.document, place, kind);
                }
            }
        }
        spans
    }

    /// `T1<tab>Category 0 5;8 12<tab>text`
    fn text_bound(&mut self, line: &str, at: String) -> Option<DraftSpan> {
        let mut parts = line.splitn(3, '\t').skip(1);
        let (head, quote) = (parts.next().unwrap_or(""), parts.next());
        let Some((category, pieces)) =
            head.split_once(' ').and_then(|(category, rest)| Some((category, read_pieces(rest)?)))
        else {
            self.findings.add(at, "must read: id, tab, category, start, end, tab, text");
            return None;
        };
        if let [(start, end)] = pieces[..] {
            let (category, quote) = (category.to_owned(), quote.map(str::to_owned));
            let raw = RawSpan { start, end, category, place: at, quote };
            return settle(self.text, vec![raw], self.document, self.report).pop();
        }
        self.joined(category, &pieces, quote, at)
    }

    /// A label in pieces as one from the first to the last. brat itself cuts labels at line ends, which is no loss.
    fn joined(
        &mut self,
        category: &str,
        pieces: &[(i64, i64)],
        quote: Option<&str>,
        at: String,
    ) -> Option<DraftSpan> {
        let placed: Result<Vec<Range<usize>>, Change> =
            pieces.iter().map(|(start, end)| place(&self.table, *start, *end)).collect();
        let mut ranges = match placed {
            Ok(ranges) => ranges,
            Err(change) => {
                self.report.note(change, self.document, at, category);
                return None;
            }
        };
        let said: Vec<&str> = ranges.iter().map(|range| &self.text[range.clone()]).collect();
        if quote.is_some_and(|quote| !same_text(&said.join(" "), quote)) {
            self.report.note(Change::TextDisagrees, self.document, at, category);
            return None;
        }
        ranges.sort_by_key(|range| (range.start, range.end));
        let gap = |pair: &[Range<usize>]| self.text.get(pair[0].end..pair[1].start).unwrap_or("");
        let at_lines = |gap: &str| gap.trim().is_empty() && gap.contains(ends_line);
        if !ranges.windows(2).all(|pair| at_lines(gap(pair))) {
            let detail = format!("{category} in {} pieces", pieces.len());
            self.report.note(Change::DiscontinuousLabel, self.document, &at, detail);
        }
        let end = ranges.iter().map(|range| range.end).max()?;
        Some(DraftSpan { range: ranges.first()?.start..end, category: category.to_owned(), place: at })
    }
}

fn read_pieces(text: &str) -> Option<Vec<(i64, i64)>> {
    let piece = |piece: &str| {
        let (start, end) = piece.trim().split_once(' ')?;
        Some((start.parse().ok()?, end.trim().parse().ok()?))
    };
    text.split(';').map(piece).collect()
}

fn ends_line(sign: char) -> bool {
    matches!(sign, '\n' | '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Writes text and annotations per document, and the configuration with the categories.
pub(super) fn export(set: &LabeledSet) -> Exported {
    let keeps = Keeps { dataset: false, language: false, unseen: false, unused_categories: true };
    let mut report = report_losses(set, &keeps);
    let (mut stems, mut types) = (Names::default(), Names::default());
    let mut configuration = String::from("[entities]\n");
    for entry in &set.categories {
        let (name, _) = types.name(&entry.category, unspaced_name);
        if name != entry.category {
            report.note(Change::CategoryRenamed, "", "", format!("{:?} became {name:?}", entry.category));
        }
        configuration.push_str(&format!("{name}\n"));
    }
    configuration.push_str("\n[relations]\n\n[events]\n\n[attributes]\n");
    let mut files = vec![File { name: CONFIGURATION.to_owned(), bytes: configuration.into_bytes() }];
    for labeled in &set.documents {
        let location = &labeled.document.location;
        let stem = stems.fresh(location, file_stem);
        if format!("{stem}.txt") != *location {
            report.note(Change::DocumentRenamed, location, "", format!("became {stem:?}.txt"));
        }
        let annotations = annotations(labeled, &mut types, &mut report);
        files.push(File { name: format!("{stem}.ann"), bytes: annotations.into_bytes() });
        files.push(File { name: format!("{stem}.txt"), bytes: labeled.document.text.clone().into_bytes() });
    }
    Exported { files, report }
}

fn annotations(labeled: &LabeledDocument, types: &mut Names, report: &mut FidelityReport) -> String {
    let text = &labeled.document.text;
    let location = &labeled.document.location;
    let table = OffsetTable::new(text, StringIndexType::UnicodeCodePoint);
    let unit = |byte: usize| table.floor_unit(ner::ByteOffset::new(byte));
    let mut out = String::new();
    let mut number = 0;
    for label in labeled.labels() {
        let pieces = pieces(text, label.span.range());
        let at = format!("byte {}", label.span.start);
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
            report.note(Change::EmptyLabel, location, at, label.category.as_str());
            continue;
        };
        if (first.start..last.end) != label.span.range() {
            report.note(Change::WhiteSpaceTrimmed, location, at, label.category.as_str());
        }
        number += 1;
        let (name, _) = types.name(label.category.as_str(), unspaced_name);
        let places: Vec<String> =
            pieces.iter().map(|piece| format!("{} {}", unit(piece.start), unit(piece.end))).collect();
        let texts: Vec<&str> = pieces.iter().map(|piece| &text[piece.clone()]).collect();
        out.push_str(&format!("T{number}\t{name} {}\t{}\n", places.join(";"), texts.join(" ")));
    }
    out
}

/// A label without white space at its borders, cut at line ends, which a line of annotations can't hold.
fn pieces(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let whole = &text[range.clone()];
    let lines = whole.split(ends_line).map(str::trim).filter(|line| !line.is_empty());
    let start = |line: &str| range.start + (line.as_ptr() as usize - whole.as_ptr() as usize);
    lines.map(|line| start(line)..start(line) + line.len()).collect()
}
