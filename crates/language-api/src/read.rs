//! Reads request bodies field by field and collects every problem with its JSON pointer.
//!
//! Messages name the type that was found, never the value of a text: it may be a customer's document.

use crate::error::{ApiError, ErrorBody, ErrorKind};
use crate::limits::PROBLEMS_MAX;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::ops::RangeInclusive;

/// Something wrong at one place of a body or file. The author of the body can fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct Problem {
    /// JSON pointer as a fragment: `#/assets/documents/3/location`.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// Row of the error table, where it is not the one of the whole body.
    pub kind: Option<ErrorKind>,
}

impl Problem {
    /// A problem at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), kind: None }
    }

    /// A language that is not in the list.
    pub fn language(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Some(ErrorKind::Language), ..Self::new(pointer, message) }
    }

    /// The problem as an entry of `details` or of a job's `errors`.
    pub fn body(&self) -> ErrorBody {
        ApiError::new(self.kind.unwrap_or(ErrorKind::Field), self.message.clone())
            .at(self.pointer.clone())
            .body()
    }
}

/// How an error names the field at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetStyle {
    /// `evaluationOptions.testingSplitPercentage`: the small bodies of authoring.
    Dotted,
    /// `#/tasks/0/parameters`: files and prediction requests.
    Pointer,
}

/// One error for all `problems`: the first one's message, every one in `details` when there are several.
pub(crate) fn all_in_one(kind: ErrorKind, problems: &[Problem], style: TargetStyle) -> Option<ApiError> {
    let target = |problem: &Problem| match style {
        TargetStyle::Dotted => problem.pointer.trim_start_matches("#/").replace('/', "."),
        TargetStyle::Pointer => problem.pointer.clone(),
    };
    let single = |problem: &Problem| {
        ApiError::new(problem.kind.unwrap_or(kind), problem.message.clone()).at(target(problem))
    };
    let first = single(problems.first()?);
    if problems.len() == 1 {
        return Some(first);
    }
    let details = problems.iter().map(|problem| single(problem).body()).collect();
    let more = if problems.len() < PROBLEMS_MAX { "" } else { " or more" };
    let message = format!(
        "{}{more} problems, the first at {}: {}",
        problems.len(),
        first.target.as_deref().unwrap_or_default(),
        first.message
    );
    Some(ApiError { message, ..first }.with_details(details))
}

/// The answer to a project file that was refused with `problems`: no body and no JSON have rows of their own,
/// everything else is one error with all problems in `details`, each with its pointer.
pub fn refuse_file(body: &[u8], problems: &[Problem]) -> ApiError {
    json_of::<IgnoredAny>(body).err().unwrap_or_else(|| refuse_problems(problems))
}

/// The answer to `problems` of a file in any format: one error with all of them in `details`, each with its place.
pub fn refuse_problems(problems: &[Problem]) -> ApiError {
    let reason = all_in_one(ErrorKind::Field, problems, TargetStyle::Pointer);
    reason.unwrap_or_else(|| ApiError::new(ErrorKind::Field, "the file was refused"))
}

/// Parses bytes as JSON.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, ApiError> {
    json_of(bytes)
}

fn json_of<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Editors on some systems put a byte-order mark in front; it is not part of the JSON.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(ApiError::new(ErrorKind::BodyEmpty, "the request has no body; a JSON object is needed"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        ApiError::new(
            ErrorKind::BodyNotJson,
            format!("the body is not JSON: it breaks off or errs at {place}"),
        )
    })
}

/// Reads a small body, which is an object, with `read`.
pub(crate) fn object_of<T>(
    body: &[u8],
    kind: ErrorKind,
    read: impl Fn(&Object<'_>) -> Option<T>,
) -> Result<T, ApiError> {
    let value = json(body)?;
    let problems = Problems::default();
    let request = Node::root(&value, &problems).object().and_then(|object| read(&object));
    problems.finish(request, kind, TargetStyle::Dotted)
}

/// Collects problems while a body is read.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(crate) fn push(&self, pointer: &str, message: impl Into<String>) {
        let mut list = self.0.borrow_mut();
        if list.len() < PROBLEMS_MAX {
            list.push(Problem::new(pointer, message));
        }
    }

    /// What was found so far; the collection starts anew.
    pub(crate) fn take(&self) -> Self {
        Self(RefCell::new(self.0.take()))
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.0.into_inner()
    }

    /// `value` when nothing was wrong, else all problems as one error.
    pub(crate) fn finish<T>(
        self,
        value: Option<T>,
        kind: ErrorKind,
        style: TargetStyle,
    ) -> Result<T, ApiError> {
        let list = self.into_list();
        match (value, all_in_one(kind, &list, style)) {
            (_, Some(error)) => Err(error),
            (Some(value), None) => Ok(value),
            (None, None) => Err(ApiError::new(ErrorKind::Internal, "a request was refused without a reason")),
        }
    }
}

/// One value of the body and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    pub(crate) pointer: String,
    pub(crate) problems: &'a Problems,
}

