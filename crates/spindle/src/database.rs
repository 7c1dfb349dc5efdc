//! Where the catalog lies: SQLite in the data folder, or a PostgreSQL server.

use anyhow::{Context, Result, bail};
use catalog::driver::{Native, NativePostgres, NativeSqlite, Place};
use catalog::{Catalog, Error, Role};
use host::SqliteDatabase;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// Name of the SQLite file in the data folder, and the label under which components know it.
const FILE: &str = "spindle.sqlite";
const LABEL: &str = "default";
/// The table whose changes may mean work.
const JOBS: &str = "jobs";

/// The database of an installation.
pub(crate) struct Database {
    file: PathBuf,
    server: Option<Server>,
}

struct Server {
    address: String,
    driver: NativePostgres,
}

impl Database {
    /// The PostgreSQL database at `address`; without one, SQLite in the folder `data`. Nothing is opened yet.
    ///
    /// # Errors
    /// The address can't be used; the message does not show it.
    pub(crate) fn choose(data: &Path, address: Option<&str>) -> Result<Self> {
        let address = address.filter(|address| !address.is_empty());
        let server = address.map(|address| {
            let driver = NativePostgres::new(address).context("cannot use --database (SPINDLE_DATABASE)")?;
            if !driver.is_local() {
                let host = driver.host();
                tracing::warn!(
                    host,
                    "what is sent to the database is not encrypted: keep the network between private"
                );
            }
            anyhow::Ok(Server { address: address.to_owned(), driver })
        });
        Ok(Self { file: data.join(FILE), server: server.transpose()? })
    }

    /// Opens the catalog for the one program that has it, with an owner's `key`; `bell` rings from now on when commits of
    /// others changed the jobs.
    ///
    /// # Errors
    /// The database can't be used, or others have it; the message says which one and why.
    pub(crate) async fn open_alone(&self, key: &str, bell: &Arc<Notify>) -> Result<Catalog<Native>> {
        let catalog = match &self.server {
            None => Catalog::open(Native::Sqlite(NativeSqlite::open(&self.file)?)).await?,
            Some(server) => server.open(Place::Alone, bell).await.with_context(|| server.unusable())?,
        };
        // The lock on the data folder, or the place beside the server's database, proves that no other worker is
        // alive: jobs of a killed run begin again at once.
        catalog.release_leases(Timestamp::now()).await?;
        ensure_key(&catalog, key).await?;
        Ok(catalog)
    }

    /// Opens the catalog of a PostgreSQL database for one of many processes; `bell` rings from now on when commits of others
    /// changed the jobs.
    ///
    /// # Errors
    /// The database can't be used, or one program has it alone; the message says which one and why.
    pub(crate) async fn open_among_others(&self, bell: &Arc<Notify>) -> Result<Catalog<Native>> {
        let server = self.server.as_ref().context("many processes need a PostgreSQL database")?;
        server.open(Place::AmongOthers, bell).await.with_context(|| server.unusable())
    }

    /// Opens the catalog beside the server that may be using it, and leaves that server's work alone.
    ///
    /// # Errors
    /// The database can't be used, or no server has made it yet; the message says which one and why.
    pub(crate) async fn visit(&self) -> Result<Catalog<Native>> {
        if let Some(server) = &self.server {
            let opened = Catalog::open(Native::Postgres(server.driver.clone())).await;
            return opened.with_context(|| server.unusable());
        }
        if !self.file.is_file() {
            bail!(
                "there is no {}: name the server's data folder with --data, or its PostgreSQL database with --database, or \
                 start a server with `spindle up`",
                self.file.display()
            );
        }
        let opened = Catalog::open(Native::Sqlite(NativeSqlite::open(&self.file)?)).await;
        opened.with_context(|| format!("cannot open {}", self.file.display()))
    }

    /// The databases that components open by label, whose writes ring `bell`.
    pub(crate) fn by_label(&self, bell: &Arc<Notify>) -> BTreeMap<String, Arc<SqliteDatabase>> {
        let database = SqliteDatabase::new(&self.file, JOBS, Arc::clone(bell));
        BTreeMap::from([(LABEL.to_owned(), Arc::new(database))])
    }

    /// The application's variables that tell components where the catalog is.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let Some(server) = &self.server else { return vec![] };
        vec![
            ("database_url".to_owned(), server.address.clone()),
            ("database_host".to_owned(), server.driver.host()),
        ]
    }
}

impl Server {
    fn unusable(&self) -> String {
        format!("cannot use the {}, named with --database (SPINDLE_DATABASE)", self.driver)
    }

    async fn open(&self, place: Place, bell: &Arc<Notify>) -> Result<Catalog<Native>> {
        let watch = match (self.driver.watch(place).await, place) {
            (Err(Error::Busy), Place::Alone) => bail!(
                "another spindle uses it: `spindle up` has a database alone, and is no part of `spindle serve` and `spindle \
                 worker`; stop the others, or use another database"
            ),
            (Err(Error::Busy), Place::AmongOthers) => {
                bail!("a `spindle up` has it alone; stop that one, or use another database")
            }
            (watch, _) => watch?,
        };
        // Ends with the program, whose place in the database it holds.
        let bell = Arc::clone(bell);
        tokio::spawn(watch.run(move |heard| match heard {
            Ok(()) => bell.notify_one(),
            Err(error) => tracing::warn!(%error, "changes of jobs are not heard; trying again"),
        }));
        Ok(Catalog::open(Native::Postgres(self.driver.clone())).await?)
    }
}

/// Makes `key` an owner's, unless the catalog knows it.
pub(crate) async fn ensure_key(catalog: &Catalog<Native>, key: &str) -> Result<(), Error> {
    if catalog.verify_access_key(key).await?.is_some() {
        return Ok(());
    }
    let name = format!("first key of {}", Timestamp::now());
    match catalog.add_access_key(key, &name, Role::Owner, Timestamp::now()).await {
        // Another process that starts at the same time was faster.
        Err(Error::Exists { .. }) if catalog.verify_access_key(key).await?.is_some() => Ok(()),
        added => added,
    }
}
