//! How a session opens the stores and registries that CREATE CATALOG names.

use crate::SqlResult;
use crate::catalog::{CatalogBackend, CatalogOptions};
use async_trait::async_trait;

/// Opens the backend of a catalog. The application implements it, because this crate accesses neither disk
/// nor network.
#[async_trait]
pub trait BackendFactory: Send + Sync {
    /// Opens a store and a registry.
    ///
    /// # Errors
    /// Any; it becomes the error of CREATE CATALOG, or of the statement that uses a catalog first.
    async fn open(&self, options: &CatalogOptions) -> SqlResult<CatalogBackend>;
}
