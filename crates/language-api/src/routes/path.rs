//! Splits a path into words and matches it against a table of patterns.

use crate::error::{ApiError, ErrorKind};
use percent_encoding::percent_decode_str;
use std::fmt;

/// Methods of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Start or run.
    Post,
    /// Create or replace.
    Put,
    /// Create or change.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What stood at the `{}` places of a pattern, decoded, in order.
pub(super) type Captures = Vec<String>;

/// One row of a table.
pub(super) struct Row<R> {
    pub(super) method: Method,
    /// Words joined by `/`; `{}` takes any word; a verb begins with `:`.
    pub(super) pattern: &'static str,
    pub(super) make: fn(&Captures) -> Result<R, ApiError>,
}

/// Finds the route of a call.
///
/// `path` may hold percent escapes, several slashes at its start and one at its end. Words are compared
/// without case, captured names with it.
///
/// # Errors
/// `NotFound` for an unknown path, `MethodNotAllowed` with the methods it knows for a known one, and what
/// the row's maker says about the names in it.
pub(super) fn route<R>(table: &[Row<R>], method: &str, path: &str) -> Result<R, ApiError> {
    let unknown = || ApiError::new(ErrorKind::NotFound, "there is no such address");
    let words = words(path).ok_or_else(unknown)?;
    let mut allow = Vec::new();
    for row in table {
        let Some(captures) = matches(row.pattern, &words) else { continue };
        if row.method.as_str() == method {
            return (row.make)(&captures);
        }
        if !allow.contains(&row.method.as_str()) {
            allow.push(row.method.as_str());
        }
    }
    if allow.is_empty() {
        return Err(unknown());
    }
    let message = format!("this address knows {}", allow.join(", "));
    Err(ApiError { allow, ..ApiError::new(ErrorKind::MethodNotAllowed, message) })
}

/// The decoded words of a path; `a:verb` gives the two words `a` and `:verb`, as does `a/:verb`.
fn words(path: &str) -> Option<Vec<String>> {
    let path = path.trim_start_matches('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut words = Vec::new();
    for segment in path.split('/') {
        let word = percent_decode_str(segment).decode_utf8().ok()?;
        // No name may hold a colon, so one inside a word always begins a verb.
        match word.find(':') {
            Some(at) if at > 0 => words.extend([word[..at].to_owned(), word[at..].to_owned()]),
            _ => words.push(word.into_owned()),
        }
    }
    Some(words)
}

fn matches(pattern: &str, words: &[String]) -> Option<Captures> {
    let mut captures = Captures::new();
    let mut rest = words.iter();
    for expected in pattern.split('/') {
        let word = rest.next()?;
        let verb = word.starts_with(':');
        match expected {
            "{}" if !word.is_empty() && !verb => captures.push(word.clone()),
            "{}" => return None,
            _ if !word.eq_ignore_ascii_case(expected) => return None,
            _ => {}
        }
    }
    rest.next().is_none().then_some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Row<String>] = &[
        Row { method: Method::Get, pattern: "a/fixed", make: |_| Ok("fixed".to_owned()) },
        Row { method: Method::Get, pattern: "a/{}", make: |c| Ok(c[0].clone()) },
        Row { method: Method::Post, pattern: "a/{}/:run", make: |c| Ok(format!("run {}", c[0])) },
        Row { method: Method::Delete, pattern: "a/{}", make: |_| Ok("gone".to_owned()) },
    ];

    #[test]
    fn earlier_rows_win_and_names_keep_their_case() {
        for (path, expected) in
            [("/a/fixed", "fixed"), ("//A/FIXED/", "fixed"), ("/a/Name", "Name"), ("/a/%4eame%20x", "Name x")]
        {
            assert_eq!(route(TABLE, "GET", path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn verbs_stand_with_and_without_slash() {
        for path in ["/a/x/:run", "/a/x:run", "/a/x/:RUN", "/a/x%3Arun"] {
            assert_eq!(route(TABLE, "POST", path).unwrap(), "run x", "{path}");
        }
    }

    #[test]
    fn unknown_paths_and_wrong_methods_differ() {
        for path in ["", "/", "/a", "/a//", "/a//x", "/b/x", "/a/x/y", "/a/:run", "/a/%ff"] {
            assert_eq!(route(TABLE, "GET", path).unwrap_err().kind, ErrorKind::NotFound, "{path}");
        }
        let error = route(TABLE, "PUT", "/a/x").unwrap_err();
        assert_eq!((error.kind, error.allow), (ErrorKind::MethodNotAllowed, vec!["GET", "DELETE"]));
    }
}
