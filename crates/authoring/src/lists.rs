//! Lists that do not depend on projects (contract: authoring 13).

use crate::training::{CONFIG_VERSIONS, expires};
use crate::{Answer, Authoring};
use catalog::Driver;
use language_api::languages::supported_languages;
use language_api::training::TrainingConfigVersion;
use serde::Serialize;

/// The one kind, as next links repeat it.
const PROJECT_KIND: &str = "projectKind=CustomEntityRecognition";

impl<D: Driver> Authoring<'_, D> {
    /// `GET /global/languages`.
    ///
    /// # Errors
    /// 400 for another project kind or wrong paging.
    pub fn list_languages(&self) -> Answer {
        let extra = if self.query.project_kind()?.is_some() { PROJECT_KIND } else { "" };
        self.page_of(supported_languages(), extra)
    }

    /// `GET /global/training-config-versions`.
    ///
    /// # Errors
    /// 400 without a project kind, for another one, or for wrong paging.
    pub fn list_training_config_versions(&self) -> Answer {
        self.query.required_project_kind()?;
        let versions = CONFIG_VERSIONS.iter().map(|version| TrainingConfigVersion {
            training_config_version: (*version).to_owned(),
            model_expiration_date: expires(),
        });
        self.page_of(versions.collect(), PROJECT_KIND)
    }

    /// `GET /global/prebuilt-entities`: what an entity is, is learned from labels alone here.
    ///
    /// # Errors
    /// 400 for another project kind or wrong paging.
    pub fn list_prebuilt_entities(&self) -> Answer {
        self.query.project_kind()?;
        self.nothing()
    }

    /// An empty list.
    pub(crate) fn nothing(&self) -> Answer {
        self.page_of::<()>(vec![], "")
    }

    fn page_of<T: Serialize>(&self, all: Vec<T>, extra: &str) -> Answer {
        let (wanted, page) = self.page(self.limits.page_items_default)?;
        let total = all.len();
        let items: Vec<T> = all.into_iter().skip(page.offset as usize).take(page.limit as usize).collect();
        let has_more = page.offset as usize + items.len() < total;
        self.list(wanted, catalog::Page { items, total: total as u64, has_more }, extra, Ok)
    }
}
