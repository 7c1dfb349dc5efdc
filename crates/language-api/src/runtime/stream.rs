//! `POST /analyze-text/stream`, our extension: a document per line in, a result or an error per line out.

use super::request::{read_document, text_elements};
use super::{DocumentError, DocumentResult, InputDocument, TaskParameters};
use crate::error::{ApiError, ErrorBody, ErrorKind};
use crate::ids::{DeploymentName, ProjectName};
use crate::limits::Limits;
use crate::query::{Query, parse_string_index_type};
use crate::read::{Node, Problems, TargetStyle, json};
use ner::StringIndexType;
use serde::Serialize;

/// One line of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLine {
    /// Counted from 1, blank lines included.
    pub number: u64,
    /// Its document, or why it has none.
    pub document: Result<InputDocument, ApiError>,
}

/// Cuts a body that arrives in pieces into lines. Holds one unfinished line at most, and of one that is too long nothing.
#[derive(Debug)]
pub struct StreamLines {
    unfinished: Vec<u8>,
    too_long: bool,
    number: u64,
    bytes_max: usize,
    characters_max: usize,
}

/// A line that gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamError {
    /// Which line of the body, from 1.
    pub line: u64,
    /// The document's id, where the line has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why.
    pub error: ErrorBody,
}

impl StreamLines {
    /// For bodies whose lines obey the limits of a request's body and of its documents.
    pub fn new(limits: &Limits) -> Self {
        Self {
            unfinished: Vec::new(),
            too_long: false,
            number: 0,
            bytes_max: usize::try_from(limits.request_body_bytes_max).unwrap_or(usize::MAX),
            characters_max: limits.request_characters_max as usize,
        }
    }

    /// The lines that end in `bytes`, without blank ones.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<StreamLine> {
        let mut lines = Vec::new();
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.add(part);
            if parts.peek().is_some() {
                lines.extend(self.end_line());
            }
        }
        lines
    }

    /// The last line, when the body did not end with a line's end.
    pub fn finish(&mut self) -> Option<StreamLine> {
        self.end_line()
    }

    /// The number of the line that has begun.
    pub fn unfinished(&self) -> u64 {
        self.number + 1
    }

    fn add(&mut self, part: &[u8]) {
        self.too_long |= self.unfinished.len().saturating_add(part.len()) > self.bytes_max;
        if self.too_long {
            self.unfinished = Vec::new();
        } else {
            self.unfinished.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) -> Option<StreamLine> {
        self.number += 1;
        let line = std::mem::take(&mut self.unfinished);
        let document = if std::mem::take(&mut self.too_long) {
            let message = format!("the line has more than {} bytes", self.bytes_max);
            Err(ApiError::new(ErrorKind::BodyTooLarge, message))
        } else if line.trim_ascii().is_empty() {
            return None;
        } else {
            self.document(&line)
        };
        Some(StreamLine { number: self.number, document })
    }

    fn document(&self, line: &[u8]) -> Result<InputDocument, ApiError> {
        let value = json(line)?;
        let problems = Problems::default();
        let document = read_document(&Node::root(&value, &problems));
        let document = problems.finish(document, ErrorKind::Document, TargetStyle::Pointer)?;
        let (characters, max) = (text_elements(&document.text), self.characters_max);
        if characters > max {
            let message = format!("the document has {characters} text elements, at most {max} are allowed");
            return Err(ApiError::new(ErrorKind::Document, message));
        }
        Ok(document)
    }
}

impl StreamError {
    /// The error of the line `number`.
    pub fn new(number: u64, id: Option<String>, error: ApiError) -> Self {
        Self { line: number, id, error: error.body() }
    }

    /// The error of a document that was left out while others were not.
    pub fn of_document(number: u64, error: DocumentError) -> Self {
        Self { line: number, id: Some(error.id), error: error.error }
    }
}

