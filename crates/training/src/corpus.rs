//! Labeled documents to numbers: words with features and tags, and the runs of words that are learned from.

use crate::TrainError;
use crate::parallel::{map, runs};
use crate::sparse::{Numbering, SparseData};
use model::{Familiarity, Pieces, Preparation, Recipe, SequenceBreak, TokenizerError};
use ner::segmentation::{Alignment, Segmentation};
use ner::tags::{Tag, TagSet, WordSpan};
use ner::{EntityCategory, LabeledDocument};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ops::Range;

/// A corpus as it is learned from. Words are numbered over all documents.
pub(crate) struct Corpus {
    pub(crate) tags: TagSet,
    /// The right tag of every word; `OUTSIDE` also where nobody looked.
    pub(crate) gold: Vec<Tag>,
    /// Runs of words to learn from: sequences, or the parts of them inside regions.
    pub(crate) examples: Vec<Range<usize>>,
    /// The document each example is from.
    pub(crate) document_of: Vec<usize>,
    /// Features of the words of examples.
    pub(crate) features: SparseData,
    /// Each document's pieces when the recipe is contextual.
    pub(crate) pieces: Vec<Pieces>,
    pub(crate) report: Report,
}

/// How labels fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) labels: u64,
    pub(crate) widened: u64,
    pub(crate) left_out: u64,
    pub(crate) words: u64,
}

impl Report {
    fn add(&mut self, other: Self) {
        self.labels += other.labels;
        self.widened += other.widened;
        self.left_out += other.left_out;
        self.words += other.words;
    }
}

/// Bytes of text whose features are extracted at once.
const GROUP_BYTES: usize = 1 << 19;

/// Part of the labels that may reach over sequence ends before the recipe takes longer sequences.
const TORN_MAX: f64 = 0.01;

/// The weakest break that tears almost no label; the recipe's own when all tear alike.
pub(crate) fn choose_break(corpus: &[LabeledDocument], recipe: &Recipe) -> SequenceBreak {
    let torn = |sequence_break| {
        let settings = Preparation::segmentation(&Recipe { sequence_break, ..recipe.clone() });
        let counts = corpus.par_iter().map(|document| {
            let segmentation = Segmentation::new(&document.document.text, &settings);
            let torn = |label: &&ner::Label| matches!(segmentation.align(label.span), Alignment::Torn(_));
            (document.labels().filter(torn).count(), document.labels().count())
        });
        let (torn, all) = counts.reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        torn as f64 / all.max(1) as f64
    };
    let breaks = [SequenceBreak::Line, SequenceBreak::Paragraph, SequenceBreak::Document];
    breaks.into_iter().find(|&candidate| torn(candidate) <= TORN_MAX).unwrap_or(SequenceBreak::Document)
}

/// Bytes of text, at least, that an encoder's knowledge of the language is judged by.
const SAMPLE_BYTES: usize = 200_000;

/// Part of the words of a sample of `corpus` that the encoder cannot read; `None` without an encoder.
pub(crate) fn strangeness(
    corpus: &[LabeledDocument],
    preparation: &Preparation,
) -> Result<Option<f64>, TokenizerError> {
    let bytes: usize = corpus.iter().map(|document| document.document.text.len()).sum();
    let step = (bytes / SAMPLE_BYTES).clamp(1, corpus.len().max(1));
    let sample: Vec<_> = corpus.iter().step_by(step).collect();
    let found = map(sample.len(), |at| preparation.familiarity(&sample[at].document.text));
    let found = found.into_iter().collect::<Result<Option<Vec<_>>, _>>()?;
    Ok(found.map(|found| found.into_iter().fold(Familiarity::default(), Familiarity::and).strangeness()))
}

