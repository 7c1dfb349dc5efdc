//! Label sets: which one a project shows, how a job replaces it, what a model keeps.

use jiff::Timestamp;

use super::{LabelSet, LabelSetState};
use crate::projects::put;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Lease, ProjectChange, Resource};

impl<D: Driver> Catalog<D> {
    /// The labels `project` shows now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the project.
    pub async fn current_labels(&self, project: &str) -> Result<LabelSet, Error> {
        let row = self.query_one("SELECT label_set FROM projects WHERE name = ?1", &[project.into()]).await?;
        match row {
            Some(mut row) => Ok(LabelSet::new(row.text()?)),
            None => Err(Error::not_found(Resource::Project, project)),
        }
    }

    /// Starts to replace the project's labels: an empty set that only this job fills. What an earlier attempt of the
    /// job staged is thrown away. `None` when an earlier attempt already published: there is nothing left to do.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project.
    pub async fn begin_import(&self, lease: &Lease, project: &str) -> Result<Option<LabelSet>, Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        let current = current(&mut tx, project).await?;
        let staged = LabelSet::new(lease.job.clone());
        if current == staged {
            return Ok(None);
        }
        clear(&mut tx, &staged).await?;
        tx.execute("DELETE FROM label_sets WHERE id = ?1", &[(&staged).into()]).await?;
        add(&mut tx, &staged, project, LabelSetState::Staged).await?;
        tx.commit().await?;
        Ok(Some(staged))
    }

    /// Makes the staged labels the project's labels and `change` its settings, in one step that every reader sees
    /// whole, and retires the old labels. Publishing the set that is already shown changes nothing.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project or the set, [`Error::ContainerFixed`].
    pub async fn publish_labels(
        &self,
        lease: &Lease,
        change: &ProjectChange,
        staged: &LabelSet,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        if publish(&mut tx, &change.name, staged, now).await? {
            put(&mut tx, change, now).await?;
        }
        tx.commit().await
    }

    /// Copies the project's labels for the model that this job trains. A second attempt of the job gets the copy of
    /// the first, so that both train on the same labels.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project.
    pub async fn take_snapshot(&self, lease: &Lease, project: &str) -> Result<LabelSet, Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        let current = current(&mut tx, project).await?;
        let snapshot = LabelSet::new(lease.job.clone());
        if state(&mut tx, &snapshot).await? != Some(LabelSetState::Snapshot) {
            add(&mut tx, &snapshot, project, LabelSetState::Snapshot).await?;
            copy(&mut tx, &current, &snapshot).await?;
        }
        tx.commit().await?;
        Ok(snapshot)
    }

    /// Puts the project's labels back to what they were when the model `label` was trained (contract: authoring 11.3).
    /// Documents that joined the project since stay in it without labels.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::NotFound`] for the project, the model or its labels.
    pub async fn load_snapshot(
        &self,
        lease: &Lease,
        project: &str,
        label: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        let shown = current(&mut tx, project).await?;
        let restored = LabelSet::new(lease.job.clone());
        if shown == restored {
            return Ok(());
        }
        let snapshot = snapshot_of(&mut tx, project, label).await?;
        add(&mut tx, &restored, project, LabelSetState::Staged).await?;
        copy(&mut tx, &snapshot, &restored).await?;
        tx.execute(
            "INSERT INTO documents (label_set, location, language, state, etag, characters, labels, version) \
             SELECT ?2, location, language, state, etag, characters, 0, 1 FROM documents WHERE label_set = ?1 \
             ON CONFLICT (label_set, location) DO NOTHING",
            &[(&shown).into(), (&restored).into()],
        )
        .await?;
        publish(&mut tx, project, &restored, now).await?;
        tx.commit().await
    }
}

pub(super) async fn current<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
) -> Result<LabelSet, Error> {
    match tx.query_one("SELECT label_set FROM projects WHERE name = ?1", &[project.into()]).await? {
        Some(mut row) => Ok(LabelSet::new(row.text()?)),
        None => Err(Error::not_found(Resource::Project, project)),
    }
}

async fn state<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
) -> Result<Option<LabelSetState>, Error> {
    let row = tx.query_one("SELECT state FROM label_sets WHERE id = ?1", &[set.into()]).await?;
    row.map(|mut row| LabelSetState::parse(&row.text()?)).transpose()
}

async fn add<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
    project: &str,
    state: LabelSetState,
) -> Result<(), Error> {
    let sql = "INSERT INTO label_sets (id, project, state) VALUES (?1, ?2, ?3)";
    tx.execute(sql, &[set.into(), project.into(), state.into()]).await.map(drop)
}

async fn clear<C: Connection>(tx: &mut Transaction<C>, set: &LabelSet) -> Result<(), Error> {
    for table in ["categories", "documents", "label_counts"] {
        tx.execute(&format!("DELETE FROM {table} WHERE label_set = ?1"), &[set.into()]).await?;
    }
    Ok(())
}

async fn copy<C: Connection>(tx: &mut Transaction<C>, from: &LabelSet, to: &LabelSet) -> Result<(), Error> {
    for (table, columns) in [
        ("categories", "name, position, description"),
        ("documents", "location, language, dataset, state, etag, characters, regions, labels, version"),
        ("label_counts", "category, location, labels"),
    ] {
        let sql = format!(
            "INSERT INTO {table} (label_set, {columns}) SELECT ?2, {columns} FROM {table} WHERE label_set = ?1"
        );
        tx.execute(&sql, &[from.into(), to.into()]).await?;
    }
    Ok(())
}

/// Whether anything changed.
async fn publish<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    staged: &LabelSet,
    now: Timestamp,
) -> Result<bool, Error> {
    let shown = current(tx, project).await?;
    if shown == *staged {
        return Ok(false);
    }
    let taken = tx
        .execute(
            "UPDATE label_sets SET state = ?3 WHERE id = ?1 AND project = ?2 AND state = ?4",
            &[staged.into(), project.into(), LabelSetState::Current.into(), LabelSetState::Staged.into()],
        )
        .await?;
    if taken == 0 {
        return Err(Error::not_found(Resource::LabelSet, staged.as_str()));
    }
    tx.execute(
        "UPDATE label_sets SET state = ?2, retired_at = ?3 WHERE id = ?1",
        &[(&shown).into(), LabelSetState::Retired.into(), now.into()],
    )
    .await?;
    tx.execute(
        "UPDATE projects SET label_set = ?2, modified_at = ?3 WHERE name = ?1",
        &[project.into(), staged.into(), now.into()],
    )
    .await?;
    Ok(true)
}

async fn snapshot_of<C: Connection>(
    tx: &mut Transaction<C>,
    project: &str,
    label: &str,
) -> Result<LabelSet, Error> {
    let sql = "SELECT b.snapshot FROM models m JOIN bundles b ON b.model_id = m.model_id \
               WHERE m.project = ?1 AND m.label = ?2";
    match tx.query_one(sql, &[project.into(), label.into()]).await? {
        Some(mut row) => match row.optional_text()? {
            Some(id) => Ok(LabelSet::new(id)),
            None => Err(Error::not_found(Resource::LabelSet, label)),
        },
        None => Err(Error::not_found(Resource::Model, label)),
    }
}
