//! Delivers what the embedded S3 server tells to the installation's own events component, as a foreign S3 service would.

use host::storage::ObjectChange;
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Changes in one message.
const BATCH: usize = 500;
/// Between two attempts, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Where notifications go.
pub(crate) struct Notifier {
    /// The events component's address.
    pub(crate) url: String,
    /// The secret it knows.
    pub(crate) secret: String,
    /// A bucket whose changes concern nobody: the server's own.
    pub(crate) silent: String,
    pub(crate) http: reqwest::Client,
}

impl Notifier {
    /// Delivers until nobody can tell anything any more. A message that is not taken is repeated: what follows waits.
    pub(crate) async fn run(self, mut changes: UnboundedReceiver<ObjectChange>) {
        let mut batch = Vec::with_capacity(BATCH);
        while changes.recv_many(&mut batch, BATCH).await > 0 {
            let records: Vec<_> = batch
                .drain(..)
                .filter(|change| change.bucket != self.silent)
                .map(|change| change.record())
                .collect();
            if records.is_empty() {
                continue;
            }
            let message = json!({ "Records": records });
            let mut pause = PAUSE_MIN;
            while let Err(error) = self.deliver(&message).await {
                tracing::debug!(%error, "a notification was not taken; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }

    async fn deliver(&self, message: &serde_json::Value) -> Result<(), reqwest::Error> {
        let sent = self.http.post(&self.url).bearer_auth(&self.secret).json(message).send().await?;
        sent.error_for_status().map(drop)
    }
}
