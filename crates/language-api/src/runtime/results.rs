//! What the tasks found (contract: runtime 4, 5 and 7).

use crate::error::{ApiError, ErrorBody, ErrorKind};
use crate::ids::{DeploymentName, ProjectName};
use crate::limits::TEXT_RECORD_CHARACTERS;
use ner::{Entity, OffsetTable, Span};
use serde::{Deserialize, Serialize};

/// One entity as answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireEntity {
    /// Exactly the piece of the input at `offset` and `length`.
    pub text: String,
    /// Category.
    pub category: String,
    /// Start in the caller's unit.
    pub offset: usize,
    /// Length in the caller's unit.
    pub length: usize,
    /// 0 to 1 with two decimals.
    pub confidence_score: f64,
}

impl WireEntity {
    /// An entity of `text` in the unit `table` was made for. A border inside a text element moves outward
    /// to the element's border, and the text with it.
    ///
    /// `table` must belong to `text`.
    pub fn new(entity: &Entity, text: &str, table: &OffsetTable) -> Self {
        let (offset, end) = (table.floor_unit(entity.span.start), table.ceil_unit(entity.span.end));
        // Unit borders are byte borders of the same table, so both lookups find one.
        let start_byte = table.to_byte(offset).unwrap_or(entity.span.start);
        let end_byte = table.to_byte(end).unwrap_or(entity.span.end);
        let span = Span { start: start_byte, end: end_byte };
        Self {
            text: span.slice(text).to_owned(),
            category: entity.category.as_str().to_owned(),
            offset,
            length: end - offset,
            confidence_score: (f64::from(entity.confidence) * 100.0).round() / 100.0,
        }
    }
}

/// Counts of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentStatistics {
    /// Length in text elements.
    pub characters_count: usize,
    /// Text records.
    pub transactions_count: usize,
}

impl DocumentStatistics {
    /// The counts of a document of `characters` text elements.
    pub fn of(characters: usize) -> Self {
        let transactions_count = characters.div_ceil(TEXT_RECORD_CHARACTERS as usize).max(1);
        Self { characters_count: characters, transactions_count }
    }
}

/// Something a caller should know about one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentWarning {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_ref: Option<String>,
}

/// One document's entities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentResult {
    /// The caller's id.
    pub id: String,
    /// Sorted by offset, not overlapping.
    pub entities: Vec<WireEntity>,
    /// Written even when empty: a Python client fails without it.
    pub warnings: Vec<DocumentWarning>,
    /// Counts; kept always, shown on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<DocumentStatistics>,
}

/// A document that could not be worked on while others could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentError {
    /// The caller's id.
    pub id: String,
    /// Why.
    pub error: ErrorBody,
}

impl DocumentError {
    /// The error of a document without text, worded as recorded.
    pub fn empty(id: &str) -> Self {
        Self::of(id, ErrorKind::DocumentText, "Document text is empty.".to_owned())
    }

    /// The error of a document in a language that is not supported.
    pub fn language(id: &str, code: &str) -> Self {
        Self::of(id, ErrorKind::DocumentLanguage, format!("language {code:?} is not supported"))
    }

    fn of(id: &str, kind: ErrorKind, message: String) -> Self {
        Self { id: id.to_owned(), error: ApiError::new(kind, message).body() }
    }
}

/// Counts of one page of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestStatistics {
    /// Valid and erroneous ones.
    pub documents_count: usize,
    /// Documents with a result.
    pub valid_documents_count: usize,
    /// Documents with an error.
    pub erroneous_documents_count: usize,
    /// Text records of the valid ones.
    pub transactions_count: usize,
}

/// The results of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskResults {
    /// Counts of this page, on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<RequestStatistics>,
    /// In the order of the input.
    pub documents: Vec<DocumentResult>,
    /// Written even when empty: a JavaScript client fails without it.
    pub errors: Vec<DocumentError>,
    /// The project that answered.
    pub project_name: ProjectName,
    /// The deployment that answered.
    pub deployment_name: DeploymentName,
}

impl TaskResults {
    /// Results without documents, for tasks that were cancelled or failed.
    pub fn empty(project_name: ProjectName, deployment_name: DeploymentName) -> Self {
        Self { statistics: None, documents: Vec::new(), errors: Vec::new(), project_name, deployment_name }
    }

