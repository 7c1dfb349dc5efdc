//! Where a job is found: short for people, whole for the server.

use super::ClientError;
use language_api::{AuthoringRoute, RuntimeRoute};
use std::fmt;
use std::str::FromStr;

const LANGUAGE: &str = "/language/";

/// The job of a long operation: the path of its state.
///
/// People write and read it without the part all authoring paths share: `ClaimsDesk/train/jobs/<id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobAddress {
    path: String,
}

impl JobAddress {
    /// The path of the job's state, with the query it was given with.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The path that cancels the job.
    ///
    /// # Errors
    /// [`ClientError::Usage`] for jobs that can't be cancelled.
    pub(crate) fn cancel_path(&self) -> Result<String, ClientError> {
        let path = without_query(&self.path);
        match AuthoringRoute::parse("GET", path) {
            Ok(AuthoringRoute::GetTrainingJob { .. }) => Ok(format!("{path}/:cancel")),
            Err(_) => Ok(format!("{path}:cancel")),
            Ok(_) => Err(ClientError::Usage(format!(
                "{self} can't be cancelled: trainings and prediction jobs alone can"
            ))),
        }
    }
}

impl FromStr for JobAddress {
    type Err = String;

    /// Reads an absolute address, a path, or the short form.
    fn from_str(text: &str) -> Result<Self, String> {
        let path = match text.find(LANGUAGE) {
            Some(_) => relative(text).to_owned(),
            None if text.starts_with("analyze-text/jobs/") => format!("{LANGUAGE}{text}"),
            None => format!("{}/{}", AuthoringRoute::PREFIX, text.trim_start_matches('/')),
        };
        if is_job(without_query(&path)) {
            return Ok(Self { path });
        }
        Err(format!(
            "{text:?} is no job; jobs look like ClaimsDesk/train/jobs/<id>, as `spindle job list ClaimsDesk` prints them"
        ))
    }
}

impl fmt::Display for JobAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = without_query(&self.path);
        let short = path.strip_prefix(AuthoringRoute::PREFIX).or_else(|| path.strip_prefix("/language"));
        f.write_str(short.unwrap_or(path).trim_start_matches('/'))
    }
}

/// The path of an absolute address in an answer: the key must go to no other host than the one it is for.
pub(super) fn relative(address: &str) -> &str {
    address.find(LANGUAGE).map_or(address, |at| &address[at..])
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn is_job(path: &str) -> bool {
    use AuthoringRoute as Route;
    match Route::parse("GET", path) {
        Ok(route) => matches!(
            route,
            Route::GetDeletionJob { .. }
                | Route::GetImportJob { .. }
                | Route::GetExportJob { .. }
                | Route::GetTrainingJob { .. }
                | Route::GetLoadSnapshotJob { .. }
                | Route::GetSwapJob { .. }
                | Route::GetDeploymentJob { .. }
        ),
        Err(_) => RuntimeRoute::parse("GET", path).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8a207877-a5bd-4b51-b820-bbaa4a9ccec1_638505504000000000";
    const GUID: &str = "7669f653-2ff2-4db7-bf52-aa3e813bcb8b";

    fn job(text: &str) -> JobAddress {
        text.parse().unwrap()
    }

    #[test]
    fn whole_and_short_forms_are_the_same_job() {
        let path = format!("/language/authoring/analyze-text/projects/Desk/train/jobs/{ID}");
        let short = format!("Desk/train/jobs/{ID}");
        for text in [format!("http://h:1{path}"), path.clone(), short.clone()] {
            assert_eq!((job(&text).path(), job(&text).to_string()), (path.as_str(), short.clone()));
        }
        let asked = job(&format!("https://h{path}?api-version=2023-04-01"));
        assert_eq!(asked.path(), format!("{path}?api-version=2023-04-01"));
        assert_eq!(asked.to_string(), short);
        let runtime = job(&format!("analyze-text/jobs/{GUID}"));
        assert_eq!(runtime.path(), format!("/language/analyze-text/jobs/{GUID}"));
        assert_eq!(job(&runtime.to_string()), runtime);
    }

    #[test]
    fn what_is_no_job_is_refused() {
        for text in ["", "Desk", "Desk/train/jobs/17", "Desk/models/v1", "http://h/language/nothing", ID] {
            assert!(text.parse::<JobAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn trainings_and_predictions_can_be_cancelled() {
        let path = |text: &str| job(text).cancel_path().map_err(|error| error.to_string());
        assert!(
            path(&format!("Desk/train/jobs/{ID}?api-version=x")).unwrap().ends_with(&format!("{ID}/:cancel"))
        );
        assert!(path(&format!("analyze-text/jobs/{GUID}")).unwrap().ends_with(&format!("{GUID}:cancel")));
        assert!(path(&format!("Desk/import/jobs/{ID}")).unwrap_err().contains("can't be cancelled"));
    }
}
