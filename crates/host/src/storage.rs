//! The embedded S3 server: a real S3 endpoint over a folder, for one machine.

mod changes;
mod full;
mod listing;
mod objects;

use crate::storage::StorageError::{Folder, Listen};
pub use crate::storage::changes::ObjectChange;
use crate::storage::objects::Objects;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;

/// Why the embedded S3 server can't run. The operator can fix it.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The folder can't be used.
    #[error("cannot keep objects in {path}: {reason}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The address can't be used.
    #[error("cannot listen on {address} for the embedded S3 server: {source}")]
    Listen {
        /// The wanted address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Access to the embedded server.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Public part.
    pub access_key_id: String,
    /// Secret part.
    pub secret_access_key: String,
}

/// A running embedded S3 server; it stops with the runtime.
#[derive(Debug)]
pub struct Storage {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Storage {
    /// Serves the objects under `folder` on `address` (port 0 picks a free one). Changes of objects are told to
    /// `listener` once they are durable, in the order in which they were answered.
    ///
    /// # Errors
    /// [`StorageError`]: folder or address can't be used.
    pub async fn start(
        folder: &Path,
        address: SocketAddr,
        credentials: &Credentials,
        listener: Option<UnboundedSender<ObjectChange>>,
    ) -> Result<Self, StorageError> {
        let unusable = |reason: String| Folder { path: folder.to_path_buf(), reason };
        std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
        let objects = Objects::new(folder, listener).map_err(|error| unusable(format!("{error:?}")))?;
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(
            credentials.access_key_id.clone(),
            credentials.secret_access_key.clone(),
        ));
        let service = service.build();
        let listener = TcpListener::bind(address).await.map_err(|source| Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| Listen { address, source })?;
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "S3 connection ended");
                    }
                });
            }
        });
        Ok(Self { address })
    }
}