    /// What one answer shows: the inputs `wanted` names (all of them when `None`), with counts per document
    /// and per page when `show_stats`.
    pub fn shown(mut self, wanted: Option<&[&str]>, show_stats: bool) -> Self {
        if let Some(wanted) = wanted {
            self.documents.retain(|document| wanted.contains(&document.id.as_str()));
            self.errors.retain(|error| wanted.contains(&error.id.as_str()));
        }
        if show_stats {
            let records = |document: &DocumentResult| document.statistics.map_or(0, |s| s.transactions_count);
            self.statistics = Some(RequestStatistics {
                documents_count: self.documents.len() + self.errors.len(),
                valid_documents_count: self.documents.len(),
                erroneous_documents_count: self.errors.len(),
                transactions_count: self.documents.iter().map(records).sum(),
            });
        } else {
            self.statistics = None;
            self.documents.iter_mut().for_each(|document| document.statistics = None);
        }
        self
    }
}

/// The kind of a synchronous answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnalyzeResponseKind {
    /// Custom named entity recognition.
    #[default]
    CustomEntityRecognitionResults,
}

/// The answer to `POST /:analyze-text`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyzeResponse {
    /// Kind.
    pub kind: AnalyzeResponseKind,
    /// The same object a job's task has.
    pub results: TaskResults,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ner::{EntityCategory, StringIndexType};

    fn entity(start: usize, end: usize, confidence: f32) -> Entity {
        Entity { span: Span::new(start, end), category: EntityCategory::new("A").unwrap(), confidence }
    }

    #[test]
    fn the_recorded_number_has_three_offsets() {
        let text = "👩🏻‍👩🏽‍👧🏾‍👦🏿 SSN: 859-98-0987";
        let start = text.find("859").unwrap();
        for (unit, offset) in [
            (StringIndexType::TextElements, 7),
            (StringIndexType::UnicodeCodePoint, 17),
            (StringIndexType::Utf16CodeUnit, 25),
        ] {
            let table = OffsetTable::new(text, unit);
            let wire = WireEntity::new(&entity(start, text.len(), 0.994_9), text, &table);
            assert_eq!((wire.offset, wire.length, wire.text.as_str()), (offset, 11, "859-98-0987"));
            assert_eq!(wire.confidence_score, 0.99);
        }
    }

    #[test]
    fn borders_inside_a_text_element_move_outward() {
        let text = "xe\u{301}y";
        let inside = entity(1, 2, 1.0);
        let clusters = OffsetTable::new(text, StringIndexType::TextElements);
        let wire = WireEntity::new(&inside, text, &clusters);
        assert_eq!((wire.offset, wire.length, wire.text.as_str()), (1, 1, "e\u{301}"));
        let points = OffsetTable::new(text, StringIndexType::UnicodeCodePoint);
        let wire = WireEntity::new(&inside, text, &points);
        assert_eq!((wire.offset, wire.length, wire.text.as_str()), (1, 1, "e"));
    }

    #[test]
    fn text_records_round_up_and_are_at_least_one() {
        let records = |characters| DocumentStatistics::of(characters).transactions_count;
        assert_eq!([0, 1, 1000, 1001, 125_000].map(records), [1, 1, 1, 2, 125]);
    }

    #[test]
    fn statistics_count_the_page() {
        let document = |id: &str| DocumentResult {
            id: id.to_owned(),
            entities: Vec::new(),
            warnings: Vec::new(),
            statistics: Some(DocumentStatistics::of(1500)),
        };
        let mut results = TaskResults::empty("P".parse().unwrap(), "d".parse().unwrap());
        results.documents = vec![document("1"), document("3")];
        results.errors = vec![DocumentError::empty("2")];
        let page = results.clone().shown(Some(&["1", "2"]), true);
        let expected = RequestStatistics {
            documents_count: 2,
            valid_documents_count: 1,
            erroneous_documents_count: 1,
            transactions_count: 2,
        };
        assert_eq!(page.statistics, Some(expected));
        let all = results.shown(None, false);
        assert_eq!((all.documents.len(), all.documents[0].statistics, all.statistics), (2, None, None));
    }
}
