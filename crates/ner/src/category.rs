//! Names of entity types.

use std::fmt;
use std::sync::Arc;

/// Signs that no category may hold (contract: authoring 7.3).
const FORBIDDEN: &[char] = &[':', '$', '&', '%', '*', '(', ')', '+', '~', '#', '/', '?'];

/// Longest category in characters (contract: limits 5).
pub const CATEGORY_CHARACTERS_MAX: usize = 50;

/// The name of an entity type, valid by construction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityCategory(Arc<str>);

/// Why a text can't name an entity type. The person who wrote the schema can fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CategoryError {
    /// Nothing there.
    #[error("an entity category must not be empty")]
    Empty,
    /// White space at a border.
    #[error("entity category {0:?} begins or ends with white space")]
    Blank(String),
    /// Over the limit.
    #[error(
        "entity category {name:?} has {characters} characters, at most {CATEGORY_CHARACTERS_MAX} are allowed"
    )]
    TooLong {
        /// The refused name.
        name: String,
        /// Its length.
        characters: usize,
    },
    /// A reserved sign.
    #[error("entity category {name:?} holds {sign:?}; none of : $ & % * ( ) + ~ # / ? is allowed")]
    Forbidden {
        /// The refused name.
        name: String,
        /// The first reserved sign in it.
        sign: char,
    },
}

impl EntityCategory {
    /// Checks `name` against the contract's rules (authoring 7.3).
    ///
    /// # Errors
    /// The first rule broken.
    pub fn new(name: &str) -> Result<Self, CategoryError> {
        if name.is_empty() {
            return Err(CategoryError::Empty);
        }
        if name.trim() != name {
            return Err(CategoryError::Blank(name.to_owned()));
        }
        let characters = name.chars().count();
        if characters > CATEGORY_CHARACTERS_MAX {
            return Err(CategoryError::TooLong { name: name.to_owned(), characters });
        }
        if let Some(sign) = name.chars().find(|sign| FORBIDDEN.contains(sign)) {
            return Err(CategoryError::Forbidden { name: name.to_owned(), sign });
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_contract_allows() {
        for name in ["Claimant", "Policy Number", "人名", "e-mail_1.b", "a".repeat(50).as_str()] {
            assert_eq!(EntityCategory::new(name).map(|c| c.as_str().to_owned()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn refuses_what_the_contract_forbids() {
        assert_eq!(EntityCategory::new(""), Err(CategoryError::Empty));
        assert!(matches!(EntityCategory::new(" a"), Err(CategoryError::Blank(_))));
        assert!(matches!(
            EntityCategory::new(&"é".repeat(51)),
            Err(CategoryError::TooLong { characters: 51, .. })
        ));
        for sign in FORBIDDEN {
            assert!(matches!(
                EntityCategory::new(&format!("a{sign}b")),
                Err(CategoryError::Forbidden { sign: found, .. }) if found == *sign
            ));
        }
    }
}
