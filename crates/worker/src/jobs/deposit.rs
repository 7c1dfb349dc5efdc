//! Texts that came inside a label file, put into the container as documents.

use super::progress::ImportWatch;
use crate::failure::Failure;
use crate::run::Run;
use language_api::Problem;
use language_api::limits::PROBLEMS_MAX;

/// Stores the texts that the container does not have. An object with other content under a text's name is a problem
/// and stays as it is; then nothing is stored at all. `texts` are in the order of the file's documents.
pub(crate) async fn deposit(
    run: &Run,
    container: &str,
    texts: &[(String, String)],
    watch: &mut ImportWatch<'_>,
) -> Result<(), Failure> {
    let blobs = &run.services.blobs;
    let mut absent = vec![];
    let mut problems = vec![];
    for (index, (location, text)) in texts.iter().enumerate() {
        run.stop.check()?;
        let same = match blobs.get(container, location, text.len() as u64).await {
            Ok(object) => *object.bytes == *text.as_bytes(),
            Err(blobs::Error::NotFound { .. }) => {
                absent.push((location, text));
                continue;
            }
            Err(blobs::Error::TooLarge { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        watch.add(usize::from(same));
        if !same && problems.len() < PROBLEMS_MAX {
            let message = format!(
                "container {container:?} has a document {location:?} with another text; it was not overwritten: \
                 remove it there, or import the file under another name"
            );
            problems.push(Problem::new(format!("#/assets/documents/{index}/location"), message));
        }
    }
    if !problems.is_empty() {
        return Err(Failure::Refused(problems.iter().map(Problem::body).collect()));
    }
    for (location, text) in absent {
        run.still_ours().await?;
        blobs.put(container, location, text.clone()).await?;
        watch.add(1);
    }
    Ok(())
}
