//! The documents of a label set.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ner::Dataset;

use super::{LabelSet, LabelSetState};
use crate::automations;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Lease, Page, PageRequest, Resource, Row, Value};

const COLUMNS: &str =
    "d.location, d.language, d.dataset, d.state, d.etag, d.characters, d.regions, d.labels, d.version";

/// A document as a project knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// The object's key in the project's container.
    pub location: String,
    /// BCP-47; `None` means the project's language.
    pub language: Option<String>,
    /// The set it was put into.
    pub dataset: Option<Dataset>,
    /// How the object and its labels stand.
    pub state: DocumentState,
    /// The object's entity tag when its text was last read.
    pub etag: Option<String>,
    /// Length of the text, when it was read.
    pub characters: Option<u64>,
    /// Looked-at regions with their labels, as JSON of the caller's making; `None` until a person looked at it.
    pub regions: Option<String>,
    /// Number of labels in `regions`.
    pub labels: u64,
    /// Grows with each change of the row.
    pub version: u64,
}

/// A document on its way into a staged set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    /// See [`DocumentRow::location`].
    pub location: String,
    /// See [`DocumentRow::language`].
    pub language: Option<String>,
    /// See [`DocumentRow::dataset`].
    pub dataset: Option<Dataset>,
    /// See [`DocumentRow::state`].
    pub state: DocumentState,
    /// See [`DocumentRow::etag`].
    pub etag: Option<String>,
    /// See [`DocumentRow::characters`].
    pub characters: Option<u64>,
    /// See [`DocumentRow::regions`].
    pub regions: Option<String>,
    /// Number of labels per category in `regions`.
    pub label_counts: BTreeMap<String, u64>,
}

/// How a document's object stands to its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentState {
    /// The object is there, as it was when it was labeled.
    Present,
    /// The object is not there: the document is shown, and left out of training.
    Missing,
    /// The object was overwritten after it was labeled: its labels must be checked against the new text.
    Changed,
}

impl DocumentState {
    fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Missing => "missing",
            Self::Changed => "changed",
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, Error> {
        [Self::Present, Self::Missing, Self::Changed]
            .into_iter()
            .find(|state| state.word() == word)
            .ok_or_else(|| Error::Corrupt(format!("document state {word:?}")))
    }
}

impl From<DocumentState> for Value {
    fn from(state: DocumentState) -> Self {
        state.word().into()
    }
}

/// What a person changed about one document: everything at once, as the editor shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentChange {
    /// Which document.
    pub location: String,
    /// See [`DocumentRow::language`].
    pub language: Option<String>,
    /// See [`DocumentRow::dataset`].
    pub dataset: Option<Dataset>,
    /// See [`DocumentRow::regions`].
    pub regions: Option<String>,
    /// See [`NewDocument::label_counts`].
    pub label_counts: BTreeMap<String, u64>,
    /// The version the person saw; `None` overwrites whatever is there.
    pub version: Option<u64>,
}

/// Which documents a listing has; every field that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Whether a person has looked at the document.
    pub labeled: Option<bool>,
    /// The set it counts for: without one it counts as [`Dataset::Train`].
    pub dataset: Option<Dataset>,
    /// Has a label of this category.
    pub category: Option<String>,
    /// Its location holds this text, in any case.
    pub location_contains: Option<String>,
}

/// Sums over a label set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelTotals {
    /// All documents.
    pub documents: u64,
    /// Documents a person has looked at.
    pub labeled: u64,
    /// Of those, the ones in the test set.
    pub labeled_test: u64,
    /// Documents whose object is missing.
    pub missing: u64,
    /// All labels.
    pub labels: u64,
}

