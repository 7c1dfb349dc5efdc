//! Who is told what a project extracted, and what became of it. Ours, the contract has none.

use crate::payloads::DeliveryProgress;
use crate::quota::check_quota;
use crate::{Answer, Authoring, stored};
use catalog::{DeliveryState, Driver, Job, JobKind, NewSubscriber, Subscriber};
use language_api::ids::SubscriberName;
use language_api::subscribers::DeliveryState as Delivery;
use language_api::{
    AllowedSubscribers, ApiError, ErrorKind, JobId, ProjectName, PutSubscriberRequest, Reply,
    SubscriberState, WholeSeconds,
};
use serde_json::Value;
use storage_events::WebhookSecret;

impl<D: Driver> Authoring<'_, D> {
    /// `GET /{project}/subscribers`.
    ///
    /// # Errors
    /// 404, 400 for wrong paging.
    pub async fn list_subscribers(&self, project: &ProjectName) -> Answer {
        self.project(project).await?;
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let found = self.catalog.subscribers(project.as_str(), page).await?;
        self.list(wanted, found, "", |found| state(found, false))
    }

    /// `PUT /{project}/subscribers/{subscriber}`. `proposal` is the secret of a new one that brings none.
    ///
    /// # Errors
    /// 404, 400 for a wrong body and for an address where this installation sends nothing, the quota of subscribers.
    pub async fn put_subscriber(
        &self,
        project: &ProjectName,
        name: &SubscriberName,
        body: &[u8],
        allowed: &AllowedSubscribers,
        proposal: &WebhookSecret,
    ) -> Answer {
        let request = PutSubscriberRequest::parse(body)?;
        let wrong = |message: String, target: &str| ApiError::new(ErrorKind::Field, message).at(target);
        if !allowed.allows(&request.url) {
            return Err(wrong(not_allowed(), "url"));
        }
        if let Some(secret) = &request.secret {
            WebhookSecret::parse(secret).map_err(|error| wrong(error.to_string(), "secret"))?;
        }
        self.project(project).await?;
        self.check_subscriber_quota(project, name).await?;
        let is_given = request.secret.is_some();
        let new = NewSubscriber {
            name: name.to_string(),
            url: request.url.as_str().to_owned(),
            secret: request.secret,
            proposal: proposal.to_text(),
        };
        let (found, is_new) = self.catalog.put_subscriber(project.as_str(), &new, self.now).await?;
        let answer = Reply::ok(&state(found, is_new && !is_given)?);
        Ok(if is_new { Reply { status: 201, ..answer } } else { answer })
    }

    async fn check_subscriber_quota(
        &self,
        project: &ProjectName,
        name: &SubscriberName,
    ) -> Result<(), ApiError> {
        let most = self.limits.subscribers_per_project_max;
        let page = catalog::PageRequest::first(most);
        let found = self.catalog.subscribers(project.as_str(), page).await?;
        let replaces = found.items.iter().any(|subscriber| subscriber.name == name.as_str());
        if replaces {
            return Ok(());
        }
        check_quota(found.total, most, "subscribers", "replace one by its name", "subscriberName")
    }

    /// `DELETE /{project}/subscribers/{subscriber}`.
    ///
    /// # Errors
    /// 404.
    pub async fn delete_subscriber(&self, project: &ProjectName, name: &SubscriberName) -> Answer {
        self.project(project).await?;
        self.catalog.remove_subscriber(project.as_str(), name.as_str()).await?;
        Ok(Reply::no_content())
    }

    /// `GET /{project}/deliveries`.
    ///
    /// # Errors
    /// 404, 400 for wrong paging or an unknown state.
    pub async fn list_deliveries(&self, project: &ProjectName) -> Answer {
        self.project(project).await?;
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let state = self.query.get("state").map(known_state).transpose()?;
        let found = self.catalog.deliveries(project.as_str(), state, page, self.now).await?;
        let extra = state.map(|state| format!("state={}", state.word())).unwrap_or_default();
        self.list(wanted, found, &extra, delivery)
    }

    /// `POST /{project}/deliveries/{job}/:retry`: another delivery of the event.
    ///
    /// # Errors
    /// 404 for project, delivery or subscriber, 409 unless it was given up.
    pub async fn retry_delivery(&self, project: &ProjectName, job: JobId) -> Answer {
        self.project(project).await?;
        let job = self.catalog.job(&job.to_string(), self.now).await?;
        if job.kind != JobKind::Deliver || job.project != project.as_str() {
            return Err(ApiError::operation_not_found());
        }
        let state = DeliveryState::of(&job);
        if state != DeliveryState::Dead {
            let message = format!("the delivery is {}; one that was given up can be retried", state.word());
            return Err(ApiError::new(ErrorKind::Conflict, message));
        }
        let progress = DeliveryProgress { reason: None, ..progress(&job)? };
        let json = stored(serde_json::to_string(&progress))?;
        let again = self.catalog.tell_again(project.as_str(), &job.target, &json, self.now).await?;
        Ok(Reply::ok(&delivery(again)?))
    }
}

/// Why an address is refused where the installation sends nothing, for people.
fn not_allowed() -> String {
    "this installation sends nothing there; its operator says where it does with --subscribers or SPINDLE_SUBSCRIBERS"
        .to_owned()
}

fn known_state(word: &str) -> Result<DeliveryState, ApiError> {
    let found = DeliveryState::ALL.into_iter().find(|state| state.word() == word);
    found.ok_or_else(|| {
        let words = DeliveryState::ALL.map(DeliveryState::word).join(", ");
        ApiError::new(ErrorKind::Field, format!("a delivery is one of {words}")).at("state")
    })
}

fn state(found: Subscriber, show_secret: bool) -> Result<SubscriberState, ApiError> {
    Ok(SubscriberState {
        subscriber_name: stored(SubscriberName::new(&found.name))?,
        url: found.url,
        created_date_time: WholeSeconds(found.created_at),
        secret: show_secret.then_some(found.secret),
    })
}

fn progress(job: &Job) -> Result<DeliveryProgress, ApiError> {
    stored(serde_json::from_str(job.progress.as_deref().unwrap_or("{}")))
}

fn delivery(job: Job) -> Result<Delivery, ApiError> {
    let DeliveryProgress { event, reason } = progress(&job)?;
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let state = DeliveryState::of(&job);
    let idle = state == DeliveryState::Waiting && job.lease_owner.is_none();
    Ok(Delivery {
        event_id: text("id"),
        location: text("subject"),
        state: state.word().to_owned(),
        attempts: job.attempt,
        created_date_time: WholeSeconds(job.created_at),
        last_updated_date_time: WholeSeconds(job.updated_at),
        next_attempt_date_time: idle.then_some(WholeSeconds(job.not_before)),
        reason,
        subscriber_name: job.target,
        delivery_id: job.id,
    })
}
