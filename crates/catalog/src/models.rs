//! Models: a project's labels for trained bundles, and the bundles' rows.
//!
//! A bundle never changes. Training again under the same label points the label at a new bundle; the old one stays for
//! as long as a deployment uses it (contract: authoring 12.1).

use jiff::Timestamp;

use crate::labels::LabelSetState;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, LabelSet, Lease, Page, PageRequest, Resource, Row};

const COLUMNS: &str = "m.label, b.model_id, b.recipe, b.training_config_version, b.snapshot, b.trained_at, \
                       b.training_seconds";

/// A model that training made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewModel {
    /// The project.
    pub project: String,
    /// The name people gave it; an existing one is overwritten.
    pub label: String,
    /// The bundle's id: new on every training.
    pub model_id: String,
    /// The recipe that made it.
    pub recipe: String,
    /// The training configuration version it was asked for with, never `latest`.
    pub training_config_version: String,
    /// The bundle's manifest, JSON.
    pub manifest: String,
    /// The labels it was trained on.
    pub snapshot: Option<LabelSet>,
    /// The evaluation's summary, JSON.
    pub evaluation_summary: Option<String>,
    /// The evaluation's documents in order.
    pub evaluation_documents: Vec<EvaluationDocument>,
    /// When training ended.
    pub trained_at: Timestamp,
    /// How long it took.
    pub training_seconds: u64,
}

/// What the evaluation says about one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationDocument {
    /// The document.
    pub location: String,
    /// Expected and predicted entities, JSON.
    pub result: String,
}

/// A project's model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name people gave it.
    pub label: String,
    /// Its bundle.
    pub model_id: String,
    /// See [`NewModel::recipe`].
    pub recipe: String,
    /// See [`NewModel::training_config_version`].
    pub training_config_version: String,
    /// See [`NewModel::snapshot`].
    pub snapshot: Option<LabelSet>,
    /// See [`NewModel::trained_at`].
    pub trained_at: Timestamp,
    /// See [`NewModel::training_seconds`].
    pub training_seconds: u64,
}

