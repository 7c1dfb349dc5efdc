//! Columns of CoNLL-2003: a token a line, its tag last, empty lines between sentences, `-DOCSTART-` between
//! documents.
//!
//! Columns don't hold the text. Given the original text, tokens are found in it one after the other; without it a
//! text is put together by fixed rules, and labels are exact within that text.

use super::conll_tags::{Scheme, Tag, entities, parse, scheme};
use super::report::Change;
use super::set::{Builder, Draft, Keeps, LabeledSet, Names, report_losses};
use super::spans::DraftSpan;
use super::{Exported, File, Imported, project};
use crate::findings::Findings;
use language_api::Problem;
use ner::LabeledDocument;
use ner::segmentation::{Gap, Segmentation, Settings};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

const DOCUMENT_START: &str = "-DOCSTART-";
/// Endings that are no part of a document's name.
const ENDINGS: [&str; 7] = [".conll", ".conll2003", ".bio", ".iob", ".iobes", ".tsv", ".txt"];

#[derive(Default)]
struct Sentence {
    tokens: Vec<String>,
    tags: Vec<Tag>,
    /// Line of each token, from 1.
    lines: Vec<usize>,
}

pub(super) fn import(files: &[File]) -> Result<Imported, Vec<Problem>> {
    let mut findings = Findings::default();
    let mut builder = Builder::default();
    let (columns, texts) = split_roles(files);
    for file in columns {
        let Some(content) = utf8(file, &mut findings) else { continue };
        let documents = read_columns(content, &file.name, &mut builder, &mut findings);
        let sentences = documents.iter().flatten().map(|sentence| &sentence.tags[..]);
        let scheme = scheme(sentences);
        let stem = stem(&file.name);
        let single = documents.len() == 1;
        for (index, sentences) in documents.into_iter().enumerate() {
            let name = if single { format!("{stem}.txt") } else { format!("{stem}-{:05}.txt", index + 1) };
            let original = texts.get(name.as_str()).and_then(|file| utf8(file, &mut findings));
            let line = sentences.first().and_then(|s| s.lines.first()).copied().unwrap_or(1);
            let place = format!("{}:{line}", file.name);
            let placed = match original {
                Some(text) => find_tokens(text, &sentences, &file.name, &mut findings),
                None => {
                    builder.report.note(Change::TextRebuilt, &name, &place, "no original text was given");
                    Some(rebuild(&sentences))
                }
            };
            let Some((text, ranges)) = placed else { continue };
            let spans = spans(&sentences, &ranges, scheme, &name, &file.name, &mut builder);
            let seen = true;
            let (language, dataset) = (None, None);
            builder.add(Draft {
                location: name,
                unnamed: !single,
                language,
                dataset,
                text,
                seen,
                spans,
                place,
            });
        }
    }
    let problems = findings.into_list();
    if problems.is_empty() { Ok(builder.finish()) } else { Err(problems) }
}

/// Column files, and original texts by name: a `.txt` is one when a document of columns has its name.
fn split_roles(files: &[File]) -> (Vec<&File>, HashMap<&str, &File>) {
    let is_text = |file: &File| file.name.ends_with(".txt");
    let others: BTreeSet<&str> = files.iter().filter(|f| !is_text(f)).map(|f| stem(&f.name)).collect();
    let belongs = |file: &File| {
        let name = stem(&file.name);
        // One of several documents of a file: `train-00012.txt` of `train.conll`.
        let numbered = name.rsplit_once('-').is_some_and(|(before, number)| {
            others.contains(before) && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        is_text(file) && (numbered || others.contains(name))
    };
    let (texts, columns): (Vec<&File>, Vec<&File>) = files.iter().partition(|file| belongs(file));
    (columns, texts.into_iter().map(|file| (file.name.as_str(), file)).collect())
}

fn stem(name: &str) -> &str {
    ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .filter(|stem| !stem.is_empty())
        .unwrap_or(name)
}

pub(super) fn utf8<'a>(file: &'a File, findings: &mut Findings) -> Option<&'a str> {
    std::str::from_utf8(&file.bytes)
        .map_err(|error| {
            let line = 1 + file.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            findings.add(format!("{}:{line}", file.name), "the file is not UTF-8 from here on");
        })
        .ok()
}

