//! What a conversion changed: counted by kind, the first cases with document and place.

use serde::Serialize;
use std::collections::BTreeMap;

/// Cases of one kind that are kept.
const CASES_MAX: usize = 5;

/// A kind of difference between what was given and what came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// A label that shares text with another one that was kept.
    OverlappingLabel,
    /// A label outside the text, or with a border inside a character.
    OutsideText,
    /// A label over nothing, or nothing but white space.
    EmptyLabel,
    /// A label whose recorded text is nowhere in the document.
    TextDisagrees,
    /// Labels a person refused or never finished.
    Rejected,
    /// A relation, attribute, event, note or another thing that has no place.
    OtherAnnotation,
    /// A document without text.
    EmptyDocument,
    /// Train or Test.
    Dataset,
    /// A document's language.
    Language,
    /// Which parts of a document were looked at.
    Region,
    /// A category without labels.
    UnusedCategory,
    /// What a category means.
    CategoryDescription,
    /// The project's name, container, language and settings.
    Project,
    /// The same label given twice.
    RepeatedLabel,
    /// A label in several pieces.
    DiscontinuousLabel,
    /// White space at a label's borders.
    WhiteSpaceTrimmed,
    /// A label that stood beside its recorded text.
    TextMoved,
    /// A byte-order mark at the text's start.
    ByteOrderMark,
    /// A category whose name is not allowed on the other side.
    CategoryRenamed,
    /// A document whose name is not allowed or not free on the other side.
    DocumentRenamed,
    /// A text put together from tokens.
    TextRebuilt,
    /// A token that a label begins or ends inside of.
    TokenCut,
    /// A tag that breaks its scheme.
    TagRepaired,
    /// Offsets that fit the text in UTF-16 units alone.
    OffsetsUtf16,
    /// Something an import into a project refuses.
    BeyondLimits,
    /// Something about the project that the input does not say.
    ProjectAssumed,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Not in the output.
    Dropped,
    /// In the output as one.
    Merged,
    /// In the output at another place.
    Shifted,
    /// In the output under another name.
    Renamed,
    /// In the output; worth knowing.
    Noted,
}

impl Effect {
    /// The effect as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Merged => "merged",
            Self::Shifted => "shifted",
            Self::Renamed => "renamed",
            Self::Noted => "noted",
        }
    }
}

impl Change {
    /// What became of it.
    pub fn effect(self) -> Effect {
        match self {
            Self::OverlappingLabel
            | Self::OutsideText
            | Self::EmptyLabel
            | Self::TextDisagrees
            | Self::Rejected
            | Self::OtherAnnotation
            | Self::EmptyDocument
            | Self::Dataset
            | Self::Language
            | Self::Region
            | Self::UnusedCategory
            | Self::CategoryDescription
            | Self::Project => Effect::Dropped,
            Self::RepeatedLabel | Self::DiscontinuousLabel => Effect::Merged,
            Self::WhiteSpaceTrimmed | Self::TextMoved | Self::ByteOrderMark => Effect::Shifted,
            Self::CategoryRenamed | Self::DocumentRenamed => Effect::Renamed,
            Self::TextRebuilt
            | Self::TokenCut
            | Self::TagRepaired
            | Self::OffsetsUtf16
            | Self::BeyondLimits
            | Self::ProjectAssumed => Effect::Noted,
        }
    }

    /// The kind in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::OverlappingLabel => "labels that overlap a longer one",
            Self::OutsideText => "labels outside the text",
            Self::EmptyLabel => "labels over nothing",
            Self::TextDisagrees => "labels whose recorded text is not in the document",
            Self::Rejected => "labels a person refused or left unfinished",
            Self::OtherAnnotation => "annotations of other kinds",
            Self::EmptyDocument => "documents without text",
            Self::Dataset => "Train or Test of documents",
            Self::Language => "languages of documents",
            Self::Region => "looked-at parts of documents",
            Self::UnusedCategory => "categories without labels",
            Self::CategoryDescription => "descriptions of categories",
            Self::Project => "the project's own settings",
            Self::RepeatedLabel => "labels given twice",
            Self::DiscontinuousLabel => "labels in pieces, made one from the first to the last",
            Self::WhiteSpaceTrimmed => "labels with white space at a border, cut off",
            Self::TextMoved => "labels moved to their recorded text",
            Self::ByteOrderMark => "byte-order marks taken off",
            Self::CategoryRenamed => "categories with names that are not allowed",
            Self::DocumentRenamed => "documents with names that are not allowed or not free",
            Self::TextRebuilt => "texts put together from tokens",
            Self::TokenCut => "tokens cut at a label's border",
            Self::TagRepaired => "tags that break their scheme, read as well as possible",
            Self::OffsetsUtf16 => "documents with offsets in UTF-16 units",
            Self::BeyondLimits => "things that an import into a project refuses",
            Self::ProjectAssumed => "project settings that were assumed",
        }
    }
}

/// One case of a change; never holds document text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// The document, or the file where it has no name yet.
    pub document: String,
    /// Line, pointer or offset.
    pub place: String,
    /// Category, key or reason.
    pub detail: String,
}

/// All cases of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The kind.
    pub change: Change,
    /// What became of them.
    pub effect: Effect,
    /// How many.
    pub count: usize,
    /// The first of them.
    pub cases: Vec<Case>,
}

/// What a conversion changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FidelityReport(BTreeMap<Change, Tally>);

impl FidelityReport {
    pub(crate) fn note(
        &mut self,
        change: Change,
        document: &str,
        place: impl Into<String>,
        detail: impl Into<String>,
    ) {
        let case = Case { document: document.to_owned(), place: place.into(), detail: detail.into() };
        self.add(Tally { change, effect: change.effect(), count: 1, cases: vec![case] });
    }

    fn add(&mut self, new: Tally) {
        let empty = Tally { count: 0, cases: vec![], ..new };
        let tally = self.0.entry(new.change).or_insert(empty);
        tally.count += new.count;
        let room = CASES_MAX.saturating_sub(tally.cases.len());
        tally.cases.extend(new.cases.into_iter().take(room));
    }

    /// Takes in what a later step changed.
    pub fn absorb(&mut self, later: Self) {
        later.0.into_values().for_each(|tally| self.add(tally));
    }

    /// What changed, kind by kind; empty when everything came along unchanged.
    pub fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.0.values()
    }

    /// How many cases of `change` there were.
    pub fn count(&self, change: Change) -> usize {
        self.0.get(&change).map_or(0, |tally| tally.count)
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something is not in the output.
    pub fn has_losses(&self) -> bool {
        self.0.values().any(|tally| tally.effect == Effect::Dropped)
    }
}