impl DocumentRow {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            location: row.text()?,
            language: row.optional_text()?,
            dataset: row.optional_text()?.as_deref().map(parse_dataset).transpose()?,
            state: DocumentState::parse(&row.text()?)?,
            etag: row.optional_text()?,
            characters: row.optional_integer()?.map(i64::unsigned_abs),
            regions: row.optional_text()?,
            labels: row.count()?,
            version: row.count()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// The document at `location`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn document(&self, set: &LabelSet, location: &str) -> Result<DocumentRow, Error> {
        let sql = format!("SELECT {COLUMNS} FROM documents d WHERE d.label_set = ?1 AND d.location = ?2");
        let row = self.query_one(&sql, &[set.into(), location.into()]).await?;
        row.map_or_else(|| Err(Error::not_found(Resource::Document, location)), DocumentRow::from_row)
    }

    /// The documents that pass `filter`, by location.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn documents(
        &self,
        set: &LabelSet,
        filter: &DocumentFilter,
        page: PageRequest,
    ) -> Result<Page<DocumentRow>, Error> {
        let (condition, mut values) = condition(set, filter);
        let mut tx = self.read().await?;
        let total = tx.count(&format!("SELECT COUNT(*) FROM documents d WHERE {condition}"), &values).await?;
        values.extend([page.limit_value(), page.offset_value()]);
        let sql = format!(
            "SELECT {COLUMNS} FROM documents d WHERE {condition} ORDER BY d.location LIMIT ?{} OFFSET ?{}",
            values.len() - 1,
            values.len()
        );
        let rows = tx.query(&sql, &values).await?;
        tx.commit().await?;
        Ok(Page::new(rows.into_iter().map(DocumentRow::from_row).collect::<Result<_, _>>()?, total, page))
    }

    /// At most `limit` documents whose location comes after `after`, by location: the way through a large set, where
    /// each step costs the same. An empty answer is the end.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the set has left the disk: what was read so far is not all of it.
    pub async fn documents_after(
        &self,
        set: &LabelSet,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DocumentRow>, Error> {
        let mut tx = self.read().await?;
        // Asked together with the rows, in one state of the database: a set disappears part by part.
        let sql = "SELECT COUNT(*) FROM label_sets WHERE id = ?1 AND state <> ?2";
        let whole = tx.count(sql, &[set.into(), LabelSetState::Removing.into()]).await?;
        if whole == 0 {
            return Err(Error::not_found(Resource::LabelSet, set.as_str()));
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM documents d WHERE d.label_set = ?1 AND d.location > ?2 \
             ORDER BY d.location LIMIT ?3"
        );
        let values = [set.into(), after.unwrap_or("").into(), i64::from(limit).into()];
        let rows = tx.query(&sql, &values).await?;
        tx.commit().await?;
        rows.into_iter().map(DocumentRow::from_row).collect()
    }

    /// Sums over the set.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn label_totals(&self, set: &LabelSet) -> Result<LabelTotals, Error> {
        let sql = "SELECT COUNT(*), COUNT(regions), COUNT(CASE WHEN dataset = 'test' THEN regions END), \
                   COUNT(CASE WHEN state = 'missing' THEN 1 END), CAST(COALESCE(SUM(labels), 0) AS BIGINT) \
                   FROM documents WHERE label_set = ?1";
        let Some(mut row) = self.query_one(sql, &[set.into()]).await? else {
            return Ok(LabelTotals::default());
        };
        Ok(LabelTotals {
            documents: row.count()?,
            labeled: row.count()?,
            labeled_test: row.count()?,
            missing: row.count()?,
            labels: row.count()?,
        })
    }

    /// Puts documents into a staged set; one that is already there is replaced. Durable when it returns, visible to
    /// nobody before [`Catalog::publish_labels`]. A few thousand rows at a time are best.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn stage_documents(
        &self,
        lease: &Lease,
        staged: &LabelSet,
        documents: &[NewDocument],
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        for document in documents {
            stage(&mut tx, staged, document).await?;
        }
        tx.commit().await
    }

    /// Writes what a person changed about one document; returns its new version.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the project or the document, [`Error::Changed`] when it has another version than the
    /// person saw.
    pub async fn put_document(
        &self,
        project: &str,
        change: &DocumentChange,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        tx.touch_project(project, now).await?;
        let set = super::sets::current(&mut tx, project).await?;
        let sql = "SELECT version FROM documents WHERE label_set = ?1 AND location = ?2";
        let Some(mut row) = tx.query_one(sql, &[(&set).into(), (&change.location).into()]).await? else {
            return Err(Error::not_found(Resource::Document, &change.location));
        };
        let found = row.count()?;
        if change.version.is_some_and(|seen| seen != found) {
            return Err(Error::Changed { resource: Resource::Document, name: change.location.clone() });
        }
        // A person who saves labels has seen the text as it is now, so a changed document is settled.
        tx.execute(
            "UPDATE documents SET language = ?3, dataset = ?4, regions = ?5, labels = ?6, version = version + 1, \
             state = CASE state WHEN 'changed' THEN 'present' ELSE state END \
             WHERE label_set = ?1 AND location = ?2",
            &[
                (&set).into(),
                (&change.location).into(),
                change.language.clone().into(),
                change.dataset.map(dataset_word).into(),
                change.regions.clone().into(),
                label_sum(&change.label_counts).into(),
            ],
        )
        .await?;
        put_counts(&mut tx, &set, &change.location, &change.label_counts).await?;
        automations::automate(&mut tx, project, now).await?;
        tx.commit().await?;
        Ok(found + 1)
    }
}

