//! The `api-version` of a call (contract: authoring 2, runtime 8).

use crate::error::{ApiError, ErrorKind};
use jiff::civil::Date;
use std::fmt;

/// A well-formed version. Every one is accepted, and repeated in links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiVersion {
    date: Date,
    preview: bool,
}

impl ApiVersion {
    /// Reads the query parameter: `YYYY-MM-DD` or `YYYY-MM-DD-preview`.
    ///
    /// # Errors
    /// [`ErrorKind::ApiVersion`] when it is missing or malformed.
    pub fn parse(parameter: Option<&str>) -> Result<Self, ApiError> {
        let fail = |message: String| ApiError::new(ErrorKind::ApiVersion, message).at("api-version");
        let given = parameter.filter(|given| !given.is_empty());
        let given = given.ok_or_else(|| fail("the query parameter api-version is missing".to_owned()))?;
        let (date, preview) = match given.split_at_checked(DATE_BYTES) {
            Some((date, "")) => (date, false),
            Some((date, suffix)) if suffix.eq_ignore_ascii_case("-preview") => (date, true),
            _ => ("", false),
        };
        parse_date(date).map(|date| Self { date, preview }).ok_or_else(|| {
            fail(format!("api-version {given:?} is neither YYYY-MM-DD nor YYYY-MM-DD-preview"))
        })
    }

    /// Whether this version spells a job's last change `lastUpdateDateTime`: previews before November 2022.
    pub fn spells_last_update(&self) -> bool {
        self.preview && self.date < Date::constant(2022, 11, 1)
    }
}

/// The released version, in which the installation speaks to itself.
impl Default for ApiVersion {
    fn default() -> Self {
        Self { date: Date::constant(2023, 4, 1), preview: false }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.date, if self.preview { "-preview" } else { "" })
    }
}

const DATE_BYTES: usize = "YYYY-MM-DD".len();

/// `YYYY-MM-DD` and nothing else; the date library alone would take other ISO forms too.
fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == DATE_BYTES
        && bytes.iter().enumerate().all(|(at, sign)| match at {
            4 | 7 => *sign == b'-',
            _ => sign.is_ascii_digit(),
        });
    if shape { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_versions_come_back_as_given() {
        for version in ["2022-05-01", "2023-04-01", "2025-05-15-preview", "2199-12-31"] {
            assert_eq!(ApiVersion::parse(Some(version)).map(|v| v.to_string()), Ok(version.to_owned()));
        }
    }

    #[test]
    fn others_are_refused() {
        for version in [
            None,
            Some(""),
            Some("v3.1"),
            Some("2023-4-1"),
            Some("2023-13-01"),
            Some("2023-04-01-beta"),
            Some("20230401"),
            Some("2023-04-0é"),
        ] {
            let error = ApiVersion::parse(version).unwrap_err();
            assert_eq!((error.kind, error.target.as_deref()), (ErrorKind::ApiVersion, Some("api-version")));
        }
    }

    #[test]
    fn old_previews_spell_the_last_change_differently() {
        let old = |version| ApiVersion::parse(Some(version)).unwrap().spells_last_update();
        assert!(old("2022-10-01-preview") && old("2022-04-01-preview"));
        assert!(!old("2022-05-01") && !old("2023-04-15-preview"));
    }
}
