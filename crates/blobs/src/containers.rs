//! Whole containers.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use crate::{Blobs, Error, Permission};

/// The one region that a new container is in unless it says otherwise, and that can't be said.
const DEFAULT_REGION: &str = "us-east-1";

impl Blobs {
    /// Whether the container is there and the credentials may look into it.
    ///
    /// # Errors
    /// [`Error::AccessDenied`], the service's refusals.
    pub async fn container_exists(&self, container: &str) -> Result<bool, Error> {
        let request = self.request(container, "", Permission::ListBucket);
        match self.client.head_bucket().bucket(container).send().await {
            Ok(_) => Ok(true),
            Err(error) => match request.failed(error) {
                Error::ContainerNotFound(_) => Ok(false),
                other => Err(other),
            },
        }
    }

    /// Makes the container unless it is there; returns whether it was made.
    ///
    /// # Errors
    /// [`Error::ContainerTaken`], [`Error::Invalid`] or [`Error::Service`] for a name the service does not take.
    pub async fn create_container_if_absent(&self, container: &str) -> Result<bool, Error> {
        if self.container_exists(container).await? {
            return Ok(false);
        }
        let request = self.request(container, "", Permission::CreateBucket);
        let placed = self.region.as_deref().filter(|region| *region != DEFAULT_REGION).map(|region| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        let sent = self
            .client
            .create_bucket()
            .bucket(container)
            .set_create_bucket_configuration(placed)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            // Somebody else who starts at the same time was faster.
            Err(error) if error.as_service_error().is_some_and(|e| e.is_bucket_already_owned_by_you()) => {
                Ok(false)
            }
            Err(error) => match request.failed(error) {
                Error::ContainerTaken(_) if self.container_exists(container).await? => Ok(false),
                other => Err(other),
            },
        }
    }
}
