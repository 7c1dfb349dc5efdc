//! Documents from the object storage as text.

use crate::failure::Failure;
use blobs::Blobs;
use language_api::ErrorKind;

/// Bytes of the largest object that can hold a document of the allowed length.
const BYTES_PER_CHARACTER_MAX: u64 = 4;

/// A document's object.
pub(crate) struct Text {
    /// Its text, as stored.
    pub(crate) text: String,
    /// Its entity tag.
    pub(crate) etag: String,
}

/// Why an object gives no text, for the person who keeps it.
pub(crate) enum Unreadable {
    /// There is no such object.
    Missing,
    /// It can't be a document.
    Refused(String),
}

/// Reads the object at `location`; the outer error stops the job.
pub(crate) async fn read(
    blobs: &Blobs,
    container: &str,
    location: &str,
    characters_max: u32,
) -> Result<Result<Text, Unreadable>, Failure> {
    let bytes_max = u64::from(characters_max) * BYTES_PER_CHARACTER_MAX;
    let object = match blobs.get(container, location, bytes_max).await {
        Ok(object) => object,
        Err(blobs::Error::NotFound { .. }) => return Ok(Err(Unreadable::Missing)),
        Err(blobs::Error::TooLarge { .. }) => {
            let message = format!("{location:?} is larger than {bytes_max} bytes, which no document may be");
            return Ok(Err(Unreadable::Refused(message)));
        }
        Err(error) => return Err(error.into()),
    };
    let etag = object.etag;
    Ok(match String::from_utf8(object.bytes.into()) {
        Ok(text) => Ok(Text { text, etag }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(Unreadable::Refused(format!("{location:?} is not UTF-8 text: byte {at} begins no character")))
        }
    })
}

/// Proves that the container can be read, so that one clear error stands for thousands of unreadable documents.
pub(crate) async fn check_container(blobs: &Blobs, container: &str) -> Result<(), Failure> {
    match blobs.container_exists(container).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let message = format!(
                "the storage container {container:?} does not exist; create it and upload the documents"
            );
            Err(Failure::refused(ErrorKind::NotFound, message))
        }
        Err(error) => Err(error.into()),
    }
}
