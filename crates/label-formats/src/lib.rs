//! Label files people bring or take away, between their own shapes and the domain.
//!
//! Pure: gets bytes and texts, reads no storage. Knows formats alone: what becomes of a document is the
//! business of others. The contract's own file is read and judged here; [`exchange`] speaks the formats of
//! other tools.

pub mod contract;
pub mod exchange;
mod findings;
mod legacy;
mod resolve;

pub use contract::{SourceFormat, check, read};
pub use resolve::{entry_of, resolve_document, without_byte_order_mark};