/// One object of the body and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
    pub(crate) pointer: String,
    problems: &'a Problems,
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self { value, pointer: "#".to_owned(), problems }
    }

    pub(crate) fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.push(&self.pointer, message);
        None
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.fail(format!("must be {wanted}, {} was given", type_name(self.value)))
    }

    pub(crate) fn object(&self) -> Option<Object<'a>> {
        match self.value {
            Value::Object(map) => {
                Some(Object { map, pointer: self.pointer.clone(), problems: self.problems })
            }
            _ => self.wrong_type("an object"),
        }
    }

    pub(crate) fn list(&self) -> Option<impl Iterator<Item = Node<'a>> + use<'a>> {
        let Value::Array(items) = self.value else { return self.wrong_type("a list") };
        let (pointer, problems) = (self.pointer.clone(), self.problems);
        let node = move |(index, value)| Node { value, pointer: format!("{pointer}/{index}"), problems };
        Some(items.iter().enumerate().map(node))
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        self.value.as_str().or_else(|| self.wrong_type("a string"))
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong_type("true or false without quotes"))
    }

    pub(crate) fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let inside = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
        match (inside, self.value) {
            (Some(number), _) if range.contains(&number) => Some(number),
            (_, Value::Number(number)) => self.fail(format!("must be {}, {number} was given", wanted())),
            _ => self.wrong_type(&wanted()),
        }
    }

    /// A time as some clients send it, with a fraction; rounded up to whole seconds.
    pub(crate) fn seconds(&self) -> Option<u32> {
        match self.value.as_f64() {
            Some(number) if number > 0.0 && number <= f64::from(i32::MAX) => Some(number.ceil() as u32),
            Some(number) => self.fail(format!(
                "must be a number of seconds above 0 and up to {}, {number} was given",
                i32::MAX
            )),
            None => self.wrong_type("a number of seconds"),
        }
    }

    pub(crate) fn ratio(&self) -> Option<f32> {
        match self.value.as_f64() {
            Some(number) if (0.0..=1.0).contains(&number) => Some(number as f32),
            Some(number) => self.fail(format!("must be a number from 0 to 1, {number} was given")),
            None => self.wrong_type("a number from 0 to 1"),
        }
    }

    /// A text that becomes `T` by its own rules.
    pub(crate) fn parsed<T, E: std::fmt::Display>(&self, make: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        make(self.text()?).map_err(|error| self.problems.push(&self.pointer, error.to_string())).ok()
    }
}

impl<'a> Object<'a> {
    /// The field when it is there; `null` counts as absent.
    pub(crate) fn optional(&self, key: &str) -> Option<Node<'a>> {
        self.given(key).filter(|node| !node.value.is_null())
    }

    /// The field when it is there, `null` included.
    pub(crate) fn given(&self, key: &str) -> Option<Node<'a>> {
        let value = self.map.get(key)?;
        Some(Node { value, pointer: self.pointer_to(key), problems: self.problems })
    }

    /// The field; a problem when it is absent.
    pub(crate) fn required(&self, key: &str) -> Option<Node<'a>> {
        let node = self.optional(key);
        if node.is_none() {
            self.problems.push(&self.pointer_to(key), format!("{key} is missing"));
        }
        node
    }

    /// A problem for every field that is none of `known`: where nobody else decides about names, a slip of the pen
    /// must not pass for silence.
    pub(crate) fn only(&self, known: &[&str]) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.problems.push(&self.pointer_to(key), format!("there is no field {key:?} here"));
        }
    }

    pub(crate) fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.push(&self.pointer, message);
        None
    }

    fn pointer_to(&self, key: &str) -> String {
        format!("{}/{key}", self.pointer)
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_problems_become_one_error_with_details() {
        let problems = [Problem::new("#/a/0", "must be a string"), Problem::new("#/b", "b is missing")];
        assert_eq!(refuse_file(b"", &[]).kind, ErrorKind::BodyEmpty);
        assert_eq!(refuse_file(b"{", &problems).kind, ErrorKind::BodyNotJson);
        let error = refuse_file(b"{}", &problems);
        assert_eq!(error.target.as_deref(), Some("#/a/0"));
        assert_eq!(error.message, "2 problems, the first at #/a/0: must be a string");
        assert_eq!(error.details[1].target.as_deref(), Some("#/b"));
        let dotted = all_in_one(ErrorKind::Field, &problems[..1], TargetStyle::Dotted).unwrap();
        assert_eq!((dotted.target.as_deref(), dotted.details.len()), (Some("a.0"), 0));
    }

    #[test]
    fn json_errors_say_where_and_never_what() {
        assert_eq!(json(b" \n").unwrap_err().kind, ErrorKind::BodyEmpty);
        let error = json(b"{\"text\": \"secret").unwrap_err();
        assert_eq!(error.kind, ErrorKind::BodyNotJson);
        assert!(!error.message.contains("secret") && error.message.contains("line 1"));
        assert!(json(b"\xEF\xBB\xBF{}").is_ok());
    }
}
