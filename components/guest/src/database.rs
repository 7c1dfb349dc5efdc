//! The installation's catalog: which database it lies in is configuration.

use catalog::Catalog;
use catalog::driver::Guest;
use language_api::{ApiError, ErrorKind};
use spin_sdk::variables;
use std::cell::OnceCell;

/// Address of the PostgreSQL database; empty for the SQLite database `default`.
const DATABASE_URL: &str = "database_url";

thread_local! {
    /// One pool of connections for the instance's life.
    static CATALOG: OnceCell<Catalog<Guest>> = const { OnceCell::new() };
}

/// The catalog this component was configured for.
///
/// # Errors
/// 503 when the variable is not set: the operator's to mend.
pub async fn catalog() -> Result<Catalog<Guest>, ApiError> {
    if let Some(catalog) = CATALOG.with(|catalog| catalog.get().cloned()) {
        return Ok(catalog);
    }
    let address = variables::get(DATABASE_URL).await.map_err(|_| {
        ApiError::new(ErrorKind::Unavailable, format!("the variable {DATABASE_URL} is not set"))
    })?;
    Ok(CATALOG.with(|catalog| catalog.get_or_init(|| Catalog::new(Guest::at(&address))).clone()))
}
