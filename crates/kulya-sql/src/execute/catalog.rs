//! Statements about catalogs.

use super::completed;
use super::listing::{list, list_like};
use crate::catalog::parse_catalog_options;
use crate::dialect::{CreateCatalog, LikePattern, Path};
use crate::output::StatementResult;
use crate::session::{Catalog, Session};
use crate::{SqlError, SqlErrorKind, SqlResult};
use std::sync::Arc;

impl Session {
    pub(super) async fn create_catalog(&mut self, create: CreateCatalog) -> SqlResult<StatementResult> {
        let name = create.name.to_name();
        if self.catalogs.by_name.contains_key(&name) {
            if create.if_not_exists {
                return completed(format!("catalog {name} exists"));
            }
            let what = format!("catalog {name} exists already");
            return Err(SqlError::new(SqlErrorKind::CatalogExists, what));
        }
        let given: Vec<(String, String)> =
            create.options.into_iter().map(|option| (option.key, option.value)).collect();
        let options = parse_catalog_options(&name, given.clone())?;
        let backend = if options.store.is_none() && options.registry.is_none() {
            self.catalogs.backend(&self.catalogs.current)?.clone()
        } else {
            let factory = self.backend_factory.as_ref();
            let factory =
                factory.ok_or_else(|| SqlError::not_supported("opening another store in this session"))?;
            let mut opened = factory.open(&options).await?;
            if options.store.is_none() {
                opened.store = Arc::clone(&self.catalogs.backend(&self.catalogs.current)?.store);
            }
            opened
        };
        if let Some(database) = &options.default_database {
            backend.check_database(&name, database).await?;
        }
        let catalog = Catalog {
            backend,
            default_database: options.default_database,
            format: options.format,
            options: given,
            comment: create.comment,
        };
        self.catalogs.by_name.insert(name.clone(), catalog);
        completed(format!("catalog {name} created: USE CATALOG {name} selects it"))
    }

    pub(super) fn drop_catalog(&mut self, name: &Path, if_exists: bool) -> SqlResult<StatementResult> {
        let name = name.to_name();
        if name == self.catalogs.current {
            let what = format!("catalog {name} is the current one: select another by USE CATALOG first");
            return Err(SqlError::new(SqlErrorKind::InUse, what));
        }
        if self.catalogs.by_name.remove(&name).is_none() && !if_exists {
            return Err(self.catalogs.unknown(&name));
        }
        completed(format!("catalog {name} dropped"))
    }

    pub(super) fn use_catalog(&mut self, name: &Path) -> SqlResult<StatementResult> {
        let name = name.to_name();
        self.catalogs.database = self.catalogs.get(&name)?.default_database.clone();
        self.catalogs.current = name;
        completed(format!("using {}", self.current_path()))
    }

    pub(super) fn show_catalogs(&self, like: Option<&LikePattern>) -> SqlResult<StatementResult> {
        list_like("catalog name", self.catalogs.by_name.keys().cloned(), like)
    }

    pub(super) fn show_current_catalog(&self) -> SqlResult<StatementResult> {
        let current = Some(self.catalogs.current.clone()).filter(|name| !name.is_empty());
        list("current catalog name", current)
    }

    pub(super) fn show_create_catalog(&self, name: &Path) -> SqlResult<StatementResult> {
        let (name, catalog) = (name.to_name(), self.catalogs.get(&name.to_name())?);
        let comment = catalog.comment.as_ref().map(|text| format!(" COMMENT {}", quoted(text)));
        let options = catalog.options.iter();
        let options: Vec<String> = options
            .map(|(key, value)| format!("  {} = {}", quoted(key), quoted(shown(key, value))))
            .collect();
        let options = match options.is_empty() {
            true => " WITH (\n  'type' = 'kulya'\n)".to_owned(),
            false => format!(" WITH (\n{}\n)", options.join(",\n")),
        };
        list("result", [format!("CREATE CATALOG `{name}`{}{options}", comment.unwrap_or_default())])
    }

    pub(super) fn describe_catalog(&self, name: &Path) -> SqlResult<StatementResult> {
        let (name, catalog) = (name.to_name(), self.catalogs.get(&name.to_name())?);
        let row = |key: &str, value: &str| vec![key.to_owned(), value.to_owned()];
        let mut rows =
            vec![row("name", &name), row("comment", catalog.comment.as_deref().unwrap_or_default())];
        rows.extend(
            catalog.options.iter().map(|(key, value)| row(&format!("option:{key}"), shown(key, value))),
        );
        StatementResult::text_rows(&["info name", "info value"], &rows)
    }
}

/// Returns the value of an option as it is shown: without secrets.
pub(super) fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    if key.ends_with("auth-token") { "******" } else { value }
}

/// Returns a string literal.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
