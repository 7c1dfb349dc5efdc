//! Access keys, encoders, settings.

use super::Database;
use super::support::at;
use crate::{AccessKey, Encoder, Error, Resource, Role};

pub(super) async fn access_keys(database: &impl Database) {
    let catalog = database.open().await;
    let key = "0123456789abcdef0123456789abcdef";
    catalog.add_access_key(key, "key 1", Role::Writer, at(0)).await.expect("add");
    let expected = AccessKey { name: "key 1".to_owned(), role: Role::Writer, created_at: at(0) };
    assert_eq!(catalog.verify_access_key(key).await, Ok(Some(expected.clone())));
    for wrong in ["", "0123456789abcdef0123456789abcdeF", "0123456789abcdef0123456789abcde"] {
        assert_eq!(catalog.verify_access_key(wrong).await, Ok(None));
    }
    let taken = Error::Exists { resource: Resource::AccessKey, name: "key 1".to_owned() };
    assert_eq!(catalog.add_access_key("another", "key 1", Role::Owner, at(1)).await, Err(taken));
    catalog.add_access_key("another", "key 2", Role::Owner, at(1)).await.expect("add");
    let names = catalog.access_keys().await.map(|keys| keys.into_iter().map(|key| key.name).collect());
    assert_eq!(names, Ok(vec!["key 1".to_owned(), "key 2".to_owned()]));
    catalog.revoke_access_key("key 1").await.expect("revoke");
    assert_eq!(catalog.verify_access_key(key).await, Ok(None));
    let gone = Error::NotFound { resource: Resource::AccessKey, name: "key 1".to_owned() };
    assert_eq!(catalog.revoke_access_key("key 1").await, Err(gone));
}

pub(super) async fn encoders_and_settings(database: &impl Database) {
    let catalog = database.open().await;
    let tokenizer: Vec<u8> = (0..=255).cycle().take(5 << 20).collect();
    let encoder = Encoder { digest: "sha256:1".to_owned(), name: "small".to_owned(), tokenizer };
    catalog.put_encoder(&encoder).await.expect("put");
    let other = Encoder { name: "renamed".to_owned(), ..encoder.clone() };
    catalog.put_encoder(&other).await.expect("known already");
    assert_eq!(catalog.encoder("sha256:1").await, Ok(encoder));
    let unknown = Error::NotFound { resource: Resource::Encoder, name: "sha256:2".to_owned() };
    assert_eq!(catalog.encoder("sha256:2").await, Err(unknown));
    assert_eq!(catalog.setting("theme").await, Ok(None));
    catalog.put_setting("theme", "dark").await.expect("put");
    catalog.put_setting("theme", "light").await.expect("put");
    assert_eq!(catalog.setting("theme").await, Ok(Some("light".to_owned())));
    assert_eq!(catalog.internal_secret("first").await, Ok("first".to_owned()));
    assert_eq!(database.open().await.internal_secret("second").await, Ok("first".to_owned()));
}
