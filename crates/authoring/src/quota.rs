//! How many of each thing a project may have.

use language_api::{ApiError, ErrorKind};

/// Refuses one more of a project's `things` when it has `total` of at most `most`. `instead` is what its callers can do
/// beside deleting one, `parameter` what names the new one.
///
/// # Errors
/// [`ErrorKind::QuotaExceeded`].
pub(crate) fn check_quota(
    total: u64,
    most: u32,
    things: &str,
    instead: &str,
    parameter: &str,
) -> Result<(), ApiError> {
    if total < u64::from(most) {
        return Ok(());
    }
    let message = format!("a project has at most {most} {things}; delete one, or {instead}");
    Err(ApiError::new(ErrorKind::QuotaExceeded, message).at(parameter))
}
