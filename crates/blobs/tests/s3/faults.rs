//! What happens when the service refuses or fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use blobs::{BlobConfig, Blobs, Depth, Error, Permission};

use s3s::S3ErrorCode;

use super::server::{Rules, Server, container_name};

async fn denied(operation: &'static str) -> (Server, Blobs, String) {
    let server =
        Server::own(Rules { refused: Some((operation, S3ErrorCode::AccessDenied)), ..Rules::default() })
            .await;
    let (blobs, container) = (server.blobs(), container_name());
    // The container is made before the rule bites, unless the rule is about that.
    let _ = blobs.create_container_if_absent(&container).await;
    (server, blobs, container)
}

fn assert_denied<T: std::fmt::Debug>(result: Result<T, Error>, expected: Permission) {
    match result {
        Err(error @ Error::AccessDenied { permission, .. }) if permission == expected => {
            assert!(!error.is_transient());
            assert!(error.to_string().contains("s3:"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn refusals_name_the_permission() {
    let (_server, blobs, container) = denied("PutObject").await;
    assert_denied(blobs.put(&container, "a.txt", "text").await, Permission::PutObject);
    let (_server, blobs, container) = denied("GetObject").await;
    blobs.put(&container, "a.txt", "text").await.unwrap();
    assert_denied(blobs.get(&container, "a.txt", 9).await, Permission::GetObject);
    let (_server, blobs, container) = denied("HeadObject").await;
    assert_denied(blobs.head(&container, "a.txt").await, Permission::GetObject);
    let (_server, blobs, container) = denied("DeleteObject").await;
    assert_denied(blobs.delete(&container, "a.txt").await, Permission::DeleteObject);
    let (_server, blobs, container) = denied("ListObjectsV2").await;
    assert_denied(blobs.list(&container, "", Depth::All).collect().await, Permission::ListBucket);
    let (_server, blobs, container) = denied("CreateBucket").await;
    assert_denied(blobs.create_container_if_absent(&container).await, Permission::CreateBucket);
    let (_server, blobs, container) = denied("HeadBucket").await;
    assert_denied(blobs.container_exists(&container).await, Permission::ListBucket);
}

/// The server of these tests makes containers on the way, so the answer of others is given by a rule.
#[tokio::test]
async fn writing_into_a_missing_container_names_it() {
    let refused = Some(("PutObject", S3ErrorCode::NoSuchBucket));
    let server = Server::own(Rules { refused, ..Rules::default() }).await;
    let error = server.blobs().put("letters", "a.txt", "text").await.unwrap_err();
    assert!(matches!(&error, Error::ContainerNotFound(name) if name == "letters"), "{error:?}");
}

#[tokio::test]
async fn wrong_credentials_are_told_from_missing_permissions() {
    let server = Server::own(Rules::default()).await;
    for config in [
        BlobConfig { secret_key: "wrong".to_owned(), ..server.config.clone() },
        BlobConfig { access_key: "nobody".to_owned(), ..server.config.clone() },
    ] {
        let error = Blobs::new(&config).unwrap().get("letters", "a.txt", 9).await.unwrap_err();
        assert!(matches!(error, Error::Credentials { .. }), "{error:?}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    let slow_downs = Arc::new(AtomicU32::new(0));
    let server = Server::own(Rules { slow_downs: Arc::clone(&slow_downs), ..Rules::default() }).await;
    let (blobs, container) = (server.blobs(), container_name());
    blobs.create_container_if_absent(&container).await.unwrap();
    slow_downs.store(2, Ordering::SeqCst);
    blobs.put(&container, "a.txt", "text").await.unwrap();
    assert_eq!(slow_downs.load(Ordering::SeqCst), 0, "it was refused twice");
    slow_downs.store(1000, Ordering::SeqCst);
    let error = blobs.get(&container, "a.txt", 9).await.unwrap_err();
    assert!(matches!(&error, Error::Service { code, .. } if code == "SlowDown"), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unreachable() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = BlobConfig {
        endpoint: Some(format!("http://{address}")),
        region: "us-east-1".to_owned(),
        access_key: "a".to_owned(),
        secret_key: "s".to_owned(),
        path_style: true,
    };
    let error = Blobs::new(&config).unwrap().get("letters", "a.txt", 9).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_transient(), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn answers_that_break_off_are_no_objects() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\netag: \"1\"\r\n\r\nonly a part";
            let _ = socket.write_all(head.as_bytes()).await;
        }
    });
    let config = BlobConfig {
        endpoint: Some(format!("http://{address}")),
        region: "us-east-1".to_owned(),
        access_key: "a".to_owned(),
        secret_key: "s".to_owned(),
        path_style: true,
    };
    let blobs = Blobs::new(&config).unwrap();
    let error = blobs.get("letters", "a.txt", 1000).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let folder = tempfile::TempDir::new().unwrap();
    let error =
        blobs.download("letters", "a.txt", &folder.path().join("a.txt"), None, 1000).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
