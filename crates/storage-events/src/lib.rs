//! What notifications of storage services say about documents, and whether their sender may say it.
//!
//! Pure: bytes in, events out. What an event does is decided by the component that receives it.

mod notification;
mod sender;

pub use notification::{Change, DocumentEvent, Malformed, parse};
pub use sender::is_admitted;
