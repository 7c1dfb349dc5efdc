//! `spindle serve`: a host alone, one of many.

use crate::access::random;
use crate::database::ensure_key;
use crate::servers::cluster::{ClusterArguments, Missing};
use crate::servers::observation::observe_engine;
use crate::servers::parts::{
    Application, EngineArguments, HostArguments, RuleArguments, listen, reachable, turned,
};
use crate::servers::readiness::{until_drained, watch_database};
use crate::servers::secret::{EVENTS_SECRET, KEY};
use anyhow::{Context, Result, bail};
use clap::Args;
use host::{Health, Tls};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Answer the API as one of many hosts, over a PostgreSQL database and an S3 service
#[derive(Args)]
#[command(
    after_help = "Example:\n  SPINDLE_DATABASE=postgres://spindle:secret@db/spindle SPINDLE_S3_ACCESS_KEY_ID=… SPINDLE_S3_SECRET_ACCESS_KEY=… \\\n  SPINDLE_INTERNAL_SECRET=… SPINDLE_KEY=… spindle serve --s3-endpoint http://s3:9000 --listen 0.0.0.0:8080\n\n`spindle config serve` lists every value with where it comes from; secrets may be given as files (SPINDLE_KEY_FILE).\nIt runs no jobs: `spindle worker` does. SIGTERM turns /readyz off, then requests are answered for --drain-seconds more."
)]
pub(crate) struct ServeArguments {
    /// Address of the API; port 0 picks a free one
    #[arg(long, env = "SPINDLE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Seconds in which requests are still taken after SIGTERM, while whoever sends them learns that this host goes
    #[arg(long, env = "SPINDLE_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 5)]
    drain_seconds: u16,
    /// PEM file with the listener's certificate and its chain; the listener then speaks TLS alone. Read again when it changes
    #[arg(long, env = "SPINDLE_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "SPINDLE_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    host: HostArguments,
    #[command(flatten)]
    engine: EngineArguments,
    #[command(flatten)]
    rules: RuleArguments,
}

/// Runs until SIGTERM or Ctrl+C.
pub(crate) async fn serve(arguments: ServeArguments) -> Result<()> {
    let cluster = arguments.cluster.read("serve", Missing::default())?;
    let rules = arguments.rules.read()?;
    arguments.engine.load()?;
    let tls = tls(arguments.tls_certificate, arguments.tls_key)?;
    let listener = listen(arguments.listen).await?;
    let address = reachable(listener.local_addr()?);

    // Whoever changes the jobs tells the workers by the database: nobody listens here.
    let bell = Arc::new(Notify::new());
    let catalog = cluster.database.open_among_others(&bell).await?;
    match KEY.read()? {
        Some(key) => ensure_key(&catalog, &key).await?,
        None => tracing::info!("no key is given with SPINDLE_KEY; `spindle key add` makes one"),
    }
    let blobs = cluster.blobs().await?;
    let engine = arguments.engine.engine(&blobs, &cluster.models_container, &cluster.data);
    observe_engine(&engine);
    let health = Arc::new(Health::default());
    let host = arguments.host.load(&Application {
        database: &cluster.database,
        bell: &bell,
        internal_secret: &cluster.internal_secret,
        // Without one nobody can prove an event with the installation's own: senders have secrets of their own.
        events_secret: &EVENTS_SECRET.read()?.unwrap_or_else(random),
        rules: &rules,
        engine: &engine,
        health: &health,
    })?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(host.serve(listener, tls, turned(stopped)));
    tokio::spawn(watch_database(catalog, Arc::clone(&health)));
    println!("API      {scheme}://{address}");
    until_drained(&health, Duration::from_secs(arguments.drain_seconds.into())).await;
    stop.send_replace(true);
    serving.await.context("the server did not end cleanly")
}

/// What the listener speaks; plain HTTP without files. A variable that is set to nothing is as good as none.
fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Tls>> {
    let named = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
    match (named(certificate), named(key)) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let tls = Tls::read(certificate, key);
            tls.map(Some).context(
                "cannot use --tls-certificate (SPINDLE_TLS_CERTIFICATE) with --tls-key (SPINDLE_TLS_KEY)",
            )
        }
        _ => bail!(
            "TLS needs both --tls-certificate (SPINDLE_TLS_CERTIFICATE) and --tls-key (SPINDLE_TLS_KEY)"
        ),
    }
}
