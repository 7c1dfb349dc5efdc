//! Projects: a container of documents, a language, and what was made of them.

use jiff::Timestamp;
use uuid::Uuid;

use crate::automations;
use crate::labels::LabelSetState;
use crate::transaction::Transaction;
use crate::{
    Catalog, Connection, Driver, Error, JobKind, JobStatus, LabelSet, Lease, NewJob, Page, PageRequest,
    Resource, Row, Value, exported_models, jobs,
};

const COLUMNS: &str = "name, container, language, multilingual, description, confidence_threshold, created_at, \
                       modified_at, trained_at, deployed_at";

/// A project (contract: authoring 6.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Unique, case-sensitive, never changes.
    pub name: String,
    /// The container its documents lie in; never changes.
    pub container: String,
    /// BCP-47 default language of its documents and queries.
    pub language: String,
    /// Whether single documents may have other languages.
    pub multilingual: bool,
    /// What a person wrote about it.
    pub description: Option<String>,
    /// Entities below this score are not reported; 0 to 1.
    pub confidence_threshold: Option<f64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its settings, labels, models or deployments last changed.
    pub modified_at: Timestamp,
    /// When a training last succeeded.
    pub trained_at: Option<Timestamp>,
    /// When a model was last deployed.
    pub deployed_at: Option<Timestamp>,
}

/// What a caller says about a project: everything that is required, and the optional fields with three states
/// (`None` leaves a field alone, `Some(None)` clears it).
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectChange {
    /// Its name.
    pub name: String,
    /// Its container; must be the one it has when it exists.
    pub container: String,
    /// Its default language.
    pub language: String,
    /// `None` on a new project means `false`.
    pub multilingual: Option<bool>,
    /// See [`Project::description`].
    pub description: Option<Option<String>>,
    /// See [`Project::confidence_threshold`].
    pub confidence_threshold: Option<Option<f64>>,
}

/// Whether a write made something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was not there before.
    Created,
    /// It was there.
    Updated,
}

impl Project {
    /// Whether its documents may lie in `container`, which never changes.
    ///
    /// # Errors
    /// [`Error::ContainerFixed`].
    pub fn check_container(&self, container: &str) -> Result<(), Error> {
        if self.container == container {
            return Ok(());
        }
        Err(Error::ContainerFixed { project: self.name.clone(), container: self.container.clone() })
    }

    fn from_row(mut row: Row) -> Result<Self, Error> {
        Ok(Self {
            name: row.text()?,
            container: row.text()?,
            language: row.text()?,
            multilingual: row.boolean()?,
            description: row.optional_text()?,
            confidence_threshold: row.optional_real()?,
            created_at: row.time()?,
            modified_at: row.time()?,
            trained_at: row.optional_time()?,
            deployed_at: row.optional_time()?,
        })
    }
}

impl<D: Driver> Catalog<D> {
    /// Creates the project or changes it.
    ///
    /// # Errors
    /// [`Error::ContainerFixed`] when it exists with another container.
    pub async fn put_project(
        &self,
        change: &ProjectChange,
        now: Timestamp,
    ) -> Result<(Project, Written), Error> {
        let mut tx = self.write().await?;
        let put = put(&mut tx, change, now).await?;
        tx.commit().await?;
        Ok(put)
    }

    /// Puts an import into the queue, and makes its project when there is none: both or neither. A project that is
    /// there keeps its settings until the import succeeds; one that a failed import made, and nothing since, moves to
    /// the container that is named now.
    ///
    /// # Errors
    /// [`Error::ContainerFixed`] when it exists with another container, [`Error::JobRunning`], [`Error::Exists`] when
    /// the job's id is taken.
    pub async fn enqueue_import(
        &self,
        change: &ProjectChange,
        job: &NewJob,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        prepare(&mut tx, change, now).await?;
        jobs::enqueue(&mut tx, job, now).await?;
        tx.commit().await
    }

    /// The project `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn project(&self, name: &str) -> Result<Project, Error> {
        let row = self
            .query_one(&format!("SELECT {COLUMNS} FROM projects WHERE name = ?1"), &[name.into()])
            .await?;
        row.map_or_else(|| Err(Error::not_found(Resource::Project, name)), Project::from_row)
    }

    /// The project and the labels it shows, in one look: an import changes both together.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn project_with_labels(&self, name: &str) -> Result<(Project, LabelSet), Error> {
        let sql = format!("SELECT label_set, {COLUMNS} FROM projects WHERE name = ?1");
        let Some(mut row) = self.query_one(&sql, &[name.into()]).await? else {
            return Err(Error::not_found(Resource::Project, name));
        };
        let labels = LabelSet::new(row.text()?);
        Ok((Project::from_row(row)?, labels))
    }

    /// All projects by name.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn projects(&self, page: PageRequest) -> Result<Page<Project>, Error> {
        let mut tx = self.read().await?;
        let total = tx.count("SELECT COUNT(*) FROM projects", &[]).await?;
        let sql = format!("SELECT {COLUMNS} FROM projects ORDER BY name LIMIT ?1 OFFSET ?2");
        let rows = tx.query(&sql, &[page.limit_value(), page.offset_value()]).await?;
        tx.commit().await?;
        Ok(Page::new(rows.into_iter().map(Project::from_row).collect::<Result<_, _>>()?, total, page))
    }

    /// The projects whose documents lie in `container`: whom a storage event concerns.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn projects_of_container(&self, container: &str) -> Result<Vec<Project>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM projects WHERE container = ?1 ORDER BY name");
        let rows = self.query(&sql, &[container.into()]).await?;
        rows.into_iter().map(Project::from_row).collect()
    }

    /// Deletes the project with its labels, models and deployments; bundles and labels leave the disk later
    /// ([`Catalog::unused_bundles`], [`Catalog::sweep`]). Deleting a project that is gone is no error, since a job
    /// may be run twice. Returns whether it was there.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn delete_project(&self, lease: &Lease, name: &str, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        tx.execute("DELETE FROM deployments WHERE project = ?1", &[name.into()]).await?;
        exported_models::remove_all(&mut tx, name).await?;
        automations::remove(&mut tx, name).await?;
        tx.execute("DELETE FROM models WHERE project = ?1", &[name.into()]).await?;
        tx.execute(
            "UPDATE label_sets SET state = ?2, retired_at = ?3 WHERE project = ?1 AND state <> ?2",
            &[name.into(), LabelSetState::Retired.into(), now.into()],
        )
        .await?;
        let deleted = tx.execute("DELETE FROM projects WHERE name = ?1", &[name.into()]).await?;
        tx.commit().await?;
        Ok(deleted > 0)
    }
}

