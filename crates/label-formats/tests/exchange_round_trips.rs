//! Export and import again: the same documents and labels, or a report that says what differs.

use label_formats::exchange::{Change, Effect, Exported, File, Format, LabeledSet, detect, export, import};
use language_api::project_file::CategoryEntry;
use ner::{Dataset, Document, EntityCategory, Label, LabeledDocument, Region, Span};
use proptest::prelude::*;

const CATEGORIES: [&str; 3] = ["Claimant", "Policy Number", "人名"];
const PIECES: [&str; 22] = [
    "a",
    "Zoë",
    "12",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    ". ",
    "\"",
    "e\u{301}",
    "🙂",
    "👩🏻‍👩🏽‍👧🏾‍👦🏿",
    "🇩🇪",
    "東京",
    "。",
    "한",
    "𝑥",
    "\u{85}",
    "\u{2028}",
    "\u{600} ",
    "#",
];

fn document(
    location: String,
    pieces: &[usize],
    cuts: &[(bool, usize)],
    dataset: Option<Dataset>,
) -> LabeledDocument {
    let mut text = String::new();
    let mut labels = vec![];
    for (piece, (labeled, category)) in pieces.iter().zip(cuts.iter().cycle()) {
        let start = text.len();
        text.push_str(PIECES[*piece]);
        if *labeled {
            let category = EntityCategory::new(CATEGORIES[*category]).unwrap();
            labels.push(Label { span: Span::new(start, text.len()), category });
        }
    }
    // Some labels reach over several pieces.
    let mut joined: Vec<Label> = vec![];
    for label in labels {
        match joined.last_mut() {
            Some(last) if last.span.end == label.span.start && last.category == label.category => {
                last.span.end = label.span.end;
            }
            _ => joined.push(label),
        }
    }
    let regions = vec![Region { span: Span::new(0, text.len()), labels: joined }];
    LabeledDocument { document: Document { location, language: None, text }, dataset, regions }
}

fn sets() -> impl Strategy<Value = LabeledSet> {
    let pieces = prop::collection::vec(0..PIECES.len(), 1..14);
    let cuts = prop::collection::vec((any::<bool>(), 0..CATEGORIES.len()), 1..14);
    let dataset = prop_oneof![Just(None), Just(Some(Dataset::Train)), Just(Some(Dataset::Test))];
    prop::collection::vec((pieces, cuts, dataset), 1..4).prop_map(|parts| {
        let made = parts.into_iter().enumerate();
        let documents =
            made.map(|(i, (pieces, cuts, set))| document(format!("letter-{i}.txt"), &pieces, &cuts, set));
        let entry = |name: &str| CategoryEntry { category: name.to_owned(), description: None };
        LabeledSet {
            project: None,
            categories: CATEGORIES.map(entry).to_vec(),
            documents: documents.collect(),
        }
    })
}

/// What is left of a label after white space at its borders went, and of its category where names have no spaces.
fn expected(labeled: &LabeledDocument, unspaced: bool) -> Vec<(usize, usize, String)> {
    let text = &labeled.document.text;
    let trimmed = |label: &Label| {
        let piece = label.span.slice(text);
        let start = label.span.start.get() + piece.len() - piece.trim_start().len();
        let name = label.category.as_str();
        let name = if unspaced { name.replace(' ', "_") } else { name.to_owned() };
        (start, start + piece.trim().len(), name)
    };
    labeled.labels().map(trimmed).filter(|(start, end, _)| start < end).collect()
}

