//! What inputs must obey before anything computes with them.

use crate::{GraphError, Inputs, Pieces};

impl Inputs {
    /// Checks that offsets rise from 0 to their ends and that pieces fit the words.
    ///
    /// # Errors
    /// [`GraphError::InvalidInput`] naming the first tensor that is wrong.
    pub fn validate(&self) -> Result<(), GraphError> {
        offsets("feature_offsets", &self.feature_offsets, self.features.len())?;
        offsets("sequence_offsets", &self.sequence_offsets, self.words())?;
        match &self.pieces {
            Some(pieces) => pieces.validate(self.words()),
            None => Ok(()),
        }
    }
}

impl Pieces {
    /// Checks shapes, that the mask holds zeros and ones alone, and that every word's piece is a real one.
    ///
    /// # Errors
    /// [`GraphError::InvalidInput`] naming the first tensor that is wrong.
    pub fn validate(&self, words: usize) -> Result<(), GraphError> {
        let places = self.windows.checked_mul(self.length);
        for (name, values) in [("input_ids", &self.input_ids), ("attention_mask", &self.attention_mask)] {
            if places != Some(values.len()) {
                let shape = format!("{} windows of {}", self.windows, self.length);
                return Err(invalid(name, format!("{} values, expected {shape}", values.len())));
            }
        }
        if self.input_ids.iter().any(|&id| id < 0) {
            return Err(invalid("input_ids", "a negative id".into()));
        }
        if self.attention_mask.iter().any(|&mask| mask != 0 && mask != 1) {
            return Err(invalid("attention_mask", "neither 0 nor 1".into()));
        }
        if self.first_pieces.len() != words {
            return Err(invalid(
                "first_pieces",
                format!("{} entries for {words} words", self.first_pieces.len()),
            ));
        }
        let real =
            |&place: &i32| usize::try_from(place).is_ok_and(|at| self.attention_mask.get(at) == Some(&1));
        match self.first_pieces.iter().find(|place| !real(place)) {
            Some(place) => Err(invalid("first_pieces", format!("{place} is no piece of a window"))),
            None => Ok(()),
        }
    }
}

fn offsets(name: &str, offsets: &[u32], end: usize) -> Result<(), GraphError> {
    if offsets.first() != Some(&0) {
        return Err(invalid(name, "does not begin with 0".into()));
    }
    if !offsets.is_sorted() {
        return Err(invalid(name, "falls".into()));
    }
    match offsets.last() {
        Some(&last) if last as usize == end => Ok(()),
        last => Err(invalid(name, format!("ends with {last:?}, expected {end}"))),
    }
}

pub(crate) fn invalid(name: &str, reason: String) -> GraphError {
    GraphError::InvalidInput { name: name.to_owned(), reason }
}
