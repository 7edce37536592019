//! Statements about catalogs. A catalog is kept with the session's own store, for all its sessions; one with
//! a secret in its options, or of a session that cannot write the store, ends with the session.

use super::completed;
use super::listing::{list, list_like};
use crate::catalog::{
    StoredCatalog, forget_catalog, has_secret, parse_catalog_options, replace_catalog, shown, store_catalog,
};
use crate::dialect::{CreateCatalog, LikePattern, OptionDef, OptionsChange, Path, Quoted, identifier};
use crate::output::StatementResult;
use crate::session::{Catalog, Session, is_denied};
use crate::{SqlError, SqlErrorKind, SqlResult};

impl Session {
    pub(super) async fn create_catalog(&mut self, create: CreateCatalog) -> SqlResult<StatementResult> {
        let (name, at) = (create.name.to_name(), create.name.position.0);
        let options = create.options.into_iter().map(|option| (option.key, option.value)).collect();
        let given = StoredCatalog { options, comment: create.comment };
        if let Some(found) = self.catalogs.find(&name).await? {
            if create.if_not_exists {
                return completed(format!("catalog {name} exists"));
            }
            // a script of Flink, whose catalogs end with the session, creates it in each of its runs
            if found.is_stored && !found.is_created_here && found.given.options == given.options {
                let catalog = found.with(&name, given, true)?;
                self.catalogs.insert(&name, catalog);
                return completed(format!("catalog {name} is there with these options"));
            }
            let what = format!("catalog {name} exists already");
            return Err(SqlError::new(SqlErrorKind::CatalogExists, what).at(at));
        }
        parse_catalog_options(&name, &given.options).map_err(|error| error.at(at))?;
        // a wrong address is reported now and not by the first query
        let catalog = Catalog::new(&name, given.clone(), false)?;
        let backend = self.catalogs.open(&catalog).await?;
        if let Some(database) = &catalog.options.default_database {
            backend.check_database(&name, database).await?;
        }
        let note = match self.keep_catalog(&name, &given).await? {
            None => {
                let catalog = catalog.with(&name, given, true)?;
                self.catalogs.insert(&name, catalog);
                String::new()
            }
            Some(reason) => {
                self.catalogs.insert(&name, catalog);
                format!(", in this session only: {reason}")
            }
        };
        completed(format!("catalog {name} created{note}: USE CATALOG {name} selects it"))
    }

    /// Keeps a new catalog with the session's own store; returns the reason why it is not kept.
    async fn keep_catalog(&self, name: &str, given: &StoredCatalog) -> SqlResult<Option<String>> {
        if let Some(reason) = not_kept(given) {
            return Ok(Some(reason));
        }
        let Some(own) = self.catalogs.own() else {
            return Ok(Some("the session has no store of its own".to_owned()));
        };
        match store_catalog(own, name, given).await {
            Err(error) if is_denied(&error) => Ok(Some(error.to_string())),
            result => result.map(|()| None),
        }
    }

    pub(super) async fn alter_catalog(
        &mut self,
        name: &Path,
        change: OptionsChange,
    ) -> SqlResult<StatementResult> {
        let (name, at) = (name.to_name(), name.position.0);
        let catalog = self.catalogs.get(&name).await.map_err(|error| error.at(at))?;
        let mut given = catalog.given.clone();
        if given.options.is_empty() {
            let what = format!("catalog {name} is that of the session's own store: it has no options");
            return Err(SqlError::new(SqlErrorKind::InUse, what).at(at));
        }
        match change {
            OptionsChange::Set(options) => {
                for OptionDef { key, value, .. } in options {
                    match given.options.iter_mut().find(|(existing, _)| *existing == key) {
                        Some((_, existing)) => *existing = value,
                        None => given.options.push((key, value)),
                    }
                }
            }
            OptionsChange::Reset(keys) => {
                if let Some(key) = keys.iter().find(|key| !given.options.iter().any(|(k, _)| k == *key)) {
                    let what = format!("catalog {name} has no option {key}");
                    return Err(SqlError::new(SqlErrorKind::InvalidOption, what).at(at));
                }
                given.options.retain(|(key, _)| !keys.contains(key));
            }
            OptionsChange::Comment(comment) => given.comment = Some(comment),
        }
        let changed = catalog.with(&name, given.clone(), catalog.is_stored);
        let changed = changed.map_err(|error| error.at(at))?;
        self.catalogs.open(&changed).await?;
        if let Some(own) = self.catalogs.own().filter(|_| catalog.is_stored) {
            if let Some(reason) = not_kept(&given) {
                return Err(SqlError::new(
                    SqlErrorKind::NotSupported,
                    format!("catalog {name} is kept with the store: {reason}"),
                )
                .at(at));
            }
            replace_catalog(own, &name, &given).await?;
        }
        self.catalogs.insert(&name, changed);
        completed(format!("catalog {name} changed"))
    }

