//! The objects of a folder, with listings of our own, durable and told about when they are.
//!
//! `s3s_fs` looks at every file's metadata for each page of a listing, which takes minutes for a bucket of a hundred
//! thousand objects.

use super::changes::{Changes, ObjectChange, encoded, keep};
use super::full::named;
use super::listing::{self, Page, Wanted};
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use tokio::sync::mpsc::UnboundedSender;

/// Most names in one page, as everywhere in S3.
const NAMES_MAX: usize = 1_000;

type Answer<'a, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'a>>;

/// A folder of buckets.
#[derive(Debug)]
pub(super) struct Objects {
    files: FileSystem,
    root: PathBuf,
    changes: Changes,
}

impl Objects {
    pub(super) fn new(
        root: &Path,
        listener: Option<UnboundedSender<ObjectChange>>,
    ) -> Result<Self, s3s_fs::Error> {
        Ok(Self { files: FileSystem::new(root)?, root: root.to_path_buf(), changes: Changes::new(listener) })
    }

    /// Makes a written object durable, then tells of it.
    async fn written(
        &self,
        bucket: String,
        key: String,
        name: &'static str,
        etag: Option<ETag>,
    ) -> S3Result<()> {
        let root = self.root.clone();
        let place = (bucket.clone(), key.clone());
        let kept = tokio::task::spawn_blocking(move || keep(&root, &place.0, &place.1)).await;
        match kept.map_err(S3Error::internal_error)? {
            Ok(()) => {}
            // Somebody deleted it at once, or wrote it as a folder.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(named(S3Error::internal_error(error))),
        }
        self.changes.tell(&bucket, &key, name, etag.map(ETag::into_value));
        Ok(())
    }

    async fn page(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        // The names of buckets have been checked: they hold neither dots alone nor slashes.
        let root = self.root.join(&input.bucket);
        let token = [input.continuation_token.as_deref(), input.start_after.as_deref()];
        let names_max = input.max_keys.map_or(NAMES_MAX, |max| usize::try_from(max).unwrap_or(0));
        let wanted = Wanted {
            // Keys are stored without slashes at their start.
            prefix: input.prefix.as_deref().unwrap_or_default().trim_start_matches('/').to_owned(),
            folded: input.delimiter.is_some(),
            after: token.into_iter().flatten().max().unwrap_or_default().to_owned(),
            names_max: names_max.min(NAMES_MAX),
        };
        let read = move || if root.is_dir() { listing::page(&root, &wanted).map(Some) } else { Ok(None) };
        let read = tokio::task::spawn_blocking(read).await.map_err(S3Error::internal_error)?;
        let page = read.map_err(S3Error::internal_error)?.ok_or_else(|| s3_error!(NoSuchBucket))?;
        Ok(output(input, page))
    }
}

fn output(input: ListObjectsV2Input, page: Page) -> ListObjectsV2Output {
    let names = page.objects.len() + page.folders.len();
    let spelled = Spelling::of(input.encoding_type.as_ref());
    let objects = page.objects.into_iter().map(|object| Object {
        key: Some(spelled.text(object.key)),
        size: i64::try_from(object.size_bytes).ok(),
        last_modified: Some(object.modified.into()),
        ..Object::default()
    });
    let folders = page.folders.into_iter().map(|prefix| CommonPrefix { prefix: Some(spelled.text(prefix)) });
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: input.prefix.map(|text| spelled.text(text)),
        delimiter: input.delimiter.map(|text| spelled.text(text)),
        max_keys: Some(input.max_keys.unwrap_or(i32::try_from(NAMES_MAX).unwrap_or(i32::MAX))),
        key_count: i32::try_from(names).ok(),
        is_truncated: Some(page.next.is_some()),
        contents: Some(objects.collect()),
        common_prefixes: Some(folders.collect()),
        continuation_token: input.continuation_token,
        next_continuation_token: page.next,
        start_after: input.start_after.map(|text| spelled.text(text)),
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    }
}

/// How a listing spells keys: clients that ask for an encoding decode what comes, a plus sign in a name, too.
#[derive(Clone, Copy)]
enum Spelling {
    Plain,
    Encoded,
}

impl Spelling {
    fn of(encoding: Option<&EncodingType>) -> Self {
        match encoding {
            Some(encoding) if encoding.as_str() == EncodingType::URL => Self::Encoded,
            _ => Self::Plain,
        }
    }

    fn text(self, text: String) -> String {
        match self {
            Self::Plain => text,
            Self::Encoded => encoded(&text),
        }
    }
}

