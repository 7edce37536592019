//! Completion of a statement that is being typed: keywords, names of the catalogs, functions, options.
//!
//! What can stand at the cursor follows from the words before it, by simple rules: a wrong suggestion does no
//! harm, one that takes long does. Names are looked up in the background, so that a caller may give up and
//! has them the next time.

mod context;
mod names;

pub(crate) use names::Names;

use crate::catalog::CATALOG_OPTIONS;
use crate::dialect::{KEYWORDS, identifier, is_reserved};
use crate::options::{CONNECTOR, FORMATS, OptionKind, OptionSpec};
use crate::session::Session;
use crate::settings::SETTINGS;
use context::{Context, Wanted};

/// Words of types that are no keywords elsewhere.
const TYPES: &[&str] = &[
    "ARRAY<",
    "BIGINT",
    "BINARY(",
    "BOOLEAN",
    "BYTES",
    "CHAR(",
    "DATE",
    "DECIMAL(",
    "DOUBLE",
    "FLOAT",
    "INT",
    "MAP<",
    "MULTISET<",
    "ROW<",
    "SMALLINT",
    "STRING",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "TINYINT",
    "VARBINARY(",
    "VARCHAR(",
];
/// The words that begin statements.
const STATEMENTS: &[&str] = &[
    "ALTER", "CREATE", "DESCRIBE", "DROP", "EXECUTE", "EXPLAIN", "INSERT", "RESET", "SELECT", "SET", "SHOW",
    "USE",
];
/// The most suggestions that are returned.
const MAX_CANDIDATES: usize = 100;

/// What can stand at the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where the part of the text begins that the candidates replace, in bytes.
    pub start: usize,
    /// The candidates, sorted; of names and keywords, those that begin as the text does.
    pub candidates: Vec<String>,
    /// Whether the name of a file can stand there.
    pub is_file: bool,
}

impl Session {
    /// Completes a text at a cursor, in bytes. Must be called within a Tokio runtime. Takes as long as the
    /// store of a catalog does: a caller that gives up has the names at its next call, until a statement is
    /// executed.
    pub async fn complete(&mut self, text: &str, cursor: usize) -> Completion {
        let context = Context::new(text, cursor);
        let start = context.start;
        let mut found = match &context.wanted {
            Wanted::File => return Completion { start, is_file: true, ..Completion::default() },
            Wanted::Nothing => Vec::new(),
            Wanted::Words(words) => words.iter().map(|word| (*word).to_owned()).collect(),
            Wanted::Catalog => quoted_all(self.catalogs.known_names()),
            Wanted::Database => self.databases(&context.qualifiers).await,
            Wanted::Table => self.tables(&context.qualifiers).await,
            Wanted::Setting => texts(SETTINGS.iter().map(|spec| spec.key.to_owned())),
            Wanted::Option => texts(options()),
            Wanted::OptionValue(key) => texts(option_values(key)),
            Wanted::Expression(tables) => self.expression(&context, tables).await,
        };
        let typed = context.typed.to_lowercase();
        // an open quote is part of what is replaced, and of the candidates
        found.retain(|name| {
            let bare = name.strip_prefix('`').filter(|_| !typed.starts_with('`')).unwrap_or(name);
            bare.to_lowercase().starts_with(&typed)
        });
        found.sort();
        found.dedup();
        found.truncate(MAX_CANDIDATES);
        Completion { start, candidates: found, is_file: false }
    }

    async fn databases(&self, qualifiers: &[String]) -> Vec<String> {
        let catalog = qualifiers.first().unwrap_or(&self.catalogs.current);
        let Ok(backend) = self.catalogs.backend(catalog).await else { return Vec::new() };
        let mut found = quoted_all(self.names.databases(catalog, &backend).await);
        if qualifiers.is_empty() {
            found.extend(quoted_all(self.catalogs.known_names()));
            found.push("CATALOG".to_owned());
        }
        found
    }

