//! What notifications of storage services say about objects, whether their sender may say it, and what this server tells
//! others in turn.
//!
//! Pure: bytes in, events out. What an event does is decided by whoever receives it.

mod announcement;
mod cloud_events;
mod delivery;
mod event;
mod event_bridge;
mod event_grid;
mod place;
mod s3;
mod sender;
mod sns;

pub use announcement::{ANNOUNCEMENT_TYPE, Announcement, WebhookSecret, WebhookSecretError};
pub use cloud_events::handshake;
pub use delivery::{Delivery, Received};
pub use event::{Change, StorageEvent};
pub use place::Malformed;
pub use sender::{is_admitted, shown_secret};
pub use sns::{SnsKind, SnsMessage, Untrusted, check_certificate};
