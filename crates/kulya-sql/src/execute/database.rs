//! Statements about databases.

use super::completed;
use super::listing::{list, list_like};
use crate::catalog::{self, Creation};
use crate::dialect::{CreateDatabase, LikePattern, Path};
use crate::output::StatementResult;
use crate::session::Session;
use crate::{SqlError, SqlErrorKind, SqlResult};

impl Session {
    pub(super) async fn create_database(&self, create: CreateDatabase) -> SqlResult<StatementResult> {
        if let Some(option) = create.options.first() {
            let what = format!("option '{}' of a database", option.key);
            return Err(SqlError::not_supported(what).at(option.position.0));
        }
        if create.comment.is_some() {
            return Err(SqlError::not_supported("COMMENT of a database"));
        }
        let (catalog, database) = self.catalogs.database_path(&create.path.parts)?;
        let backend = self.catalogs.backend(&catalog)?;
        match catalog::create_database(backend, &database).await? {
            Creation::Created => completed(format!("database {database} created")),
            Creation::Exists if create.if_not_exists => completed(format!("database {database} exists")),
            Creation::Exists => {
                let what = format!("catalog {catalog} has database {database} already");
                Err(SqlError::new(SqlErrorKind::DatabaseExists, what))
            }
        }
    }

    pub(super) async fn drop_database(
        &mut self,
        path: &Path,
        if_exists: bool,
        cascade: bool,
    ) -> SqlResult<StatementResult> {
        let (catalog, database) = self.catalogs.database_path(&path.parts)?;
        let backend = self.catalogs.backend(&catalog)?.clone();
        if !if_exists {
            backend.check_database(&catalog, &database).await?;
        }
        if !catalog::drop_database(&backend, &database, cascade).await? {
            return completed(format!("database {database} does not exist"));
        }
        if self.catalogs.current == catalog && self.catalogs.database.as_ref() == Some(&database) {
            self.catalogs.database = None;
        }
        completed(format!("database {database} dropped"))
    }

    pub(super) async fn use_database(&mut self, path: &Path) -> SqlResult<StatementResult> {
        let (catalog, database) = self.catalogs.database_path(&path.parts)?;
        self.catalogs.backend(&catalog)?.check_database(&catalog, &database).await?;
        (self.catalogs.current, self.catalogs.database) = (catalog, Some(database));
        completed(format!("using {}", self.current_path()))
    }

    pub(super) async fn show_databases(
        &self,
        from: Option<&Path>,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        let catalog = from.map_or_else(|| self.catalogs.current.clone(), Path::to_name);
        list_like("database name", self.catalogs.backend(&catalog)?.databases().await?, like)
    }

    pub(super) fn show_current_database(&self) -> SqlResult<StatementResult> {
        list("current database name", self.catalogs.database.iter().cloned())
    }

    pub(super) async fn describe_database(&self, path: &Path) -> SqlResult<StatementResult> {
        let (catalog, database) = self.catalogs.database_path(&path.parts)?;
        let backend = self.catalogs.backend(&catalog)?;
        backend.check_database(&catalog, &database).await?;
        let tables = backend.tables(&database).await?.len().to_string();
        let rows = [["catalog", &catalog], ["database", &database], ["tables", &tables]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        StatementResult::text_rows(&["info name", "info value"], &rows)
    }
}
