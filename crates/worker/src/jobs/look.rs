//! An object as it is now, whatever was told about it.

use crate::documents::{self, Unreadable};
use crate::failure::Failure;
use blobs::Blobs;
use language_api::storage_events::is_document;

/// What a look at an object shows.
pub(crate) enum Look {
    /// It is not there.
    Gone,
    /// It is a label file, or a document's text.
    Text {
        /// Its entity tag.
        etag: String,
    },
    /// It can be no document.
    Unusable {
        /// Its entity tag.
        etag: String,
        /// Why, for the person who keeps the container.
        reason: String,
    },
}

impl Look {
    /// The entity tag, when the object is there.
    pub(crate) fn etag(&self) -> Option<&str> {
        match self {
            Self::Gone => None,
            Self::Text { etag } | Self::Unusable { etag, .. } => Some(etag),
        }
    }
}

/// Looks at the object at `location`. Documents are read, to tell those that can be none.
pub(crate) async fn look(
    blobs: &Blobs,
    container: &str,
    location: &str,
    characters_max: u32,
) -> Result<Look, Failure> {
    if !is_document(location) {
        return Ok(etag(blobs, container, location).await?.map_or(Look::Gone, |etag| Look::Text { etag }));
    }
    let read = match documents::read(blobs, container, location, characters_max).await {
        // The whole container went after the event.
        Err(Failure::Refused(_)) if matches!(blobs.container_exists(container).await, Ok(false)) => {
            return Ok(Look::Gone);
        }
        read => read?,
    };
    let (text, etag) = match read {
        Ok(found) => (found.text, found.etag),
        Err(Unreadable::Missing) => return Ok(Look::Gone),
        Err(Unreadable::Refused(reason)) => {
            let found = self::etag(blobs, container, location).await?;
            return Ok(found.map_or(Look::Gone, |etag| Look::Unusable { etag, reason }));
        }
    };
    let characters = text.chars().count();
    let reason = match characters {
        0 => format!("{location:?} is empty"),
        more if more > characters_max as usize => {
            format!("{location:?} has {more} characters, a document has at most {characters_max}")
        }
        _ => return Ok(Look::Text { etag }),
    };
    Ok(Look::Unusable { etag, reason })
}

async fn etag(blobs: &Blobs, container: &str, location: &str) -> Result<Option<String>, Failure> {
    match blobs.head(container, location).await {
        Ok(info) => Ok(Some(info.etag.unwrap_or_default())),
        Err(blobs::Error::NotFound { .. } | blobs::Error::ContainerNotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
