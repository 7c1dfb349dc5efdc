//! What notifications of storage services say about objects, and whether their sender may say it.
//!
//! Pure: bytes in, events out. What an event does is decided by whoever receives it.

mod cloud_events;
mod delivery;
mod event;
mod event_bridge;
mod event_grid;
mod place;
mod s3;
mod sender;

pub use cloud_events::handshake;
pub use delivery::{Delivery, Received};
pub use event::{Change, StorageEvent};
pub use place::Malformed;
pub use sender::{is_admitted, shown_secret};