    pub(super) async fn drop_catalog(&mut self, name: &Path, if_exists: bool) -> SqlResult<StatementResult> {
        let (name, at) = (name.to_name(), name.position.0);
        if name == self.catalogs.current {
            let what = format!("catalog {name} is the current one: select another by USE CATALOG first");
            return Err(SqlError::new(SqlErrorKind::InUse, what).at(at));
        }
        let Some(catalog) = self.catalogs.find(&name).await? else {
            if if_exists {
                return completed(format!("catalog {name} does not exist"));
            }
            return Err(self.catalogs.unknown(&name).at(at));
        };
        if let Some(own) = self.catalogs.own().filter(|_| catalog.is_stored) {
            forget_catalog(own, &name).await?;
        }
        self.catalogs.remove(&name);
        completed(format!("catalog {name} dropped"))
    }

    pub(super) async fn use_catalog(&mut self, name: &Path) -> SqlResult<StatementResult> {
        let (name, at) = (name.to_name(), name.position.0);
        let catalog = self.catalogs.get(&name).await.map_err(|error| error.at(at))?;
        self.catalogs.backend(&name).await?;
        self.catalogs.database = catalog.options.default_database.clone();
        self.catalogs.current = name;
        completed(format!("using {}", self.current_path()))
    }

    pub(super) async fn show_catalogs(&self, like: Option<&LikePattern>) -> SqlResult<StatementResult> {
        list_like("catalog name", self.catalogs.names().await?, like)
    }

    pub(super) fn show_current_catalog(&self) -> SqlResult<StatementResult> {
        let current = Some(self.catalogs.current.clone()).filter(|name| !name.is_empty());
        list("current catalog name", current)
    }

    pub(super) async fn show_create_catalog(&self, path: &Path) -> SqlResult<StatementResult> {
        let name = path.to_name();
        let catalog = self.catalogs.get(&name).await.map_err(|error| error.at(path.position.0))?;
        let StoredCatalog { options, comment } = &catalog.given;
        let comment = comment.as_ref().map(|text| format!(" COMMENT {}", Quoted(text)));
        let options: Vec<String> = options
            .iter()
            .map(|(key, value)| format!("  {} = {}", Quoted(key), Quoted(&shown(key, value))))
            .collect();
        let options = match options.is_empty() {
            true => " WITH (\n  'type' = 'kulya'\n)".to_owned(),
            false => format!(" WITH (\n{}\n)", options.join(",\n")),
        };
        let name = identifier(&name);
        list("result", [format!("CREATE CATALOG {name}{}{options}", comment.unwrap_or_default())])
    }

    pub(super) async fn describe_catalog(&self, path: &Path, extended: bool) -> SqlResult<StatementResult> {
        let name = path.to_name();
        let catalog = self.catalogs.get(&name).await.map_err(|error| error.at(path.position.0))?;
        let StoredCatalog { options, comment } = &catalog.given;
        let kind = options.iter().find(|(key, _)| key == "type").map_or("kulya", |(_, value)| value.as_str());
        let row = |key: &str, value: &str| vec![key.to_owned(), value.to_owned()];
        let mut rows = vec![
            row("name", &name),
            row("type", kind),
            row("comment", comment.as_deref().unwrap_or_default()),
        ];
        if extended {
            let options = options.iter().filter(|(key, _)| key != "type");
            rows.extend(options.map(|(key, value)| row(&format!("option:{key}"), &shown(key, value))));
        }
        StatementResult::text_rows(&["info name", "info value"], &rows)
    }
}

/// Returns the reason why a catalog is not kept: a secret in its options.
fn not_kept(given: &StoredCatalog) -> Option<String> {
    let (key, _) = given.options.iter().find(|(key, value)| has_secret(key, value))?;
    Some(match key.as_str() {
        "security.auth-token" => {
            format!("the secret in {key} is not stored; '${{NAME}}' reads it from the environment")
        }
        _ => format!("the password in {key} is not stored; security.auth-token takes '${{NAME}}'"),
    })
}
