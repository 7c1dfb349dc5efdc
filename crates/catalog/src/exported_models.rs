//! Models made ready to be carried away: copies of their bundles that nothing here depends on.
//!
//! A copy holds its own bytes, so it outlives the model it was made from, and deleting it touches neither the model nor
//! a deployment.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Lease, Page, PageRequest, Resource, Row};

const COLUMNS: &str = "name, model_id, training_config_version, trained_at, exported_at";

/// Largest part of a file in bytes: few enough rows, and no single value that strains a driver.
const PART_BYTES: usize = 1 << 20;

/// An exported model (contract: authoring 14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedModel {
    /// Its name.
    pub name: String,
    /// The bundle it is a copy of.
    pub model_id: String,
    /// See [`Model::training_config_version`](crate::Model).
    pub training_config_version: String,
    /// When the bundle was trained.
    pub trained_at: Timestamp,
    /// When the copy was made.
    pub exported_at: Timestamp,
}

impl ExportedModel {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            name: row.text()?,
            model_id: row.text()?,
            training_config_version: row.text()?,
            trained_at: row.time()?,
            exported_at: row.time()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// Adds the exported model with its files, or replaces the one of that name, in one step.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project.
    pub async fn put_exported_model(
        &self,
        lease: &Lease,
        project: &str,
        model: &ExportedModel,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        tx.touch_project(project, model.exported_at).await?;
        remove(&mut tx, project, &model.name).await?;
        let sql = format!("INSERT INTO exported_models (project, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        let values = [
            project.into(),
            (&model.name).into(),
            (&model.model_id).into(),
            (&model.training_config_version).into(),
            model.trained_at.into(),
            model.exported_at.into(),
        ];
        tx.execute(&sql, &values).await?;
        for (file, bytes) in files {
            insert_file(&mut tx, project, &model.name, file, bytes).await?;
        }
        tx.commit().await
    }

    /// The exported model `name` of the project.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn exported_model(&self, project: &str, name: &str) -> Result<ExportedModel, Error> {
        let sql = format!("SELECT {COLUMNS} FROM exported_models WHERE project = ?1 AND name = ?2");
        let row = self.query_one(&sql, &[project.into(), name.into()]).await?;
        row.map_or_else(|| Err(Error::not_found(Resource::ExportedModel, name)), ExportedModel::from_row)
    }

    /// The project's exported models by name.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn exported_models(
        &self,
        project: &str,
        page: PageRequest,
    ) -> Result<Page<ExportedModel>, Error> {
        let mut tx = self.read().await?;
        let total =
            tx.count("SELECT COUNT(*) FROM exported_models WHERE project = ?1", &[project.into()]).await?;
        let sql = format!(
            "SELECT {COLUMNS} FROM exported_models WHERE project = ?1 ORDER BY name LIMIT ?2 OFFSET ?3"
        );
        let rows = tx.query(&sql, &[project.into(), page.limit_value(), page.offset_value()]).await?;
        tx.commit().await?;
        let found = rows.into_iter().map(ExportedModel::from_row).collect::<Result<_, _>>()?;
        Ok(Page::new(found, total, page))
    }

    /// The names of an exported model's files.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the exported model.
    pub async fn exported_files(&self, project: &str, name: &str) -> Result<Vec<String>, Error> {
        self.exported_model(project, name).await?;
        let sql =
            "SELECT file FROM exported_files WHERE project = ?1 AND name = ?2 AND part = 0 ORDER BY file";
        let rows = self.query(sql, &[project.into(), name.into()]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    /// The bytes of one file of an exported model.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn exported_file(&self, project: &str, name: &str, file: &str) -> Result<Vec<u8>, Error> {
        // In one state of the database: the parts of two exports make no file.
        let mut tx = self.read().await?;
        let sql =
            "SELECT body FROM exported_files WHERE project = ?1 AND name = ?2 AND file = ?3 AND part = ?4";
        let mut bytes = None;
        for part in 0_i64.. {
            let values = [project.into(), name.into(), file.into(), part.into()];
            let Some(mut row) = tx.query_one(sql, &values).await? else { break };
            bytes.get_or_insert_with(Vec::new).extend(row.blob()?);
        }
        tx.commit().await?;
        bytes.ok_or_else(|| Error::not_found(Resource::ExportedFile, file))
    }

    /// Removes the exported model. Returns whether it was there, which is no error: a job may be run twice.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn delete_exported_model(
        &self,
        lease: &Lease,
        project: &str,
        name: &str,
    ) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        let deleted = remove(&mut tx, project, name).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

/// Removes every exported model of the project.
pub(crate) async fn remove_all<C: Connection>(tx: &mut Transaction<C>, project: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM exported_files WHERE project = ?1", &[project.into()]).await?;
    tx.execute("DELETE FROM exported_models WHERE project = ?1", &[project.into()]).await.map(drop)
}

async fn remove<C: Connection>(tx: &mut Transaction<C>, project: &str, name: &str) -> Result<bool, Error> {
    let values = [project.into(), name.into()];
    tx.execute("DELETE FROM exported_files WHERE project = ?1 AND name = ?2", &values).await?;
    let deleted = tx.execute("DELETE FROM exported_models WHERE project = ?1 AND name = ?2", &values).await?;
    Ok(deleted > 0)
}

async fn insert_file<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    name: &str,
    file: &str,
    bytes: &[u8],
) -> Result<(), Error> {
    let sql = "INSERT INTO exported_files (project, name, file, part, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    // An empty file has one empty part, so that it is there.
    let mut rest = bytes;
    for part in 0_i64.. {
        let (body, after) = rest.split_at(rest.len().min(PART_BYTES));
        tx.execute(sql, &[project.into(), name.into(), file.into(), part.into(), body.into()]).await?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    Ok(())
}
