//! Documents line by line, for pipelines (our extension).

use crate::{Error, Extraction};
use catalog::Driver;
use language_api::runtime::{
    DocumentError, DocumentResult, InputDocument, StreamError, StreamLine, TaskParameters, write_answer,
};
use language_api::{ApiError, Call};
use std::collections::VecDeque;

/// Documents that go through the graph together: enough to fill its batches, few enough to be answered soon.
const BATCH_DOCUMENTS: usize = 32;
/// Text of such a batch in bytes, unless a single document has more.
const BATCH_BYTES: usize = 64 << 10;

impl<D: Driver> Extraction<'_, D> {
    /// Whether the caller may stream to this deployment, and what was asked for; the call's body is not looked at.
    ///
    /// # Errors
    /// 401, 400 for a parameter in the address, 404 for project or deployment.
    pub async fn open_stream(&self, call: &Call) -> Result<TaskParameters, ApiError> {
        self.authorize(call).await?;
        call.links()?;
        let parameters = TaskParameters::from_query(&call.query)?;
        let (project, deployment) = (&parameters.project_name, &parameters.deployment_name);
        self.catalog.served_model(project.as_str(), deployment.as_str()).await?;
        Ok(parameters)
    }

    /// The answers to `lines`, a line each and in order. What fails, fails line by line: a deployment that is gone
    /// or a model that can't compute is told in place of each result.
    ///
    /// # Errors
    /// 500 for a defect of ours.
    pub async fn answer_lines(
        &self,
        parameters: &TaskParameters,
        show_stats: bool,
        lines: Vec<StreamLine>,
    ) -> Result<Vec<u8>, ApiError> {
        let (mut numbers, mut documents, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            match line.document {
                Ok(document) => {
                    numbers.push(line.number);
                    documents.push(document);
                }
                Err(error) => answers.push((line.number, Err(StreamError::new(line.number, None, error)))),
            }
        }
        let extracted = match documents.is_empty() {
            true => Ok(Vec::new()),
            false => self.extract_each(&documents, parameters).await,
        };
        let found = match extracted {
            Ok(found) => found.into_iter().zip(&numbers).map(answer).collect(),
            Err(error) => refused(&error, &documents, &numbers),
        };
        answers.extend(numbers.iter().copied().zip(found));
        answers.sort_by_key(|(number, _)| *number);
        let mut out = Vec::new();
        for (_, answer) in answers {
            let answer = answer.map(|document| shown(document, show_stats));
            write_answer(&mut out, &answer)?;
        }
        Ok(out)
    }
}

/// How many of `lines` to answer together next; none when there are none.
pub fn stream_batch(lines: &VecDeque<StreamLine>) -> usize {
    let mut bytes = 0;
    let fits = |line: &&StreamLine| {
        let text = line.document.as_ref().map_or(0, |document| document.text.len());
        bytes += text;
        bytes == text || bytes <= BATCH_BYTES
    };
    lines.iter().take(BATCH_DOCUMENTS).take_while(fits).count()
}

type Answered = Result<DocumentResult, StreamError>;

fn answer((found, number): (Result<DocumentResult, DocumentError>, &u64)) -> Answered {
    found.map_err(|error| StreamError::of_document(*number, error))
}

fn refused(error: &Error, documents: &[InputDocument], numbers: &[u64]) -> Vec<Answered> {
    let lines = documents.iter().zip(numbers);
    lines
        .map(|(document, number)| {
            Err(StreamError::new(*number, Some(document.id.clone()), error.clone().into()))
        })
        .collect()
}

fn shown(mut document: DocumentResult, show_stats: bool) -> DocumentResult {
    if !show_stats {
        document.statistics = None;
    }
    document
}
