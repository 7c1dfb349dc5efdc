//! The driver itself.

use futures::future::join;

use super::Database;
use super::support::at;
use crate::driver::Mode;
use crate::{Catalog, Connection, Driver, Error, SCHEMA_VERSION, Value};

const TABLE: &str = "CREATE TABLE things (name TEXT PRIMARY KEY, text TEXT, number BIGINT, real DOUBLE PRECISION, bytes BLOB)";

async fn count<C: Connection>(connection: &mut C) -> u64 {
    let mut rows = connection.query("SELECT COUNT(*) FROM things", &[]).await.expect("count");
    rows.remove(0).count().expect("a count")
}

async fn insert<C: Connection>(connection: &mut C, name: &str) {
    let sql = "INSERT INTO things (name) VALUES (?1)";
    assert_eq!(connection.execute(sql, &[name.into()]).await, Ok(1));
}

pub(super) async fn values_come_back_as_they_went(database: &impl Database) {
    let mut connection = database.driver().await.connect().await.expect("connect");
    connection.execute(TABLE, &[]).await.expect("create");
    let long = "é🙂\r\n'\"?1;--".repeat(100_000);
    let bytes: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    // Keys are short: engines limit what they index.
    for (name, text, number, real, bytes) in [
        ("", "", i64::MIN, 0.1, vec![]),
        ("⏎ \u{301}", "⏎ \u{301}", i64::MAX, -1.5e300, vec![0]),
        ("long", long.as_str(), 0, 2.0, bytes),
    ] {
        let values = [name.into(), text.into(), number.into(), real.into(), bytes.into()];
        let sql = "INSERT INTO things (name, text, number, real, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
        assert_eq!(connection.execute(sql, &values).await, Ok(1));
        let sql = "SELECT name, text, number, real, bytes, NULL FROM things WHERE name = ?1";
        let mut rows = connection.query(sql, &values[..1]).await.expect("query");
        let mut row = rows.remove(0);
        assert_eq!(row.text().map(Value::from).as_ref(), Ok(&values[0]));
        assert_eq!(row.text().map(Value::from).as_ref(), Ok(&values[1]));
        assert_eq!(row.integer(), Ok(number));
        assert_eq!(row.optional_real(), Ok(Some(real)));
        assert_eq!(row.blob().map(Value::from).as_ref(), Ok(&values[4]));
        assert_eq!(row.optional_text(), Ok(None));
    }
    let changed = connection.execute("UPDATE things SET number = ?1 WHERE name <> ''", &[Value::Null]).await;
    assert_eq!(changed, Ok(2));
    assert_eq!(connection.execute("DELETE FROM things WHERE name = 'absent'", &[]).await, Ok(0));
}

pub(super) async fn a_dropped_transaction_leaves_nothing(database: &impl Database) {
    let driver = database.driver().await;
    let mut connection = driver.connect().await.expect("connect");
    connection.execute(TABLE, &[]).await.expect("create");
    connection.begin(Mode::Write).await.expect("begin");
    insert(&mut connection, "rolled back").await;
    connection.rollback().await.expect("rollback");
    connection.begin(Mode::Write).await.expect("begin after a rollback");
    insert(&mut connection, "dropped").await;
    drop(connection);
    let mut connection = driver.connect().await.expect("connect again");
    assert_eq!(count(&mut connection).await, 0);
    connection.begin(Mode::Write).await.expect("a dropped transaction holds no lock");
    insert(&mut connection, "committed").await;
    connection.commit().await.expect("commit");
    drop(connection);
    let mut other = database.driver().await.connect().await.expect("connect");
    assert_eq!(count(&mut other).await, 1);
    // A statement that fails inside a transaction must not smuggle the rest in.
    other.begin(Mode::Write).await.expect("begin");
    insert(&mut other, "before the failure").await;
    let twice = other.execute("INSERT INTO things (name) VALUES ('committed')", &[]).await;
    assert!(matches!(twice, Err(Error::Refused(_))), "{twice:?}");
    drop(other);
    let mut connection = database.driver().await.connect().await.expect("connect");
    assert_eq!(count(&mut connection).await, 1);
}

pub(super) async fn a_transaction_reads_one_state(database: &impl Database) {
    let mut writer = database.driver().await.connect().await.expect("connect");
    writer.execute(TABLE, &[]).await.expect("create");
    let mut reader = database.driver().await.connect().await.expect("connect");
    reader.begin(Mode::Read).await.expect("begin");
    assert_eq!(count(&mut reader).await, 0);
    writer.begin(Mode::Write).await.expect("readers do not keep writers out");
    insert(&mut writer, "new").await;
    assert_eq!(count(&mut reader).await, 0, "uncommitted");
    writer.commit().await.expect("commit");
    assert_eq!(count(&mut reader).await, 0, "committed after the first read");
    reader.commit().await.expect("end");
    assert_eq!(count(&mut reader).await, 1);
}

pub(super) async fn writers_exclude_each_other(database: &impl Database) {
    let drivers = (database.driver().await, database.driver().await);
    let mut connection = drivers.0.connect().await.expect("connect");
    connection.execute(TABLE, &[]).await.expect("create");
    connection.execute("INSERT INTO things (name, number) VALUES ('sum', 0)", &[]).await.expect("insert");
    drop(connection);
    // Read, add, write: every lost update shows in the sum.
    async fn add<D: Driver>(driver: &D) {
        for _ in 0..20 {
            let mut connection = driver.connect().await.expect("connect");
            connection.begin(Mode::Write).await.expect("begin");
            let mut rows = connection.query("SELECT number FROM things", &[]).await.expect("read");
            let number = rows.remove(0).integer().expect("a number");
            connection.execute("UPDATE things SET number = ?1", &[(number + 1).into()]).await.expect("write");
            connection.commit().await.expect("commit");
        }
    }
    join(add(&drivers.0), add(&drivers.1)).await;
    let mut connection = drivers.0.connect().await.expect("connect");
    let mut rows = connection.query("SELECT number FROM things", &[]).await.expect("read");
    assert_eq!(rows.remove(0).integer(), Ok(40));
}

pub(super) async fn references_hold(database: &impl Database) {
    let catalog = database.open().await;
    let sql = "INSERT INTO models (project, label, model_id) VALUES ('none', 'm', 'none')";
    let refused = catalog.execute(sql, &[]).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

pub(super) async fn migrating_twice_is_safe(database: &impl Database) {
    let drivers = (database.driver().await, database.driver().await);
    let (first, second) = join(Catalog::open(drivers.0), Catalog::open(drivers.1)).await;
    let (first, second) = (first.expect("first"), second.expect("second"));
    assert_eq!(first.schema_version().await, Ok(SCHEMA_VERSION));
    super::support::with_project(&first, "P").await;
    let third = database.open().await;
    assert_eq!(third.project("P").await.map(|project| project.created_at), Ok(at(0)));
    assert_eq!(second.schema_version().await, Ok(SCHEMA_VERSION));
}

pub(super) async fn a_newer_schema_is_refused(database: &impl Database) {
    let catalog = database.open().await;
    let newer = SCHEMA_VERSION + 1;
    catalog
        .execute("INSERT INTO schema_version (version) VALUES (?1)", &[newer.into()])
        .await
        .expect("insert");
    let refused = Catalog::open(database.driver().await).await.map(drop);
    assert_eq!(refused, Err(Error::SchemaTooNew { found: newer, known: SCHEMA_VERSION }));
}
