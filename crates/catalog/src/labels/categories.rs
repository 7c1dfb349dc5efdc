//! A project's schema.

use jiff::Timestamp;

use super::LabelSet;
use crate::transaction::Transaction;
use crate::{Catalog, Connection, Driver, Error, Lease, Row};

/// An entity category of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// What a person wrote about it.
    pub description: Option<String>,
}

/// How often a category is labeled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryCount {
    /// The category.
    pub category: String,
    /// Labels in training documents (those in no set count as such).
    pub train_labels: u64,
    /// Training documents with at least one of them.
    pub train_documents: u64,
    /// Labels in test documents.
    pub test_labels: u64,
    /// Test documents with at least one of them.
    pub test_documents: u64,
}

impl<D: Driver> Catalog<D> {
    /// The categories in their order.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn categories(&self, set: &LabelSet) -> Result<Vec<Category>, Error> {
        let sql = "SELECT name, description FROM categories WHERE label_set = ?1 ORDER BY position";
        let rows = self.query(sql, &[set.into()]).await?;
        rows.into_iter()
            .map(|mut row: Row| Ok(Category { name: row.text()?, description: row.optional_text()? }))
            .collect()
    }

    /// Sets the categories of the project, in this order. Labels are left alone: whoever removes or renames a category
    /// first rewrites the documents that [`DocumentFilter::category`](crate::DocumentFilter) finds.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the project.
    pub async fn put_categories(
        &self,
        project: &str,
        categories: &[Category],
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.touch_project(project, now).await?;
        let set = super::sets::current(&mut tx, project).await?;
        replace(&mut tx, &set, categories).await?;
        tx.commit().await
    }

    /// Sets the categories of a staged set.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn stage_categories(
        &self,
        lease: &Lease,
        staged: &LabelSet,
        categories: &[Category],
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        tx.check_lease(lease).await?;
        replace(&mut tx, staged, categories).await?;
        tx.commit().await
    }

    /// How often each category of the schema is labeled, in the schema's order; also those that never are.
    ///
    /// # Errors
    /// The database's own failures.
    pub async fn category_counts(&self, set: &LabelSet) -> Result<Vec<CategoryCount>, Error> {
        let train = "d.location IS NOT NULL AND COALESCE(d.dataset, 'train') = 'train'";
        let test = "d.dataset = 'test'";
        let sql = format!(
            "SELECT c.name, CAST(COALESCE(SUM(CASE WHEN {train} THEN n.labels END), 0) AS BIGINT), \
             COUNT(CASE WHEN {train} THEN 1 END), \
             CAST(COALESCE(SUM(CASE WHEN {test} THEN n.labels END), 0) AS BIGINT), \
             COUNT(CASE WHEN {test} THEN 1 END) \
             FROM categories c \
             LEFT JOIN label_counts n ON n.label_set = c.label_set AND n.category = c.name \
             LEFT JOIN documents d ON d.label_set = n.label_set AND d.location = n.location \
             WHERE c.label_set = ?1 GROUP BY c.name, c.position ORDER BY c.position"
        );
        let rows = self.query(&sql, &[set.into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(CategoryCount {
                    category: row.text()?,
                    train_labels: row.count()?,
                    train_documents: row.count()?,
                    test_labels: row.count()?,
                    test_documents: row.count()?,
                })
            })
            .collect()
    }
}

async fn replace<C: Connection>(
    tx: &mut Transaction<C>,
    set: &LabelSet,
    categories: &[Category],
) -> Result<(), Error> {
    tx.execute("DELETE FROM categories WHERE label_set = ?1", &[set.into()]).await?;
    let sql = "INSERT INTO categories (label_set, name, position, description) VALUES (?1, ?2, ?3, ?4)";
    for (category, position) in categories.iter().zip(0_i64..) {
        let values =
            [set.into(), (&category.name).into(), position.into(), category.description.clone().into()];
        tx.execute(sql, &values).await?;
    }
    Ok(())
}
