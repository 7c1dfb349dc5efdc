//! Documents whose objects changed.

use jiff::Timestamp;

use super::sets::current;
use super::{DocumentState, LabelSet, LabelSetState};
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error};

/// How an object of the project's container is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectNote {
    /// Its key.
    pub location: String,
    /// Its entity tag; `None` when it is not there.
    pub etag: Option<String>,
}

/// What a look at an object changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noted {
    /// The project had no such document.
    New,
    /// A document without labels has another text.
    Replaced,
    /// A labelled document has another text: its labels must be checked.
    Flagged,
    /// A missing document is back as it was.
    Returned,
    /// A document without labels left the project.
    Left,
    /// A labelled document's object is gone.
    Missing,
    /// Nothing.
    Unchanged,
}

impl<D: Driver> Catalog<D> {
    /// Takes note of objects of the project's container as they are now; the same may be told twice. An import that
    /// has not published yet takes them over. Returns what each changed, in order.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the project.
    pub async fn note_objects(
        &self,
        project: &str,
        objects: &[ObjectNote],
        now: Timestamp,
    ) -> Result<Vec<Noted>, Error> {
        let mut tx = self.write().await?;
        let shown = current(&mut tx, project).await?;
        let sql = "SELECT id FROM label_sets WHERE project = ?1 AND state = ?2";
        let staged = tx.query(sql, &[project.into(), LabelSetState::Staged.into()]).await?;
        let staged = staged.into_iter().map(|mut row| Ok(LabelSet::new(row.text()?)));
        let staged = staged.collect::<Result<Vec<_>, Error>>()?;
        let mut noted = Vec::with_capacity(objects.len());
        for object in objects {
            noted.push(note(&mut tx, &shown, object).await?);
            for set in &staged {
                note(&mut tx, set, object).await?;
            }
        }
        if noted.iter().any(|noted| *noted != Noted::Unchanged) {
            tx.touch_project(project, now).await?;
        }
        tx.commit().await?;
        Ok(noted)
    }
}

/// A document's row as far as its object concerns it.
struct Known {
    state: DocumentState,
    etag: Option<String>,
    labeled: bool,
    assigned: bool,
}

async fn note<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
    object: &ObjectNote,
) -> Result<Noted, Error> {
    let known = known(tx, set, &object.location).await?;
    match (&object.etag, known) {
        (Some(etag), Some(known)) => written(tx, set, object, etag, &known).await,
        (Some(etag), None) => {
            let sql = "INSERT INTO documents (label_set, location, state, etag, labels, version) \
                       VALUES (?1, ?2, 'present', ?3, 0, 1)";
            tx.execute(sql, &[set.into(), (&object.location).into(), etag.into()]).await?;
            Ok(Noted::New)
        }
        (None, Some(known)) if !known.labeled && !known.assigned => {
            let sql = "DELETE FROM documents WHERE label_set = ?1 AND location = ?2";
            tx.execute(sql, &[set.into(), (&object.location).into()]).await?;
            Ok(Noted::Left)
        }
        (None, Some(known)) if known.state != DocumentState::Missing => {
            let sql = "UPDATE documents SET state = 'missing', version = version + 1 \
                       WHERE label_set = ?1 AND location = ?2";
            tx.execute(sql, &[set.into(), (&object.location).into()]).await?;
            Ok(Noted::Missing)
        }
        (None, _) => Ok(Noted::Unchanged),
    }
}

async fn known<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
    location: &str,
) -> Result<Option<Known>, Error> {
    let sql = "SELECT state, etag, CAST(CASE WHEN regions IS NULL THEN 0 ELSE 1 END AS BIGINT), \
               CAST(CASE WHEN dataset IS NULL THEN 0 ELSE 1 END AS BIGINT) \
               FROM documents WHERE label_set = ?1 AND location = ?2";
    let Some(mut row) = tx.query_one(sql, &[set.into(), location.into()]).await? else { return Ok(None) };
    Ok(Some(Known {
        state: DocumentState::parse(&row.text()?)?,
        etag: row.optional_text()?,
        labeled: row.boolean()?,
        assigned: row.boolean()?,
    }))
}

async fn written<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
    object: &ObjectNote,
    etag: &str,
    known: &Known,
) -> Result<Noted, Error> {
    let same = known.etag.as_deref() == Some(etag);
    let (state, noted) = match (same, known.state, known.labeled) {
        (true, DocumentState::Missing, _) => (DocumentState::Present, Noted::Returned),
        (true, ..) => return Ok(Noted::Unchanged),
        (false, _, true) => (DocumentState::Changed, Noted::Flagged),
        (false, _, false) => (DocumentState::Present, Noted::Replaced),
    };
    // The length that was counted is the old text's.
    let forgotten = if same { "" } else { "characters = NULL, " };
    let sql = format!(
        "UPDATE documents SET state = ?3, {forgotten}etag = ?4, version = version + 1 \
         WHERE label_set = ?1 AND location = ?2"
    );
    tx.execute(&sql, &[set.into(), (&object.location).into(), state.into(), etag.into()]).await?;
    Ok(noted)
}