/// The documents of a file as sentences of tokens.
fn read_columns(
    content: &str,
    file: &str,
    builder: &mut Builder,
    findings: &mut Findings,
) -> Vec<Vec<Sentence>> {
    let mut documents: Vec<Vec<Sentence>> = vec![vec![]];
    let mut sentence = Sentence::default();
    let content = content.strip_prefix('\u{FEFF}').unwrap_or(content);
    for (index, line) in content.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let columns: Vec<&str> = match line.contains('\t') {
            true => line.trim_matches('\t').split('\t').map(|column| column.trim_matches(' ')).collect(),
            false => line.split(' ').filter(|column| !column.is_empty()).collect(),
        };
        let place = || format!("{file}:{}", index + 1);
        let tag = columns.last().and_then(|word| parse(word));
        match (columns.first().copied().unwrap_or(""), tag) {
            ("", _) if columns.iter().all(|column| column.is_empty()) => end(&mut sentence, &mut documents),
            (DOCUMENT_START, _) => {
                end(&mut sentence, &mut documents);
                documents.push(vec![]);
            }
            (token, Some(tag)) if columns.len() > 1 && !token.is_empty() => {
                sentence.tokens.push(token.to_owned());
                sentence.tags.push(tag);
                sentence.lines.push(index + 1);
            }
            (token, None) if token.starts_with('#') => {
                builder.report.note(Change::OtherAnnotation, file, place(), "comment");
            }
            _ => {
                let message = "is no token with a tag last: O, B-NAME, I-NAME, E-NAME or S-NAME is expected";
                findings.add(place(), message);
            }
        }
    }
    end(&mut sentence, &mut documents);
    documents.retain(|document| !document.is_empty());
    documents
}

fn end(sentence: &mut Sentence, documents: &mut [Vec<Sentence>]) {
    if let Some(document) = documents.last_mut().filter(|_| !sentence.tokens.is_empty()) {
        document.push(std::mem::take(sentence));
    }
}

/// Text and bytes of every token of every sentence.
type Placed = (String, Vec<Vec<Range<usize>>>);

/// Finds the tokens in the original, where only white space may lie between them.
fn find_tokens(text: &str, sentences: &[Sentence], file: &str, findings: &mut Findings) -> Option<Placed> {
    let text = crate::without_byte_order_mark(text);
    let mut at = 0;
    let mut ranges = vec![];
    for sentence in sentences {
        let mut found = vec![];
        for (token, line) in sentence.tokens.iter().zip(&sentence.lines) {
            let rest = text[at..].trim_start();
            let start = text.len() - rest.len();
            if !rest.starts_with(token.as_str()) {
                let message = format!("the token is not what follows at byte {start} of the original text");
                findings.add(format!("{file}:{line}"), message);
                return None;
            }
            at = start + token.len();
            found.push(start..at);
        }
        ranges.push(found);
    }
    if text[at..].trim().is_empty() {
        return Some((text.to_owned(), ranges));
    }
    findings.add(file, format!("the original text goes on after the last token, from byte {at}"));
    None
}

/// Puts a text together: a space between tokens but not before closing or after opening signs, nor within scripts
/// written without spaces; a line a sentence.
fn rebuild(sentences: &[Sentence]) -> Placed {
    let mut text = String::new();
    let mut ranges = vec![];
    for sentence in sentences {
        if !text.is_empty() {
            text.push('\n');
        }
        let mut found = vec![];
        let mut previous: Option<&str> = None;
        let mut quoted = false;
        for token in &sentence.tokens {
            let closes = quoted && token == "\"";
            let after_opening = previous == Some("\"") && quoted;
            if previous.is_some_and(|previous| !closes && !after_opening && spaced(previous, token)) {
                text.push(' ');
            }
            quoted ^= token == "\"";
            let start = text.len();
            text.push_str(token);
            found.push(start..text.len());
            previous = Some(token);
        }
        ranges.push(found);
    }
    (text, ranges)
}

fn spaced(before: &str, after: &str) -> bool {
    let closing = |sign| ",.;:!?)]}%’”»、。，．！？：；」』）】…".contains(sign);
    let opening = |sign| "([{“‘«¿¡「『（【$€£".contains(sign);
    let clitic = after == "n't"
        || after.strip_prefix(['\'', '’']).is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let unspaced = |sign: Option<char>| {
        sign.is_some_and(|sign| matches!(sign, '\u{3005}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'))
    };
    let within_script = unspaced(before.chars().next_back()) && unspaced(after.chars().next());
    !(after.chars().all(closing) || before.chars().all(opening) || clitic || within_script)
}

fn spans(
    sentences: &[Sentence],
    ranges: &[Vec<Range<usize>>],
    scheme: Scheme,
    document: &str,
    file: &str,
    builder: &mut Builder,
) -> Vec<DraftSpan> {
    let mut spans = vec![];
    for (sentence, ranges) in sentences.iter().zip(ranges) {
        let (found, repaired) = entities(&sentence.tags, scheme);
        let place = |token: usize| format!("{file}:{}", sentence.lines[token]);
        for token in repaired {
            builder.report.note(Change::TagRepaired, document, place(token), format!("{scheme:?}"));
        }
        spans.extend(found.into_iter().map(|(tokens, category)| DraftSpan {
            range: ranges[tokens.start].start..ranges[tokens.end - 1].end,
            category: category.to_owned(),
            place: place(tokens.start),
        }));
    }
    spans
}

