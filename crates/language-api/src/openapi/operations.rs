//! The operations, one row each.

use super::Answer::{File, Head, Job, Json, Lines, Nothing, Page, Text};
use super::Family::{Authoring, Events, Open, Prediction};
use super::Operation;

macro_rules! projects {
    ($tail:literal) => {
        concat!("/language/authoring/analyze-text/projects", $tail)
    };
}

macro_rules! operations {
    ($($family:ident $method:literal $path:expr, $id:literal, $summary:literal, [$($query:literal),*], $body:expr, [$($answer:expr),*], [$($error:literal),*];)*) => {
        &[$(Operation {
            family: $family,
            method: $method,
            path: $path,
            id: $id,
            summary: $summary,
            query: &[$($query),*],
            body: $body,
            answers: &[$($answer),*],
            errors: &[$($error),*],
        }),*]
    };
}

/// Every operation that clients may call.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = operations! {
    Authoring "GET" projects!(""), "listProjects", "All projects", ["top", "skip", "maxpagesize"], None, [Page("Project")], [];
    Authoring "GET" projects!("/global/languages"), "listLanguages", "Languages of documents", ["projectKind", "top", "skip", "maxpagesize"], None, [Page("Language")], [];
    Authoring "GET" projects!("/global/training-config-versions"), "listTrainingConfigVersions", "Ways to train", ["projectKindRequired", "top", "skip", "maxpagesize"], None, [Page("TrainingConfigVersion")], [];
    Authoring "GET" projects!("/global/prebuilt-entities"), "listPrebuiltEntities", "Always empty: entities are learned from labels", ["projectKind", "top", "skip", "maxpagesize"], None, [Page("PrebuiltEntity")], [];
    Authoring "GET" projects!("/global/deployments/resources"), "listDeploymentResources", "Always empty: there are no other resources", ["top", "skip", "maxpagesize"], None, [Page("ResourceDeployments")], [];
    Authoring "GET" projects!("/global/storage-events"), "listStorageEvents", "What storage services told, the newest first, and what came of it; beyond the contract", ["eventContainer", "top", "skip", "maxpagesize"], None, [Page("StorageEvent")], [];
    Authoring "GET" projects!("/global/deletion-jobs/{jobId}"), "getDeletionJob", "A project's deletion", [], None, [Json(200, "JobState")], [];
    Authoring "GET" projects!("/{projectName}"), "getProject", "A project", [], None, [Json(200, "Project")], [];
    Authoring "PATCH" projects!("/{projectName}"), "patchProject", "Make or change a project", [], Some("ProjectPatch"), [Json(200, "Project"), Json(201, "Project")], [409];
    Authoring "DELETE" projects!("/{projectName}"), "deleteProject", "Delete a project, but none of its documents", [], None, [Job], [409];
    Authoring "POST" projects!("/{projectName}/:import"), "importProject", "Replace settings, categories and labels by a project file's; files of November 2021 are read too, and with format those of other tools", ["format", "container", "importLanguage", "multilingual", "importFileName"], Some("ProjectFile"), [Job], [409];
    Authoring "GET" projects!("/{projectName}/import/jobs/{jobId}"), "getImportJob", "An import", [], None, [Json(200, "ImportJobState")], [];
    Authoring "POST" projects!("/{projectName}/:authorize-copy"), "authorizeCopy", "Permit one copy into a project", [], Some("AuthorizeCopyRequest"), [Json(200, "CopyAuthorization")], [409];
    Authoring "POST" projects!("/{projectName}/:copy"), "copyProject", "Copy settings, categories and labels by a permission", [], Some("CopyAuthorization"), [Job], [409];
    Authoring "GET" projects!("/{projectName}/copy/jobs/{jobId}"), "getCopyJob", "A copy", [], None, [Json(200, "JobState")], [];
    Authoring "POST" projects!("/{projectName}/:export"), "exportProject", "Write a project file", ["stringIndexType", "trainedModelLabel"], None, [Job], [];
    Authoring "GET" projects!("/{projectName}/export/jobs/{jobId}"), "getExportJob", "An export", [], None, [Json(200, "ExportJobState")], [];
    Authoring "GET" projects!("/{projectName}/export/jobs/{jobId}/result"), "getExportResult", "The project file that an export wrote", [], None, [Json(200, "ProjectFile")], [];
    Authoring "POST" projects!("/{projectName}/:train"), "train", "Train and evaluate a model", [], Some("TrainRequest"), [Job], [409];
    Authoring "GET" projects!("/{projectName}/train/jobs"), "listTrainingJobs", "Trainings, newest first", ["top", "skip", "maxpagesize"], None, [Page("TrainingJobState")], [];
    Authoring "GET" projects!("/{projectName}/train/jobs/{jobId}"), "getTrainingJob", "A training", [], None, [Json(200, "TrainingJobState")], [];
    Authoring "POST" projects!("/{projectName}/train/jobs/{jobId}/:cancel"), "cancelTrainingJob", "Stop a training", [], None, [Job], [409];
    Authoring "GET" projects!("/{projectName}/models"), "listModels", "Trained models", ["top", "skip", "maxpagesize"], None, [Page("Model")], [];
    Authoring "GET" projects!("/{projectName}/models/{modelLabel}"), "getModel", "A model", [], None, [Json(200, "Model")], [];
    Authoring "DELETE" projects!("/{projectName}/models/{modelLabel}"), "deleteModel", "Delete a model that no deployment uses", [], None, [Nothing], [409];
    Authoring "POST" projects!("/{projectName}/models/{modelLabel}/:load-snapshot"), "loadSnapshot", "Put the labels back to those a model was trained on", [], None, [Job], [409];
    Authoring "GET" projects!("/{projectName}/models/{modelLabel}/load-snapshot/jobs/{jobId}"), "getLoadSnapshotJob", "A load of a snapshot", [], None, [Json(200, "JobState")], [];
    Authoring "GET" projects!("/{projectName}/models/{modelLabel}/evaluation/summary-result"), "getEvaluationSummary", "Scores, confusion matrix and guidance", [], None, [Json(200, "EvaluationSummary")], [];
    Authoring "GET" projects!("/{projectName}/models/{modelLabel}/evaluation/result"), "getEvaluationResult", "Labels and predictions of the test documents", ["stringIndexType", "top", "skip", "maxpagesize"], None, [Page("EvaluatedDocument")], [];
    Authoring "POST" projects!("/{projectName}/models/{modelLabel}/:evaluate"), "evaluate", "Score a model again, on the present labels", [], Some("EvaluationOptions"), [Job], [409];
    Authoring "GET" projects!("/{projectName}/models/{modelLabel}/evaluate/jobs/{jobId}"), "getEvaluationJob", "An evaluation", [], None, [Json(200, "EvaluationJobState")], [];
    Authoring "GET" projects!("/{projectName}/exported-models"), "listExportedModels", "Exported models", ["top", "skip", "maxpagesize"], None, [Page("ExportedModel")], [];
    Authoring "GET" projects!("/{projectName}/exported-models/{exportedModelName}"), "getExportedModel", "An exported model", [], None, [Json(200, "ExportedModel")], [];
    Authoring "PUT" projects!("/{projectName}/exported-models/{exportedModelName}"), "exportModel", "Copy a model's bundle, so that it can be taken away", [], Some("ExportModelRequest"), [Job], [409];
    Authoring "DELETE" projects!("/{projectName}/exported-models/{exportedModelName}"), "deleteExportedModel", "Delete the copy of a bundle", [], None, [Job], [409];
    Authoring "GET" projects!("/{projectName}/exported-models/{exportedModelName}/jobs/{jobId}"), "getExportedModelJob", "An exported model's making or deletion", [], None, [Json(200, "JobState")], [];
    Authoring "GET" projects!("/{projectName}/exported-models/{exportedModelName}/manifest"), "getExportedModelManifest", "Where an exported model's files are", [], None, [Json(200, "ExportedModelManifest")], [];
    Authoring "GET" projects!("/{projectName}/exported-models/{exportedModelName}/files/{fileName}"), "getExportedModelFile", "A file of an exported model", [], None, [File], [];
    Authoring "GET" projects!("/{projectName}/automation"), "getAutomation", "What the project does by itself; beyond the contract", [], None, [Json(200, "Automation")], [];
    Authoring "PUT" projects!("/{projectName}/automation"), "putAutomation", "Set what the project does by itself when objects of its container change; beyond the contract", [], Some("Automation"), [Json(200, "Automation")], [];
    Authoring "GET" projects!("/{projectName}/subscribers"), "listSubscribers", "Who is told when entities were extracted from a document that arrived; beyond the contract", ["top", "skip", "maxpagesize"], None, [Page("Subscriber")], [];
    Authoring "PUT" projects!("/{projectName}/subscribers/{subscriberName}"), "putSubscriber", "Have somebody told, by a signed CloudEvent; a secret that the server makes is in this answer alone; beyond the contract", [], Some("SubscriberRequest"), [Json(200, "Subscriber"), Json(201, "Subscriber")], [];
    Authoring "DELETE" projects!("/{projectName}/subscribers/{subscriberName}"), "deleteSubscriber", "Tell somebody nothing more; beyond the contract", [], None, [Nothing], [];
    Authoring "GET" projects!("/{projectName}/deliveries"), "listDeliveries", "Events on their way to subscribers, the newest first; dead are those that were given up; beyond the contract", ["deliveryState", "top", "skip", "maxpagesize"], None, [Page("Delivery")], [];
    Authoring "POST" projects!("/{projectName}/deliveries/{jobId}/:retry"), "retryDelivery", "Send the event of a delivery that was given up once more; beyond the contract", [], None, [Json(200, "Delivery")], [409];
    Authoring "GET" projects!("/{projectName}/jobs"), "listJobs", "Jobs of every kind but prediction, newest first; beyond the contract", ["top", "skip", "maxpagesize"], None, [Page("ProjectJob")], [];
    Authoring "GET" projects!("/{projectName}/resources"), "listResources", "Always empty: a project lives on this server alone", ["top", "skip", "maxpagesize"], None, [Page("Resource")], [];
    Authoring "POST" projects!("/{projectName}/resources/:assign"), "assignResources", "Always refused: there are no other resources", [], Some("ResourcesToAssign"), [], [];
    Authoring "POST" projects!("/{projectName}/resources/:unassign"), "unassignResources", "Always refused: there are no other resources", [], Some("ResourceIds"), [], [];
    Authoring "GET" projects!("/{projectName}/deployments"), "listDeployments", "Deployments", ["top", "skip", "maxpagesize"], None, [Page("Deployment")], [];
    Authoring "POST" projects!("/{projectName}/deployments/:swap"), "swapDeployments", "Exchange the models of two deployments", [], Some("SwapRequest"), [Job], [409];
    Authoring "GET" projects!("/{projectName}/deployments/swap/jobs/{jobId}"), "getSwapJob", "A swap", [], None, [Json(200, "JobState")], [];
    Authoring "GET" projects!("/{projectName}/deployments/{deploymentName}"), "getDeployment", "A deployment", [], None, [Json(200, "Deployment")], [];
    Authoring "PUT" projects!("/{projectName}/deployments/{deploymentName}"), "putDeployment", "Deploy a model", [], Some("PutDeploymentRequest"), [Job], [409];
    Authoring "DELETE" projects!("/{projectName}/deployments/{deploymentName}"), "deleteDeployment", "Delete a deployment", [], None, [Job], [409];
    Authoring "POST" projects!("/{projectName}/deployments/{deploymentName}/:delete-from-resources"), "deleteFromResources", "Always refused: there are no other resources", [], Some("ResourceIds"), [], [];
    Authoring "GET" projects!("/{projectName}/deployments/{deploymentName}/jobs/{jobId}"), "getDeploymentJob", "A deployment's making or deletion", [], None, [Json(200, "JobState")], [];
    Prediction "POST" "/language/analyze-text/jobs", "submitJob", "Extract entities in a job", [], Some("SubmitRequest"), [Job], [];
    Prediction "GET" "/language/analyze-text/jobs/{extractionJobId}", "getJob", "A job and its results", ["showStats", "top", "skip"], None, [Json(200, "ExtractionJobState")], [];
    Prediction "POST" "/language/analyze-text/jobs/{extractionJobId}:cancel", "cancelJob", "Stop a job", [], None, [Job], [409];
    Prediction "POST" "/language/:analyze-text", "analyzeText", "Extract entities at once; beyond the contract", ["showStats"], Some("AnalyzeRequest"), [Json(200, "AnalyzeResponse")], [503];
    Prediction "POST" "/language/analyze-text/stream", "streamDocuments", "Extract entities line by line, as fast as answers are taken; beyond the contract", ["ofProject", "ofDeployment", "unit", "showStats"], Some("DocumentLines"), [Lines("AnswerLines")], [];
    Prediction "GET" "/language/analyze-text/health", "getDeploymentHealth", "Whether a deployment can answer; beyond the contract", ["ofProject", "ofDeployment"], None, [Json(200, "DeploymentHealth")], [];
    Events "GET" "/events/storage", "getEventsHealth", "Whether notifications are taken", [], None, [Json(200, "Health")], [];
    Events "HEAD" "/events/storage", "headEvents", "Whether notifications are taken", [], None, [Head], [];
    Events "POST" "/events/storage", "postEvents", "Take note of objects that were written or deleted", ["secret"], Some("StorageNotification"), [Json(200, "AcceptedEvents")], [403];
    Events "OPTIONS" "/events/storage", "permitEvents", "Permit a sender of CloudEvents to deliver", ["secret"], None, [Head], [400, 401];
    Open "GET" "/healthz", "getHealth", "Whether the process lives", [], None, [Text(200)], [];
    Open "GET" "/readyz", "getReadiness", "Whether calls are answered", [], None, [Text(200), Text(503)], [];
    Open "GET" "/openapi.json", "getDescription", "This document", [], None, [Json(200, "Description")], [];
};