async fn stage<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
    document: &NewDocument,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO documents (label_set, location, language, dataset, state, etag, characters, regions, labels, \
         version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1) ON CONFLICT (label_set, location) DO UPDATE SET \
         language = excluded.language, dataset = excluded.dataset, state = excluded.state, etag = excluded.etag, \
         characters = excluded.characters, regions = excluded.regions, labels = excluded.labels",
        &[
            set.into(),
            (&document.location).into(),
            document.language.clone().into(),
            document.dataset.map(dataset_word).into(),
            document.state.into(),
            document.etag.clone().into(),
            document.characters.map(to_integer).into(),
            document.regions.clone().into(),
            label_sum(&document.label_counts).into(),
        ],
    )
    .await?;
    put_counts(tx, set, &document.location, &document.label_counts).await
}

async fn put_counts<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
    location: &str,
    counts: &BTreeMap<String, u64>,
) -> Result<(), Error> {
    let gone = "DELETE FROM label_counts WHERE label_set = ?1 AND location = ?2";
    tx.execute(gone, &[set.into(), location.into()]).await?;
    let sql = "INSERT INTO label_counts (label_set, category, location, labels) VALUES (?1, ?2, ?3, ?4)";
    for (category, labels) in counts {
        tx.execute(sql, &[set.into(), category.into(), location.into(), to_integer(*labels).into()]).await?;
    }
    Ok(())
}

fn condition(set: &LabelSet, filter: &DocumentFilter) -> (String, Vec<Value>) {
    let mut terms = vec!["d.label_set = ?1".to_owned()];
    let mut values = vec![Value::from(set)];
    match filter.labeled {
        Some(true) => terms.push("d.regions IS NOT NULL".to_owned()),
        Some(false) => terms.push("d.regions IS NULL".to_owned()),
        None => {}
    }
    if let Some(dataset) = filter.dataset {
        values.push(dataset_word(dataset).into());
        terms.push(format!("COALESCE(d.dataset, 'train') = ?{}", values.len()));
    }
    if let Some(category) = &filter.category {
        values.push(category.into());
        terms.push(format!(
            "EXISTS (SELECT 1 FROM label_counts n WHERE n.label_set = d.label_set AND n.location = d.location \
             AND n.category = ?{})",
            values.len()
        ));
    }
    if let Some(part) = &filter.location_contains {
        values
            .push(format!("%{}%", part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")).into());
        terms.push(format!("LOWER(d.location) LIKE LOWER(?{}) ESCAPE '\\'", values.len()));
    }
    (terms.join(" AND "), values)
}

fn dataset_word(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Train => "train",
        Dataset::Test => "test",
    }
}

fn parse_dataset(word: &str) -> Result<Dataset, Error> {
    match word {
        "train" => Ok(Dataset::Train),
        "test" => Ok(Dataset::Test),
        _ => Err(Error::Corrupt(format!("dataset {word:?}"))),
    }
}

fn label_sum(counts: &BTreeMap<String, u64>) -> i64 {
    to_integer(counts.values().sum())
}

// Counts of characters and labels stay far below the border; a caller's absurd number must not wrap.
fn to_integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
