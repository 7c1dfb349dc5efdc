//! Deployments: names that callers extract with, each pointing at a bundle.

use jiff::Timestamp;

use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Lease, Outcome, Page, PageRequest, Resource, Row, jobs};

const COLUMNS: &str = "d.name, d.model_id, b.label, b.training_config_version, b.trained_at, d.deployed_at";

/// A deployment (contract: authoring 12.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// The bundle it points at.
    pub model_id: String,
    /// The label the bundle was trained under.
    pub model_label: String,
    /// See [`Model::training_config_version`](crate::Model).
    pub training_config_version: String,
    /// When the bundle was trained.
    pub trained_at: Timestamp,
    /// When it was last pointed at a bundle.
    pub deployed_at: Timestamp,
}

/// What extraction needs to know about a deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedModel {
    /// The bundle.
    pub model_id: String,
    /// Entities below this score are not reported.
    pub confidence_threshold: Option<f64>,
}

impl Deployment {
    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            name: row.text()?,
            model_id: row.text()?,
            model_label: row.text()?,
            training_config_version: row.text()?,
            trained_at: row.time()?,
            deployed_at: row.time()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// Points the deployment `name`, new or not, at the bundle that the model `label` has now.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project or the model.
    pub async fn put_deployment(
        &self,
        lease: &Lease,
        project: &str,
        name: &str,
        label: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        touch(&mut tx, project, now).await?;
        let put = tx
            .execute(
                "INSERT INTO deployments (project, name, model_id, deployed_at) \
                 SELECT project, ?2, model_id, ?4 FROM models WHERE project = ?1 AND label = ?3 \
                 ON CONFLICT (project, name) DO UPDATE SET model_id = excluded.model_id, \
                 deployed_at = excluded.deployed_at",
                &[project.into(), name.into(), label.into(), now.into()],
            )
            .await?;
        if put == 0 {
            return Err(Error::not_found(Resource::Model, label));
        }
        tx.commit().await
    }

    /// Exchanges the bundles of two deployments and ends the job, in one step: nobody ever sees both names with the
    /// same bundle, and a job that is run again does not undo it.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project or a deployment; the job is not ended then.
    pub async fn swap_deployments(
        &self,
        lease: &Lease,
        project: &str,
        first: &str,
        second: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        touch(&mut tx, project, now).await?;
        let first_model = model_id(&mut tx, project, first).await?;
        let second_model = model_id(&mut tx, project, second).await?;
        let sql = "UPDATE deployments SET model_id = ?3, deployed_at = ?4 WHERE project = ?1 AND name = ?2";
        tx.execute(sql, &[project.into(), first.into(), second_model.into(), now.into()]).await?;
        tx.execute(sql, &[project.into(), second.into(), first_model.into(), now.into()]).await?;
        jobs::finish(&mut tx, lease, &Outcome::succeeded(), now).await?;
        tx.commit().await
    }

    /// Removes the deployment. Returns whether it was there, which is no error: a job may be run twice.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project.
    pub async fn delete_deployment(
        &self,
        lease: &Lease,
        project: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        tx.touch_project(project, now).await?;
        let sql = "DELETE FROM deployments WHERE project = ?1 AND name = ?2";
        let deleted = tx.execute(sql, &[project.into(), name.into()]).await?;
        tx.commit().await?;
        Ok(deleted > 0)
    }

    /// The deployment `name` of the project.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn deployment(&self, project: &str, name: &str) -> Result<Deployment, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM deployments d JOIN bundles b ON b.model_id = d.model_id \
             WHERE d.project = ?1 AND d.name = ?2"
        );
        let row = self.query_one(&sql, &[project.into(), name.into()]).await?;
        row.map_or_else(|| Err(Error::not_found(Resource::Deployment, name)), Deployment::from_row)
    }

    /// The project's deployments by name.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn deployments(&self, project: &str, page: PageRequest) -> Result<Page<Deployment>, Error> {
        let mut tx = self.read().await?;
        let total =
            tx.count("SELECT COUNT(*) FROM deployments WHERE project = ?1", &[project.into()]).await?;
        let sql = format!(
            "SELECT {COLUMNS} FROM deployments d JOIN bundles b ON b.model_id = d.model_id \
             WHERE d.project = ?1 ORDER BY d.name LIMIT ?2 OFFSET ?3"
        );
        let rows = tx.query(&sql, &[project.into(), page.limit_value(), page.offset_value()]).await?;
        tx.commit().await?;
        Ok(Page::new(rows.into_iter().map(Deployment::from_row).collect::<Result<_, _>>()?, total, page))
    }

    /// What extraction needs to know, in one statement.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the project or the deployment.
    pub async fn served_model(&self, project: &str, deployment: &str) -> Result<ServedModel, Error> {
        let sql = "SELECT d.model_id, p.confidence_threshold FROM projects p \
                   LEFT JOIN deployments d ON d.project = p.name AND d.name = ?2 WHERE p.name = ?1";
        let Some(mut row) = self.query_one(sql, &[project.into(), deployment.into()]).await? else {
            return Err(Error::not_found(Resource::Project, project));
        };
        let Some(model_id) = row.optional_text()? else {
            return Err(Error::not_found(Resource::Deployment, deployment));
        };
        Ok(ServedModel { model_id, confidence_threshold: row.optional_real()? })
    }
}

async fn touch<C: Connection>(tx: &mut Transaction<C>, project: &str, now: Timestamp) -> Result<(), Error> {
    tx.touch_project(project, now).await?;
    let sql = "UPDATE projects SET deployed_at = ?2 WHERE name = ?1";
    tx.execute(sql, &[project.into(), now.into()]).await.map(drop)
}

async fn model_id<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    name: &str,
) -> Result<String, Error> {
    let sql = "SELECT model_id FROM deployments WHERE project = ?1 AND name = ?2";
    match tx.query_one(sql, &[project.into(), name.into()]).await? {
        Some(mut row) => row.text(),
        None => Err(Error::not_found(Resource::Deployment, name)),
    }
}
