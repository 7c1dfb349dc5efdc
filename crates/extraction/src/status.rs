//! A job's state and results (contract: runtime 3, 4 and 7).

use crate::cancel::deadline;
use crate::stored::{StoredResults, TaskHeader, from_json};
use crate::{Answer, Extraction};
use catalog::{Driver, ExtractionJob, ExtractionTask};
use language_api::runtime::{RuntimeJobState, TaskItem, TaskItemKind, TaskResults, TasksState};
use language_api::{
    ApiError, ApiVersion, Call, ErrorBody, Links, Query, Reply, RuntimeJobId, SevenDigits, WholeSeconds,
};

impl<D: Driver> Extraction<'_, D> {
    /// The job with the results of those tasks that are done.
    ///
    /// # Errors
    /// 401, 400 for `top` or `skip`, 404 `OperationNotFound`, also when it has expired.
    pub async fn get_job(&self, call: &Call, id: RuntimeJobId) -> Answer {
        self.authorize(call).await?;
        let version = ApiVersion::parse(call.query.get("api-version"))?;
        let view = View::new(&call.query)?;
        let found = self.current(id).await?;
        let mut rest = 0;
        let mut items = Vec::new();
        for task in found.tasks.iter().filter(|task| task.status.is_terminal()) {
            let (item, behind) = item(task, view)?;
            items.push(item);
            rest = rest.max(behind);
        }
        let links = Links::new(&call.endpoint, version.clone());
        let state = RuntimeJobState {
            job_id: id,
            last_updated_date_time: WholeSeconds(found.job.updated_at),
            last_update_date_time: None,
            created_date_time: WholeSeconds(found.job.created_at),
            expiration_date_time: WholeSeconds(found.job.expires_at),
            status: found.job.status.into(),
            next_link: view
                .next(rest)
                .map(|(top, skip)| links.next_documents(id, view.show_stats, top, skip)),
            errors: errors(&found)?,
            display_name: found.display_name,
            tasks: TasksState::new(found.tasks.len(), items),
        };
        Ok(Reply::ok(&state.for_version(&version)))
    }

    /// The job as it is now; one whose own time limit has passed is stopped by whoever looks first.
    async fn current(&self, id: RuntimeJobId) -> Result<ExtractionJob, ApiError> {
        let now = (self.now)();
        let found = self.catalog.extraction_job(&id.to_string(), now).await?;
        let ends = found.job.status.is_terminal() || found.job.cancel_requested;
        if ends || deadline(&found)?.is_none_or(|deadline| now < deadline) {
            return Ok(found);
        }
        match self.catalog.request_cancel(&id.to_string(), now).await {
            Ok(_) | Err(catalog::Error::JobEnded { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.catalog.extraction_job(&id.to_string(), now).await?)
    }
}

/// What the caller wants to see of each task's documents.
#[derive(Clone, Copy)]
struct View {
    top: Option<u32>,
    skip: u32,
    show_stats: bool,
}

impl View {
    fn new(query: &Query) -> Result<Self, ApiError> {
        Ok(Self {
            top: query.count("top")?,
            skip: query.count("skip")?.unwrap_or(0),
            show_stats: query.flag("showStats"),
        })
    }

    /// The page of `ids`, and how many follow it.
    fn page(self, ids: &[String]) -> (Vec<&str>, usize) {
        let start = ids.len().min(self.skip as usize);
        let end = self.top.map_or(ids.len(), |top| ids.len().min(start + top as usize));
        (ids[start..end].iter().map(String::as_str).collect(), ids.len() - end)
    }

    /// `top` and `skip` of the next page, as recorded: the last page is asked for with its own size. A caller who
    /// wants nothing is not sent in circles.
    fn next(self, rest: usize) -> Option<(u32, u32)> {
        let top = self.top.filter(|top| *top > 0)?;
        let rest = u32::try_from(rest).ok().filter(|rest| *rest > 0)?;
        Some((top.min(rest), self.skip.saturating_add(top)))
    }
}

/// A task that has ended, and how many documents follow its page.
fn item(task: &ExtractionTask, view: View) -> Result<(TaskItem, usize), ApiError> {
    let header: TaskHeader = from_json(task.header.as_bytes())?;
    let (results, rest) = match &task.results {
        Some(json) => {
            let stored: StoredResults = from_json(json.as_bytes())?;
            let (page, rest) = view.page(&stored.document_ids);
            (stored.results.shown(Some(&page), view.show_stats), rest)
        }
        None => (TaskResults::empty(header.project_name, header.deployment_name), 0),
    };
    let item = TaskItem {
        kind: TaskItemKind::default(),
        task_name: header.task_name,
        last_update_date_time: SevenDigits(task.updated_at),
        status: task.status.into(),
        results,
    };
    Ok((item, rest))
}

/// The job's errors. Clients look for the task at fault: a job given up as a whole names its first.
fn errors(found: &ExtractionJob) -> Result<Vec<ErrorBody>, ApiError> {
    let mut errors: Vec<ErrorBody> = from_json(found.job.errors.as_bytes())?;
    for error in &mut errors {
        error.target.get_or_insert_with(|| "#/tasks/items/0".to_owned());
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages a client sees that follows the links.
    fn followed(mut view: View, ids: &[String]) -> Vec<Vec<&str>> {
        let mut pages = Vec::new();
        loop {
            let (page, rest) = view.page(ids);
            pages.push(page);
            match view.next(rest) {
                Some((top, skip)) => view = View { top: Some(top), skip, ..view },
                None => return pages,
            }
        }
    }

    #[test]
    fn links_cover_all_documents_once() {
        let ids: Vec<String> = (0..25).map(|id| id.to_string()).collect();
        let sizes = |top, skip| -> Vec<usize> {
            let pages = followed(View { top, skip, show_stats: false }, &ids);
            assert_eq!(pages.concat(), ids[(skip as usize).min(25)..][..pages.concat().len()]);
            pages.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(None, 0), [25]);
        assert_eq!(sizes(Some(20), 0), [20, 5]);
        assert_eq!(sizes(Some(10), 3), [10, 10, 2]);
        assert_eq!(sizes(Some(25), 0), [25]);
        assert_eq!(sizes(None, 30), [0]);
        assert_eq!(sizes(Some(0), 0), [0]);
    }

    #[test]
    fn the_recorded_link_asks_for_the_rest() {
        let view = View { top: Some(20), skip: 0, show_stats: true };
        assert_eq!(view.next(5), Some((5, 20)));
    }
}
