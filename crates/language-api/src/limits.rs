//! Every limit as a value with its unit in the name (contract: limits). Defaults are the contract's numbers;
//! an installation may raise them.

use serde::{Deserialize, Serialize};

/// Limits of one installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Projects in the installation.
    pub projects_max: u32,
    /// Documents in a project.
    pub documents_per_project_max: u32,
    /// Labeled documents needed to train.
    pub labeled_documents_to_train_min: u32,
    /// Length of one document in characters.
    pub document_characters_max: u32,
    /// Entity categories in a project.
    pub categories_per_project_max: u32,
    /// Length of one labeled entity in characters.
    pub entity_characters_max: u32,
    /// Trained models in a project.
    pub models_per_project_max: u32,
    /// Deployments in a project.
    pub deployments_per_project_max: u32,
    /// Subscribers of a project. Ours: the contract has none.
    pub subscribers_per_project_max: u32,
    /// Attempts to tell a subscriber of an event before it is given up.
    pub subscriber_attempts_max: u32,
    /// Pause after the first attempt in milliseconds; each further one is three times as long.
    pub subscriber_pause_milliseconds: u32,
    /// How long a subscriber may take to answer, in milliseconds.
    pub subscriber_answer_milliseconds_max: u32,
    /// Body of an authoring call, project files included, in bytes. Ours: the contract names none.
    pub authoring_body_bytes_max: u64,
    /// Documents in a prediction request.
    pub request_documents_max: u32,
    /// Text elements in a prediction request, and in each of its documents.
    pub request_characters_max: u32,
    /// Body of a prediction request in bytes.
    pub request_body_bytes_max: u64,
    /// Life of an authoring job's details in seconds.
    pub authoring_job_seconds: u64,
    /// How long a permission to copy onto a project is good, in seconds. Ours: the contract names none.
    pub copy_authorization_seconds: u64,
    /// Life of a prediction job and its results in seconds.
    pub runtime_job_seconds: u64,
    /// Items in one page of a list when the caller names no number.
    pub page_items_default: u32,
    /// Documents in one page of evaluation results when the caller names no number.
    pub evaluation_page_items_default: u32,
    /// Most items in one page, whatever the caller asks for.
    pub page_items_max: u32,
    /// Authoring writes in a minute; `None` is off.
    pub authoring_writes_per_minute: Option<u32>,
    /// Authoring reads in a minute; `None` is off.
    pub authoring_reads_per_minute: Option<u32>,
    /// Prediction calls in a minute; `None` is off.
    pub prediction_calls_per_minute: Option<u32>,
}

impl Limits {
    /// Reads a configuration: a JSON object with the limits that differ from the defaults.
    ///
    /// # Errors
    /// A sentence with the place of what is no limit. The operator can fix it.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("the limits are not readable: {error}"))
    }
}

/// Characters in one text record, the unit of `transactionsCount`.
pub const TEXT_RECORD_CHARACTERS: u32 = 1_000;

/// Problems reported together at most (contract: authoring 8).
pub const PROBLEMS_MAX: usize = 100;

impl Default for Limits {
    fn default() -> Self {
        Self {
            projects_max: 500,
            documents_per_project_max: 100_000,
            labeled_documents_to_train_min: 10,
            document_characters_max: 128_000,
            categories_per_project_max: 200,
            entity_characters_max: 500,
            models_per_project_max: 10,
            deployments_per_project_max: 10,
            subscribers_per_project_max: 10,
            // The last one comes four and a half hours after the first.
            subscriber_attempts_max: 9,
            subscriber_pause_milliseconds: 5_000,
            subscriber_answer_milliseconds_max: 10_000,
            authoring_body_bytes_max: 256 << 20,
            request_documents_max: 25,
            request_characters_max: 125_000,
            request_body_bytes_max: 1 << 20,
            authoring_job_seconds: 7 * 24 * 60 * 60,
            copy_authorization_seconds: 60 * 60,
            runtime_job_seconds: 24 * 60 * 60,
            page_items_default: 100,
            evaluation_page_items_default: 25,
            page_items_max: 1_000,
            authoring_writes_per_minute: None,
            authoring_reads_per_minute: None,
            prediction_calls_per_minute: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_only_what_it_changes() {
        let limits = Limits::parse(r#"{"documentCharactersMax":1000000}"#).unwrap();
        assert_eq!(limits, Limits { document_characters_max: 1_000_000, ..Limits::default() });
        assert_eq!(Limits::parse("{}"), Ok(Limits::default()));
        assert!(Limits::parse(r#"{"documentsMax":7}"#).unwrap_err().contains("documentsMax"));
    }
}
