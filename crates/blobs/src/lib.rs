//! The only S3: documents in, bundles and encoders in and out.
//!
//! [`Blobs`] speaks to one S3 service, AWS's or anybody's, over http or https. A *container* is a bucket, a *key* names an
//! object in it. It knows nothing of what objects mean. Faults that pass by themselves are tried again inside, a few
//! times; what comes out as [`Error`] says who can fix it.
//!
//! https trusts the certificates that the operating system trusts; the variable `SSL_CERT_FILE` names others.

mod client;
mod config;
mod containers;
mod download;
mod error;
mod listing;

pub use client::{Blob, BlobInfo, Blobs};
pub use config::BlobConfig;
pub use error::{Error, Permission};
pub use listing::{Depth, Listing};