impl Model {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            label: row.text()?,
            model_id: row.text()?,
            recipe: row.text()?,
            training_config_version: row.text()?,
            snapshot: row.optional_text()?.map(LabelSet::new),
            trained_at: row.time()?,
            training_seconds: row.count()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// Adds the model, or points its label at the new bundle. The bundle must be stored by then. Writing the same
    /// model twice changes nothing, since a job may be run twice.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project.
    pub async fn put_model(&self, lease: &Lease, model: &NewModel) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        tx.touch_project(&model.project, model.trained_at).await?;
        if insert_bundle(&mut tx, model).await? {
            insert_evaluation(&mut tx, &model.model_id, &model.evaluation_documents).await?;
        }
        tx.execute(
            "INSERT INTO models (project, label, model_id) VALUES (?1, ?2, ?3) \
             ON CONFLICT (project, label) DO UPDATE SET model_id = excluded.model_id",
            &[(&model.project).into(), (&model.label).into(), (&model.model_id).into()],
        )
        .await?;
        let trained = "UPDATE projects SET trained_at = ?2 WHERE name = ?1";
        tx.execute(trained, &[(&model.project).into(), model.trained_at.into()]).await?;
        tx.commit().await
    }

    /// The model `label` of the project.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn model(&self, project: &str, label: &str) -> Result<Model, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM models m JOIN bundles b ON b.model_id = m.model_id \
             WHERE m.project = ?1 AND m.label = ?2"
        );
        let row = self.query_one(&sql, &[project.into(), label.into()]).await?;
        row.map_or_else(|| Err(Error::not_found(Resource::Model, label)), Model::from_row)
    }

    /// The project's models by label.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn models(&self, project: &str, page: PageRequest) -> Result<Page<Model>, Error> {
        let mut tx = self.read().await?;
        let total = tx.count("SELECT COUNT(*) FROM models WHERE project = ?1", &[project.into()]).await?;
        let sql = format!(
            "SELECT {COLUMNS} FROM models m JOIN bundles b ON b.model_id = m.model_id \
             WHERE m.project = ?1 ORDER BY m.label LIMIT ?2 OFFSET ?3"
        );
        let rows = tx.query(&sql, &[project.into(), page.limit_value(), page.offset_value()]).await?;
        tx.commit().await?;
        Ok(Page::new(rows.into_iter().map(Model::from_row).collect::<Result<_, _>>()?, total, page))
    }

    /// The manifest of a bundle, JSON.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn bundle_manifest(&self, model_id: &str) -> Result<String, Error> {
        let row =
            self.query_one("SELECT manifest FROM bundles WHERE model_id = ?1", &[model_id.into()]).await?;
        row.map_or_else(|| Err(Error::not_found(Resource::Bundle, model_id)), |mut row| row.text())
    }

    /// The summary of the model's evaluation, JSON; `None` when it was not evaluated.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the model.
    pub async fn evaluation_summary(&self, project: &str, label: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT b.evaluation_summary FROM models m JOIN bundles b ON b.model_id = m.model_id \
                   WHERE m.project = ?1 AND m.label = ?2";
        let row = self.query_one(sql, &[project.into(), label.into()]).await?;
        row.map_or_else(|| Err(Error::not_found(Resource::Model, label)), |mut row| row.optional_text())
    }

    /// The documents of the model's evaluation, in the order in which they were written.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the model.
    pub async fn evaluation_documents(
        &self,
        project: &str,
        label: &str,
        page: PageRequest,
    ) -> Result<Page<EvaluationDocument>, Error> {
        let mut tx = self.read().await?;
        let sql = "SELECT model_id FROM models WHERE project = ?1 AND label = ?2";
        let Some(mut row) = tx.query_one(sql, &[project.into(), label.into()]).await? else {
            return Err(Error::not_found(Resource::Model, label));
        };
        let model_id = row.text()?;
        let count = "SELECT COUNT(*) FROM evaluation_documents WHERE model_id = ?1";
        let total = tx.count(count, &[(&model_id).into()]).await?;
        let sql = "SELECT location, result FROM evaluation_documents WHERE model_id = ?1 \
                   ORDER BY position LIMIT ?2 OFFSET ?3";
        let rows = tx.query(sql, &[model_id.into(), page.limit_value(), page.offset_value()]).await?;
        tx.commit().await?;
        let documents = rows
            .into_iter()
            .map(|mut row| Ok(EvaluationDocument { location: row.text()?, result: row.text()? }));
        Ok(Page::new(documents.collect::<Result<_, Error>>()?, total, page))
    }

    /// Replaces the evaluation of the model `label`: summary as JSON, documents in order.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the model or its bundle: it was overwritten meanwhile.
    pub async fn put_evaluation(
        &self,
        lease: &Lease,
        project: &str,
        model: &Model,
        summary: &str,
        documents: &[EvaluationDocument],
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        let sql = "UPDATE bundles SET evaluation_summary = ?4 WHERE model_id = ?3 AND EXISTS \
                   (SELECT 1 FROM models m WHERE m.project = ?1 AND m.label = ?2 AND m.model_id = ?3)";
        let values = [project.into(), (&model.label).into(), (&model.model_id).into(), summary.into()];
        if tx.execute(sql, &values).await? == 0 {
            return Err(Error::not_found(Resource::Model, &model.label));
        }
        let gone = "DELETE FROM evaluation_documents WHERE model_id = ?1";
        tx.execute(gone, &[(&model.model_id).into()]).await?;
        insert_evaluation(&mut tx, &model.model_id, documents).await?;
        tx.touch_project(project, now).await?;
        tx.commit().await
    }

    /// Deletes the model `label`. Its bundle leaves the disk later ([`Catalog::unused_bundles`]).
    ///
    /// # Errors
    /// [`Error::NotFound`] for the model, [`Error::ModelDeployed`].
    pub async fn delete_model(&self, project: &str, label: &str, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let sql = "SELECT d.name FROM models m JOIN deployments d ON d.model_id = m.model_id \
                   AND d.project = m.project WHERE m.project = ?1 AND m.label = ?2 ORDER BY d.name LIMIT 1";
        if let Some(mut row) = tx.query_one(sql, &[project.into(), label.into()]).await? {
            return Err(Error::ModelDeployed { label: label.to_owned(), deployment: row.text()? });
        }
        let sql = "DELETE FROM models WHERE project = ?1 AND label = ?2";
        if tx.execute(sql, &[project.into(), label.into()]).await? == 0 {
            return Err(Error::not_found(Resource::Model, label));
        }
        tx.touch_project(project, now).await?;
        tx.commit().await
    }

    /// At most `limit` bundles that no model and no deployment uses; nothing ever uses them again. Whoever deletes
    /// their objects calls [`Catalog::forget_bundle`] afterwards.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn unused_bundles(&self, limit: u32) -> Result<Vec<String>, Error> {
        let sql = format!("SELECT b.model_id FROM bundles b WHERE {UNUSED} ORDER BY b.model_id LIMIT ?1");
        let rows = self.query(&sql, &[i64::from(limit).into()]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    /// Deletes the row of an unused bundle with its evaluation, and retires its labels. Returns whether it was there
    /// and unused.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn forget_bundle(&self, model_id: &str, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        let sql = format!("SELECT b.snapshot FROM bundles b WHERE b.model_id = ?1 AND {UNUSED}");
        let Some(mut row) = tx.query_one(&sql, &[model_id.into()]).await? else { return Ok(false) };
        if let Some(snapshot) = row.optional_text()? {
            tx.execute(
                "UPDATE label_sets SET state = ?2, retired_at = ?3 WHERE id = ?1 AND state <> ?2",
                &[snapshot.into(), LabelSetState::Retired.into(), now.into()],
            )
            .await?;
        }
        tx.execute("DELETE FROM evaluation_documents WHERE model_id = ?1", &[model_id.into()]).await?;
        tx.execute("DELETE FROM bundles WHERE model_id = ?1", &[model_id.into()]).await?;
        tx.commit().await?;
        Ok(true)
    }
}