/// Writes columns `token -X- -X- tag` (BIO) per document, and the original text beside them.
pub(super) fn export(set: &LabeledSet) -> Exported {
    let keeps = Keeps { dataset: false, language: false, unseen: false, unused_categories: false };
    let mut report = report_losses(set, &keeps);
    let (mut names, mut tags) = (Names::default(), Names::default());
    let mut files = vec![];
    for labeled in &set.documents {
        let location = &labeled.document.location;
        if labeled.document.text.trim().is_empty() {
            report.note(Change::EmptyDocument, location, "", "nothing but white space");
            continue;
        }
        let stem = names.fresh(location, file_stem);
        if format!("{stem}.txt") != *location {
            report.note(Change::DocumentRenamed, location, "", format!("became {stem:?}.txt"));
        }
        let mut name_of = |name: &str, report: &mut super::FidelityReport| {
            let (tag, fresh) = tags.name(name, unspaced_name);
            if fresh && tag != name {
                report.note(Change::CategoryRenamed, location, "", format!("{name:?} became {tag:?}"));
            }
            tag
        };
        let columns = columns(labeled, &mut name_of, &mut report);
        files.push(File { name: format!("{stem}.conll"), bytes: columns.into_bytes() });
        let text = project::text_bytes(&labeled.document.text).into_bytes();
        files.push(File { name: format!("{stem}.txt"), bytes: text });
    }
    Exported { files, report }
}

/// The n-th form of a document's name without its ending.
pub(super) fn file_stem(location: &str, number: usize) -> String {
    let stem = location.strip_suffix(".txt").filter(|stem| !stem.is_empty() && !stem.ends_with('/'));
    let stem = stem.unwrap_or(location);
    if number > 1 { format!("{stem}-{number}") } else { stem.to_owned() }
}

/// The n-th form of a category without white space.
pub(super) fn unspaced_name(name: &str, number: usize) -> String {
    let joined: String = name.chars().map(|sign| if sign.is_whitespace() { '_' } else { sign }).collect();
    if number > 1 { format!("{joined}_{number}") } else { joined }
}

fn columns(
    labeled: &LabeledDocument,
    name_of: &mut impl FnMut(&str, &mut super::FidelityReport) -> String,
    report: &mut super::FidelityReport,
) -> String {
    let text = &labeled.document.text;
    let location = &labeled.document.location;
    let settings = Settings { ends_at: Some(Gap::Sentence), words_max: usize::from(u16::MAX) };
    let segmentation = Segmentation::new(text, &settings);
    let mut labels: Vec<(Range<usize>, String)> = vec![];
    for label in labeled.labels() {
        let (piece, place) = (label.span.slice(text), format!("byte {}", label.span.start));
        let start = label.span.start.get() + (piece.len() - piece.trim_start().len());
        let range = start..start + piece.trim().len();
        if range.is_empty() {
            report.note(Change::EmptyLabel, location, place, label.category.as_str());
            continue;
        }
        if range != label.span.range() {
            report.note(Change::WhiteSpaceTrimmed, location, place, label.category.as_str());
        }
        labels.push((range, name_of(label.category.as_str(), report)));
    }
    let words: Vec<Range<usize>> = segmentation.words.iter().map(|word| word.span.range()).collect();
    let breaks: BTreeSet<usize> = segmentation
        .sequences()
        .map(|sequence| words.get(sequence.start).map_or(0, |word| word.start))
        .collect();
    let mut out = format!("{DOCUMENT_START} -X- -X- O\n\n");
    let mut label = 0;
    let mut begun = false;
    for token in tokens(text, &words, &labels, location, report) {
        while labels.get(label).is_some_and(|(range, _)| range.end <= token.start) {
            label += 1;
            begun = false;
        }
        let inside = labels.get(label).filter(|(range, _)| range.start <= token.start);
        if !begun && breaks.contains(&token.start) && !out.ends_with("\n\n") {
            out.push('\n');
        }
        let tag = match inside {
            None => "O".to_owned(),
            Some((_, name)) if begun => format!("I-{name}"),
            Some((_, name)) => format!("B-{name}"),
        };
        begun = inside.is_some();
        out.push_str(&format!("{} -X- -X- {tag}\n", &text[token]));
    }
    out.push('\n');
    out
}

/// Words cut at white space and at the borders of labels.
fn tokens(
    text: &str,
    words: &[Range<usize>],
    labels: &[(Range<usize>, String)],
    location: &str,
    report: &mut super::FidelityReport,
) -> Vec<Range<usize>> {
    let borders: BTreeSet<usize> = labels.iter().flat_map(|(range, _)| [range.start, range.end]).collect();
    let mut tokens = vec![];
    for word in words {
        let mut start = word.start;
        for &border in borders.range(word.start + 1..word.end.max(word.start + 1)) {
            report.note(Change::TokenCut, location, format!("byte {border}"), "a label's border is inside");
            pieces(text, start..border, &mut tokens);
            start = border;
        }
        pieces(text, start..word.end, &mut tokens);
    }
    tokens
}

/// A word may hold white space that belongs to its first character's cluster; columns can't.
fn pieces(text: &str, range: Range<usize>, tokens: &mut Vec<Range<usize>>) {
    let piece = &text[range.clone()];
    for part in piece.split(char::is_whitespace).filter(|part| !part.is_empty()) {
        let start = range.start + (part.as_ptr() as usize - piece.as_ptr() as usize);
        tokens.push(start..start + part.len());
    }
}
