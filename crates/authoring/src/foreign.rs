//! Import of files in the formats of other tools, ours beside the contract's import: the texts come inside the file,
//! so that the job carries them to the worker, who stores those that the container does not have.

use crate::import::refused_container;
use crate::payloads::ForeignPayload;
use crate::projects::whole_change;
use crate::{Answer, Authoring};
use catalog::{Driver, JobKind, NewJob};
use label_formats::exchange::{self, Change, ContractSet, File, Format};
use language_api::jobs::{Conversion, ConversionCase, ConversionChange, ImportProgress};
use language_api::{
    ApiError, ErrorKind, FileMetadata, JobLocation, Limits, Problem, ProjectKind, ProjectName, Query, Reply,
    refuse_problems,
};
use std::collections::BTreeMap;

/// Query parameters.
const FORMAT: &str = "format";
const CONTAINER: &str = "container";
const LANGUAGE: &str = "language";
const MULTILINGUAL: &str = "multilingual";
const FILE_NAME: &str = "fileName";

/// The format of another tool that the caller names; `None` for the contract's own.
///
/// # Errors
/// 400 for a name that is no format.
pub(crate) fn format_of(query: &Query) -> Result<Option<Format>, ApiError> {
    let Some(name) = query.get(FORMAT) else { return Ok(None) };
    match Format::parse(name) {
        Some(Format::Contract) => Ok(None),
        Some(format) => Ok(Some(format)),
        None => {
            let names = Format::ALL.map(Format::name).join(", ");
            let message = format!("{FORMAT} is one of {names}; {name:?} was given");
            Err(ApiError::new(ErrorKind::Field, message).at(FORMAT))
        }
    }
}

impl<D: Driver> Authoring<'_, D> {
    /// `POST /{project}/:import?format=…`: as [`Authoring::import`] from a file of another tool. `existing` is what is
    /// known of the project.
    ///
    /// # Errors
    /// 400 with all problems of the file, also those that only its texts show; 400 when the project is new and the call
    /// does not say its container and language; 409 as an import.
    pub(crate) async fn import_foreign(
        &self,
        name: &ProjectName,
        format: Format,
        body: Vec<u8>,
        existing: Option<FileMetadata>,
    ) -> Answer {
        let is_new = existing.is_none();
        let metadata = self.foreign_metadata(name, existing)?;
        let files = files(format, self.query.get(FILE_NAME).unwrap_or(name.as_str()), body)?;
        let refuse = |problems: Vec<Problem>| refuse_problems(&problems);
        let converted = exchange::to_contract(format, &files, &metadata).map_err(refuse)?;
        drop(files);
        prove(&converted, &self.limits).map_err(refuse)?;
        let options = metadata.options().map_err(refuse)?;
        if is_new {
            self.check_project_quota().await?;
        }
        let conversion = Some(conversion(format, &converted));
        let payload = ForeignPayload { file: converted.file.to_json(), texts: converted.texts };
        let (id, job) = self.new_job(JobKind::Import, name, "", encode(&payload)?);
        let progress = encode(&ImportProgress { percent_complete: 0, conversion })?;
        let job = NewJob { progress: Some(String::from_utf8_lossy(&progress).into_owned()), ..job };
        let enqueued = self.catalog.enqueue_import(&whole_change(options), &job, self.now).await;
        enqueued.map_err(|error| refused_container(error, CONTAINER))?;
        Ok(Reply::accepted(self.links.job(&JobLocation::Import { project: name.clone(), job: id })))
    }

    /// What the call says about the project goes before what is known of it.
    fn foreign_metadata(
        &self,
        name: &ProjectName,
        existing: Option<FileMetadata>,
    ) -> Result<FileMetadata, ApiError> {
        let is_new = existing.is_none();
        let mut metadata = existing.unwrap_or_default();
        metadata.project_kind = ProjectKind::NAME.to_owned();
        metadata.project_name = name.to_string();
        let fields =
            [(CONTAINER, &mut metadata.storage_input_container_name), (LANGUAGE, &mut metadata.language)];
        for (parameter, field) in fields {
            match self.query.get(parameter) {
                Some(value) => value.clone_into(field),
                None if is_new => {
                    let message = format!(
                        "there is no project {name} yet, and such a file says nothing about one: add the query \
                         parameters {CONTAINER} and {LANGUAGE}, or make the project first"
                    );
                    return Err(ApiError::new(ErrorKind::Field, message).at(parameter));
                }
                None => {}
            }
        }
        if self.query.get(MULTILINGUAL).is_some() {
            metadata.multilingual = self.query.flag(MULTILINGUAL);
        }
        let problems = metadata.options().err().unwrap_or_default();
        let named = |problem: Problem| {
            let pointer = match problem.pointer.rsplit('/').next() {
                Some("storageInputContainerName") => CONTAINER.to_owned(),
                Some(LANGUAGE) => LANGUAGE.to_owned(),
                _ => problem.pointer,
            };
            Problem::new(pointer, problem.message)
        };
        let problems: Vec<Problem> = problems.into_iter().map(named).collect();
        if problems.is_empty() { Ok(metadata) } else { Err(refuse_problems(&problems)) }
    }
}