const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM models m WHERE m.model_id = b.model_id) \
                      AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.model_id = b.model_id)";

async fn insert_bundle<C: Connection>(tx: &mut Transaction<C>, model: &NewModel) -> Result<bool, Error> {
    let seconds = i64::try_from(model.training_seconds).unwrap_or(i64::MAX);
    let inserted = tx
        .execute(
            "INSERT INTO bundles (model_id, project, label, recipe, training_config_version, manifest, snapshot, \
             evaluation_summary, trained_at, training_seconds) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (model_id) DO NOTHING",
            &[
                (&model.model_id).into(),
                (&model.project).into(),
                (&model.label).into(),
                (&model.recipe).into(),
                (&model.training_config_version).into(),
                (&model.manifest).into(),
                model.snapshot.as_ref().into(),
                model.evaluation_summary.clone().into(),
                model.trained_at.into(),
                seconds.into(),
            ],
        )
        .await?;
    Ok(inserted > 0)
}

async fn insert_evaluation<C: Connection>(
    tx: &mut Transaction<C>,
    model_id: &str,
    documents: &[EvaluationDocument],
) -> Result<(), Error> {
    let sql =
        "INSERT INTO evaluation_documents (model_id, position, location, result) VALUES (?1, ?2, ?3, ?4)";
    for (document, position) in documents.iter().zip(0_i64..) {
        let values =
            [model_id.into(), position.into(), (&document.location).into(), (&document.result).into()];
        tx.execute(sql, &values).await?;
    }
    Ok(())
}
