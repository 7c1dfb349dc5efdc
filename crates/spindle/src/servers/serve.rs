//! `spindle serve`: a host alone, one of many.

use crate::access::random;
use crate::database::ensure_key;
use crate::servers::cluster::{ClusterArguments, Missing};
use crate::servers::parts::{
    Application, EngineArguments, HostArguments, RuleArguments, listen, reachable, turned,
};
use crate::servers::readiness::{until_drained, watch_database};
use crate::servers::secret::{EVENTS_SECRET, KEY};
use anyhow::{Context, Result};
use clap::Args;
use host::Health;
use std::net::SocketAddr;
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
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(host.serve(listener, turned(stopped)));
    tokio::spawn(watch_database(catalog, Arc::clone(&health)));
    println!("API      http://{address}");
    until_drained(&health, Duration::from_secs(arguments.drain_seconds.into())).await;
    stop.send_replace(true);
    serving.await.context("the server did not end cleanly")
}
