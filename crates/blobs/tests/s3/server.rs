//! The server under test.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use blobs::{BlobConfig, Blobs};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3ErrorCode, S3Result, s3_error};
use tempfile::TempDir;

const ACCESS_KEY: &str = "test-access";
const SECRET_KEY: &str = "test-secret";

/// A running server; its data goes when it is dropped.
pub(crate) struct Server {
    pub(crate) config: BlobConfig,
    // Holds the folder for as long as the server runs.
    _folder: Option<TempDir>,
}

/// Refuses what a test tells it to.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// An operation by its S3 name, and how it is always answered.
    pub(crate) refused: Option<(&'static str, S3ErrorCode)>,
    /// How many requests are answered with "slow down" first.
    pub(crate) slow_downs: Arc<AtomicU32>,
}

impl S3Access for Rules {
    // The trait is written with `async_trait`; this is what that makes of `async fn check`.
    fn check<'a, 'b, 'c, 'answer>(
        &'a self,
        context: &'b mut S3AccessContext<'c>,
    ) -> Pin<Box<dyn Future<Output = S3Result<()>> + Send + 'answer>>
    where
        'a: 'answer,
        'b: 'answer,
        'c: 'answer,
    {
        Box::pin(std::future::ready(self.decide(context.s3_op().name())))
    }
}

impl Rules {
    fn decide(&self, operation: &str) -> S3Result<()> {
        if let Some((_, code)) = self.refused.as_ref().filter(|(refused, _)| *refused == operation) {
            return Err(code.clone().into());
        }
        let wait =
            self.slow_downs.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if wait.is_ok() { Err(s3_error!(SlowDown)) } else { Ok(()) }
    }
}

impl Server {
    /// The server of the environment, or one of our own.
    pub(crate) async fn start() -> Self {
        let Ok(endpoint) = std::env::var("BLOBS_TEST_ENDPOINT") else {
            return Self::own(Rules::default()).await;
        };
        let config = BlobConfig {
            endpoint: Some(endpoint),
            region: std::env::var("BLOBS_TEST_REGION").unwrap_or_else(|_| "us-east-1".to_owned()),
            access_key: std::env::var("BLOBS_TEST_ACCESS_KEY").unwrap(),
            secret_key: std::env::var("BLOBS_TEST_SECRET_KEY").unwrap(),
            path_style: true,
        };
        Self { config, _folder: None }
    }

    /// One of our own, with rules.
    pub(crate) async fn own(rules: Rules) -> Self {
        let folder = TempDir::new().unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        builder.set_access(rules);
        let service = builder.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is no failure of the server.
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        let config = BlobConfig {
            endpoint: Some(format!("http://{address}")),
            region: "us-east-1".to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            path_style: true,
        };
        Self { config, _folder: Some(folder) }
    }

    pub(crate) fn blobs(&self) -> Blobs {
        Blobs::new(&self.config).unwrap()
    }
}

/// A name for a container that no other test uses, also on a server that has been used before.
pub(crate) fn container_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("blobs-test-{:x}-{}", now.as_nanos(), NEXT.fetch_add(1, Ordering::SeqCst))
}

/// A server and an empty container on it.
pub(crate) async fn with_container() -> (Server, Blobs, String) {
    let server = Server::start().await;
    let (blobs, container) = (server.blobs(), container_name());
    assert!(blobs.create_container_if_absent(&container).await.unwrap());
    (server, blobs, container)
}
