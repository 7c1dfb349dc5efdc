//! Addresses: from method and path to a typed route, and from a job to its URL.
//!
//! One table per API; the first row whose pattern and method fit wins.

mod authoring;
mod links;
mod path;
mod runtime;

pub use authoring::AuthoringRoute;
pub use links::{JobLocation, Links};
pub use path::Method;
pub use runtime::RuntimeRoute;