fn found(labeled: &LabeledDocument) -> Vec<(usize, usize, String)> {
    let place = |label: &Label| (label.span.start.get(), label.span.end.get(), label.category.to_string());
    labeled.labels().map(place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Texts come back byte for byte, labels with the same borders; what differs is counted.
    #[test]
    fn every_format_comes_back(set in sets()) {
        for format in Format::ALL {
            let Exported { files, report } = export(format, &set);
            // Columns have no place for documents of nothing but white space.
            prop_assert_eq!(detect(&files).ok(), (!files.is_empty()).then_some(format));
            let back = import(format, &files).map_err(|problems| {
                TestCaseError::fail(format!("{format}: {problems:?}\n{:?}", files.iter().map(|f| String::from_utf8_lossy(&f.bytes)).collect::<Vec<_>>()))
            })?;
            let columns = matches!(format, Format::Conll | Format::Brat);
            let blank = |labeled: &&LabeledDocument| labeled.document.text.trim().is_empty();
            let kept: Vec<&LabeledDocument> =
                set.documents.iter().filter(|d| format != Format::Conll || !blank(d)).collect();
            let dropped = set.documents.len() - kept.len();
            prop_assert_eq!(report.count(Change::EmptyDocument), dropped);
            prop_assert_eq!(back.set.documents.len(), kept.len(), "{}", format);
            let (mut trimmed, mut empty) = (0, 0);
            for (given, back) in kept.iter().zip(&back.set.documents) {
                prop_assert_eq!(&given.document, &back.document, "{}", format);
                if format == Format::Contract {
                    prop_assert_eq!(*given, back);
                    continue;
                }
                let expected = expected(given, columns);
                prop_assert_eq!(found(back), expected.clone(), "{}", format);
                empty += given.labels().count() - expected.len();
                let whole = given.labels().filter(|l| expected.iter().any(|e| (e.0, e.1) == (l.span.start.get(), l.span.end.get())));
                trimmed += expected.len() - whole.count();
                let dataset = if columns { None } else { given.dataset };
                prop_assert_eq!(back.dataset, dataset);
            }
            // Each way reports what it changed, and nothing else changes on the way back.
            let both = |change| report.count(change) + back.report.count(change);
            prop_assert_eq!(both(Change::WhiteSpaceTrimmed), trimmed, "{}", format);
            prop_assert_eq!(both(Change::EmptyLabel), empty, "{}", format);
            let odd = back.report.tallies().find(|tally| {
                !matches!(tally.change, Change::WhiteSpaceTrimmed | Change::EmptyLabel | Change::ProjectAssumed)
            });
            prop_assert_eq!(odd, None, "{}", format);
        }
    }

    /// Without the original texts a text is made up, and every label still covers its tokens.
    #[test]
    fn columns_alone_make_texts_that_labels_fit(set in sets()) {
        let Exported { files, .. } = export(Format::Conll, &set);
        let columns: Vec<File> = files.into_iter().filter(|file| file.name.ends_with(".conll")).collect();
        let back = import(Format::Conll, &columns).unwrap();
        prop_assert_eq!(back.report.count(Change::TextRebuilt), columns.len());
        let squeeze = |text: &str| text.chars().filter(|sign| !sign.is_whitespace()).collect::<String>();
        let given: Vec<&LabeledDocument> = set.documents.iter().filter(|d| !d.document.text.trim().is_empty()).collect();
        for (given, back) in given.iter().zip(&back.set.documents) {
            prop_assert_eq!(squeeze(&given.document.text), squeeze(&back.document.text));
            let pieces = |labeled: &LabeledDocument| -> Vec<String> {
                let all = labeled.labels().map(|label| squeeze(label.span.slice(&labeled.document.text)));
                all.filter(|piece| !piece.is_empty()).collect()
            };
            prop_assert_eq!(pieces(given), pieces(back));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), name in "[a-c]\\.(txt|ann|json|jsonl|conll)") {
        let files = [File { name, bytes: bytes.clone() }, File { name: "a.txt".to_owned(), bytes }];
        let _ = detect(&files);
        for format in Format::ALL {
            let _ = import(format, &files);
        }
    }

    /// Input that is nearly right reaches deeper than noise.
    #[test]
    fn broken_files_never_panic(set in sets(), format in 0usize..6, file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let format = Format::ALL[format];
        let mut files = export(format, &set).files;
        if let Some(broken) = (!files.is_empty()).then(|| file.get_mut(&mut files)).filter(|file| !file.bytes.is_empty()) {
            let at = at.index(broken.bytes.len());
            if cut { broken.bytes.truncate(at) } else { broken.bytes[at] = byte }
        }
        match import(format, &files) {
            Ok(read) => {
                let again = export(format, &read.set);
                prop_assert_eq!(again.report.tallies().filter(|t| t.effect == Effect::Merged).count(), 0);
            }
            Err(problems) => prop_assert!(!problems.is_empty() && problems.iter().all(|p| !p.message.is_empty())),
        }
    }
}
