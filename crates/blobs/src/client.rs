//! Single objects.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

use crate::error::Request;
use crate::{BlobConfig, Error, Permission};

/// A connection pool to one S3 service. Cheap to clone; clones share the pool.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub(crate) client: aws_sdk_s3::Client,
    pub(crate) service: std::sync::Arc<str>,
    pub(crate) region: Option<std::sync::Arc<str>>,
}

/// An object with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The content.
    pub bytes: Bytes,
    /// Changes when the content changes; without the quotes of the header.
    pub etag: String,
}

/// What is known about an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its key.
    pub key: String,
    /// Length of its content in bytes.
    pub size_bytes: u64,
    /// See [`Blob::etag`]; listings of some services leave it out.
    pub etag: Option<String>,
    /// When it was written, by the service's clock.
    pub modified_at: Option<Timestamp>,
}

impl Blobs {
    /// Prepares to use the service; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn new(config: &BlobConfig) -> Result<Self, Error> {
        Ok(Self {
            client: config.client()?,
            service: config.service_name().into(),
            // Only AWS's own service wants to hear where a container is to be.
            region: config.endpoint.is_none().then(|| config.region.as_str().into()),
        })
    }

    pub(crate) fn request<'a>(
        &'a self,
        container: &'a str,
        key: &'a str,
        permission: Permission,
    ) -> Request<'a> {
        Request { service: &self.service, container, key, permission }
    }

    /// The object `key`, if it has at most `limit_bytes` bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::ContainerNotFound`], [`Error::TooLarge`], the service's refusals.
    pub async fn get(&self, container: &str, key: &str, limit_bytes: u64) -> Result<Blob, Error> {
        let mut body = self.open(container, key, limit_bytes).await?;
        let mut bytes = BytesMut::with_capacity(usize::try_from(body.size_bytes).unwrap_or(0));
        while let Some(piece) = body.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(Blob { bytes: bytes.freeze(), etag: body.etag })
    }

    /// Begins to read an object.
    pub(crate) async fn open<'a>(
        &'a self,
        container: &'a str,
        key: &'a str,
        limit_bytes: u64,
    ) -> Result<Body<'a>, Error> {
        let request = self.request(container, key, Permission::GetObject);
        let answer = match self.client.get_object().bucket(container).key(key).send().await {
            Ok(answer) => answer,
            Err(error) => return Err(self.what_is_missing(request.failed(error)).await),
        };
        let size_bytes = answer.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        let etag = unquoted(answer.e_tag.as_deref()).unwrap_or_default();
        let body = Body { request, stream: answer.body, size_bytes, etag, limit_bytes, read_bytes: 0 };
        if size_bytes > limit_bytes { Err(body.too_large()) } else { Ok(body) }
    }

    /// Writes an object, over the one that is there; returns its new entity tag. It is stored when this returns.
    ///
    /// # Errors
    /// [`Error::ContainerNotFound`], the service's refusals.
    pub async fn put(&self, container: &str, key: &str, bytes: impl Into<Bytes>) -> Result<String, Error> {
        self.put_stream(container, key, ByteStream::from(bytes.into())).await
    }

    /// Writes an object from a file, without holding it in memory.
    ///
    /// # Errors
    /// [`Error::File`], else as [`Blobs::put`].
    pub async fn put_file(&self, container: &str, key: &str, path: &Path) -> Result<String, Error> {
        let stream = ByteStream::from_path(path)
            .await
            .map_err(|error| Error::File { path: path.to_owned(), source: std::io::Error::other(error) })?;
        self.put_stream(container, key, stream).await
    }

    async fn put_stream(&self, container: &str, key: &str, stream: ByteStream) -> Result<String, Error> {
        let request = self.request(container, key, Permission::PutObject);
        let sent = self.client.put_object().bucket(container).key(key).body(stream).send().await;
        let answer = sent.map_err(|error| request.failed(error))?;
        Ok(unquoted(answer.e_tag.as_deref()).unwrap_or_default())
    }

    /// What is known about the object `key`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::ContainerNotFound`], the service's refusals.
    pub async fn head(&self, container: &str, key: &str) -> Result<BlobInfo, Error> {
        let request = self.request(container, key, Permission::GetObject);
        match self.client.head_object().bucket(container).key(key).send().await {
            Ok(answer) => Ok(BlobInfo {
                key: key.to_owned(),
                size_bytes: answer.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0),
                etag: unquoted(answer.e_tag.as_deref()),
                modified_at: answer.last_modified.as_ref().and_then(moment),
            }),
            Err(error) => Err(self.what_is_missing(request.failed(error)).await),
        }
    }

    /// Answers to HEAD have no body that would say what is missing, and some services blame the object for a missing
    /// container also in their answers to GET.
    async fn what_is_missing(&self, error: Error) -> Error {
        match error {
            Error::NotFound { container, .. }
                if matches!(self.container_exists(&container).await, Ok(false)) =>
            {
                Error::ContainerNotFound(container)
            }
            other => other,
        }
    }

    /// Deletes the object `key`; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error::ContainerNotFound`], the service's refusals.
    pub async fn delete(&self, container: &str, key: &str) -> Result<(), Error> {
        let request = self.request(container, key, Permission::DeleteObject);
        match self.client.delete_object().bucket(container).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) => match request.failed(error) {
                Error::NotFound { .. } => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Deletes every object whose key begins with `prefix`, which must end with `/`: a prefix that ends within a name
    /// would take its neighbours along. Returns how many.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the prefix; [`Error::ContainerNotFound`], the service's refusals: some objects may be
    /// gone then.
    pub async fn delete_prefix(&self, container: &str, prefix: &str) -> Result<u64, Error> {
        if !prefix.ends_with('/') {
            return Err(Error::Invalid(format!("prefix {prefix:?} does not end with a slash")));
        }
        let mut deleted = 0;
        let mut listing = self.list(container, prefix, crate::Depth::All);
        // One by one: the request for many at once needs a checksum header on which services disagree.
        while let Some(page) = listing.next_page().await? {
            for blob in page {
                self.delete(container, &blob.key).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// An object that is being read.
pub(crate) struct Body<'a> {
    request: Request<'a>,
    stream: ByteStream,
    /// As announced.
    pub(crate) size_bytes: u64,
    pub(crate) etag: String,
    limit_bytes: u64,
    read_bytes: u64,
}

impl Body<'_> {
    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(piece) = self.stream.next().await else {
            return if self.read_bytes == self.size_bytes { Ok(None) } else { Err(self.cut_short()) };
        };
        let piece = piece.map_err(|error| self.request.unreachable(&error))?;
        self.read_bytes += piece.len() as u64;
        // The announced length decided already; a service that sends more is not believed.
        if self.read_bytes > self.limit_bytes { Err(self.too_large()) } else { Ok(Some(piece)) }
    }

    fn too_large(&self) -> Error {
        Error::TooLarge {
            container: self.request.container.to_owned(),
            key: self.request.key.to_owned(),
            limit_bytes: self.limit_bytes,
        }
    }

    fn cut_short(&self) -> Error {
        let reason = format!("{} of {} bytes came", self.read_bytes, self.size_bytes);
        Error::Unreachable { service: self.request.service.to_owned(), reason }
    }
}

/// The service's time.
pub(crate) fn moment(time: &aws_sdk_s3::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// Events carry entity tags without quotes, headers with them: ours have none.
pub(crate) fn unquoted(etag: Option<&str>) -> Option<String> {
    etag.map(|etag| etag.trim_matches('"').to_owned())
}
