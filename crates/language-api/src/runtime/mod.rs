//! Prediction on the wire (contract: runtime).

mod health;
mod request;
mod results;
mod state;
mod stream;
#[cfg(test)]
mod tests;

pub use health::{DeploymentHealth, HealthStatus};
pub use request::{
    AnalysisInput, AnalyzeRequest, InputDocument, SubmitRequest, Task, TaskKind, TaskParameters,
    text_elements,
};
pub use results::{
    AnalyzeResponse, AnalyzeResponseKind, DocumentError, DocumentResult, DocumentStatistics, DocumentWarning,
    RequestStatistics, TaskResults, WireEntity,
};
pub use state::{RuntimeJobState, TaskItem, TaskItemKind, TasksState, task_failed};
pub use stream::{StreamError, StreamLine, StreamLines, write_answer};
