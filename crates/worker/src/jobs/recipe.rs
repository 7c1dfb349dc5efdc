//! Which recipe a training tries, over which encoder.

use crate::encoder::{InstalledEncoder, Languages};
use crate::failure::Failure;
use crate::services::Services;
use authoring::payloads::TrainPayload;
use catalog::Project;
use language_api::JobWarning;
use std::sync::Arc;
use training::RecipeChoice;

/// The recipe that `payload` names, and the encoder that it may use. What a project that leaves the choice to the trainer
/// can't have is warned about.
pub(crate) fn choose(
    services: &Services,
    project: &Project,
    payload: &TrainPayload,
    warnings: &mut Vec<JobWarning>,
) -> Result<(RecipeChoice, Option<Arc<InstalledEncoder>>), Failure> {
    let languages = Languages::of(&project.language, project.multilingual);
    let open = || services.encoder.open(&services.engine, languages);
    match payload.training_config_version.as_str() {
        "lexical" => Ok((RecipeChoice::Lexical, None)),
        named @ ("contextual" | "tuned") => {
            let encoder = open()?;
            if let Some(encoder) = encoder.as_ref().filter(|encoder| !suits(project, encoder)) {
                warnings.push(foreign(encoder, "it may know little about some of the documents"));
            }
            let recipe = if named == "tuned" { RecipeChoice::Tuned } else { RecipeChoice::Contextual };
            Ok((recipe, encoder))
        }
        _ => match open()? {
            None => {
                let message = "no encoder is installed, so the model knows words by their form alone; `spindle encoder add` \
                               installs one";
                warnings.push(JobWarning { code: "NoEncoder".to_owned(), message: message.to_owned() });
                Ok((RecipeChoice::Lexical, None))
            }
            Some(encoder) if !suits(project, &encoder) => {
                warnings.push(foreign(&encoder, "the model was trained without it"));
                Ok((RecipeChoice::Lexical, None))
            }
            encoder => Ok((RecipeChoice::Auto, encoder)),
        },
    }
}

/// Whether the encoder may read all of the project's documents.
fn suits(project: &Project, encoder: &InstalledEncoder) -> bool {
    !project.multilingual || encoder.multilingual
}

fn foreign(encoder: &InstalledEncoder, so: &str) -> JobWarning {
    let message = format!(
        "the project is multilingual and the encoder {:?} is for one language: {so}; `spindle encoder add` installs one for \
         many",
        encoder.reference.name
    );
    JobWarning { code: "EncoderLanguage".to_owned(), message }
}