async fn find<C: Connection>(tx: &mut Transaction<C>, name: &str) -> Result<Option<Project>, Error> {
    let row =
        tx.query_one(&format!("SELECT {COLUMNS} FROM projects WHERE name = ?1"), &[name.into()]).await?;
    row.map(Project::from_row).transpose()
}

/// Creates the project or changes it, within a transaction that may do more.
pub(crate) async fn put<C: Connection>(
    tx: &mut Transaction<C>,
    change: &ProjectChange,
    now: Timestamp,
) -> Result<(Project, Written), Error> {
    let (project, written) = match find(tx, &change.name).await? {
        Some(project) => (updated(project, change, now)?, Written::Updated),
        None => (insert(tx, change, now).await?, Written::Created),
    };
    tx.execute(
        "UPDATE projects SET language = ?2, multilingual = ?3, description = ?4, confidence_threshold = ?5, \
         modified_at = ?6 WHERE name = ?1",
        &[
            (&project.name).into(),
            (&project.language).into(),
            project.multilingual.into(),
            project.description.clone().into(),
            project.confidence_threshold.into(),
            project.modified_at.into(),
        ],
    )
    .await?;
    Ok((project, written))
}

/// Makes the project of a job that will fill it, when there is none; else proves that the job may. Whether it was there.
pub(crate) async fn prepare<C: Connection>(
    tx: &mut Transaction<C>,
    change: &ProjectChange,
    now: Timestamp,
) -> Result<bool, Error> {
    let existing = find(tx, &change.name).await?;
    match &existing {
        Some(project) if project.container != change.container && never_filled(tx, &project.name).await? => {
            let sql = "UPDATE projects SET container = ?2 WHERE name = ?1";
            tx.execute(sql, &[(&project.name).into(), (&change.container).into()]).await?;
        }
        Some(project) => project.check_container(&change.container)?,
        None => drop(put(tx, change, now).await?),
    }
    Ok(existing.is_some())
}

/// Whether all that the project has is the import that made it and failed: the next import may name another container.
async fn never_filled<C: Connection>(tx: &mut Transaction<C>, name: &str) -> Result<bool, Error> {
    let failed = "SELECT COUNT(*) FROM jobs JOIN projects ON projects.name = jobs.project \
                  WHERE projects.name = ?1 AND jobs.kind = ?2 AND jobs.status = ?3 \
                  AND jobs.created_at = projects.created_at";
    let made_by = [name.into(), JobKind::Import.word().into(), JobStatus::Failed.into()];
    let filled = "SELECT COUNT(*) FROM documents JOIN projects ON projects.label_set = documents.label_set \
                  WHERE projects.name = ?1";
    Ok(tx.count(failed, &made_by).await? > 0 && tx.count(filled, &[name.into()]).await? == 0)
}

fn updated(project: Project, change: &ProjectChange, now: Timestamp) -> Result<Project, Error> {
    project.check_container(&change.container)?;
    Ok(Project {
        language: change.language.clone(),
        multilingual: change.multilingual.unwrap_or(project.multilingual),
        description: change.description.clone().unwrap_or(project.description),
        confidence_threshold: change.confidence_threshold.unwrap_or(project.confidence_threshold),
        modified_at: now,
        ..project
    })
}

async fn insert<C: Connection>(
    tx: &mut Transaction<C>,
    change: &ProjectChange,
    now: Timestamp,
) -> Result<Project, Error> {
    let labels = Uuid::new_v4().to_string();
    tx.execute(
        "INSERT INTO label_sets (id, project, state) VALUES (?1, ?2, ?3)",
        &[(&labels).into(), (&change.name).into(), LabelSetState::Current.into()],
    )
    .await?;
    let project = Project {
        name: change.name.clone(),
        container: change.container.clone(),
        language: change.language.clone(),
        multilingual: change.multilingual.unwrap_or(false),
        description: change.description.clone().flatten(),
        confidence_threshold: change.confidence_threshold.flatten(),
        created_at: now,
        modified_at: now,
        trained_at: None,
        deployed_at: None,
    };
    let values: [Value; 6] = [
        (&project.name).into(),
        (&project.container).into(),
        (&project.language).into(),
        project.multilingual.into(),
        labels.into(),
        now.into(),
    ];
    tx.execute(
        "INSERT INTO projects (name, container, language, multilingual, label_set, created_at, modified_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        &values,
    )
    .await?;
    Ok(project)
}