/// Operations that are left to the file system.
macro_rules! left {
    ($($name:ident: $input:ident => $output:ident),* $(,)?) => {$(
        fn $name<'life, 'future>(&'life self, request: S3Request<$input>) -> Answer<'future, $output>
        where
            'life: 'future,
            Self: 'future,
        {
            Box::pin(async move { self.files.$name(request).await.map_err(named) })
        }
    )*};
}

impl S3 for Objects {
    fn list_objects_v2<'life, 'future>(
        &'life self,
        request: S3Request<ListObjectsV2Input>,
    ) -> Answer<'future, ListObjectsV2Output>
    where
        'life: 'future,
        Self: 'future,
    {
        match request.input.delimiter.as_deref() {
            None | Some("/") => Box::pin(async move { Ok(S3Response::new(self.page(request.input).await?)) }),
            Some(_) => self.files.list_objects_v2(request),
        }
    }

    fn list_objects<'life, 'future>(
        &'life self,
        request: S3Request<ListObjectsInput>,
    ) -> Answer<'future, ListObjectsOutput>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let spelled = Spelling::of(request.input.encoding_type.as_ref());
            let marker = request.input.marker.clone().map(|text| spelled.text(text));
            let second = self.list_objects_v2(request.map_input(Into::into)).await?;
            Ok(second.map_output(|page| ListObjectsOutput {
                marker,
                next_marker: page.next_continuation_token.map(|text| spelled.text(text)),
                contents: page.contents,
                common_prefixes: page.common_prefixes,
                delimiter: page.delimiter,
                encoding_type: page.encoding_type,
                is_truncated: page.is_truncated,
                max_keys: page.max_keys,
                name: page.name,
                prefix: page.prefix,
                ..ListObjectsOutput::default()
            }))
        })
    }

    fn put_object<'life, 'future>(
        &'life self,
        request: S3Request<PutObjectInput>,
    ) -> Answer<'future, PutObjectOutput>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let answer = self.files.put_object(request).await.map_err(named)?;
            self.written(bucket, key, "ObjectCreated:Put", answer.output.e_tag.clone()).await?;
            Ok(answer)
        })
    }

    fn copy_object<'life, 'future>(
        &'life self,
        request: S3Request<CopyObjectInput>,
    ) -> Answer<'future, CopyObjectOutput>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let answer = self.files.copy_object(request).await.map_err(named)?;
            let etag = answer.output.copy_object_result.as_ref().and_then(|result| result.e_tag.clone());
            self.written(bucket, key, "ObjectCreated:Copy", etag).await?;
            Ok(answer)
        })
    }

    fn complete_multipart_upload<'life, 'future>(
        &'life self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<'future, CompleteMultipartUploadOutput>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let answer = self.files.complete_multipart_upload(request).await.map_err(named)?;
            let etag = answer.output.e_tag.clone();
            self.written(bucket, key, "ObjectCreated:CompleteMultipartUpload", etag).await?;
            Ok(answer)
        })
    }

    fn delete_object<'life, 'future>(
        &'life self,
        request: S3Request<DeleteObjectInput>,
    ) -> Answer<'future, DeleteObjectOutput>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let answer = self.files.delete_object(request).await?;
            self.changes.tell(&bucket, &key, "ObjectRemoved:Delete", None);
            Ok(answer)
        })
    }

    fn delete_objects<'life, 'future>(
        &'life self,
        request: S3Request<DeleteObjectsInput>,
    ) -> Answer<'future, DeleteObjectsOutput>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let bucket = request.input.bucket.clone();
            let answer = self.files.delete_objects(request).await?;
            for key in answer.output.deleted.iter().flatten().filter_map(|object| object.key.as_deref()) {
                self.changes.tell(&bucket, key, "ObjectRemoved:Delete", None);
            }
            Ok(answer)
        })
    }

    left! {
        abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
        create_bucket: CreateBucketInput => CreateBucketOutput,
        create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
        delete_bucket: DeleteBucketInput => DeleteBucketOutput,
        get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput,
        get_object: GetObjectInput => GetObjectOutput,
        head_bucket: HeadBucketInput => HeadBucketOutput,
        head_object: HeadObjectInput => HeadObjectOutput,
        list_buckets: ListBucketsInput => ListBucketsOutput,
        list_parts: ListPartsInput => ListPartsOutput,
        upload_part: UploadPartInput => UploadPartOutput,
        upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput,
    }
}
