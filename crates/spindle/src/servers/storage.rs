//! `spindle storage`: the embedded S3 server alone.

use crate::servers::cluster::base_address;
use crate::servers::notifier::Notifier;
use crate::servers::parts::{MODELS_CONTAINER, hosts_client, lock, start_storage, until_stopped};
use crate::servers::secret::{EVENTS_SECRET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, Secret};
use anyhow::{Context, Result};
use clap::Args;
use host::storage::Credentials;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::sync::mpsc::unbounded_channel;

/// Run the embedded S3 server alone, for processes that have no other S3 service
#[derive(Args)]
#[command(
    after_help = "Example:\n  SPINDLE_S3_ACCESS_KEY_ID=… SPINDLE_S3_SECRET_ACCESS_KEY=… spindle storage --data /srv/objects --s3-listen 0.0.0.0:9000\n\nWith --events-endpoint and SPINDLE_EVENTS_SECRET it tells hosts (`spindle serve`) of every change, until they have taken it.\nIt is one process on one disk: installations that must outlive a disk use another S3 service."
)]
pub(crate) struct StorageArguments {
    /// Folder of the objects; made when absent
    #[arg(long, env = "SPINDLE_DATA", default_value = "spindle-storage")]
    data: PathBuf,
    /// Address of the S3 server; port 0 picks a free one
    #[arg(long, env = "SPINDLE_S3_LISTEN", default_value = "127.0.0.1:9000")]
    s3_listen: SocketAddr,
    /// Address of the hosts that are told of changes; nobody when absent
    #[arg(long, env = "SPINDLE_EVENTS_ENDPOINT", value_name = "ADDRESS")]
    events_endpoint: Option<String>,
    /// The bucket of models, whose changes concern nobody
    #[arg(long, env = "SPINDLE_MODELS_CONTAINER", value_name = "BUCKET", default_value = MODELS_CONTAINER)]
    models_container: String,
}

/// Runs until SIGTERM or Ctrl+C.
pub(crate) async fn storage(arguments: StorageArguments) -> Result<()> {
    let needed = |secret: Secret| {
        secret.read()?.with_context(|| {
            format!("{} is not set, nor {}: {}", secret.variable, secret.file_variable(), secret.about)
        })
    };
    let credentials = Credentials {
        access_key_id: needed(S3_ACCESS_KEY_ID)?,
        secret_access_key: needed(S3_SECRET_ACCESS_KEY)?,
    };
    let endpoint = arguments.events_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
    let notifier = match endpoint {
        None => None,
        Some(endpoint) => Some(Notifier {
            url: format!(
                "{}/events/storage",
                base_address(endpoint).context("cannot use --events-endpoint")?
            ),
            secret: needed(EVENTS_SECRET)?,
            silent: arguments.models_container,
            http: hosts_client()?,
        }),
    };
    let _lock = lock(&arguments.data)?;
    let (teller, changes) = unbounded_channel();
    let teller = notifier.is_some().then_some(teller);
    let s3 = start_storage(&arguments.data.join("s3"), arguments.s3_listen, credentials, teller).await?;
    if let Some(notifier) = notifier {
        tokio::spawn(notifier.run(changes));
    }
    println!("S3       {} (key id {}, region {})", s3.endpoint, s3.access_key_id, s3.region);
    until_stopped().await;
    Ok(())
}
