//! Where the catalog lies: SQLite in the data folder, or a PostgreSQL server.

use crate::access::Secrets;
use anyhow::{Context, Result, bail};
use catalog::driver::{Native, NativePostgres, NativeSqlite};
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

    /// Opens the catalog; `bell` rings from now on when commits of others changed the jobs.
    ///
    /// # Errors
    /// The database can't be used, or another program has it; the message says which one and why.
    pub(crate) async fn open(&self, secrets: &Secrets, bell: &Arc<Notify>) -> Result<Catalog<Native>> {
        let catalog = match &self.server {
            None => Catalog::open(Native::Sqlite(NativeSqlite::open(&self.file)?)).await?,
            Some(server) => server.open(Arc::clone(bell)).await.with_context(|| server.unusable())?,
        };
        // The lock on the data folder, or the place beside the server's database, proves that no other worker is
        // alive: jobs of a killed run begin again at once.
        catalog.release_leases(Timestamp::now()).await?;
        if catalog.verify_access_key(&secrets.key).await?.is_none() {
            let name = format!("first key of {}", Timestamp::now());
            catalog.add_access_key(&secrets.key, &name, Role::Owner, Timestamp::now()).await?;
        }
        Ok(catalog)
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

    async fn open(&self, bell: Arc<Notify>) -> Result<Catalog<Native>> {
        let watch = match self.driver.watch().await {
            Err(Error::Busy) => {
                bail!("another spindle uses it; stop that one, or use another database")
            }
            watch => watch?,
        };
        // Ends with the program, whose place in the database it holds.
        tokio::spawn(watch.run(move |heard| match heard {
            Ok(()) => bell.notify_one(),
            Err(error) => tracing::warn!(%error, "changes of jobs are not heard; trying again"),
        }));
        Ok(Catalog::open(Native::Postgres(self.driver.clone())).await?)
    }
}