    async fn tables(&self, qualifiers: &[String]) -> Vec<String> {
        let of = async |catalog: &str, database: &str| {
            let Ok(backend) = self.catalogs.backend(catalog).await else { return Vec::new() };
            let mut names = self.names.tables((catalog, database), &backend).await;
            names
                .extend(self.temporary.names(catalog, database).into_iter().map(|(name, _)| name.to_owned()));
            quoted_all(names)
        };
        match qualifiers {
            [] => {
                let mut found = self.databases(qualifiers).await;
                found.retain(|name| name != "CATALOG");
                if let Some(database) = &self.catalogs.database {
                    found.extend(of(&self.catalogs.current, database).await);
                }
                found
            }
            [first] => {
                let mut found = of(&self.catalogs.current, first).await;
                if self.catalogs.known_names().contains(first) {
                    found.extend(self.databases(qualifiers).await);
                }
                found
            }
            [catalog, database] => of(catalog, database).await,
            _ => Vec::new(),
        }
    }

    /// Returns the columns of the statement's tables, and without a qualifier functions and keywords too.
    async fn expression(&mut self, context: &Context, tables: &[(Vec<String>, String)]) -> Vec<String> {
        let mut found = Vec::new();
        for (path, alias) in tables {
            let is_named = match context.qualifiers.as_slice() {
                [] => true,
                [qualifier] => qualifier == alias,
                _ => false,
            };
            if let Ok(path) = self.catalogs.table_path(path)
                && is_named
                && let Ok(backend) = self.catalogs.backend(&path.catalog).await
                && let Ok(defaults) = self.table_defaults(&path.catalog).await
            {
                found.extend(quoted_all(self.names.columns(&path, &backend, defaults).await));
            }
        }
        // everything that there is helps nobody
        if context.typed.is_empty() && context.qualifiers.is_empty() {
            if context.is_start {
                found.extend(STATEMENTS.iter().map(|word| (*word).to_owned()));
            }
        } else if context.qualifiers.is_empty() {
            if let Ok(engine) = self.engine() {
                found.extend(
                    engine.function_names().into_iter().map(|name| format!("{}(", name.to_uppercase())),
                );
            }
            found.extend(KEYWORDS.iter().chain(TYPES).map(|word| (*word).to_owned()));
            // in the case that is typed
            if context.typed.chars().any(char::is_lowercase) {
                let is_word = |name: &String| {
                    name.chars().all(|c| c.is_ascii_uppercase() || "_(<0123456789".contains(c))
                };
                found.iter_mut().filter(|name| is_word(name)).for_each(|name| *name = name.to_lowercase());
            }
        }
        found
    }
}

/// Returns a name as it is written in a statement.
fn quoted(name: &str) -> String {
    let mut chars = name.chars();
    let is_plain = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        && !is_reserved(name);
    if is_plain { name.to_owned() } else { identifier(name).to_string() }
}

fn quoted_all(names: Vec<String>) -> Vec<String> {
    names.iter().map(|name| quoted(name)).collect()
}

fn texts(names: impl IntoIterator<Item = String>) -> Vec<String> {
    names.into_iter().map(|name| format!("'{name}'")).collect()
}

/// Returns the keys of options in WITH: of catalogs, tables and formats.
fn options() -> Vec<String> {
    let of_catalogs = CATALOG_OPTIONS.split(", ").filter(|key| !key.ends_with('…'));
    let mut keys: Vec<String> = of_catalogs.map(str::to_owned).collect();
    keys.extend(CONNECTOR.iter().map(|spec| spec.key.to_owned()));
    for format in FORMATS {
        keys.extend(format.options.iter().map(|spec| format!("{}.{}", format.name, spec.key)));
    }
    keys
}

fn option_values(key: &str) -> Vec<String> {
    let of_format = || {
        let (name, key) = key.split_once('.')?;
        let format = FORMATS.iter().find(|format| format.name == name)?;
        format.options.iter().copied().find(|spec| spec.key == key)
    };
    match key {
        "format" => return FORMATS.iter().map(|format| format.name.to_owned()).collect(),
        "type" => return vec!["kulya".to_owned(), "pravega".to_owned()],
        _ => {}
    }
    let spec: Option<&OptionSpec> =
        CONNECTOR.iter().chain(SETTINGS).find(|spec| spec.key == key).or_else(of_format);
    match spec.map(|spec| spec.kind) {
        Some(OptionKind::Choice(values)) => values.iter().map(|value| (*value).to_owned()).collect(),
        Some(OptionKind::Boolean) => vec!["false".to_owned(), "true".to_owned()],
        _ => Vec::new(),
    }
}
