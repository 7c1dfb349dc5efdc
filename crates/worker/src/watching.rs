//! What projects do by themselves about the objects in their containers.

use crate::failure::Failure;
use crate::services::Services;
use catalog::Project;
use language_api::AutomationSettings;

/// A project with what it does by itself.
pub(crate) struct Watching {
    pub(crate) project: Project,
    pub(crate) settings: AutomationSettings,
}

impl Watching {
    /// The settings are the usual ones where nobody chose any.
    pub(crate) async fn of(services: &Services, project: Project) -> Result<Self, Failure> {
        let automation = services.catalog.automation(&project.name).await?;
        let settings = automation.as_ref().map(authoring::settings_of).transpose()?.unwrap_or_default();
        Ok(Self { project, settings })
    }

    /// Whether the project has a document at `location`; one that was deleted in the meantime has none.
    pub(crate) async fn knows(&self, services: &Services, location: &str) -> Result<bool, Failure> {
        let catalog = &services.catalog;
        let labels = match catalog.current_labels(&self.project.name).await {
            Err(catalog::Error::NotFound { .. }) => return Ok(false),
            labels => labels?,
        };
        match catalog.document(&labels, location).await {
            Ok(_) => Ok(true),
            Err(catalog::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