/// Appends one answer as a line.
///
/// # Errors
/// 500: the answer is no JSON, which types of this crate never are.
pub fn write_answer(out: &mut Vec<u8>, answer: &Result<DocumentResult, StreamError>) -> Result<(), ApiError> {
    let written = match answer {
        Ok(result) => serde_json::to_writer(&mut *out, result),
        Err(error) => serde_json::to_writer(&mut *out, error),
    };
    written.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))?;
    out.push(b'\n');
    Ok(())
}

impl TaskParameters {
    /// The parameters of a stream, which stand in its address: `projectName`, `deploymentName`, `stringIndexType`.
    ///
    /// # Errors
    /// 400 naming the parameter that is missing or wrong; 404 for names under which nothing can exist.
    pub fn from_query(query: &Query) -> Result<Self, ApiError> {
        let fail = |name: &str, message: String| ApiError::new(ErrorKind::Field, message).at(name);
        let given = |name: &'static str| {
            let value = query.get(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| fail(name, format!("the query parameter {name} is missing")))
        };
        let (project, deployment) = (given("projectName")?, given("deploymentName")?);
        let unit =
            query.get("stringIndexType").map_or(Some(StringIndexType::default()), parse_string_index_type);
        let units = "stringIndexType is TextElements_v8, UnicodeCodePoint or Utf16CodeUnit";
        let no_deployment = format!("there is no deployment {deployment:?}");
        Ok(Self {
            project_name: ProjectName::new(project).map_err(|_| ApiError::project_not_found(project))?,
            deployment_name: DeploymentName::new(deployment)
                .map_err(|_| ApiError::new(ErrorKind::NotFound, no_deployment))?,
            logging_opt_out: true,
            string_index_type: unit.ok_or_else(|| fail("stringIndexType", units.to_owned()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(body: &[u8], piece: usize) -> Vec<StreamLine> {
        let mut lines = StreamLines::new(&Limits { request_body_bytes_max: 64, ..Limits::default() });
        let mut found: Vec<_> = body.chunks(piece).flat_map(|bytes| lines.push(bytes)).collect();
        found.extend(lines.finish());
        found
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            lines in prop::collection::vec("\\PC{0,80}|\\{\"id\":\"[a-z]\",\"text\":\"[a-z ]{0,60}\"\\}", 0..8),
            piece in 1usize..40,
        ) {
            let body = lines.join("\n").into_bytes();
            prop_assert_eq!(cut(&body, piece), cut(&body, body.len().max(1)));
        }
    }

    #[test]
    fn each_line_is_judged_alone() {
        let long = format!("{{\"id\":\"d\",\"text\":\"{}\"}}", "x".repeat(64));
        let body = format!(
            "{{\"id\":\"a\",\"text\":\"x\"}}\r\n\n{{\n{{\"text\":\"x\"}}\n{long}\n{{\"id\":\"e\",\"language\":\"auto\",\"text\":\"\"}}"
        );
        let found: Vec<_> = cut(body.as_bytes(), 7)
            .into_iter()
            .map(|line| (line.number, line.document.map(|document| document.id).map_err(|error| error.kind)))
            .collect();
        assert_eq!(
            found,
            [
                (1, Ok("a".to_owned())),
                (3, Err(ErrorKind::BodyNotJson)),
                (4, Err(ErrorKind::Document)),
                (5, Err(ErrorKind::BodyTooLarge)),
                (6, Ok("e".to_owned())),
            ]
        );
    }

    #[test]
    fn the_address_says_who_works() {
        let read = |query: &str| TaskParameters::from_query(&Query::parse(query));
        let found = read("projectName=P&deploymentName=d&stringIndexType=utf16codeunit").unwrap();
        assert_eq!(found.string_index_type, StringIndexType::Utf16CodeUnit);
        assert_eq!(read("projectName=P").unwrap_err().target.as_deref(), Some("deploymentName"));
        let unit = read("projectName=P&deploymentName=d&stringIndexType=bytes").unwrap_err();
        assert_eq!(unit.target.as_deref(), Some("stringIndexType"));
        assert_eq!(read("projectName=a%20b&deploymentName=d").unwrap_err().kind, ErrorKind::ProjectNotFound);
    }
}
