//! What every driver must do: one check per promise, each on a database of its own.
//!
//! A runner names a check, gives it a fresh [`Database`] and lets it panic when a promise is broken. The native driver
//! runs them in this crate's tests, a component runs the same ones against its host.

mod automations;
mod copy_grants;
mod deployments;
mod exported_models;
mod extraction_jobs;
mod jobs;
mod keys;
mod labels;
mod models;
mod projects;
mod storage_events;
mod subscribers;
mod support;
mod transactions;

use crate::{Catalog, Driver};

/// A database that is empty when the check begins. Every [`Database::open`] gives another handle on the same one, as
/// another process would have.
#[allow(async_fn_in_trait, reason = "as for Driver")]
pub trait Database {
    /// The driver under test.
    type Driver: Driver;

    /// A handle that shares nothing with earlier ones but the data.
    async fn driver(&self) -> Self::Driver;

    /// A catalog on [`Database::driver`], migrated.
    async fn open(&self) -> Catalog<Self::Driver> {
        Catalog::open(self.driver().await).await.expect("the schema is brought up to date")
    }
}

macro_rules! checks {
    ($($module:ident :: $check:ident),* $(,)?) => {
        /// Every check.
        pub const CHECKS: &[&str] = &[$(concat!(stringify!($module), "::", stringify!($check))),*];

        /// Runs one of [`CHECKS`].
        ///
        /// # Panics
        /// When the driver breaks the check's promise, or there is no such check.
        pub async fn run(check: &str, database: &impl Database) {
            $(if check == concat!(stringify!($module), "::", stringify!($check)) {
                return $module::$check(database).await;
            })*
            panic!("no check is called {check}");
        }
    };
}

checks!(
    transactions::values_come_back_as_they_went,
    transactions::a_dropped_transaction_leaves_nothing,
    transactions::a_transaction_reads_one_state,
    transactions::writers_exclude_each_other,
    transactions::references_hold,
    transactions::migrating_twice_is_safe,
    transactions::a_newer_schema_is_refused,
    projects::put_read_list,
    projects::merge_patch,
    projects::the_container_is_fixed,
    projects::delete_removes_everything,
    projects::an_import_makes_its_project_or_nothing,
    projects::a_failed_first_import_binds_to_nothing,
    labels::import_shows_old_or_new,
    labels::settings_come_with_the_labels,
    labels::a_second_attempt_starts_over,
    labels::documents_filter_and_page,
    labels::counts_and_totals,
    labels::edits_check_the_version,
    labels::objects_that_changed,
    labels::snapshots_come_back,
    labels::retired_labels_leave,
    labels::abandoned_labels_leave,
    jobs::one_exclusive_job_per_project,
    jobs::payload_and_result_parts,
    jobs::one_winner_per_lease,
    jobs::expired_leases_are_taken_over,
    jobs::projects_take_turns,
    jobs::retry_and_next_due,
    jobs::queue_lengths,
    jobs::released_leases_are_due_at_once,
    jobs::cancelling,
    jobs::listing_and_expiry,
    models::put_list_evaluate,
    models::overwriting_keeps_deployed_bundles,
    models::deployed_models_stay,
    models::an_evaluation_is_replaced_whole,
    deployments::put_swap_delete,
    deployments::served_model_in_one_look,
    copy_grants::a_grant_is_good_for_one_copy,
    copy_grants::a_refused_copy_keeps_its_grant,
    copy_grants::an_installation_has_one_id,
    exported_models::put_replace_delete,
    exported_models::deployments_do_not_notice,
    extraction_jobs::life_of_a_job,
    extraction_jobs::cancelled_jobs_keep_their_tasks,
    storage_events::accepted_once_and_worked_through,
    storage_events::a_burst_is_one_job,
    storage_events::an_inbox_without_job_is_resumed,
    storage_events::sources_have_secrets_of_their_own,
    storage_events::topics_and_certificates_belong_to_a_source,
    automations::a_step_follows_the_end_of_a_job,
    automations::a_document_is_extracted_from_once,
    automations::a_document_waits_for_its_deployment,
    subscribers::told_of_what_happened_and_of_nothing_else,
    keys::access_keys,
    keys::calls_are_counted_by_the_minute,
    keys::encoders_and_settings,
);
