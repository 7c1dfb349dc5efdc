//! A full disk has a name of its own, so that clients need not guess behind an internal error.

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};
use std::error::Error;
use std::io::ErrorKind;

/// Code of the answer, under status 507.
const CODE: &[u8] = b"InsufficientStorage";

/// The error as clients get it: [`CODE`] where the disk, its quota or its largest file is full.
pub(super) fn named(error: S3Error) -> S3Error {
    if !error.source().is_some_and(|source| has_full(source)) {
        return error;
    }
    let code = S3ErrorCode::from_bytes(CODE).unwrap_or(S3ErrorCode::InternalError);
    let mut named =
        S3Error::with_message(code, "the disk of the object storage is full; make room and try again");
    named.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    named
}

/// Whether the error or one of its causes is that there is no more room.
fn has_full(error: &(dyn Error + 'static)) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    kind.is_some_and(|kind| full.contains(&kind)) || error.source().is_some_and(has_full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_nothing_else() {
        let error = |kind| named(S3Error::internal_error(std::io::Error::from(kind)));
        let full = error(ErrorKind::StorageFull);
        assert_eq!(full.code().as_str(), "InsufficientStorage");
        assert_eq!(full.status_code(), Some(StatusCode::INSUFFICIENT_STORAGE));
        assert_eq!(error(ErrorKind::PermissionDenied).code(), &S3ErrorCode::InternalError);
    }
}
