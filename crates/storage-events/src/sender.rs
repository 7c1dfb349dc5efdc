//! Who may send notifications.

use subtle::ConstantTimeEq;

/// The secret a sender shows: the token of its `Authorization: Bearer`, else what its address has as `secret`, for
/// services that can't set headers.
pub fn shown_secret<'a>(authorization: Option<&'a str>, query_secret: Option<&'a str>) -> Option<&'a str> {
    let token = authorization.and_then(bearer_token);
    token.or(query_secret.filter(|_| authorization.is_none())).filter(|secret| !secret.is_empty())
}

/// Whether the secret that a sender shows is `secret`. Nobody is admitted by an empty one.
pub fn is_admitted(shown: Option<&str>, secret: &str) -> bool {
    let shown = shown.unwrap_or_default();
    !secret.is_empty() && bool::from(shown.as_bytes().ct_eq(secret.as_bytes()))
}

fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(authorization: Option<&str>, query: Option<&str>, secret: &str) -> bool {
        is_admitted(shown_secret(authorization, query), secret)
    }

    #[test]
    fn only_the_secret_is_admitted() {
        for header in ["Bearer s3cret", "bearer s3cret", "Bearer  s3cret "] {
            assert!(admits(Some(header), None, "s3cret"), "{header}");
        }
        assert!(admits(None, Some("s3cret"), "s3cret"));
        let refused = [
            None,
            Some(""),
            Some("s3cret"),
            Some("Basic s3cret"),
            Some("Bearer other"),
            Some("Bearer s3cre"),
        ];
        for header in refused {
            assert!(!admits(header, None, "s3cret"), "{header:?}");
        }
        for header in [None, Some(""), Some("Bearer ")] {
            assert!(!admits(header, Some(""), ""), "an empty secret admits nobody: {header:?}");
        }
        assert!(
            !admits(Some("Bearer other"), Some("s3cret"), "s3cret"),
            "the header decides where there is one"
        );
    }
}