impl Corpus {
    /// Prepares `documents` as `preparation` says; features on fewer than `min_count` words are left out.
    pub(crate) fn new(
        documents: &[LabeledDocument],
        categories: &[EntityCategory],
        preparation: &Preparation,
        min_count: u32,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, TrainError> {
        let tags =
            TagSet::new(categories.to_vec()).map_err(|error| TrainError::Categories(error.to_string()))?;
        let index: HashMap<_, _> = categories.iter().enumerate().map(|(index, name)| (name, index)).collect();
        let mut corpus = Self {
            gold: Vec::new(),
            examples: Vec::new(),
            document_of: Vec::new(),
            features: SparseData::default(),
            pieces: Vec::new(),
            report: Report::default(),
            tags,
        };
        let mut numbering = Numbering::default();
        // Hashes take much more room than numbers, so only those of a part of the documents exist at once.
        for group in runs(documents.iter().map(|document| document.document.text.len()), GROUP_BYTES) {
            if stop() {
                return Err(TrainError::Cancelled);
            }
            let prepare = |at: usize| preparation.prepare(&[&documents[group.start + at].document.text]);
            let prepared =
                map(group.len(), prepare).into_iter().collect::<Result<Vec<_>, TokenizerError>>()?;
            for (number, mut prepared) in group.zip(prepared) {
                let (gold, examples, report) =
                    learn_from(&documents[number], &prepared.documents[0], &corpus.tags, &index)?;
                numbering.add(&prepared, &examples);
                let first = corpus.gold.len();
                corpus.gold.extend(gold);
                corpus.document_of.extend(examples.iter().map(|_| number));
                let examples = examples.into_iter().map(|words| first + words.start..first + words.end);
                corpus.examples.extend(examples);
                corpus.report.add(report);
                corpus.pieces.extend(prepared.inputs.pieces.take());
            }
        }
        corpus.features = SparseData::new(numbering, &corpus.gold, corpus.tags.len(), min_count);
        Ok(corpus)
    }

    /// Number of words, those nobody looked at included.
    pub(crate) fn words(&self) -> usize {
        self.gold.len()
    }
}

type Learned = (Vec<Tag>, Vec<Range<usize>>, Report);

/// One document's tags, the runs of words to learn from and how its labels fit.
fn learn_from(
    document: &LabeledDocument,
    segmentation: &Segmentation,
    tags: &TagSet,
    index: &HashMap<&EntityCategory, usize>,
) -> Result<Learned, TrainError> {
    let unknown = |label: &ner::Label| TrainError::UnknownCategory {
        location: document.document.location.clone(),
        category: label.category.as_str().to_owned(),
    };
    let mut report = Report::default();
    let mut spans: Vec<WordSpan> = Vec::new();
    let mut blocked: Vec<Range<usize>> = Vec::new();
    for label in document.labels() {
        let category = *index.get(&label.category).ok_or_else(|| unknown(label))?;
        report.labels += 1;
        let (words, exact) = match segmentation.align(label.span) {
            Alignment::Exact(words) => (words, true),
            Alignment::Widened(words) => (words, false),
            Alignment::Torn(words) => {
                report.left_out += 1;
                blocked.push(words);
                continue;
            }
            Alignment::Empty => {
                report.left_out += 1;
                continue;
            }
        };
        if spans.last().is_some_and(|last| last.words.end > words.start) {
            report.left_out += 1;
            blocked.push(words);
            continue;
        }
        report.widened += u64::from(!exact);
        spans.push(WordSpan { words, category });
    }
    let gold = tags.encode(segmentation.words.len(), &spans);
    let examples = examples(document, segmentation, &blocked);
    report.words = examples.iter().map(|words| words.len() as u64).sum();
    Ok((gold, examples, report))
}

/// Sequences, cut to regions, without those that hold a word of `blocked`.
fn examples(
    document: &LabeledDocument,
    segmentation: &Segmentation,
    blocked: &[Range<usize>],
) -> Vec<Range<usize>> {
    let words = &segmentation.words;
    let mut examples = Vec::new();
    for region in &document.regions {
        let first = words.partition_point(|word| word.span.start < region.span.start);
        let last = words.partition_point(|word| word.span.end <= region.span.end);
        let cut = |words: Range<usize>| words.start.max(first)..words.end.min(last);
        let free = |words: &Range<usize>| !blocked.iter().any(|b| b.start < words.end && words.start < b.end);
        examples.extend(segmentation.sequences().map(cut).filter(|words| !words.is_empty() && free(words)));
    }
    examples
}

/// Bytes of memory that a byte of text takes as words and features, with room for the optimiser's rows; measured on English
/// letters.
const BYTES_PER_BYTE: u64 = 200;

/// About how much memory the documents take as a corpus with its sparse data.
pub(crate) fn bytes(documents: &[LabeledDocument]) -> u64 {
    documents.iter().map(|document| document.document.text.len() as u64).sum::<u64>() * BYTES_PER_BYTE
}

/// SHA-256 over documents, regions and labels in the order of their locations.
pub(crate) fn digest(documents: &[LabeledDocument]) -> String {
    let mut order: Vec<&LabeledDocument> = documents.iter().collect();
    order.sort_by(|a, b| a.document.location.cmp(&b.document.location));
    let mut hash = Sha256::new();
    let mut text = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    for labeled in order {
        text(&labeled.document.location);
        text(&labeled.document.text);
        for region in &labeled.regions {
            text(&format!("region {}-{}", region.span.start, region.span.end));
            for label in &region.labels {
                text(&format!("label {}-{}", label.span.start, label.span.end));
                text(label.category.as_str());
            }
        }
    }
    model::hex(&hash.finalize())
}
