//! Objects and containers.

use blobs::{Depth, Error};
use proptest::prelude::*;
use tempfile::TempDir;

use super::server::{container_name, with_container};

const LIMIT_BYTES: u64 = 64 << 20;

#[tokio::test]
async fn objects_come_back_as_they_went() {
    let (_server, blobs, container) = with_container().await;
    let large: Vec<u8> = (0..=255).cycle().take(9 << 20).collect();
    for (key, bytes) in [
        ("empty.txt", vec![]),
        ("claim-001.txt", b"Claim by Ana Ruiz".to_vec()),
        ("Test 1.txt", b"a blank".to_vec()),
        ("folder/né+100%?#&=~🙂.txt", "ünï".as_bytes().to_vec()),
        ("models/large.bin", large),
    ] {
        let etag = blobs.put(&container, key, bytes.clone()).await.unwrap();
        let blob = blobs.get(&container, key, LIMIT_BYTES).await.unwrap();
        assert_eq!(blob.bytes, bytes, "{key}");
        assert_eq!(blob.etag, etag, "{key}");
        assert!(!etag.is_empty() && !etag.contains('"'), "{etag}");
        let info = blobs.head(&container, key).await.unwrap();
        assert_eq!((info.size_bytes, info.key.as_str()), (bytes.len() as u64, key));
    }
    let first = blobs.put(&container, "a.txt", "1").await.unwrap();
    let second = blobs.put(&container, "a.txt", "22").await.unwrap();
    assert_ne!(first, second, "the entity tag tells contents apart");
    assert_eq!(blobs.get(&container, "a.txt", LIMIT_BYTES).await.unwrap().bytes, "22");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (_server, blobs, container) = with_container().await;
    let nowhere = container_name();
    let missing = blobs.get(&container, "a.txt", LIMIT_BYTES).await.unwrap_err();
    assert!(matches!(&missing, Error::NotFound { key, .. } if key == "a.txt"), "{missing}");
    let missing = blobs.head(&container, "a.txt").await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    for error in [
        blobs.get(&nowhere, "a.txt", LIMIT_BYTES).await.unwrap_err(),
        blobs.head(&nowhere, "a.txt").await.unwrap_err(),
        blobs.list(&nowhere, "", Depth::All).collect().await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::ContainerNotFound(name) if *name == nowhere), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn limits_hold_exactly() {
    let (_server, blobs, container) = with_container().await;
    blobs.put(&container, "a.txt", vec![7; 1000]).await.unwrap();
    assert_eq!(blobs.get(&container, "a.txt", 1000).await.unwrap().bytes.len(), 1000);
    let error = blobs.get(&container, "a.txt", 999).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 999, .. }), "{error}");
}

