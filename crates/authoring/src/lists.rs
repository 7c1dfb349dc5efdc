//! Lists that do not depend on projects (contract: authoring 13).

use crate::training::{CONFIG_VERSIONS, expires};
use crate::{Answer, Authoring};
use catalog::Driver;
use language_api::languages::supported_languages;
use language_api::training::TrainingConfigVersion;
use language_api::{Page, Reply};

impl<D: Driver> Authoring<'_, D> {
    /// `GET /global/languages`.
    ///
    /// # Errors
    /// None.
    pub fn list_languages(&self) -> Answer {
        Ok(Reply::ok(&Page::whole(supported_languages())))
    }

    /// `GET /global/training-config-versions`.
    ///
    /// # Errors
    /// None.
    pub fn list_training_config_versions(&self) -> Answer {
        let versions = CONFIG_VERSIONS.iter().map(|version| TrainingConfigVersion {
            training_config_version: (*version).to_owned(),
            model_expiration_date: expires(),
        });
        Ok(Reply::ok(&Page::whole(versions.collect())))
    }
}
