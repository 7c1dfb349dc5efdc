//! Parts of long listings.

use crate::Value;

/// Which part of a listing: leave out `offset` rows, return at most `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows wanted at most.
    pub limit: u32,
    /// Rows left out at the start.
    pub offset: u32,
}

impl PageRequest {
    /// The first `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self { limit, offset: 0 }
    }

    pub(crate) fn limit_value(self) -> Value {
        Value::Integer(i64::from(self.limit))
    }

    pub(crate) fn offset_value(self) -> Value {
        Value::Integer(i64::from(self.offset))
    }
}

/// Part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows the whole listing has.
    pub total: u64,
    /// Whether rows follow these.
    pub has_more: bool,
}

impl<T> Page<T> {
    pub(crate) fn new(items: Vec<T>, total: u64, request: PageRequest) -> Self {
        let end = u64::from(request.offset) + items.len() as u64;
        Self { has_more: end < total, items, total }
    }
}
