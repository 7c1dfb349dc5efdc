//! What end-to-end tests and benches share: a server of the real program, a REST client, foreign clients in Python.
//!
//! Nothing here knows the program's crates: it is driven as a user drives it, through its command line, its files and
//! its HTTP interface.

pub mod api;
pub mod cluster;
pub mod command;
pub mod example;
pub mod marked;
pub mod node;
pub mod openapi;
pub mod pattern;
pub mod places;
pub mod python;
pub mod scenario;
pub mod server;
pub mod units;

pub use api::{Answer, Client};
pub use cluster::Cluster;
pub use example::Example;
pub use marked::Marked;
pub use scenario::Scenario;
pub use server::Server;
