//! What a container holds.

use crate::client::{moment, unquoted};
use crate::error::Request;
use crate::{BlobInfo, Blobs, Error, Permission};

/// How far a listing goes below its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every object.
    All,
    /// Only objects without a further `/` in their key.
    Folder,
}

/// A listing that is read page by page, so that a container of any size fits.
#[derive(Debug)]
pub struct Listing<'a> {
    blobs: &'a Blobs,
    container: &'a str,
    prefix: &'a str,
    depth: Depth,
    position: Position,
}

#[derive(Debug)]
enum Position {
    Start,
    After(String),
    End,
}

impl Blobs {
    /// The objects of `container` whose keys begin with `prefix` (empty: all), by key.
    pub fn list<'a>(&'a self, container: &'a str, prefix: &'a str, depth: Depth) -> Listing<'a> {
        Listing { blobs: self, container, prefix, depth, position: Position::Start }
    }
}

impl Listing<'_> {
    /// The next objects, as many as the service likes to tell at once; a page may be empty before the end, which is
    /// `None`. After an error the same page is asked for again.
    ///
    /// # Errors
    /// [`Error::ContainerNotFound`], the service's refusals.
    pub async fn next_page(&mut self) -> Result<Option<Vec<BlobInfo>>, Error> {
        let after = match &self.position {
            Position::Start => None,
            Position::After(token) => Some(token.clone()),
            Position::End => return Ok(None),
        };
        let request = self.request();
        let answer = self
            .blobs
            .client
            .list_objects_v2()
            .bucket(self.container)
            .prefix(self.prefix)
            .set_delimiter((self.depth == Depth::Folder).then(|| "/".to_owned()))
            .set_continuation_token(after)
            .send()
            .await
            .map_err(|error| request.failed(error))?;
        let more = answer.is_truncated.unwrap_or(false);
        self.position = match answer.next_continuation_token {
            Some(token) if more => Position::After(token),
            None if more => {
                return Err(Error::Invalid("the service cut a listing without saying how to go on".into()));
            }
            _ => Position::End,
        };
        let objects = answer.contents.unwrap_or_default().into_iter();
        Ok(Some(objects.filter_map(info).collect()))
    }

    /// All objects that are left.
    ///
    /// # Errors
    /// As [`Listing::next_page`].
    pub async fn collect(mut self) -> Result<Vec<BlobInfo>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.next_page().await? {
            all.extend(page);
        }
        Ok(all)
    }

    fn request(&self) -> Request<'_> {
        self.blobs.request(self.container, "", Permission::ListBucket)
    }
}

fn info(object: aws_sdk_s3::types::Object) -> Option<BlobInfo> {
    Some(BlobInfo {
        size_bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        etag: unquoted(object.e_tag.as_deref()),
        modified_at: object.last_modified.as_ref().and_then(moment),
        // An entry without a key names no object.
        key: object.key?,
    })
}
