//! Bundles that no model and no deployment names any more.

use crate::failure::Failure;
use crate::services::Services;
use jiff::Timestamp;

/// Bundles looked up at a time.
const CHUNK: u32 = 100;

/// Removes unused bundles: files first, so that a row always finds its files or nothing needs them.
pub(crate) async fn sweep(services: &Services) -> Result<(), Failure> {
    loop {
        let unused = services.catalog.unused_bundles(CHUNK).await?;
        if unused.is_empty() {
            return Ok(());
        }
        for model_id in unused {
            services.blobs.delete_prefix(&services.models_container, &format!("models/{model_id}/")).await?;
            services.catalog.forget_bundle(&model_id, Timestamp::now()).await?;
            services.engine.forget(&model_id);
        }
    }
}
