//! Everything the object store promises, against a real S3 server over the network.
//!
//! The server is one of our own on a loopback port, unless `BLOBS_TEST_ENDPOINT` names another
//! (with `BLOBS_TEST_ACCESS_KEY`, `BLOBS_TEST_SECRET_KEY` and, if needed, `BLOBS_TEST_REGION`).

#![allow(clippy::unwrap_used, reason = "tests")]

mod faults;
mod objects;
mod server;
