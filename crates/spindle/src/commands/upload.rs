//! Documents of a folder into the container of a project.

use super::Session;
use super::documents::Folder;
use crate::client::ClientError;
use crate::print::{self, Counter};
use anyhow::Result;
use blobs::Blobs;
use tokio::task::JoinSet;

/// Objects on their way at once.
const PARALLEL: usize = 8;

impl Session {
    /// The object storage of the server.
    ///
    /// # Errors
    /// The connection does not say where it is.
    pub(super) fn storage(&self) -> Result<Blobs> {
        let s3 = self.s3.as_ref().ok_or_else(|| {
            ClientError::Usage(
                "documents are uploaded with the S3 address and keys in the data folder of the server; name it with --data, or upload them with any S3 client and leave --documents out"
                    .to_owned(),
            )
        })?;
        Ok(s3.open()?)
    }
}

/// Uploads `folder` to `container`, which is made when it is not there.
pub(crate) async fn upload(storage: &Blobs, container: &str, folder: &Folder) -> Result<()> {
    storage.create_container_if_absent(container).await?;
    let counter = Counter::new("uploading documents", folder.documents.len());
    let mut under_way = JoinSet::new();
    for (key, path) in folder.documents.clone() {
        if under_way.len() == PARALLEL
            && let Some(done) = under_way.join_next().await
        {
            done??;
            counter.step();
        }
        let (storage, container) = (storage.clone(), container.to_owned());
        under_way.spawn(async move { storage.put_file(&container, &key, &path).await });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
        counter.step();
    }
    drop(counter);
    if let Some(warning) = folder.left_out() {
        print::note(&warning);
    }
    Ok(())
}
