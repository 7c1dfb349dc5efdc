//! Who may send notifications.

use subtle::ConstantTimeEq;

/// Whether the value of a notification's `Authorization` header is `Bearer` and the events secret. Nobody is admitted
/// by an empty secret.
pub fn is_admitted(authorization: Option<&str>, secret: &str) -> bool {
    let token = authorization.and_then(bearer_token).unwrap_or_default();
    !secret.is_empty() && bool::from(token.as_bytes().ct_eq(secret.as_bytes()))
}

fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_admitted() {
        for header in ["Bearer s3cret", "bearer s3cret", "Bearer  s3cret "] {
            assert!(is_admitted(Some(header), "s3cret"), "{header}");
        }
        let refused = [
            None,
            Some(""),
            Some("s3cret"),
            Some("Basic s3cret"),
            Some("Bearer other"),
            Some("Bearer s3cre"),
        ];
        for header in refused {
            assert!(!is_admitted(header, "s3cret"), "{header:?}");
        }
        for header in [None, Some(""), Some("Bearer ")] {
            assert!(!is_admitted(header, ""), "an empty secret admits nobody: {header:?}");
        }
    }
}
