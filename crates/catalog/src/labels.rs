//! A project's labels: its schema (entity categories) and its documents with what people said about them.
//!
//! Labels live in *label sets*. A project points at one, its current set; an import fills another one in as many steps
//! as it likes and then moves the pointer, so that everybody sees either the old labels or the new ones. A model keeps
//! a copy of the set it was trained on. Sets that nobody points at any more are retired, and leave the disk after a
//! while ([`Catalog::sweep`](crate::Catalog::sweep)): whoever still reads one can finish.

mod categories;
mod documents;
mod objects;
mod sets;

use crate::{Error, Value};

pub use categories::{Category, CategoryCount};
pub use documents::{DocumentChange, DocumentFilter, DocumentRow, DocumentState, LabelTotals, NewDocument};
pub use objects::{Noted, ObjectNote};

/// One version of a project's labels. Readers that take several steps keep it, and so read one state even while an
/// import replaces the project's labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelSet(String);

impl LabelSet {
    pub(crate) fn new(id: String) -> Self {
        Self(id)
    }

    /// Its id, as a model's snapshot names it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&LabelSet> for Value {
    fn from(set: &LabelSet) -> Self {
        Self::Text(set.0.clone())
    }
}

/// What a label set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelSetState {
    /// Being filled by a job.
    Staged,
    /// What the project shows.
    Current,
    /// What a model was trained on.
    Snapshot,
    /// Nobody's; to be deleted.
    Retired,
    /// Partly deleted.
    Removing,
}

impl LabelSetState {
    fn parse(word: &str) -> Result<Self, Error> {
        [Self::Staged, Self::Current, Self::Snapshot, Self::Retired, Self::Removing]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| Error::Corrupt(format!("label set state {word:?}")))
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Current => "current",
            Self::Snapshot => "snapshot",
            Self::Retired => "retired",
            Self::Removing => "removing",
        }
    }
}

impl From<LabelSetState> for Value {
    fn from(state: LabelSetState) -> Self {
        state.word().into()
    }
}