#[tokio::test]
async fn deleting_what_is_gone_is_no_error() {
    let (_server, blobs, container) = with_container().await;
    blobs.put(&container, "a.txt", "text").await.unwrap();
    blobs.delete(&container, "a.txt").await.unwrap();
    blobs.delete(&container, "a.txt").await.unwrap();
    assert!(matches!(blobs.head(&container, "a.txt").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn listings_go_on_past_a_page() {
    let (_server, blobs, container) = with_container().await;
    let count = 1_003;
    for number in 0..count {
        blobs.put(&container, &format!("many/{number:05}.txt"), "x").await.unwrap();
    }
    for key in ["a.txt", "many.txt", "z/deep/er.txt"] {
        blobs.put(&container, key, "text").await.unwrap();
    }
    let mut listing = blobs.list(&container, "many/", Depth::All);
    let (mut keys, mut pages) = (Vec::new(), 0);
    while let Some(page) = listing.next_page().await.unwrap() {
        pages += 1;
        keys.extend(page.into_iter().map(|blob| blob.key));
    }
    let expected: Vec<_> = (0..count).map(|number| format!("many/{number:05}.txt")).collect();
    assert_eq!(keys, expected);
    assert!(pages > 1, "a listing this long has pages");
    assert_eq!(blobs.list(&container, "", Depth::All).collect().await.unwrap().len(), count + 3);
    let root = blobs.list(&container, "", Depth::Folder).collect().await.unwrap();
    let root: Vec<_> = root.into_iter().map(|blob| (blob.key, blob.size_bytes)).collect();
    assert_eq!(root, [("a.txt".to_owned(), 4), ("many.txt".to_owned(), 4)], "folders are not entered");
    assert!(blobs.list(&container, "none/", Depth::All).collect().await.unwrap().is_empty());
    assert_eq!(blobs.delete_prefix(&container, "many/").await.unwrap(), count as u64);
    assert_eq!(blobs.list(&container, "", Depth::All).collect().await.unwrap().len(), 3);
}

#[tokio::test]
async fn prefixes_that_take_neighbours_along_are_refused() {
    let (_server, blobs, container) = with_container().await;
    blobs.put(&container, "model-1/a", "x").await.unwrap();
    blobs.put(&container, "model-10/a", "x").await.unwrap();
    for prefix in ["", "model-1"] {
        assert!(matches!(blobs.delete_prefix(&container, prefix).await, Err(Error::Invalid(_))));
    }
    assert_eq!(blobs.delete_prefix(&container, "model-1/").await.unwrap(), 1);
    blobs.head(&container, "model-10/a").await.unwrap();
}

#[tokio::test]
async fn containers_are_made_once() {
    let (_server, blobs, container) = with_container().await;
    assert!(blobs.container_exists(&container).await.unwrap());
    blobs.put(&container, "a.txt", "text").await.unwrap();
    assert!(!blobs.create_container_if_absent(&container).await.unwrap());
    blobs.head(&container, "a.txt").await.unwrap();
    assert!(!blobs.container_exists(&container_name()).await.unwrap());
    let name = container_name();
    let (one, two) =
        tokio::join!(blobs.create_container_if_absent(&name), blobs.create_container_if_absent(&name));
    assert!(one.unwrap() || two.unwrap(), "both may race, one makes it");
}

#[tokio::test]
async fn downloads_appear_whole_and_proved_or_not_at_all() {
    let (_server, blobs, container) = with_container().await;
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("source.bin");
    let bytes: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
    std::fs::write(&source, &bytes).unwrap();
    blobs.put_file(&container, "model/weights.bin", &source).await.unwrap();
    let digest = {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(&bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let target = folder.path().join("weights.bin");
    let download = |sha256, limit| blobs.download(&container, "model/weights.bin", &target, sha256, limit);
    let wrong = download(Some("00"), LIMIT_BYTES).await.unwrap_err();
    assert!(matches!(&wrong, Error::Digest { found, .. } if *found == digest), "{wrong}");
    assert!(matches!(download(None, 10).await, Err(Error::TooLarge { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of what failed");
    assert_eq!(download(Some(&digest), LIMIT_BYTES).await.unwrap(), bytes.len() as u64);
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
    std::fs::write(&target, "old").unwrap();
    assert!(download(Some("00"), LIMIT_BYTES).await.is_err());
    assert_eq!(
        std::fs::read(&target).unwrap(),
        b"old",
        "a file that is there stays until the new one is proved"
    );
    download(None, LIMIT_BYTES).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
    let nowhere = folder.path().join("absent/weights.bin");
    let error =
        blobs.download(&container, "model/weights.bin", &nowhere, None, LIMIT_BYTES).await.unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    let error = blobs.put_file(&container, "x", &nowhere).await.unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Whatever a key looks like: it names one object, and the listing spells it the same.
    #[test]
    fn any_sensible_key_works(
        keys in prop::collection::hash_set("[ -.0-~äß🙂é]{1,20}(/[0-9A-Za-z _+%.-]{1,9}x)?", 1..5),
    ) {
        let keys: Vec<_> = keys.into_iter().filter(|key| sensible(key)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_server, blobs, container) = with_container().await;
            for (key, number) in keys.iter().zip(0_u8..) {
                blobs.put(&container, &format!("k/{key}"), vec![number]).await.unwrap();
            }
            for (key, number) in keys.iter().zip(0_u8..) {
                let blob = blobs.get(&container, &format!("k/{key}"), 9).await.unwrap();
                assert_eq!(blob.bytes, vec![number], "{key}");
            }
            let mut listed: Vec<_> = blobs.list(&container, "k/", Depth::All).collect().await.unwrap()
                .into_iter().map(|blob| blob.key).collect();
            listed.sort();
            let mut expected: Vec<_> = keys.iter().map(|key| format!("k/{key}")).collect();
            expected.sort();
            assert_eq!(listed, expected);
        });
    }
}

/// Path steps that a file system behind a server can't hold.
fn sensible(key: &str) -> bool {
    key.split('/').all(|step| !step.is_empty() && step != "." && step != "..")
}
