//! Documents of a set of labels, a page at a time.

use crate::failure::Failure;
use crate::run::Run;
use catalog::{DocumentRow, LabelSet};

/// Documents read from the catalog, or staged in it, in one transaction.
pub(super) const CHUNK: u32 = 1_000;

/// Pages by location, none of them empty. A job that is to stop stops between them.
pub(super) struct DocumentPages<'a> {
    run: &'a Run,
    labels: &'a LabelSet,
    after: Option<String>,
}

impl<'a> DocumentPages<'a> {
    pub(super) fn of(run: &'a Run, labels: &'a LabelSet) -> Self {
        Self { run, labels, after: None }
    }

    /// The next documents; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<DocumentRow>>, Failure> {
        self.run.stop.check()?;
        let catalog = &self.run.services.catalog;
        let rows = catalog.documents_after(self.labels, self.after.as_deref(), CHUNK).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = Some(last.location.clone());
        Ok(Some(rows))
    }
}
