//! Access keys, encoders, settings.

use super::Database;
use super::support::at;
use crate::{AccessKey, CallClass, Encoder, Error, Resource, Role};
use language_api::ErrorKind;

pub(super) async fn access_keys(database: &impl Database) {
    let catalog = database.open().await;
    let key = "0123456789abcdef0123456789abcdef";
    catalog.add_access_key(key, "key 1", Role::Writer, at(0)).await.expect("add");
    let expected = AccessKey { name: "key 1".to_owned(), role: Role::Writer, created_at: at(0) };
    assert_eq!(catalog.verify_access_key(key).await, Ok(Some(expected.clone())));
    for needed in [Role::Reader, Role::Writer] {
        assert_eq!(catalog.authorize(Some(key), needed).await, Ok(expected.clone()));
    }
    let refused =
        |answer: Result<AccessKey, language_api::ApiError>| answer.map_err(|error| error.kind).err();
    assert_eq!(refused(catalog.authorize(Some(key), Role::Owner).await), Some(ErrorKind::Forbidden));
    assert_eq!(refused(catalog.authorize(None, Role::Reader).await), Some(ErrorKind::Unauthorized));
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

pub(super) async fn calls_are_counted_by_the_minute(database: &impl Database) {
    let (catalog, other) = (database.open().await, database.open().await);
    // `at(0)` is the 20th second of its minute.
    for (second, class, expected) in [
        (0, CallClass::AuthoringWrite, 1),
        (39, CallClass::AuthoringWrite, 2),
        (39, CallClass::Prediction, 1),
        (40, CallClass::AuthoringWrite, 1),
        (99, CallClass::AuthoringWrite, 2),
        (100, CallClass::AuthoringWrite, 1),
    ] {
        assert_eq!(other.count_call(class, at(second)).await, Ok(expected), "{class} at {second}");
    }
    catalog.admit(CallClass::AuthoringRead, Some(1), at(0)).await.expect("the first of the minute");
    let refused = catalog.admit(CallClass::AuthoringRead, Some(1), at(1)).await.expect_err("the second");
    assert_eq!((refused.kind, refused.retry_after_seconds), (ErrorKind::TooManyRequests, Some(39)));
    catalog.admit(CallClass::AuthoringRead, None, at(1)).await.expect("no rate, no limit");
    catalog.admit(CallClass::AuthoringRead, Some(1), at(40)).await.expect("the next minute");
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
    let period = jiff::SignedDuration::from_secs(60);
    for (second, work, expected) in [
        (100, "look", true),
        (100, "look", false),
        (159, "look", false),
        (159, "sweep", true),
        (160, "look", true),
        (219, "look", false),
    ] {
        assert_eq!(catalog.claim(work, at(second), period).await, Ok(expected), "{work} at {second}");
    }
    assert_eq!(catalog.internal_secret("first").await, Ok("first".to_owned()));
    assert_eq!(database.open().await.internal_secret("second").await, Ok("first".to_owned()));
}
