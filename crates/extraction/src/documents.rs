//! One task over all documents of a request, and the synchronous call that is nothing else.

use crate::{Answer, Error, Extraction, Graphs};
use catalog::Driver;
use language_api::runtime::{
    AnalysisInput, AnalyzeRequest, AnalyzeResponse, AnalyzeResponseKind, DocumentError, DocumentResult,
    DocumentStatistics, InputDocument, TaskParameters, TaskResults, WireEntity, text_elements,
};
use language_api::{Call, Reply, languages};
use model::{GraphError, ServingError, ServingModel};
use ner::{Entity, OffsetTable};

impl<D: Driver> Extraction<'_, D> {
    /// `POST /:analyze-text`, our extension: one task, its results in the answer, nothing stored.
    ///
    /// # Errors
    /// 401, 400 (contract: runtime 6), 404 for project or deployment, 503 when the model can't be used.
    pub async fn analyze(&self, call: &Call) -> Answer {
        self.authorize(call).await?;
        call.links()?;
        let request = AnalyzeRequest::parse(&call.body, self.limits)?;
        let results = self.extract(&request.analysis_input, &request.parameters).await?;
        let results = results.shown(None, call.query.flag("showStats"));
        Ok(Reply::ok(&AnalyzeResponse { kind: AnalyzeResponseKind::default(), results }))
    }

    /// Results of one task with all statistics. All documents go through the graph in one call.
    ///
    /// # Errors
    /// [`Error`]; documents with errors of their own are part of the results.
    pub(crate) async fn extract(
        &self,
        input: &AnalysisInput,
        parameters: &TaskParameters,
    ) -> Result<TaskResults, Error> {
        let mut results =
            TaskResults::empty(parameters.project_name.clone(), parameters.deployment_name.clone());
        for outcome in self.extract_each(&input.documents, parameters).await? {
            match outcome {
                Ok(document) => results.documents.push(document),
                Err(error) => results.errors.push(error),
            }
        }
        Ok(results)
    }

    /// What comes of each document, in order, by one model and one call of its graph.
    ///
    /// # Errors
    /// [`Error`], of all documents.
    pub(crate) async fn extract_each(
        &self,
        documents: &[InputDocument],
        parameters: &TaskParameters,
    ) -> Result<Vec<Result<DocumentResult, DocumentError>>, Error> {
        let (project, deployment) = (parameters.project_name.as_str(), parameters.deployment_name.as_str());
        let served = self.catalog.served_model(project, deployment).await?;
        let threshold = served.confidence_threshold.unwrap_or(0.0);
        let model = self.models.get(self.catalog, &served.model_id).await?;
        let judged: Vec<_> = documents.iter().map(|document| (document, refusal(document))).collect();
        let valid = judged.iter().filter(|(_, refusal)| refusal.is_none());
        let texts: Vec<_> = valid.map(|(document, _)| document.text.as_str()).collect();
        let mut found = find(&model, self.graphs, &texts)?.into_iter();
        let outcomes = judged.into_iter().map(|(document, refusal)| match refusal {
            Some(error) => Err(error),
            None => {
                let entities = found.next().unwrap_or_default();
                let table = OffsetTable::new(&document.text, parameters.string_index_type);
                Ok(reported(document, &entities, &table, threshold))
            }
        });
        Ok(outcomes.collect())
    }
}

/// Why one document is left out while the others go on (contract: runtime 6).
fn refusal(document: &InputDocument) -> Option<DocumentError> {
    if document.text.is_empty() {
        return Some(DocumentError::empty(&document.id));
    }
    let language = document.language.as_deref()?;
    (!languages::is_supported(language)).then(|| DocumentError::language(&document.id, language))
}

/// Entities of each text.
pub(crate) fn find(
    model: &ServingModel,
    graphs: &dyn Graphs,
    texts: &[&str],
) -> Result<Vec<Vec<Entity>>, Error> {
    let model_id = &model.manifest().model_id;
    let prepared = model.prepare(texts).map_err(|error| Error::Serving {
        model: model_id.clone(),
        reason: ServingError::Tokenizer(error),
    })?;
    // Texts of blanks alone are valid and have no words; encoders refuse batches of nothing.
    if prepared.inputs.words() == 0 {
        return Ok(vec![Vec::new(); texts.len()]);
    }
    let emissions = graphs.compute(model_id, &prepared.inputs)?;
    // The inputs are our own, so emissions that do not fit them are the other side's fault.
    model.decode(&prepared, &emissions).map_err(|error| match error {
        GraphError::InvalidInput { name, reason } => {
            let reason = format!("{name} do not fit: {reason}");
            GraphError::Damaged { model: model_id.clone(), reason }.into()
        }
        other => other.into(),
    })
}

fn reported(
    document: &InputDocument,
    entities: &[Entity],
    table: &OffsetTable,
    threshold: f64,
) -> DocumentResult {
    let entities = entities.iter().map(|entity| WireEntity::new(entity, &document.text, table));
    DocumentResult {
        id: document.id.clone(),
        // Judged by the score as answered, so that no answer shows one below the threshold.
        entities: entities.filter(|entity| entity.confidence_score >= threshold).collect(),
        warnings: Vec::new(),
        statistics: Some(DocumentStatistics::of(text_elements(&document.text))),
    }
}
