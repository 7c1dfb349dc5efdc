//! Query parameters.

use crate::error::{ApiError, ErrorKind};
use crate::projects::ProjectKind;
use ner::StringIndexType;
use percent_encoding::percent_decode_str;

/// The decoded parameters of one call. Names are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes what stands after the `?`; bytes that are no UTF-8 become replacement characters.
    pub fn parse(raw: &str) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(raw.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A flag: `true` in any case, or absent.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A 32-bit count.
    ///
    /// # Errors
    /// [`ErrorKind::Field`] when the value is no whole number from 0 to 2147483647.
    pub fn count(&self, name: &'static str) -> Result<Option<u32>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.parse::<i32>().ok().and_then(|count| u32::try_from(count).ok()).map(Some).ok_or_else(|| {
            let message =
                format!("{name} must be a whole number from 0 to {}, {value:?} was given", i32::MAX);
            ApiError::new(ErrorKind::Field, message).at(name)
        })
    }

    /// The required `stringIndexType` of export and evaluation, where UTF-16 is the only unit.
    ///
    /// # Errors
    /// [`ErrorKind::Field`] when it is missing or another unit.
    pub fn utf16(&self) -> Result<(), ApiError> {
        let name = "stringIndexType";
        let fail = |message: String| Err(ApiError::new(ErrorKind::Field, message).at(name));
        match self.get(name).map(|value| (parse_string_index_type(value), value)) {
            Some((Some(StringIndexType::Utf16CodeUnit), _)) => Ok(()),
            Some((_, value)) => fail(format!("{name} must be Utf16CodeUnit here, {value:?} was given")),
            None => fail(format!("the query parameter {name} is missing; the only value is Utf16CodeUnit")),
        }
    }
}

impl Query {
    /// The `projectKind` of the global lists, when given.
    ///
    /// # Errors
    /// [`ErrorKind::Field`] when it is a kind that this server does not have.
    pub fn project_kind(&self) -> Result<Option<ProjectKind>, ApiError> {
        let kind = self.get(PROJECT_KIND).map(ProjectKind::parse).transpose();
        kind.map_err(|message| ApiError::new(ErrorKind::Field, message).at(PROJECT_KIND))
    }

    /// The same where it is required.
    ///
    /// # Errors
    /// [`ErrorKind::Field`] also when it is missing.
    pub fn required_project_kind(&self) -> Result<ProjectKind, ApiError> {
        self.project_kind()?.ok_or_else(|| {
            let message = format!(
                "the query parameter {PROJECT_KIND} is missing; this server has {}",
                ProjectKind::NAME
            );
            ApiError::new(ErrorKind::Field, message).at(PROJECT_KIND)
        })
    }
}

const PROJECT_KIND: &str = "projectKind";

/// Reads a unit's wire name without regard to case; `None` when there is no such unit.
pub fn parse_string_index_type(name: &str) -> Option<StringIndexType> {
    [StringIndexType::TextElements, StringIndexType::UnicodeCodePoint, StringIndexType::Utf16CodeUnit]
        .into_iter()
        .find(|unit| string_index_type_name(*unit).eq_ignore_ascii_case(name))
}

/// The wire name of a unit.
pub fn string_index_type_name(unit: StringIndexType) -> &'static str {
    match unit {
        StringIndexType::TextElements => "TextElements_v8",
        StringIndexType::UnicodeCodePoint => "UnicodeCodePoint",
        StringIndexType::Utf16CodeUnit => "Utf16CodeUnit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_names_have_no_case() {
        let query = Query::parse("api-version=2023-04-01&showStats=True&a%20b=c+d%2B&empty&top=7");
        assert_eq!(query.get("API-Version"), Some("2023-04-01"));
        assert_eq!(query.get("a b"), Some("c d+"));
        assert_eq!(query.get("empty"), Some(""));
        assert!(query.flag("showstats") && !query.flag("empty") && !query.flag("absent"));
        assert_eq!((query.count("top"), query.count("skip")), (Ok(Some(7)), Ok(None)));
    }

    #[test]
    fn counts_outside_31_bits_are_refused() {
        for value in ["-1", "x", "", "2147483648", "1.5"] {
            let error = Query::parse(&format!("top={value}")).count("top").unwrap_err();
            assert_eq!((error.kind, error.target.as_deref()), (ErrorKind::Field, Some("top")), "{value}");
        }
    }

    #[test]
    fn utf16_is_required_in_any_spelling() {
        assert!(Query::parse("stringIndexType=UTF16CodeUnit").utf16().is_ok());
        assert!(Query::parse("stringIndexType=UnicodeCodePoint").utf16().is_err());
        assert!(Query::parse("").utf16().is_err());
    }
}