/// The body as files: brat's come as one JSON object, name to content; of every other format there is one file.
fn files(format: Format, name: &str, body: Vec<u8>) -> Result<Vec<File>, ApiError> {
    if body.trim_ascii().is_empty() {
        let message = format!("the request has no body; a file in the format {} is needed", format.name());
        return Err(ApiError::new(ErrorKind::BodyEmpty, message));
    }
    if format != Format::Brat {
        return Ok(vec![File { name: name.to_owned(), bytes: body }]);
    }
    let files: BTreeMap<String, String> = serde_json::from_slice(&body).map_err(|error| {
        let message = format!(
            "brat keeps text and labels apart: send one JSON object, {{\"a.txt\": \"…\", \"a.ann\": \"…\"}}; line {}, column {} is otherwise",
            error.line(),
            error.column()
        );
        ApiError::new(ErrorKind::BodyNotJson, message)
    })?;
    Ok(files.into_iter().map(|(name, content)| File { name, bytes: content.into_bytes() }).collect())
}

/// Everything the worker would refuse, before it stores a text.
fn prove(converted: &ContractSet, limits: &Limits) -> Result<(), Vec<Problem>> {
    let mut problems = label_formats::check(&converted.file, limits);
    let entries = converted.file.assets.iter().flat_map(|assets| &assets.documents);
    for (index, (entry, (_, text))) in entries.zip(&converted.texts).enumerate() {
        problems
            .extend(label_formats::resolve_document(entry, index, text, limits).err().unwrap_or_default());
    }
    if converted.texts.is_empty() {
        problems.push(Problem::new("", "the file holds no document"));
    }
    problems.truncate(language_api::limits::PROBLEMS_MAX);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn conversion(format: Format, converted: &ContractSet) -> Conversion {
    // What is beyond the limits was refused by the limits of this server, which may differ from those of the report.
    let tallies = converted.report.tallies().filter(|tally| tally.change != Change::BeyondLimits);
    let changes = tallies.map(|tally| ConversionChange {
        change: word(tally.change),
        effect: tally.effect.name().to_owned(),
        message: tally.change.meaning().to_owned(),
        count: tally.count as u64,
        cases: tally.cases.iter().map(case).collect(),
    });
    let entries = converted.file.assets.iter().flat_map(|assets| &assets.documents);
    let labels: usize = entries.flat_map(|entry| &entry.entities).map(|region| region.labels.len()).sum();
    Conversion {
        format: format.name().to_owned(),
        documents: converted.texts.len() as u64,
        labels: labels as u64,
        changes: changes.collect(),
    }
}

/// The kind as scripts know it from `spindle labels --json`.
fn word(change: Change) -> String {
    let value = serde_json::to_value(change).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn case(case: &exchange::Case) -> ConversionCase {
    ConversionCase { document: case.document.clone(), place: case.place.clone(), detail: case.detail.clone() }
}

fn encode(value: &impl serde::Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named_or_refused() {
        let of = |query: &str| format_of(&Query::parse(query));
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("format=contract"), Ok(None));
        assert_eq!(of("format=label-studio"), Ok(Some(Format::LabelStudio)));
        let error = of("format=docx").unwrap_err();
        assert_eq!((error.kind, error.target.as_deref()), (ErrorKind::Field, Some(FORMAT)));
        assert!(error.message.contains("conll"), "{}", error.message);
    }

    #[test]
    fn a_conversion_tells_what_was_lost() {
        let body = br#"{"text":"Ada met Bo.","label":[[0,3,"Person"],[0,7,"Phrase"],[8,99,"Person"]]}"#;
        let files = files(Format::Doccano, "desk", body.to_vec()).unwrap();
        let project = FileMetadata { language: "en-us".to_owned(), ..exchange::placeholder_project() };
        let converted = exchange::to_contract(Format::Doccano, &files, &project).unwrap();
        assert_eq!(prove(&converted, &Limits::default()), Ok(()));
        let told = conversion(Format::Doccano, &converted);
        assert_eq!((told.format.as_str(), told.documents, told.labels), ("doccano", 1, 1));
        let changes: Vec<_> =
            told.changes.iter().map(|c| (c.change.as_str(), c.effect.as_str(), c.count)).collect();
        assert_eq!(changes, [("overlappingLabel", "dropped", 1), ("outsideText", "dropped", 1)]);
        assert!(!told.changes[0].cases.is_empty());
    }

    #[test]
    fn what_the_worker_would_refuse_is_refused_before() {
        let files = files(Format::Doccano, "desk", br#"{"text":"Ada","label":[]}"#.to_vec()).unwrap();
        let converted =
            exchange::to_contract(Format::Doccano, &files, &exchange::placeholder_project()).unwrap();
        let limits = Limits { document_characters_max: 2, ..Limits::default() };
        assert_eq!(prove(&converted, &limits).map_err(|problems| problems.len()), Err(1));
    }

    #[test]
    fn brat_is_an_object_of_files() {
        let files =
            files(Format::Brat, "desk", br#"{"a.txt":"Ada","a.ann":"T1\tPerson 0 3\tAda\n"}"#.to_vec());
        assert_eq!(files.map(|files| files.len()), Ok(2));
        let error = super::files(Format::Brat, "desk", b"T1\tPerson 0 3\tAda\n".to_vec()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BodyNotJson);
    }
}
