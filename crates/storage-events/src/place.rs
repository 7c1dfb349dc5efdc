//! Reading JSON so that what is wrong has a place.

use serde_json::Value;

/// Why a body is no notification. The sender can fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: String,
    /// Where, as a JSON pointer, or the name of a header.
    pub target: String,
}

impl Malformed {
    pub(crate) fn new(target: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), target: target.into() }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) value: &'a Value,
    pub(crate) pointer: String,
}

impl<'a> Place<'a> {
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { value, pointer: "#".to_owned() }
    }

    pub(crate) fn wrong(&self, reason: impl Into<String>) -> Malformed {
        Malformed::new(self.pointer.clone(), reason)
    }

    /// The field when it is there; `null` counts as absent.
    pub(crate) fn optional(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Self { value, pointer: format!("{}/{key}", self.pointer) })
    }

    pub(crate) fn field(&self, key: &str) -> Result<Self, Malformed> {
        let missing = || Malformed::new(format!("{}/{key}", self.pointer), format!("{key} is missing"));
        self.optional(key).ok_or_else(missing)
    }

    pub(crate) fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a>, Malformed> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("must be a list"))?;
        let pointer = self.pointer.clone();
        let place = move |(index, value)| Self { value, pointer: format!("{pointer}/{index}") };
        Ok(items.iter().enumerate().map(place))
    }

    /// A text that is not empty.
    pub(crate) fn text(&self) -> Result<&'a str, Malformed> {
        match self.value.as_str() {
            Some("") => Err(self.wrong("must not be empty")),
            Some(text) => Ok(text),
            None => Err(self.wrong("must be a string")),
        }
    }

    /// The field's text when it is there and is one.
    pub(crate) fn optional_text(&self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str()
    }
}
